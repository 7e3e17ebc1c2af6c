/* model/core/plain_text.c - see cxrd/plain_text.h. */
#include "cxrd/plain_text.h"

#include <string.h>

struct plain_text plain_text_of(const void *bytes, size_t n)
{
    const bool marked = n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0;

    return marked ? (struct plain_text){ (const char *)bytes + 3, n - 3 } : (struct plain_text){ bytes, n };
}

static bool begins(const void *bytes, size_t n, const char *with, size_t length)
{
    return n >= length && memcmp(bytes, with, length) == 0;
}

/* The kind of file, and its remedy; NULL: a kind that is not known here. */
static const char *recognise(const void *bytes, size_t n)
{
    const char *text = bytes;

    if (begins(bytes, n, "\xff\xfe", 2) || begins(bytes, n, "\xfe\xff", 2) ||
        begins(bytes, n, "\0\0\xfe\xff", 4) ||
        (n >= 4 &&
         ((!text[0] && text[1] && !text[2] && text[3]) || (text[0] && !text[1] && text[2] && !text[3]))))
        return "is UTF-16 or UTF-32 and not UTF-8: save it as UTF-8";
    if (begins(bytes, n, "\x1f\x8b", 2))
        return "is compressed with gzip: unpack it";
    if (begins(bytes, n,
               "\xfd"
               "7zXZ",
               5))
        return "is compressed with xz: unpack it";
    if (begins(bytes, n, "BZh", 3))
        return "is compressed with bzip2: unpack it";
    if (begins(bytes, n, "\x28\xb5\x2f\xfd", 4))
        return "is compressed with zstd: unpack it";
    if (begins(bytes, n, "PK\3\4", 4))
        return "is a zip archive or a spreadsheet's own file: unpack it, or save it as CSV";
    return NULL;
}

enum status plain_text_check(const void *bytes, size_t n, const char *what, struct error *err)
{
    const char *why = recognise(bytes, n);

    return why ? error_set(err, ST_FORMAT, "%s %s", what, why) : ST_OK;
}

bool plain_text_line(struct plain_text *text, const char **ret_line, size_t *ret_n)
{
    size_t n = 0;

    if (text->n == 0)
        return false;
    while (n < text->n && text->at[n] != '\n' && text->at[n] != '\r')
        n++;
    *ret_line = text->at;
    *ret_n = n;
    if (n < text->n)
        n += text->at[n] == '\r' && n + 1 < text->n && text->at[n + 1] == '\n' ? 2 : 1;
    text->at += n;
    text->n -= n;
    return true;
}
