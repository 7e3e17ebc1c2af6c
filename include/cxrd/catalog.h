/* include/cxrd/catalog.h - which data sets a server has, and what is in them.
 *
 * A look finds the folders, and costs a few calls for each; rows, pictures and bytes are counted by a thread of its own, once
 * for each state that a data set's folders are in. So nobody who asks waits for a walk through all pictures, and asking often
 * causes none. Any thread may call. */
#ifndef CXRD_CATALOG_H
#define CXRD_CATALOG_H

#include "cxrd/labels.h"
#include "cxrd/status.h"
#include "cxrd/table_format.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

/* The rows and pictures that a training would find if it were told no more than the data set's format. */
struct dataset_contents {
    bool has_table;              /* one under a name that a format's tables have by default */
    enum table_format format;    /* of that, as the next */
    bool readable;               /* it could be read, so that there are rows */
    bool labelled;               /* its findings are those of the format, so that there are labels */
    size_t rows, with_picture;   /* rows that were joined count as one */
    size_t pictures;             /* files that the format's pattern finds */
    uint64_t bytes;              /* of all files */
    struct labels labels;        /* those that a training would have */
    size_t positive[MAX_LABELS]; /* rows */
    char problem[sizeof((struct error *)0)->text]; /* why not more is known; "": all is */
};

/* Count it. A data set that cannot be read is no error: `problem` says why.
 *   folder  its path
 *   stop    looked at now and then; true: the counting ends, and its figures are not used
 * Errors: ST_NOMEM. */
MUST_USE enum status dataset_count(const char *folder, const atomic_bool *stop, struct dataset_contents *ret,
                                   struct error *err);

struct catalog;
enum { CATALOG_MOST = 256 }; /* data sets that are listed, the first by name */

/*   datasets  the folder that holds them, borrowed; NULL: none, and no thread
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status catalog_open(const char *datasets, struct catalog **ret_catalog, struct error *err);
void catalog_close(struct catalog *c); /* NULL is fine; waits for the folder that is being counted */

/* The data sets by name, in the contract's shape, a new reference. One whose count is not there yet says so.
 * Errors: ST_IO (the folder cannot be read), ST_NOMEM. */
MUST_USE enum status catalog_list(struct catalog *c, json_t **ret_list, struct error *err);

#endif
