/* include/cxrd/decode.h - what cxrd and the process that decodes its JPEG and DICOM files, cxrd-decode, say to each other.
 *
 * The libraries that read those files are large and meet bytes of strangers, so they run where nothing is to be had: in a process
 * of their own for each picture, without a file, a network or a right. cxrd believes nothing that comes out of it.
 *
 *   cxrd ------ posix_spawn() -----> the helper, one a slot ------ fork() -----> the child, one a picture
 *
 * A child is there before its picture comes: the helper starts the next one when one has ended, and hands the request on to it.
 *
 * DECODE_SOCKET is of SOCK_SEQPACKET, a message a struct. The helper's first is a decode_ready. Then cxrd sends a decode_request, and
 * waits for its decode_done; one at a time. The end of the socket is the end of the helper. With a request come two descriptors
 * (SCM_RIGHTS):
 *   DECODE_INPUT   memory in which the file's bytes are; sealed, so that it can be read only.
 *   DECODE_OUTPUT  memory for a decode_reply, and for the pixels from DECODE_PIXELS on. It has its full size from the start, sealed
 *                  against any other, and is all zero.
 * Both are made for this one picture (see cxrd/shared.h), so no picture meets the next one. cxrd looks at the output when the child
 * has ended, and seals it first: then nobody can change what is looked at.
 *
 * A child that ended well leaves a reply: all that is known of the file, or why there is no picture. Whatever else becomes of a
 * child, decode_done says it, and the reply is not looked at.
 *
 * The structs are those of one build: both sides are compiled from this file, and a decode_ready of other sizes is refused. */
#ifndef CXRD_DECODE_H
#define CXRD_DECODE_H

#include "cxrd/image.h"
#include "cxrd/status.h"

#include <stdint.h>

enum { DECODE_PROTOCOL = 3 }; /* one more with every change of what is said here */

enum { DECODE_SOCKET = 3 };                                    /* a descriptor of the helper */
enum { DECODE_INPUT, DECODE_OUTPUT, DECODE_MEMORIES /* 2 */ }; /* those that come with a request */
enum { DECODE_PIXELS = 8192 }; /* where they begin in DECODE_OUTPUT: behind the reply, at a page */

/* The means that keep a child from doing anything but decoding, and whether the helper has them. */
enum decode_sandbox {
    DECODE_SANDBOXED,
    DECODE_NO_SECCOMP, /* the filter was refused, by the kernel or by a filter around the helper */
    DECODE_NO_LIMITS,  /* a resource limit was */
    DECODE_NO_LIBRARY, /* what it decodes with could not be got ready */
};

/* The helper is there. Without a sandbox it says so, and ends: nothing is decoded then. */
struct decode_ready {
    uint32_t protocol, reply_size;
    uint32_t sandbox; /* enum decode_sandbox */
    int32_t error;    /* errno of what was refused, or 0 */
    int32_t landlock; /* its ABI; 0: this kernel has it not, or it is not allowed here */
};

/* Decode a file that lies in DECODE_INPUT. */
struct decode_request {
    uint64_t id; /* told again in decode_done */
    uint64_t at, n_bytes;
    uint64_t n_ready;         /* bytes of DECODE_OUTPUT whose memory is there already */
    enum image_format format; /* IMAGE_JPEG or IMAGE_DICOM; then perhaps without the preamble of PS3.10 */
    struct image_limits limits;
    uint32_t cpu_s, wall_s; /* what the child may take */
};

enum decode_outcome {
    DECODE_ANSWERED, /* the child ended well: there is a reply */
    DECODE_KILLED,   /* by a signal, which is in `detail` */
    DECODE_FAILED,   /* it ended with the exit status in `detail` */
    DECODE_LATE,     /* it took longer than wall_s, or cpu_s, and was killed */
    DECODE_STARVED, /* the same after wall_s, of which it was given less than half: that is not the picture's doing */
    DECODE_NO_PROCESS, /* there could be no child; errno is in `detail` */
};

/* The child has ended. */
struct decode_done {
    uint64_t id;
    uint32_t outcome; /* enum decode_outcome */
    int32_t detail;
    uint64_t cpu_us, peak_kib; /* of the child: processor time, resident memory */
};

/* Why a file that can be read has no picture to be asked about, as `reason` in a problem has it. */
#define DECODE_REASONS(X)                                                                          \
    X(MODALITY, "modality")             /* no radiograph */                                        \
    X(OWN_RESULT, "own_result")         /* what cxrd wrote, see server/dicom/result.h */           \
    X(FOR_PROCESSING, "for_processing") /* raw values of the detector */                           \
    X(MULTI_FRAME, "multi_frame")       /* more than one picture */                                \
    X(NO_PICTURE, "no_picture")         /* such as a report */                                     \
    X(BITS, "bits")                     /* 1, or more than 16 */                                   \
    X(PIXELS, "pixels")                 /* no integers */                                          \
    X(PHOTOMETRIC, "photometric")       /* colours that are not read, or not as many as it says */ \
    X(RESCALE, "rescale")               /* a slope of 0 */                                         \
    X(TRANSFER_SYNTAX, "transfer_syntax")                                                          \
    X(LIMIT, "limit")                                                                              \
    X(DECODER, "decoder") /* it died, hung or asked for too much memory */

enum decode_reason {
    DECODE_NO_REASON, /* the sentence is all there is to say */
#define X(name, text) DECODE_REASON_##name,
    DECODE_REASONS(X)
#undef X
        N_DECODE_REASONS
};

/* A child's account of its file. No pointers; every string ends with a NUL. */
struct decode_reply {
    /* enum status: ST_OK, ST_FORMAT, ST_UNSUPPORTED, ST_UNUSABLE, ST_LIMIT; ST_NOMEM: it needs more than a child may have.
     * Anything else is no answer. */
    uint32_t status;
    uint32_t reason; /* enum decode_reason */

    /* One sentence for the client where `status` is not ST_OK, as error_set() takes it: printable ASCII; of the file only
     * numbers, UIDs and code words, and nothing of the patient. */
    char text[200];

    /* Of ST_OK only: as struct image has them; the pixels are 8-bit grey, [height][width]. */
    uint32_t width, height;
    uint32_t channels, bit_depth;
    uint32_t greatest;
    double colour;
    struct image_source source;
};

/* Of DECODE_OUTPUT. */
#define DECODE_OUTPUT_SIZE(max_pixels) ((size_t)DECODE_PIXELS + (max_pixels))

#ifdef __cplusplus
static_assert(sizeof(struct decode_reply) <= DECODE_PIXELS, "the reply ends before the pixels begin");
#else
_Static_assert(sizeof(struct decode_reply) <= DECODE_PIXELS, "the reply ends before the pixels begin");
#endif

#endif
