/* model/core/utf8.c - see cxrd/utf8.h. */
#include "cxrd/utf8.h"

#include <stdbool.h>

static bool follows(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

size_t utf8_length(const char *s)
{
    size_t length = 0;

    for (; *s; s++)
        length += !follows(*s);
    return length;
}

size_t utf8_steering(const char *text, size_t n)
{
    const unsigned char *c = (const unsigned char *)text;

    if (n >= 1 && (c[0] < 0x20 || c[0] == 0x7f))
        return 1;
    if (n >= 2 && c[0] == 0xc2 && c[1] < 0xa0)
        return 2;
    if (n >= 3 && c[0] == 0xe2 &&
        ((c[1] == 0x80 && ((c[2] >= 0x8b && c[2] <= 0x8f) || (c[2] >= 0xa8 && c[2] <= 0xae))) ||
         (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)))
        return 3;
    if (n >= 3 && c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf)
        return 3;
    return 0;
}

size_t utf8_character(const char *s)
{
    const unsigned char first = (unsigned char)s[0], second = first ? (unsigned char)s[1] : 0;

    if (first < 0x80)
        return first >= 0x20 && first != 0x7f;
    if (!follows(s[1]) || first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        return 2;
    if (!follows(s[2]) || (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0))
        return 0;
    if (first < 0xf0)
        return 3;
    if (!follows(s[3]) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90))
        return 0;
    return 4;
}
