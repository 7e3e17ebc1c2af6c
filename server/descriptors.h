/* server/descriptors.h - the budget of descriptors: what may be open is divided once, at the start.
 *
 * Everything that can be open at a time has its share, and what is left are connections. So no number of clients can take
 * a descriptor from a job that runs, nor from the database or the audit log. */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

/* The work that the server is to do. */
struct descriptor_needs {
    size_t threads;          /* of a training, each of which reads pictures */
    size_t decoders;         /* processes that decode JPEG and DICOM for predictions */
    size_t job_decoders;     /* and for a training */
    bool training, fetching; /* jobs that there may be, one at a time */
    bool audit, notices, archive;
};

struct descriptor_plan {
    size_t limit;       /* that may be open */
    size_t needed;      /* at least */
    size_t connections; /* at a time */
    size_t files;       /* that may be sent at a time, beside their connections */
};

/* Divide `limit`, of which `open` are open already. False: it is less than is needed; only `limit` and `needed` are set. */
bool descriptors_divide(const struct descriptor_needs *needs, size_t limit, size_t open,
                        struct descriptor_plan *ret);

/* How many the process has open now; 0 where /proc does not say. Any thread. */
size_t descriptors_open(void);

/* Raise the process' limit as far as it may be, and divide it. To be called before anything is opened.
 * Errors: ST_LIMIT, a sentence with both numbers. */
MUST_USE enum status descriptors_plan(const struct descriptor_needs *needs, struct descriptor_plan *ret,
                                      struct error *err);

#endif
