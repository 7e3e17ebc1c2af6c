/* tests/unit/test_decode_segments.c - palettes in segments (PS3.3, C.7.9.2), by hand: what each kind of segment gives, and texts that are not segments. */
#include "decode/segments.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(decode_segments, .fini = check_no_leaks);

enum { MOST = 64 };

/* Expand words to `n` entries, which must be `expected`. */
static void check_words(const uint16_t *words, size_t n_words, const uint16_t *expected, size_t n)
{
    const struct dicom_table t = { { (uint16_t)n, 0, 16 }, words, n_words };
    uint16_t to[MOST];

    cr_assert(segments_expand(&t, n, to));
    cr_assert_arr_eq(to, expected, n * sizeof *to);
}

Test(decode_segments, entries_stand_as_they_are)
{
    check_words((const uint16_t[]){ 0, 3, 7, 65535, 0, 0, 1, 9 }, 8, (const uint16_t[]){ 7, 65535, 0, 9 }, 4);
}

/* The entry before a line is no part of it, its end is. Up, down, level; halves go up. */
Test(decode_segments, lines_go_from_the_entry_before_to_their_end)
{
    check_words((const uint16_t[]){ 0, 1, 0, 1, 4, 100, 1, 3, 1, 1, 2, 1, 1, 2, 2 }, 15,
                (const uint16_t[]){ 0, 25, 50, 75, 100, 67, 34, 1, 1, 1, 2, 2 }, 12);
    check_words((const uint16_t[]){ 0, 1, 65535, 1, 2, 0, 1, 1, 65535 }, 9,
                (const uint16_t[]){ 65535, 32768, 0, 65535 }, 4);
}

/* Two segments from byte 6 on, which is word 3: the line begins at the entry that is the last one now. */
Test(decode_segments, segments_are_taken_once_more)
{
    check_words((const uint16_t[]){ 0, 1, 10, 1, 2, 20, 0, 1, 5, 2, 2, 6, 0 }, 13,
                (const uint16_t[]){ 10, 15, 20, 5, 13, 20, 5 }, 7);
}

/* The same in bytes, an odd number of them: 0 1 10, 1 2 20, 0 1 5, and from byte 3 on two segments once more. */
Test(decode_segments, entries_of_8_bits_lie_in_bytes)
{
    static const uint16_t WORDS[] = { 0x0100, 0x010A, 0x1402, 0x0100, 0x0205, 0x0302, 0x0000, 0x0000 };
    static const uint16_t EXPECTED[] = { 10, 15, 20, 5, 13, 20, 5 };
    const struct dicom_table t = { { 7, 0, 8 }, WORDS, 8 };
    uint16_t to[7];

    cr_assert(segments_expand(&t, 7, to));
    cr_assert_arr_eq(to, EXPECTED, sizeof EXPECTED);
}

static const struct {
    const char *what;
    uint16_t words[12];
    size_t n_words, n;
} WRONG[] = {
    { "nothing", { 0 }, 0, 1 },
    { "half a segment", { 0 }, 1, 1 },
    { "fewer entries", { 0, 2, 1, 2 }, 4, 3 },
    { "more entries", { 0, 3, 1, 2, 3 }, 5, 2 },
    { "more data", { 0, 1, 1, 0, 1, 2 }, 6, 1 },
    { "entries beyond the data", { 0, 3, 1, 2 }, 4, 3 },
    { "a line without an end", { 0, 1, 1, 1, 2 }, 5, 3 },
    { "a line that begins nowhere", { 1, 2, 9 }, 3, 2 },
    { "a segment of nothing", { 0, 0, 0, 1, 9 }, 5, 1 },
    { "an unknown kind", { 3, 1, 9 }, 3, 1 },
    { "segments of nobody", { 0, 1, 9, 2, 0, 0, 0 }, 7, 1 },
    { "no segments once more", { 0, 1, 9, 2, 0, 0, 0, 0, 1, 9 }, 10, 2 },
    { "half of one that stands for others", { 0, 1, 9, 2, 1, 0 }, 6, 2 },
    { "one that comes later", { 0, 1, 9, 2, 1, 14, 0, 0, 1, 9 }, 10, 3 },
    { "one that is itself", { 0, 1, 9, 2, 1, 6, 0 }, 7, 2 },
    { "one that is such itself", { 0, 1, 9, 2, 1, 0, 0, 2, 1, 6, 0 }, 11, 3 },
    { "one far away", { 0, 1, 9, 2, 1, 0, 65535 }, 7, 2 },
    { "the first of all", { 2, 1, 0, 0 }, 4, 1 },
};

Test(decode_segments, what_is_no_palette_is_refused)
{
    uint16_t to[MOST];

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        const struct dicom_table t = { { (uint16_t)WRONG[i].n, 0, 16 }, WRONG[i].words, WRONG[i].n_words };

        cr_assert_not(segments_expand(&t, WRONG[i].n, to), "%s", WRONG[i].what);
    }
}
