/* jobs/training/config.h - what config.c tells adopt.c. */
#ifndef JOBS_TRAINING_CONFIG_H
#define JOBS_TRAINING_CONFIG_H

#include "cxrd/train_config.h"

/* Which of the field's choices it is; of networks that see a picture. */
int config_architecture(const char *name);

/* The shards of a job that does not say how many. */
void config_settle_shards(struct train_config *c);

#endif
