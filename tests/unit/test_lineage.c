/* tests/unit/test_lineage.c - what a model says of the rows it was trained on is read whatever a file says there, and
 * compared so that nothing counts as the same that is not known to be. */
#include "cxrd/lineage.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(lineage, .fini = check_no_leaks);

#define EIGHT "0123abcd"
#define ONE   EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT
#define TWO   EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT "0123abce"

#define SAYS(split, before) "{\"split_sha256\":\"" split "\",\"init_split\":" before "}"

static struct trained_rows parsed(const char *text)
{
    struct trained_rows rows = { "x", LINEAGE_SAME };

    cr_assert_eq(trained_rows_parse(text, &rows), ST_OK);
    return rows;
}

static void check_lineage(const char *text, const char *split, enum lineage expected)
{
    const struct trained_rows rows = parsed(text);

    cr_assert_eq(lineage_of(&rows, split), expected, "%s for %.8s: %d instead of %d", text ? text : "nothing",
                 split, (int)lineage_of(&rows, split), (int)expected);
}

Test(lineage, is_the_same_only_if_it_was_for_every_model_before)
{
    check_lineage(SAYS(ONE, "null"), ONE, LINEAGE_SAME);
    check_lineage(SAYS(ONE, "\"same\""), ONE, LINEAGE_SAME);
    check_lineage(SAYS(ONE, "\"other\""), ONE, LINEAGE_OTHER);
    check_lineage(SAYS(ONE, "\"unknown\""), ONE, LINEAGE_UNKNOWN);
}

Test(lineage, of_another_split_is_other_whatever_was_before)
{
    static const char *const BEFORE[] = { SAYS(TWO, "null"), SAYS(TWO, "\"same\""), SAYS(TWO, "\"other\""),
                                          SAYS(TWO, "\"unknown\"") };

    for (size_t i = 0; i < sizeof BEFORE / sizeof BEFORE[0]; i++)
        check_lineage(BEFORE[i], ONE, LINEAGE_OTHER);
}

Test(lineage, of_a_file_that_does_not_say_is_unknown)
{
    static const char *const TEXTS[] = {
        NULL,
        "",
        "nothing that could be read",
        "[1]",
        "{}",
        "{\"source\":\"a hospital\"}",
        "{\"split_sha256\":5,\"init_split\":null}",
        "{\"split_sha256\":\"0123\",\"init_split\":null}",
        SAYS(ONE "0", "null"),
        SAYS("0123ABCD" EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT, "null"),
        SAYS(ONE, "null,\"init_split\":null"),
    };

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        check_lineage(TEXTS[i], ONE, LINEAGE_UNKNOWN);
        cr_assert_null(lineage_warning(parsed(TEXTS[i]).before), "nothing is known to fear: %s", TEXTS[i]);
    }
}

Test(lineage, that_leaves_out_what_was_before_is_unknown)
{
    check_lineage("{\"split_sha256\":\"" ONE "\"}", ONE, LINEAGE_UNKNOWN);
    check_lineage(SAYS(ONE, "5"), ONE, LINEAGE_UNKNOWN);
    check_lineage(SAYS(ONE, "\"\""), ONE, LINEAGE_UNKNOWN);
    check_lineage(SAYS(ONE, "\"better\""), ONE, LINEAGE_UNKNOWN);
}

Test(lineage, is_warned_of_where_figures_may_flatter)
{
    for (int i = LINEAGE_NONE; i <= LINEAGE_UNKNOWN; i++) {
        json_t *warnings = lineage_warnings((enum lineage)i);
        const char *why = lineage_warning((enum lineage)i);
        const bool feared = i == LINEAGE_OTHER || i == LINEAGE_UNKNOWN;

        cr_assert_eq(why != NULL, feared);
        cr_assert_eq(json_array_size(warnings), feared);
        if (feared) {
            const json_t *warning = json_array_get(warnings, 0);

            cr_assert_str_eq(json_string_value(json_object_get(warning, "code")), "init_split");
            cr_assert_str_eq(json_string_value(json_object_get(warning, "detail")), why);
            cr_assert_leq(strlen(why), 256, "a line of the log would cut it");
        }
        json_decref(warnings);
    }
    cr_assert_str_neq(lineage_warning(LINEAGE_OTHER), lineage_warning(LINEAGE_UNKNOWN));
}
