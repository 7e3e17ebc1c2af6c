/* decode/syntax.h - transfer syntaxes (PS3.5, annex A; PS3.6, annex A): how a data set and its pixels are coded. */
#ifndef DECODE_SYNTAX_H
#define DECODE_SYNTAX_H

#include "walk.h"

#include <stdbool.h>

enum syntax_pixels { SYNTAX_NATIVE, SYNTAX_RLE, SYNTAX_JPEG, SYNTAX_JPEG_LS, SYNTAX_JPEG_2000 };

struct syntax {
    const char *uid;
    enum walk_coding coding;
    enum syntax_pixels pixels;
    bool deflated;
    enum { SYNTAX_LOSSLESS, SYNTAX_LOSSY, SYNTAX_EITHER } loss;
};

/* NULL: it is not read here. */
const struct syntax *syntax_find(const char *uid);

#endif
