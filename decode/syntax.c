/* decode/syntax.c - see syntax.h. */
#include "syntax.h"

#include <string.h>

#define UID "1.2.840.10008.1.2"

static const struct syntax SYNTAXES[] = {
    { UID, WALK_IMPLICIT, SYNTAX_NATIVE, false, SYNTAX_LOSSLESS },
    { UID ".1", WALK_EXPLICIT, SYNTAX_NATIVE, false, SYNTAX_LOSSLESS },
    { UID ".1.99", WALK_EXPLICIT, SYNTAX_NATIVE, true, SYNTAX_LOSSLESS },
    { UID ".2", WALK_BIG_ENDIAN, SYNTAX_NATIVE, false, SYNTAX_LOSSLESS },
    { UID ".5", WALK_EXPLICIT, SYNTAX_RLE, false, SYNTAX_LOSSLESS },
    { UID ".4.50", WALK_EXPLICIT, SYNTAX_JPEG, false, SYNTAX_LOSSY },    /* baseline */
    { UID ".4.51", WALK_EXPLICIT, SYNTAX_JPEG, false, SYNTAX_LOSSY },    /* extended */
    { UID ".4.53", WALK_EXPLICIT, SYNTAX_JPEG, false, SYNTAX_LOSSY },    /* spectral selection, retired */
    { UID ".4.55", WALK_EXPLICIT, SYNTAX_JPEG, false, SYNTAX_LOSSY },    /* progressive, retired */
    { UID ".4.57", WALK_EXPLICIT, SYNTAX_JPEG, false, SYNTAX_LOSSLESS }, /* lossless */
    { UID ".4.70", WALK_EXPLICIT, SYNTAX_JPEG, false,
      SYNTAX_LOSSLESS }, /* lossless, first-order prediction */
    { UID ".4.80", WALK_EXPLICIT, SYNTAX_JPEG_LS, false, SYNTAX_LOSSLESS },
    { UID ".4.81", WALK_EXPLICIT, SYNTAX_JPEG_LS, false, SYNTAX_LOSSY },
    { UID ".4.90", WALK_EXPLICIT, SYNTAX_JPEG_2000, false, SYNTAX_LOSSLESS },
    { UID ".4.91", WALK_EXPLICIT, SYNTAX_JPEG_2000, false, SYNTAX_EITHER },
    { UID ".4.201", WALK_EXPLICIT, SYNTAX_JPEG_2000, false, SYNTAX_LOSSLESS }, /* High-Throughput */
    { UID ".4.202", WALK_EXPLICIT, SYNTAX_JPEG_2000, false, SYNTAX_LOSSLESS },
    { UID ".4.203", WALK_EXPLICIT, SYNTAX_JPEG_2000, false, SYNTAX_EITHER },
};

const struct syntax *syntax_find(const char *uid)
{
    for (size_t i = 0; i < sizeof SYNTAXES / sizeof SYNTAXES[0]; i++)
        if (strcmp(SYNTAXES[i].uid, uid) == 0)
            return &SYNTAXES[i];
    return NULL;
}
