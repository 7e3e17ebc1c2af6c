/* tests/support/runner_case.h - a service without its HTTP: a store, a registry and a runner over a small data set, and jobs to wait for. */
#ifndef SUPPORT_RUNNER_CASE_H
#define SUPPORT_RUNNER_CASE_H

#include "cxrd/runner.h"

enum { JOB_QUEUE = 2, N_ROWS = 40, N_NORMAL = 4, A_LONG_TIME = 600 };
enum { NAPS = 120000 }; /* ten minutes: only a job that hangs takes so long */

extern char *folder, state[4096], datasets[4096];
extern struct store *store;
extern struct registry *registry;
extern struct runner *runner;

/* begin and end are those of a test: a new folder with a data set, and whether all memory came back. start and stop are those of the
 * server, as often as a test likes. */
void service_begin(void);
void service_end(void);
void service_start(void);
void service_stop(void);

struct id {
    char text[ID_SIZE];
};

enum status submit(const char *changes, const char *key, const char *sha256, struct id *ret, json_t *errors,
                   struct error *err);
struct id submitted(const char *changes); /* taken, without a remark */
json_t *job_of(struct id id);
bool is_in(const json_t *job, const char *wanted);
void cancelled(struct id id);

/* Training runs on what nobody else wants, so those who wait for it must not keep a core busy. */
void nap(void);
/* Wait until a job is in that state; returns the job, a new reference. */
json_t *waited(struct id id, const char *wanted);
void wait_for(struct id id, const char *wanted);

#define SHORT "{\"steps_per_epoch\":1}"
/* A job that trains until it is stopped; it has taken its first step when running() returns. */
#define ENDLESS "{\"steps_per_epoch\":1000000}"
struct id running(void);

json_t *member(const json_t *object, const char *name);
const char *text_of(const json_t *object, const char *name);
size_t count_models(void);
void check_active(const char *model); /* "": no model is active */

#endif
