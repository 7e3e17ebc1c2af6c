/* tests/unit/test_heatmap.c - what heatmap_png() promises: colours, sizes, text that stays inside. */
#include "cxrd/heatmap.h"

#include "leaks.h"
#include "model/image/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct image flat(size_t width, size_t height, uint8_t value)
{
    struct image img = { width, height, malloc(width * height), 1, 8 };

    cr_assert_not_null(img.grey);
    memset(img.grey, value, width * height);
    return img;
}

/* Draw, and decode what was drawn: grey, since that is what can be decoded here. */
static struct image drawn(const struct heatmap *h)
{
    struct buf png = BUF_INIT(64 << 20);
    struct image img = IMAGE_INIT;
    struct error err = { 0 };

    cr_assert_eq(heatmap_png(h, &png, &err), ST_OK, "%s", err.text);
    cr_assert_eq(image_decode(png.data, png.len, &IMAGE_READER_PNG, &img, &err), ST_OK, "%s", err.text);
    cr_assert_eq(img.channels, 3);
    buf_release(&png);
    return img;
}

TEST_WITHOUT_LEAKS(heatmap, a_map_of_nothing_leaves_the_picture_as_it_is)
{
    const double map[4] = { 0 };
    struct image xray = flat(600, 520, 77), img;

    for (size_t i = 0; i < 600 * 520; i++)
        xray.grey[i] = (uint8_t)(i * 7 / 5);
    img = drawn(&(struct heatmap){ .xray = &xray, .rows = 2, .columns = 2, .map = map });
    for (size_t y = 0; y < 520; y++)
        cr_assert_arr_eq(img.grey + y * img.width, xray.grey + y * 600, 600);
    image_release(&img);
    image_release(&xray);
}

TEST_WITHOUT_LEAKS(heatmap, cells_lie_where_they_belong_and_differ_by_sign)
{
    const double full = heatmap_scale_of(2, 3).full, map[6] = { full, 0, 0, 0, 0, -full }; /* 2 rows of 3 */
    struct image xray = flat(600, 600, 0);
    struct image img = drawn(&(struct heatmap){ .xray = &xray, .rows = 2, .columns = 3, .map = map });
    const uint8_t red = img.grey[0], blue = img.grey[599 * img.width + 599];

    cr_assert(red > 60 && blue > 60 && red != blue);
    cr_assert_eq(img.grey[599 * img.width], 0);
    cr_assert_eq(img.grey[599], 0);
    cr_assert_leq(abs(img.grey[150 * img.width + 100] - red), 1); /* the centre of the first cell */
    image_release(&img);
    image_release(&xray);
}

/* Red, green and blue over black at the centre of the first of 2 x 2 cells, as grey. */
static uint8_t first_cell(double v)
{
    const double map[4] = { v, 0, 0, 100 * HEATMAP_FULL * 64 };
    struct image xray = flat(600, 600, 0);
    struct image img = drawn(&(struct heatmap){ .xray = &xray, .rows = 2, .columns = 2, .map = map });
    const uint8_t grey = img.grey[150 * img.width + 150];

    image_release(&img);
    image_release(&xray);
    return grey;
}

/* Whatever the largest cell of the map is. */
TEST_WITHOUT_LEAKS(heatmap, colours_are_absolute_and_linear_up_to_the_full_one)
{
    const double full = heatmap_scale_of(2, 2).full;
    const int most = first_cell(full);

    cr_assert_float_eq(full, HEATMAP_FULL * 64, 1e-12);
    cr_assert_gt(most, 60);
    cr_assert_leq(abs(first_cell(full / 2) - most / 2), 1);
    cr_assert_leq(abs(first_cell(full / 10) - most / 10), 1);
    cr_assert_eq(first_cell(3 * full), most);
    cr_assert_eq(first_cell(0), 0);
}

TEST_WITHOUT_LEAKS(heatmap, any_size_and_any_text_stay_inside)
{
    static const size_t SIZES[][2] = { { 1, 1 }, { 8192, 1 }, { 1, 8192 }, { 3000, 4000 }, { 513, 7 } };
    char word[400], empty[] = "";
    double map[32 * 32];

    memset(word, 'W', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    for (size_t i = 0; i < 32 * 32; i++)
        map[i] = (double)i - 400;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct image xray = flat(SIZES[i][0], SIZES[i][1], 200), img;

        img = drawn(&(struct heatmap){ .xray = &xray,
                                       .rows = 32,
                                       .columns = 32,
                                       .map = map,
                                       .lines = { word, empty, "\x7f\xff \x01 {|}", "a line", "last" } });
        cr_assert(img.width <= HEATMAP_MAX_SIDE + 400 && img.height <= HEATMAP_MAX_SIDE + 800);
        image_release(&img);
        image_release(&xray);
    }
}

TEST_WITHOUT_LEAKS(heatmap, a_cap_on_the_reply_is_kept)
{
    const double map[1] = { 1 };
    struct image xray = flat(600, 600, 9);
    struct buf png = BUF_INIT(1000);

    cr_assert_eq(heatmap_png(&(struct heatmap){ &xray, 1, 1, map, { "x" } }, &png, NULL), ST_LIMIT);
    buf_release(&png);
    image_release(&xray);
}

Test(text, lines_break_at_spaces_and_words_that_are_too_long_anywhere)
{
    size_t next;

    cr_assert_eq(text_wrap("one two three", 20, &next), 13);
    cr_assert_eq(next, 13);
    cr_assert_eq(text_wrap("one two three", 9, &next), 7);
    cr_assert_eq(next, 8);
    cr_assert_eq(text_wrap("one two three", 7, &next), 7);
    cr_assert_eq(next, 8);
    cr_assert_eq(text_wrap("abcdefghij", 4, &next), 4);
    cr_assert_eq(next, 4);
}

Test(text, letters_differ_and_stay_in_their_cell)
{
    uint8_t seen[128][TEXT_LINE * TEXT_ADVANCE * 3];
    const uint8_t white[3] = { 255, 255, 255 };

    for (char letter = ' '; letter <= '~'; letter++) {
        struct canvas c = { TEXT_ADVANCE, TEXT_LINE, seen[(int)letter] };

        memset(c.rgb, 0, sizeof seen[0]);
        text_draw(&c, 0, 0, 1, white, &letter, 1);
        for (size_t y = 0; y < TEXT_LINE; y++) /* room between letters and lines */
            cr_assert_eq(c.rgb[(y * TEXT_ADVANCE + TEXT_ADVANCE - 1) * 3], 0);
        cr_assert_eq(c.rgb[(TEXT_LINE - 1) * TEXT_ADVANCE * 3], 0);
        for (char other = ' '; other < letter; other++)
            cr_assert_neq(memcmp(seen[(int)other], c.rgb, sizeof seen[0]), 0, "%c is drawn as %c", letter,
                          other);
    }
}
