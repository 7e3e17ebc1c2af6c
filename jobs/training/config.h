/* jobs/training/config.h - what config.c tells adopt.c and config_error.c. */
#ifndef JOBS_TRAINING_CONFIG_H
#define JOBS_TRAINING_CONFIG_H

#include "cxrd/train_config.h"

/* Refuse a name that is no field's, and say which one is meant where one is near.
 *   field_at  the names of the fields, one after the other; NULL behind the last */
void config_refuse_field(json_t *errors, const char *(*field_at)(size_t i), const char *name);

/* Which of the field's choices it is; of networks that see a picture. */
int config_architecture(const char *name);

/* Of jobs that have some of the fields: what nothing means, by the table's format; one field of a request, false where there is no
 * such one; the same as a record has it, a new reference; whether what is said of the table's format goes together. */
struct train_config config_begin(const json_t *object);
bool config_field_parse(const char *name, const json_t *value, struct train_config *c, json_t *errors);
json_t *config_field_json(const char *name, const struct train_config *c);
void config_check_format(const struct train_config *c, json_t *errors);

/* The shards of a job that does not say how many. */
void config_settle_shards(struct train_config *c);

#endif
