/* include/cxrd/utf8.h - which bytes are text. */
#ifndef CXRD_UTF8_H
#define CXRD_UTF8_H

#include <stddef.h>

/* Bytes of the character at `s`, 0 if what stands there is no UTF-8 (RFC 3629, section 4) or a control character. */
size_t utf8_character(const char *s);

#endif
