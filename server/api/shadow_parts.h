/* server/api/shadow_parts.h - what the files behind shadow.h share: shadow.c asks the candidate and tells of it, shadow_kept.c has what the
 * store knows of it. */
#ifndef SERVER_API_SHADOW_PARTS_H
#define SERVER_API_SHADOW_PARTS_H

#include "shadow.h"

#include "cxrd/clock.h"
#include "cxrd/feedback_paired.h"
#include "cxrd/interim.h"
#include "cxrd/session.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { SLOTS = 8 };

/* A slot's state decides which thread may touch it. */
enum { FREE, FILLING, WAITING, READY };

struct slot {
    atomic_int state;
    atomic_uint_fast64_t event; /* the first 64 bits of the request's event_id */
    double since;               /* clock_seconds() */
    size_t bytes;
    struct image image;
    struct input_values values; /* with which the active model was asked, */
    const char *operating;      /* struct operating's name */
    struct kept_scores row;
    double ms;
};

struct shadow {
    struct shadow_options options;
    struct session *session;
    pthread_t thread;
    bool started;
    sem_t ready;
    atomic_bool on, stop;
    atomic_size_t bytes;
    atomic_uint_fast64_t shed_queue, shed_memory;
    struct slot slots[SLOTS];

    pthread_mutex_t lock;           /* no handler that predicts takes it; guards everything below */
    struct loaded_model *candidate; /* NULL: none */
    char active[ID_SIZE], since[CLOCK_TEXT_SIZE];
    struct shadow_counts counts, fresh; /* fresh: of them, those that the store does not have yet */
    struct interim interim;             /* by readers' feedback */
    struct shadow_promotion promotion;  /* its job is "": no training asked for the candidate */
    bool anew; /* `counts` began anew here, as another model is active, and the store does not know yet */
};

/* ---- with the lock held ---- */

/* It has no candidate any more, or begins to count anew of it and this active model. */
void shadow_drop(struct shadow *s);
void shadow_count_anew(struct shadow *s, const char *active);

/* In the store: what was counted since the last time comes to what other servers have counted, which is taken. The candidate is gone
 * afterwards where it is no longer the one there. A write whose answer was lost for good is told as a failure, and its pictures are counted
 * once more.
 *   paired  make the planned analysis of it that is due, in the same transaction; NULL: make none
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status shadow_save(struct shadow *s, const struct feedback_paired *paired, struct error *err);

/* In the store: it is the candidate from now on, or no longer. Errors: ST_CONFLICT, ST_NOTFOUND, ST_IO, ST_NOMEM. */
MUST_USE enum status shadow_keep(struct shadow *s, struct error *err);
MUST_USE enum status shadow_remove(struct shadow *s, const char *id, struct error *err);

/* ---- without it ---- */

/* Read the candidate from the store, whichever server wrote it; a take_up_fn. */
enum status shadow_look_again(void *arg, struct error *err);

enum status shadow_not_there(const char *id, struct error *err);
json_t *shadow_promotion_json(const struct shadow_promotion *p); /* null where no training asked for it */

#endif
