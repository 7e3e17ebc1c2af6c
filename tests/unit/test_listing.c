/* tests/unit/test_listing.c - rows below headings: what is cut and what is left out where there is little room. */
#include "cxrd/utf8.h"
#include "server/commands/listing.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct listing_column COLUMNS[] = {
    { "ID", LISTING_ID, 0 },      { "NAME", LISTING_TEXT, 0 }, { "STATE", LISTING_WHOLE, 0 },
    { "LOSS", LISTING_WHOLE, 2 }, { "NOTE", LISTING_TEXT, 1 },
};

static const char *const ROWS[][5] = {
    { "0f13b971-8688-4a37-8088-e0270140338f", "größter Versuch von allen", "running", "0.1234", "a note" },
    { "6c1820fd-fd1b-4792-ac1f-28b08a1582a9", NULL, "queued", NULL, "two\nlines\033[2J and more than that" },
};

static const char *printed(size_t room)
{
    struct listing l = LISTING_INIT(COLUMNS);
    struct error err = { 0 };
    static char text[4096];
    FILE *file = fmemopen(text, sizeof text, "w");

    for (size_t row = 0; row < 2; row++)
        for (size_t c = 0; c < 5; c++)
            cr_assert_eq(listing_add(&l, ROWS[row][c], &err), ST_OK);
    listing_print(&l, file, room);
    fclose(file);
    listing_release(&l);
    return text;
}

Test(listing, has_everything_where_there_is_room)
{
    static const char WHOLE[] =
        "ID                                    NAME                       STATE    LOSS    NOTE\n"
        "0f13b971-8688-4a37-8088-e0270140338f  größter Versuch von allen  running  0.1234  a note\n"
        "6c1820fd-fd1b-4792-ac1f-28b08a1582a9  -                          queued   -       two lines [2J and "
        "more than that\n";

    cr_assert_str_eq(printed(0), WHOLE);
    cr_assert_str_eq(printed(500), WHOLE);
}

Test(listing, cuts_ids_and_texts_then_leaves_columns_out)
{
    cr_assert_str_eq(printed(60), "ID        NAME              STATE    LOSS    NOTE\n"
                                  "0f13b971  größter Versuch…  running  0.1234  a note\n"
                                  "6c1820fd  -                 queued   -       two lines [2J …\n");
    cr_assert_str_eq(printed(27), "ID        NAME      STATE\n"
                                  "0f13b971  größter…  running\n"
                                  "6c1820fd  -         queued\n");
}

/* Each room: no line is longer, and the columns of both rows stand below their headings. */
Test(listing, fits_every_room_that_the_last_columns_have)
{
    for (size_t room = 8 + 2 + 8 + 2 + 7; room < 160; room++) {
        char *text = strdup(printed(room));
        char *rest = NULL;
        size_t state = 0;

        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            char *at = strstr(line, "STATE");

            cr_assert_leq(utf8_length(line), room, "%zu: %s", room, line);
            at = at ? at : strstr(line, "running");
            at = at ? at : strstr(line, "queued");
            cr_assert_not_null(at);
            *at = '\0';
            cr_assert(state == 0 || state == utf8_length(line), "%zu: %s", room, line);
            state = utf8_length(line);
        }
        free(text);
    }
}
