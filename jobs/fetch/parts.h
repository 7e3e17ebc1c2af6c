/* jobs/fetch/parts.h - what the files behind cxrd/fetch.h share: download.c brings one file, packed.c reads an archive's,
 * unpack.c opens it, fetch.c makes a data set of it all. */
#ifndef JOBS_FETCH_PARTS_H
#define JOBS_FETCH_PARTS_H

#include "cxrd/fetch.h"

enum { SOURCE_NAME = 24 };

#define FETCH_TABLE "Data_Entry_2017.csv" /* what the table is called in the data set */

struct download {
    const struct fetch_request *request;
    const struct fetch_source *source;
    int folder; /* where "<name>" is to be, and "<name>.part" until it is whole */
    char name[SOURCE_NAME];
    uint64_t max_bytes;
    void *arg;
    bool (*cancelled)(void *arg);
    void (*progress)(void *arg, int64_t bytes, int64_t total); /* total -1: nobody said */
};

/* Bring a file, or the rest of it. One that is there is not asked for again. Errors: fetch_run()'s. */
MUST_USE enum status download_run(const struct download *d, struct error *err);

struct unpack {
    int archive;           /* a regular file, open */
    int folder;            /* where it goes */
    const char *name;      /* for sentences: "archive 2" */
    uint64_t max_bytes;    /* that it may unpack to */
    size_t max_files;      /* entries that it may hold */
    uint64_t bytes;        /* unpacked so far */
    uint64_t size, packed; /* of its file; read so far */
    size_t files;          /* entries so far */
    void *arg;
    bool (*cancelled)(void *arg);
    void (*progress)(void *arg, const struct unpack *u);
};

/* Unpack a tar or zip, compressed however libarchive itself knows. Only regular files and folders, below `folder`. A file
 * that is in no folder of the archive goes to "images". Errors: ST_FORMAT, ST_LIMIT, ST_CANCELLED, ST_IO, ST_NOMEM. */
MUST_USE enum status unpack_run(struct unpack *u, struct error *err);

/* The contents of the data set that is open as `folder`. A table that is refused is an answer. Errors: ST_IO, ST_LIMIT (of pictures),
 * ST_NOMEM. */
MUST_USE enum status found_count(int folder, struct fetch_found *ret, struct error *err);

/* Remove a folder and all below it, without following links; one that is not there is fine. Errors: ST_IO. */

#endif
