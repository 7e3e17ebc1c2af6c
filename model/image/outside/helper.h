/* model/image/outside/helper.h - one cxrd-decode, see cxrd/decode.h: begun, asked, ended. One thread at a time. */
#ifndef MODEL_IMAGE_OUTSIDE_HELPER_H
#define MODEL_IMAGE_OUTSIDE_HELPER_H

#include "cxrd/decode.h"
#include "cxrd/shared.h"

#include <sys/types.h>

struct helper {
    pid_t pid;    /* also of its process group, in which its children are; 0: no process */
    int socket;   /* -1: none */
    int landlock; /* the ABI that it is under; 0: none */
    uint64_t asked;
};
#define HELPER_INIT \
    {               \
        0, -1, 0, 0 \
    }

/* Begin one, and wait until it is ready. It ends when the calling thread does, at the latest.
 *   program  its path; NULL: cxrd-decode, beside the program that runs
 * Errors: ST_BUSY, with what an operator must know in `inner`. */
MUST_USE enum status helper_begin(const char *program, struct helper *ret, struct error *err);
void helper_end(
    struct helper *h); /* with all that it started, however they are; safe on HELPER_INIT and twice */

/* Whether it is there, and says nothing, as it should while nothing is asked. */
bool helper_is_there(const struct helper *h);

enum helper_news {
    HELPER_DONE,      /* see *ret */
    HELPER_NOT_ASKED, /* it had ended before: the picture has not been sent */
    HELPER_ENDED,     /* while it had the picture */
    HELPER_LATE,
    HELPER_BROKEN, /* it said what it must not say */
};

/* Have a file decoded; `request` says all but its id. After anything but HELPER_DONE the helper is of no use any more.
 *   input, output  see cxrd/decode.h
 *   expected       bytes of the output that it will likely write: they are made ready while it begins
 *   deadline       of clock_seconds() */
enum helper_news helper_decode(struct helper *h, const struct shared *input, const struct shared *output,
                               const struct decode_request *request, size_t expected, double deadline,
                               struct decode_done *ret);

#endif
