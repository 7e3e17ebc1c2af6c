/* tests/unit/test_sweep.c - what a crash leaves behind is gone after a start, and nothing else is. */
#include "cxrd/log.h"
#include "cxrd/registry.h"
#include "cxrd/sweep.h"
#include "files.h"
#include "leaks.h"
#include "support.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static char *state;
static struct store *store;

static void begin(void)
{
    struct error err = { 0 };

    log_set_level(LOG_OFF);
    state = scratch_folder();
    cr_assert_eq(store_open(path_in(state, "cxrd.db"), &store, &err), ST_OK, "%s", err.text);
}

static void end(void)
{
    store_close(store);
    scratch_remove(state);
    check_no_leaks();
}

TestSuite(sweep, .init = begin, .fini = end);

static bool there(const char *path) { return access(path, F_OK) == 0; }

/* A job that has come into this state, with files. */
static const char *job_in(enum job_state to)
{
    static char id[ID_SIZE];
    struct claim claim;
    json_t *config = json_object(), *unused = NULL;
    const struct new_job job = { "train", config, NULL, "00", 100, NULL };
    struct error err = { 0 };

    cr_assert_eq(store_job_add(store, &job, id, &err), ST_OK, "%s", err.text);
    if (to != JOB_QUEUED && to != JOB_CANCELLED) {
        cr_assert_eq(store_job_begin(store, NULL, &claim, (char[JOB_TYPE_SIZE]){ 0 }, &unused, &err), ST_OK,
                     "%s", err.text);
        cr_assert_eq(store_job_move(store, &claim, to, NULL, &err), ST_OK, "%s", err.text);
    } else if (to == JOB_CANCELLED) {
        claim = unclaimed(id);
        cr_assert_eq(store_job_move(store, &claim, to, NULL, &err), ST_OK, "%s", err.text);
    }
    json_decref(unused);
    json_decref(config);
    write_text(path_in(state, "jobs/%s/checkpoint.safetensors", id), "kept");
    write_text(path_in(state, "jobs/%s/checkpoint.safetensors.part", id), "half");
    write_text(path_in(state, "jobs/%s/test.csv", id), "scores");
    return id;
}

Test(sweep, checkpoints_stay_while_they_can_be_used_and_scores_always)
{
    static const enum job_state STATES[] = { JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED, JOB_INTERRUPTED,
                                             JOB_QUEUED };

    for (size_t i = 0; i < sizeof STATES / sizeof STATES[0]; i++) {
        const bool useful = STATES[i] == JOB_INTERRUPTED || STATES[i] == JOB_QUEUED;
        const char *id = job_in(STATES[i]);

        cr_assert_eq(state_sweep(state, store), 1);
        cr_assert_eq(there(path_in(state, "jobs/%s/checkpoint.safetensors", id)), useful, "%s",
                     job_state_name(STATES[i]));
        cr_assert_not(there(path_in(state, "jobs/%s/checkpoint.safetensors.part", id)));
        cr_assert(there(path_in(state, "jobs/%s/test.csv", id)));
    }
    cr_assert_eq(state_sweep(state, store), 0, "there is nothing left to do");
}

Test(sweep, files_of_unknown_jobs_and_models_go)
{
    struct registry *registry = NULL;
    struct buf weights = tiny_weights(1, 1, NULL);
    json_t *card = NULL;
    struct error err = { 0 };
    const char *id;

    cr_assert_eq(
        registry_open(store, state, &(struct registry_options){ PRECISION_FLOAT32, 2 }, &registry, &err),
        ST_OK, "%s", err.text);
    cr_assert_eq(registry_add(registry, weights.data, weights.len, NULL, &card, &err), ST_OK, "%s", err.text);
    registry_close(registry);
    id = json_string_value(json_object_get(card, "id"));
    write_text(path_in(state, "models/%s.safetensors.part", id), "half");
    write_text(path_in(state, "models/%s.onnx", id), "of another version, perhaps");
    write_text(path_in(state, "models/00000000-0000-4000-8000-000000000000.safetensors"), "an orphan");
    write_text(path_in(state, "jobs/00000000-0000-4000-8000-000000000000/test.csv"), "an orphan's");
    write_text(path_in(state, "cache/0.part"), "half");
    write_text(path_in(state, "job.json.part"), "half");
    cr_assert_eq(state_sweep(state, store), 6);
    cr_assert(there(path_in(state, "models/%s.safetensors", id)));
    cr_assert_eq(count_entries(path_in(state, "models")), 1);
    cr_assert_eq(count_entries(path_in(state, "jobs")), 0);
    json_decref(card);
    buf_release(&weights);
}

Test(sweep, what_is_not_ours_stays)
{
    static const char *const THEIRS[] = {
        "models/notes.txt",     "models/x.safetensors", "jobs/readme", "cxrd.db",
        "jobs/My.Folder/x.csv", "cache/0123.cache",     "keys"
    };

    for (size_t i = 0; i < sizeof THEIRS / sizeof THEIRS[0]; i++)
        if (!there(path_in(state, "%s", THEIRS[i])))
            write_text(path_in(state, "%s", THEIRS[i]), "theirs");
    cr_assert_eq(state_sweep(state, store), 0);
    for (size_t i = 0; i < sizeof THEIRS / sizeof THEIRS[0]; i++)
        cr_assert(there(path_in(state, "%s", THEIRS[i])), "%s", THEIRS[i]);
}

Test(sweep, folder_without_anything_is_clean) { cr_assert_eq(state_sweep(path_in(state, "none"), store), 0); }

Test(sweep, what_was_fetched_stays_while_its_job_may_go_on)
{
    static const enum job_state STATES[] = { JOB_FAILED, JOB_CANCELLED, JOB_INTERRUPTED, JOB_QUEUED };
    char ids[4][ID_SIZE];

    for (size_t i = 0; i < 4; i++) {
        snprintf(ids[i], ID_SIZE, "%s", job_in(STATES[i]));
        write_text(path_in(state, "data/.fetch-%s/table.csv", ids[i]), "half a table");
    }
    write_text(path_in(state, "data/.fetch-00000000-0000-4000-8000-000000000000/table.csv"), "nobody's");
    write_text(path_in(state, "data/.fetch-notes/table.csv"), "theirs");
    datasets_sweep(path_in(state, "data"), store);
    datasets_sweep(NULL, store);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(there(path_in(state, "data/.fetch-%s/table.csv", ids[i])),
                     STATES[i] == JOB_INTERRUPTED || STATES[i] == JOB_QUEUED, "%s",
                     job_state_name(STATES[i]));
    cr_assert_not(there(path_in(state, "data/.fetch-00000000-0000-4000-8000-000000000000")));
    cr_assert(there(path_in(state, "data/.fetch-notes/table.csv")));
}
