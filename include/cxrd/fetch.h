/* include/cxrd/fetch.h - a data set from elsewhere: a table and archives of pictures, into the folder of data sets.
 *
 * Everything is gathered in "<datasets>/.fetch-<job>" and becomes "<datasets>/<name>" by one rename when all of it is there
 * and has been checked: the table as Data_Entry_2017.csv, archive i unpacked in images_<i>. A name that begins with a dot is
 * no data set's, so no job ever trains on half of one. The part that has come outlives a broken connection and a restart. */
#ifndef CXRD_FETCH_H
#define CXRD_FETCH_H

#include "cxrd/digest.h"
#include "cxrd/outgoing.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { FETCH_MAX_ARCHIVES = 64, FETCH_NAME_SIZE = 65, FETCH_REGION_SIZE = 33 };

struct fetch_source {
    char url[OUTGOING_MAX_URL];
    char sha256[DIGEST_TEXT_SIZE];  /* "": not known */
    char region[FETCH_REGION_SIZE]; /* of S3, for which the request is signed; "": it is not */
};

struct fetch_config {
    char name[FETCH_NAME_SIZE];
    char webhook[OUTGOING_MAX_URL]; /* address that is told when the job ends, see notices.h; "" for none */
    size_t n_sources;
    struct fetch_source sources[1 + FETCH_MAX_ARCHIVES]; /* the table, then the archives */
};

/* Read {"name", "table": {"url", "sha256", "s3_region"}, "archives": [the same, …], "webhook"}. Every field that is wrong or unknown
 * is named in `errors`, as train_config_parse() does. Errors: ST_INVALID, ST_NOMEM. */
MUST_USE enum status fetch_config_parse(const json_t *object, struct fetch_config *ret, json_t *errors);

/* A new reference, NULL without memory. */
json_t *fetch_config_json(const struct fetch_config *c);

/* The same for everyone to see: addresses without their query, which may be a signature. Returns `config`, changed. */
json_t *fetch_config_shown(json_t *config);

enum fetch_phase { FETCH_FETCHING, FETCH_VERIFYING, FETCH_UNPACKING };
extern const char *const FETCH_PHASE_NAMES[]; /* "fetching" … */

struct fetch_progress {
    int64_t file, files;  /* which, from 1, and of how many */
    int64_t bytes, total; /* of that file; total is -1 where nobody said */
    double progress;      /* 0..1, over all */
};

/* The rows and pictures that a training would find in the data set that has come. */
struct fetch_found {
    char refusal[sizeof(
        ((struct error *)0)
            ->text)]; /* why a training of ChestX-ray14's findings will refuse the table; "": it will not */
    bool readable;    /* it can be read all the same, as one of other findings, and the rest counts */
    size_t rows,
        with_picture;    /* of the table, pictures joined; those whose picture the usual pattern finds */
    size_t pictures;     /* that it finds */
    const char *pattern; /* one that finds the pictures of more rows; NULL: none does */
    size_t elsewhere;    /* of how many */
};

/* Called in the thread that fetches. */
struct fetch_observer {
    void *arg;
    bool (*cancelled)(void *arg);
    void (*phase)(void *arg, enum fetch_phase phase);
    void (*progress)(void *arg, const struct fetch_progress *progress);
    void (*file)(void *arg, const struct fetch_source *source, int64_t bytes,
                 const char *sha256); /* it is there */
    void (*found)(
        void *arg,
        const struct fetch_found *found); /* when the data set has its name, if it can be looked at */
};

struct fetch_request {
    const struct fetch_config *config;
    const struct outgoing *outgoing;
    const char *datasets;    /* the folder that holds data sets */
    const char *job;         /* its id */
    const char *credentials; /* "ID:SECRET" for S3; NULL: none */
    uint64_t max_bytes;      /* of all files, and of all that they hold */
    size_t max_files;        /* that they hold */
    size_t tries;            /* in a row that bring nothing */
};

/* Do it, going on with what is there already.
 * Errors: ST_CANCELLED and ST_BUSY (nobody answers any more, or not as it should for now): what has come stays, and another
 * call goes on with it. All others are final, and nothing stays: ST_INVALID (an address that is not allowed), ST_UNUSABLE,
 * ST_FORMAT (a digest that differs, an archive that is broken or holds what it must not), ST_LIMIT, ST_CONFLICT (there is
 * such a data set), ST_IO (the disk), ST_NOMEM. After ST_OK what was gathered waits for fetch_discard(), to be called when
 * the end of the job is on record: until then another call finds by it that all is done. */
MUST_USE enum status fetch_run(const struct fetch_request *request, const struct fetch_observer *observer,
                               struct error *err);

/* Whether there is a data set, or something else, by that name. */
bool fetch_name_taken(const char *datasets, const char *name);

/* Remove what a job has gathered. NULL and nothing are fine. */
void fetch_discard(const char *datasets, const char *job);

/* Remove what was gathered for jobs that will not go on with it; for the start of a server. `datasets` may be NULL. */
void fetch_sweep(const char *datasets, bool (*goes_on)(void *arg, const char *job), void *arg);

/* Archives are unpacked by a process of their own, this program with one argument; its main() calls fetch_unpacker() for that and
 * ends with what it returns. No command of a user's. */
#define FETCH_UNPACKER ":unpack"
int fetch_unpacker(void);

#endif
