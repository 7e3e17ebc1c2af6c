/* bench/store.c - how many jobs a second are queued, and how many are claimed and ended.
 *
 *     cmake --build --preset release --target bench_store
 *     build/release/bench_store FILE [JOBS [WORKERS]]
 *     PG_DURABLE=1 tests/support/postgresql sh -c 'build/release/bench_store "$CXRD_TEST_POSTGRESQL" 2000 8'
 *
 * FILE must not be there. The jobs have a configuration and a record of usual length. Each worker is a thread with a handle of its own,
 * as a replica has one; of a file there is one handle, and one worker. */
#include "cxrd/store.h"
#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORKERS = 64, MOST_QUEUED = 1 << 20 };

struct worker {
    pthread_t thread;
    struct store *store;
    const json_t *record;
    size_t done;
    enum status status;
    struct error err;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    char type[JOB_TYPE_SIZE];
    struct claim claim;
    json_t *config;

    for (;;) {
        w->status = store_job_begin(w->store, NULL, &claim, type, &config, &w->err);
        if (w->status != ST_OK)
            return NULL;
        json_decref(config);
        w->status = store_job_move(w->store, &claim, JOB_SUCCEEDED, w->record, &w->err);
        if (w->status != ST_OK)
            return NULL;
        w->done++;
    }
}

static json_t *text_of(size_t n)
{
    json_t *object = json_object();
    char *filler = malloc(n + 1);

    if (object && filler) {
        memset(filler, 'x', n);
        filler[n] = '\0';
        json_object_set_new(object, "filler", json_string(filler));
    }
    free(filler);
    return object;
}

static enum status fill(struct store *s, size_t n, struct error *err)
{
    json_t *config = text_of(1500);
    const struct new_job job = { .type = JOB_TRAIN, .config = config, .max_queued = MOST_QUEUED };
    enum status st = ST_OK;
    char id[ID_SIZE];

    for (size_t i = 0; i < n && st == ST_OK; i++)
        st = store_job_add(s, &job, id, err);
    json_decref(config);
    return st;
}

/* Claims and ends all jobs; the count is how many. */
static enum status drain(struct worker *workers, size_t n, size_t *ret_done, struct error *err)
{
    json_t *record = text_of(8000);
    enum status st = ST_OK;

    *ret_done = 0;
    for (size_t i = 0; i < n; i++) {
        workers[i].record = record;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(workers[i].thread, NULL);
        *ret_done += workers[i].done;
        if (workers[i].status != ST_NOTFOUND && st == ST_OK)
            st = error_set(err, workers[i].status, "%s", workers[i].err.text);
    }
    json_decref(record);
    return st;
}

static enum status measure(const char *at, size_t jobs, size_t n_workers, struct error *err)
{
    static struct worker workers[MOST_WORKERS];
    enum status st = ST_OK;
    double begun;
    size_t done;

    for (size_t i = 0; i < n_workers && st == ST_OK; i++)
        st = store_open(at, &workers[i].store, err);
    if (st == ST_OK) {
        begun = clock_seconds();
        st = fill(workers[0].store, jobs, err);
        printf("queued %.0f jobs/s\n", (double)jobs / (clock_seconds() - begun));
    }
    if (st == ST_OK) {
        begun = clock_seconds();
        st = drain(workers, n_workers, &done, err);
        printf("%zu workers: claimed and ended %zu jobs, %.0f jobs/s\n", n_workers, done,
               (double)done / (clock_seconds() - begun));
    }
    for (size_t i = 0; i < n_workers; i++)
        store_close(workers[i].store);
    return st;
}

int main(int argc, char **argv)
{
    const size_t jobs = argc > 2 ? strtoul(argv[2], NULL, 10) : 500;
    const size_t n_workers = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    struct error err = { 0 };

    if (argc < 2 || jobs == 0 || n_workers == 0 || n_workers > MOST_WORKERS) {
        fprintf(stderr, "usage: bench_store ADDRESS [JOBS [WORKERS]]\n");
        return 2;
    }
    if (measure(argv[1], jobs, n_workers, &err) != ST_OK) {
        fprintf(stderr, "bench_store: %s\n", err.text);
        return 1;
    }
    return 0;
}
