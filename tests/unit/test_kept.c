/* tests/unit/test_kept.c - results that wait to be fetched: whose they are, how many, how long. */
#include "server/api/kept.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void add(struct kept *k, const char *who, const char *study, const char *picture, const char *text)
{
    struct buf result = BUF_INIT(1 << 20);

    buf_puts(&result, text);
    cr_assert_eq(kept_add(k, who, study, picture, &result), ST_OK);
    cr_assert_null(result.data, "it was taken over");
}

/* The row that is fetched has these words in this order, and no others. */
static void holds(struct kept *k, const char *who, const char *study, const char *words)
{
    struct buf out = BUF_INIT(1 << 20);
    const enum status st = kept_write(k, who, study, &out);
    char seen[64] = "";

    cr_assert_eq(st, words[0] ? ST_OK : ST_NOTFOUND, "%s %s", who, study);
    for (const char *at = out.data; (at = strstr(at, "<")) != NULL; at++)
        strncat(seen, at + 1, 1);
    cr_assert_str_eq(seen, words);
    cr_assert_not_null(strstr(out.data, "\r\n--" RELATED_BOUNDARY "--\r\n"));
    buf_release(&out);
}

Test(kept, results_are_found_by_their_study_and_by_whom_they_are_for)
{
    struct kept *k;

    cr_assert_eq(kept_new(1 << 20, 1000, &k), ST_OK);
    add(k, "anna", "1.2", "1", "<a>");
    add(k, "anna", "1.2", "2", "<b>");
    add(k, "anna", "1.3", "3", "<c>");
    add(k, "bert", "1.2", "1", "<d>");
    holds(k, "anna", "1.2", "ab");
    holds(k, "anna", "1.3", "c");
    holds(k, "bert", "1.2", "d");
    holds(k, "bert", "1.3", "");
    holds(k, "", "1.2", "");
    holds(k, "anna", "1", "");
    holds(k, "anna", "1.2", "ab"); /* as often as it is asked for */
    kept_free(k);
}

Test(kept, a_result_takes_the_place_of_an_earlier_one_about_the_same_picture)
{
    struct kept *k;

    cr_assert_eq(kept_new(1 << 20, 1000, &k), ST_OK);
    add(k, "anna", "1.2", "1", "<a>");
    add(k, "anna", "1.2", "2", "<b>");
    add(k, "anna", "1.2", "1", "<c>");
    holds(k, "anna", "1.2", "bc");
    kept_free(k);
}

Test(kept, the_oldest_give_way_and_none_is_larger_than_all_may_be)
{
    struct kept *k;
    struct buf large = BUF_INIT(1 << 20);
    char text[301] = "<?>";

    cr_assert_eq(kept_new(2048, 1000, &k), ST_OK);
    memset(text + 3, '-', sizeof text - 4);
    for (char word = 'a'; word < 'a' + 20; word++) {
        const char picture[2] = { word, '\0' };

        text[1] = word;
        add(k, "anna", "1.2", picture, text);
    }
    holds(k, "anna", "1.2", "opqrst");
    buf_extend(&large, 4096);
    cr_assert_eq(kept_add(k, "anna", "1.2", "x", &large), ST_LIMIT);
    cr_assert_null(large.data);
    holds(k, "anna", "1.2", "opqrst");
    kept_free(k);
}

Test(kept, after_its_time_a_result_is_gone)
{
    struct kept *k;

    cr_assert_eq(kept_new(1 << 20, -1, &k), ST_OK);
    add(k, "anna", "1.2", "1", "<a>");
    holds(k, "anna", "1.2", "");
    kept_free(k);
    kept_free(NULL);
}
