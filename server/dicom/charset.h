/* server/dicom/charset.h - which bytes are characters, by the Specific Character Set of a file (PS3.3, C.12.1.1.2, and PS3.5, 6.1). */
#ifndef SERVER_DICOM_CHARSET_H
#define SERVER_DICOM_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

enum charset_kind {
    CHARSET_ASCII,    /* nothing is said, or what is said is not known */
    CHARSET_ONE_BYTE, /* one of ISO 8859, or JIS X 0201, or TIS 620 */
    CHARSET_ISO_2022, /* several, with escape sequences between them */
    CHARSET_UTF_8,
    CHARSET_GB, /* GB 18030, and GBK, which is a part of it */
};

/* The kind of a Specific Character Set, its values with backslashes between them; CHARSET_ASCII where it is empty or breaks the
 * standard: then it is not to be written either. */
enum charset_kind charset_kind_of(const char *specific);

/* Where a text is being read. */
struct charset_at {
    enum charset_kind kind;
    bool two_bytes; /* of ISO 2022: an escape sequence has made each character below 128 one of two bytes */
};

/* Bytes of the next character of a text that ends with a NUL; an escape sequence is one that is not `counted`. 0: what stands
 * there is no character, or steers what shows it. A character of one byte is ASCII where it is below 128. */
size_t charset_next(struct charset_at *at, const char *text, bool *ret_counted);

/* UTF-8 of our own as it can stand in a text of that kind: a question mark for each character that cannot. Cut to size - 1 bytes. */
void charset_show(enum charset_kind kind, const char *utf8, char *ret, size_t size);

#endif
