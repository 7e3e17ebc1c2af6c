/* server/http/chunk.c - see chunk.h. */
#include "chunk.h"

#include "cxrd/encoding.h"

#include <string.h>

enum { MAX_LINE = 1024, MAX_DIGITS = 15 };

int chunk_line(struct span text, struct span *ret)
{
    const size_t most = text.n < MAX_LINE ? text.n : MAX_LINE;
    const char *feed = memchr(text.at, '\n', most);

    *ret = (struct span){ text.at, feed ? (size_t)(feed - text.at) : most };
    if (!feed && text.n < MAX_LINE)
        return syntax_is_value((struct span){ text.at, text.n - (text.at[text.n - 1] == '\r') }) ? 0 : -1;
    if (!feed || ret->n == 0 || text.at[ret->n - 1] != '\r')
        return -1;
    ret->n--;
    return syntax_is_value(*ret) ? 1 : -1;
}

/* `"a \" b"`: its size with the quotes, or 0. */
static size_t quoted_size(struct span s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.at[i] == '"')
            return i + 1;
        i += s.at[i] == '\\';
    }
    return 0;
}

static struct span behind(struct span s, size_t n) { return (struct span){ s.at + n, s.n - n }; }

/* Cut a token, or where that may be one a quoted string, off the front of `s` with the blanks around it. */
static bool cut_word(struct span *s, bool quoted)
{
    size_t n = 0;

    *s = syntax_trim(*s);
    if (quoted && s->n > 0 && s->at[0] == '"')
        n = quoted_size(*s);
    else
        while (n < s->n && syntax_is_token((struct span){ s->at + n, 1 }))
            n++;
    *s = syntax_trim(behind(*s, n));
    return n > 0;
}

/* Chunk extensions, which may follow the size: ;name, ;name=token, ;name="quoted" (RFC 9112, section 7.1.1). It is not handed on. */
static bool extensions_ok(struct span s)
{
    if (s.n > 0 && (s.at[s.n - 1] == ' ' || s.at[s.n - 1] == '\t'))
        return false; /* blanks may stand before a ';' only */
    s = syntax_trim(s);
    while (s.n > 0) {
        if (s.at[0] != ';')
            return false;
        s = behind(s, 1);
        if (!cut_word(&s, false))
            return false;
        if (s.n > 0 && s.at[0] == '=') {
            s = behind(s, 1);
            if (!cut_word(&s, true))
                return false;
        }
    }
    return true;
}

bool chunk_size(struct span line, uint64_t *ret)
{
    size_t n = 0, digits = 0;

    for (*ret = 0; n < line.n && hex_value(line.at[n]) >= 0; n++) {
        digits += digits > 0 || line.at[n] != '0';
        *ret = digits > MAX_DIGITS ? UINT64_MAX : *ret << 4 | (uint64_t)hex_value(line.at[n]);
    }
    return n > 0 && extensions_ok(behind(line, n));
}
