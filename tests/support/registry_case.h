/* tests/support/registry_case.h - a registry in a scratch folder, and models for it. */
#ifndef SUPPORT_REGISTRY_CASE_H
#define SUPPORT_REGISTRY_CASE_H

#include "cxrd/registry.h"

extern char *state;
extern struct store *store;
extern struct registry *registry;
extern char deleted[64]; /* the model that was told to be deleted last */

/* begin and end are those of a test: an empty folder, and whether all memory came back. */
void registry_begin(void);
void registry_end(void);
void registry_reopen(void);
enum status registry_opened(
    struct error *err); /* as registry_reopen() after registry_closed(), but it may fail */
void registry_closed(void);

struct id {
    char text[ID_SIZE];
};

struct claim job_begun(void); /* a job that runs, to make a model */
json_t *card_of(const void *bytes, size_t n, const struct claim *by);
struct id added(uint64_t seed);
void activated(struct id id);
void check_active(const char *id); /* "": no model is active */
const char *file_of(struct id id);
void flip_last_byte(const char *path);

/* A model's scores of one picture, which is always the same; and whether they are those of the model of that seed, which never was in
 * a registry. */
enum status asked(const struct model *m, float logits[N_NIH_LABELS]);
void check_answers_like(const struct model *m, uint64_t seed);

#endif
