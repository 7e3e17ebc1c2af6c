/* jobs/queue/replay.h - a job run again from its record: the same configuration, data and threads must give the same weights.
 *
 * "The same" is said by the digest of the kept model's parameters. The weights' file also names its job and when it was
 * made, so the digests of two files always differ. */
#ifndef JOBS_REPLAY_H
#define JOBS_REPLAY_H

#include "cxrd/store.h"
#include "cxrd/trainer.h"

/* Replace a configuration that names a job to replay by that job's. Whether the result is promoted is this request's to
 * say; any other field beside `replay_of` is an error.
 *   request  the job's JSON object, as it was sent */
void replay_resolve(struct store *s, const json_t *request, struct train_config *c, json_t *errors);

/* The replayed job as it was, a new reference; NULL where nothing is replayed or it is gone. */
json_t *replay_original(struct store *s, const struct train_config *c);

/* Put the digest of the kept model's parameters into a record and, in a replay, whether it is the original's. */
void replay_tell(struct store *s, const struct train_config *c, const struct model *kept, json_t *record);

#endif
