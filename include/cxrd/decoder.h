/* include/cxrd/decoder.h - the processes without rights that decode JPEG and DICOM: starts, watches and ends them.
 *
 * A decoder has helpers: each a cxrd-decode (see cxrd/decode.h) that decodes one picture at a time, for whichever thread asks. A
 * process begins when a picture needs it, or with decoder_begin(). One that ends, or does not answer in time, is ended with all that
 * it started, and begun anew. The picture that it was at is sent again where it ended, `tries` times in all, and then, or where it did
 * not answer, refused (ST_BUSY); nothing else notices. Where there is no sandbox nothing is decoded: every picture gets the sentence
 * that says why. */
#ifndef CXRD_DECODER_H
#define CXRD_DECODER_H

#include "cxrd/image.h"
#include "cxrd/pool.h"
#include "cxrd/shared.h"
#include "cxrd/status.h"

#include <stdint.h>

struct decoder;

enum { DECODER_MOST_HELPERS = 64 };

struct decoder_options {
    const char *program; /* NULL: cxrd-decode, in the folder of the program that runs */
    size_t helpers;      /* 1..DECODER_MOST_HELPERS */
    size_t most_bytes;   /* of a file */
    size_t most_pixels;  /* of a picture */
    unsigned timeout_s;  /* after which a picture is given up */
    unsigned
        tries; /* of a picture whose helper ends under it, which is no fault of the picture's; at least 1 */
    double wait_s; /* for a helper, then ST_BUSY; INFINITY is fine */
    double
        keep_s; /* behind a picture, or the announcement of one, memory of the last one's size is ready for so long */
    enum pool_class class; /* of the processes */
};

/* 2 helpers, files of 64 MiB, IMAGE_LIMITS, 30 s for a picture, 2 tries, 30 s for a helper, memory kept for 10 s, POOL_NORMAL. */
struct decoder_options decoder_options_default(void);

/* No process begins yet. Errors: ST_IO (no thread), ST_NOMEM. */
MUST_USE enum status decoder_open(const struct decoder_options *options, struct decoder **ret,
                                  struct error *err);
void decoder_close(struct decoder *d); /* ends its processes; nobody decodes any more; NULL is fine */

/* Begin one process now, and wait until it is ready. Errors: those of a picture that finds none, see decoder_run(). */
MUST_USE enum status decoder_begin(struct decoder *d, struct error *err);

/* A large file is on its way: memory of the last picture's size is made ready for it meanwhile. Any thread; waits for nothing. */
void decoder_expect(struct decoder *d);

/* The file that is to be decoded. */
struct decoder_file {
    enum image_format format; /* IMAGE_JPEG or IMAGE_DICOM */
    const void *bytes;
    size_t n;
    const struct shared
        *shared; /* sealed memory that has the bytes from shared_at on; NULL: they are copied into some */
    size_t shared_at;
};

/* Decode a file. Any number of threads at a time. `ret` is untouched on failure; the picture is in memory that can only be read.
 * Errors: those that the file deserves, with their reason (ST_FORMAT, ST_UNSUPPORTED, ST_UNUSABLE, ST_LIMIT); ST_FORMAT with the reason
 * "decoder": it killed the process that read it, or took too long or too much memory; ST_BUSY: no process can be had, or it was
 * lost; ST_NOMEM. */
MUST_USE enum status decoder_run(struct decoder *d, const struct decoder_file *file,
                                 const struct image_limits *limits, struct image *ret, struct error *err);

/* Why a helper was begun anew. */
#define DECODER_LOSSES(X)                                                     \
    X(ENDED, "ended")   /* it had ended, or was ended by somebody else */     \
    X(LATE, "late")     /* it did not answer in time: stopped, or starving */ \
    X(BROKEN, "broken") /* it said what a helper does not say */

enum decoder_loss {
#define X(name, text) DECODER_##name,
    DECODER_LOSSES(X)
#undef X
        N_DECODER_LOSSES
};
extern const char *const DECODER_LOSS_NAMES[N_DECODER_LOSSES];

/* How the processes of pictures ended. */
#define DECODER_ENDS(X)                                                        \
    X(ANSWERED, "answered") /* with a picture, or the reason why not */        \
    X(KILLED, "killed")     /* by the kernel, for what it did */               \
    X(FAILED, "failed")     /* by itself */                                    \
    X(LATE, "late")                                                            \
    X(STARVED, "starved") /* as late, but it had less than half of the time */ \
    X(UNFIT, "unfit")                                                          \
    X(UNSOUND, "unsound") /* what it answered cannot be */

enum decoder_end {
#define X(name, text) DECODER_END_##name,
    DECODER_ENDS(X)
#undef X
        N_DECODER_ENDS
};
extern const char *const DECODER_END_NAMES[N_DECODER_ENDS];

struct decoder_facts {
    size_t helpers, running, busy;   /* running: those whose process is there */
    int landlock;                    /* the ABI that they are under; 0: none, or not known yet */
    bool failed;                     /* the last process could not begin, and none runs: see `why` */
    char why[320];                   /* for everybody to read */
    uint64_t lost[N_DECODER_LOSSES]; /* processes, since it was opened */
    uint64_t ended[N_DECODER_ENDS];  /* pictures */
};
void decoder_facts(struct decoder *d, struct decoder_facts *ret); /* any thread; NULL: all zero */

#endif
