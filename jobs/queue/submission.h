/* jobs/queue/submission.h - what requests for every type of job go through on their way into the queue: a repetition gets the job that it
 * was before, the caption is taken off, and the fields are judged. */
#ifndef JOBS_SUBMISSION_H
#define JOBS_SUBMISSION_H

#include "cxrd/caption.h"
#include "worker.h"

struct submission {
    struct new_job job; /* of the caller: `type`, `idempotency_key`, `request_sha256` */
    struct caption caption;
    json_t *fields, *config; /* the request without its caption; every field, resolved. Owned */
};

/* Begin with a request; end with submission_release(), whatever is returned. Returns ST_NOTFOUND where it is a new job's; ST_OK where it is
 * repeated, and *ret_id is the job that it became: a change of the data or models since then must not make the repetition a fault.
 *   errors  gets complaints about the caption
 * Errors: ST_CONFLICT (the key was used with another body), ST_IO, ST_NOMEM. */
MUST_USE enum status submission_begin(struct runner *r, struct submission *s, const json_t *request,
                                      enum caption_parts parts, char ret_id[ID_SIZE], json_t *errors,
                                      struct error *err);

/* Whether the fields can be used.
 *   lost  there was no memory for one of the complaints
 *   what  they are fields of, in the sentence
 * Errors: ST_INVALID, ST_NOMEM. */
MUST_USE enum status submission_judge(const json_t *errors, bool lost, const char *what, struct error *err);

/* Queue it. `config`, which may be NULL for want of memory, is taken over. Errors: store_job_add()'s. */
MUST_USE enum status submission_queue(struct runner *r, struct submission *s, const char *dataset,
                                      json_t *config, char ret_id[ID_SIZE], struct error *err);

void submission_release(struct submission *s);

#endif
