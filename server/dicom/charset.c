/* server/dicom/charset.c - see charset.h. */
#include "charset.h"

#include "cxrd/utf8.h"

#include <string.h>

enum { MAX_TERM = 17, ESCAPE = 0x1b };

/* The numbers of ISO's registry that the standard takes, as "ISO_IR 100" alone and as "ISO 2022 IR 100" among others. */
static const char *const ONE_BYTE[] = { "100", "101", "109", "110", "144", "127",
                                        "126", "138", "148", "203", "13",  "166" };
static const char *const TWO_BYTES[] = { "87", "159", "149", "58" }; /* among others only */

static bool is_among(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

static bool is_one_byte(const char *number)
{
    return is_among(ONE_BYTE, sizeof ONE_BYTE / sizeof ONE_BYTE[0], number);
}

/* A term of a list, the first of which may be empty. */
static bool is_extension(const char *term, bool is_first)
{
    static const char PREFIX[] = "ISO 2022 IR ";
    const char *number = term + sizeof PREFIX - 1;

    if (term[0] == '\0')
        return is_first;
    if (strncmp(term, PREFIX, sizeof PREFIX - 1) != 0)
        return false;
    return strcmp(number, "6") == 0 || is_one_byte(number) ||
           is_among(TWO_BYTES, sizeof TWO_BYTES / sizeof TWO_BYTES[0], number);
}

static enum charset_kind kind_of_one(const char *term)
{
    if (strcmp(term, "ISO_IR 192") == 0)
        return CHARSET_UTF_8;
    if (strcmp(term, "GB18030") == 0 || strcmp(term, "GBK") == 0)
        return CHARSET_GB;
    if (strncmp(term, "ISO_IR ", 7) == 0 && is_one_byte(term + 7))
        return CHARSET_ONE_BYTE;
    return term[0] && is_extension(term, false) ? CHARSET_ISO_2022 : CHARSET_ASCII;
}

enum charset_kind charset_kind_of(const char *specific)
{
    const bool several = strchr(specific, '\\') != NULL;

    for (const char *at = specific;; at++) {
        const size_t n = strcspn(at, "\\");
        char term[MAX_TERM] = { 0 };

        if (n >= sizeof term)
            return CHARSET_ASCII;
        memcpy(term, at, n);
        if (!several)
            return kind_of_one(term);
        if (!is_extension(term, at == specific))
            return CHARSET_ASCII;
        at += n;
        if (*at == '\0')
            return CHARSET_ISO_2022;
    }
}

/* ---- characters ---- */

static size_t escape_sequence(struct charset_at *at, const char *text)
{
    static const struct {
        const char *bytes;
        bool two_bytes;
    } SEQUENCES[] = {
        { "(B", false }, { "(J", false },                    /* ASCII and its likes */
        { "$B", true },  { "$(D", true },                    /* JIS X 0208, 0212 */
        { ")I", false }, { "$)C", false }, { "$)A", false }, /* above 127 */
        { "-A", false }, { "-B", false },  { "-C", false },  { "-D", false }, { "-L", false },
        { "-G", false }, /* ISO 8859 */
        { "-F", false }, { "-H", false },  { "-M", false },  { "-b", false }, { "-T", false },
    };

    for (size_t i = 0; i < sizeof SEQUENCES / sizeof SEQUENCES[0]; i++) {
        const size_t n = strlen(SEQUENCES[i].bytes);

        if (strncmp(text + 1, SEQUENCES[i].bytes, n) != 0)
            continue;
        if (text[1] == '(' || SEQUENCES[i].two_bytes) /* what is below 128 has changed */
            at->two_bytes = SEQUENCES[i].two_bytes;
        return 1 + n;
    }
    return 0;
}

static size_t gb_character(const unsigned char *c)
{
    if (c[0] < 0x81 || c[0] == 0xff)
        return 0;
    if ((c[1] >= 0x40 && c[1] <= 0x7e) || (c[1] >= 0x80 && c[1] <= 0xfe))
        return 2;
    return c[1] >= '0' && c[1] <= '9' && c[2] >= 0x81 && c[2] <= 0xfe && c[3] >= '0' && c[3] <= '9' ? 4 : 0;
}

size_t charset_next(struct charset_at *at, const char *text, bool *ret_counted)
{
    const unsigned char *c = (const unsigned char *)text;

    *ret_counted = true;
    if (at->kind == CHARSET_ISO_2022 && c[0] == ESCAPE) {
        *ret_counted = false;
        return escape_sequence(at, text);
    }
    if (at->two_bytes && c[0] < 0x80)
        return c[0] >= 0x21 && c[0] <= 0x7e && c[1] >= 0x21 && c[1] <= 0x7e ? 2 : 0;
    if (c[0] < 0x80)
        return c[0] >= 0x20 && c[0] != 0x7f ? 1 : 0;
    switch (at->kind) {
    case CHARSET_ASCII: return 0;
    case CHARSET_ONE_BYTE:
    case CHARSET_ISO_2022: return c[0] >= 0xa0 ? 1 : 0;
    case CHARSET_UTF_8: return utf8_steering(text, strnlen(text, 4)) == 0 ? utf8_character(text) : 0;
    case CHARSET_GB: return gb_character(c);
    }
    return 0;
}

void charset_show(enum charset_kind kind, const char *utf8, char *ret, size_t size)
{
    size_t n = 0;

    while (*utf8) {
        const size_t length = utf8_character(utf8);
        const bool shown = length == 1 || (length > 1 && kind == CHARSET_UTF_8);

        if (n + (shown ? length : 1) >= size)
            break;
        if (shown)
            memcpy(ret + n, utf8, length);
        else
            ret[n] = '?';
        n += shown ? length : 1;
        utf8 += length ? length : 1;
    }
    ret[n] = '\0';
}
