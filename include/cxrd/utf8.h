/* include/cxrd/utf8.h - which bytes are text. */
#ifndef CXRD_UTF8_H
#define CXRD_UTF8_H

#include <stddef.h>

/* Bytes of the character at `s`, 0 if what stands there is no UTF-8 (RFC 3629, section 4) or a control character. */
size_t utf8_character(const char *s);

/* How many characters UTF-8 `s` has, which most terminals show in as many columns. */
size_t utf8_length(const char *s);

/* How many bytes at the beginning of UTF-8 `text` would steer what shows it: a control character, of one byte or of those from U+0080
 * to U+009F, an end of line or paragraph, U+2028 and U+2029, or one that turns the direction of what follows, U+202A to U+202E and
 * U+2066 to U+2069, or one that shows nothing at all, U+200B to U+200F and U+FEFF. */
size_t utf8_steering(const char *text, size_t n);

#endif
