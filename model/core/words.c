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

bool word_is(const char *text, size_t n, const char *word)
{
    const char *end = text + n, *word_end = word + strlen(word);

    for (;;) {
        text = skip(text, end);
        word = skip(word, word_end);
        if (text == end || word == word_end)
            return text == end && word == word_end;
        if (lower(*text++) != lower(*word++))
            return false;
    }
}
