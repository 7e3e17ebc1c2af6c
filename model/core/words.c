/* model/core/words.c - see cxrd/words.h. */
#include "cxrd/words.h"

#include <ctype.h>
#include <string.h>

/* The first byte at or behind `text` that counts, or `end`. */
static const char *skip(const char *text, const char *end)
{
    for (;;) {
        if (text < end && strchr(" \t\r\n_-", *text) && *text)
            text++;
        else if (end - text >= 2 && text[0] == '\xc2' && text[1] == '\xa0') /* a no-break space in UTF-8 */
            text += 2;
        else
            return text;
    }
}

static int lower(char c) { return tolower((unsigned char)c); }

bool words_equal(const char *text, size_t n, const char *word, size_t m)
{
    const char *end = text + n, *word_end = word + m;

    for (;;) {
        text = skip(text, end);
        word = skip(word, word_end);
        if (text == end || word == word_end)
            return text == end && word == word_end;
        if (lower(*text++) != lower(*word++))
            return false;
    }
}

bool word_is(const char *text, size_t n, const char *word)
{
    return words_equal(text, n, word, strlen(word));
}

size_t word_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][WORD_COMPARED + 1] = { 0 };

    for (size_t j = 0; j <= m; j++)
        rows[1][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[(i + 1) % 3], *before = rows[i % 3], *before_that = rows[(i + 2) % 3];

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t changed = before[j - 1] + (a[i - 1] != b[j - 1]), left = before[j] + 1,
                         put = now[j - 1] + 1;
            size_t least = changed < left ? changed : left;

            least = put < least ? put : least;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before_that[j - 2] + 1 < least)
                least = before_that[j - 2] + 1;
            now[j] = least;
        }
    }
    return rows[(n + 1) % 3][m];
}

const char *word_meant(const char *(*word_at)(const void *arg, size_t i), const void *arg, const char *name,
                       size_t n)
{
    const char *meant = NULL, *word;

    for (size_t i = 0, best = n / 3 + 1; n <= WORD_COMPARED && (word = word_at(arg, i)) != NULL; i++) {
        const size_t m = strlen(word), apart = m > WORD_COMPARED ? m : word_distance(name, n, word, m);

        if (apart < best) {
            best = apart;
            meant = word;
        }
    }
    return meant;
}
