/* tests/unit/test_old_jobs.c - what a version of before left behind: its checkpoint is gone on with to the same weights, or a sentence
 * says why not. The file is in tests/fixtures/checkpoint, where its README says how it was made. */
#include "cxrd/log.h"
#include "cxrd/safetensors.h"
#include "cxrd/trainer.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_ROWS = 24, N_NORMAL = 4, N_LARGE = 3 };

#define JOB \
    "{\"epochs\":2,\"steps_per_epoch\":2,\"patience\":0,\"seed\":7,\"inputs\":[\"age\",\"sex\",\"history\"]"

static char *folder, datasets[4096], checkpoint[4096];

static void begin(void)
{
    log_set_level(LOG_OFF);
    folder = scratch_folder();
    snprintf(datasets, sizeof datasets, "%s/datasets", folder);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    tiny_dataset(datasets, N_ROWS, N_NORMAL);
}

static void end(void)
{
    scratch_remove(folder);
    check_no_leaks();
}

TestSuite(old_jobs, .init = begin, .fini = end);

/* The configuration that the old version recorded, as it is read today. */
static struct train_config recorded(const json_t *metadata)
{
    json_t *config = json_loads(json_string_value(json_object_get(metadata, "config")), 0, NULL);
    json_t *errors = json_array();
    struct train_config c;

    cr_assert_eq(train_config_parse_recorded(config, &c, errors), ST_OK);
    json_decref(config);
    json_decref(errors);
    return c;
}

/* A run that stops at the question `stop_at`; 0: at none. */
struct trial {
    struct train_config config;
    const char *checkpoint;
    size_t asked, stop_at;
    struct train_result result;
    enum status st;
    struct error err;
};

static bool on_question(void *arg)
{
    struct trial *r = arg;

    return ++r->asked == r->stop_at;
}

static bool on_will_resume(void *arg)
{
    (void)arg;
    return true;
}

static struct trial run_of(const struct train_config *config, const char *at, size_t stop_at)
{
    struct trial r = { .config = *config, .checkpoint = at, .stop_at = stop_at };
    const struct train_request request = {
        .config = &r.config, .datasets = datasets, .threads = 2, .checkpoint = at
    };
    const struct train_observer observer = { .arg = &r,
                                             .cancelled = on_question,
                                             .will_resume = on_will_resume };

    r.st = train_run(&request, &observer, &r.result, &r.err);
    return r;
}

/* The record that today's version writes before the first step of this job. */
static struct file_bytes begun_today(const struct train_config *config)
{
    struct file_bytes bytes;

    for (size_t at = 1; access(checkpoint, F_OK) != 0; at++) {
        struct trial r = run_of(config, checkpoint, at);

        cr_assert_eq(r.st, ST_CANCELLED);
        train_result_release(&r.result);
    }
    bytes = read_bytes(checkpoint);
    cr_assert_eq(unlink(checkpoint), 0);
    return bytes;
}

/* Put the old checkpoint where a run looks for one: with what is too large to be kept beside the test, made again. */
static struct train_config put_old(void)
{
    struct file_bytes old_bytes = read_bytes(FIXTURES "/checkpoint/begun.safetensors"), bytes;
    struct array_file old = { 0 }, today = { 0 };
    struct array arrays[64];
    struct train_config config;

    cr_assert_eq(array_file_read(old_bytes.data, old_bytes.size, &old, NULL), ST_OK);
    config = recorded(old.metadata);
    bytes = begun_today(&config);
    cr_assert_eq(array_file_read(bytes.data, bytes.size, &today, NULL), ST_OK);
    cr_assert_str_eq(today.arrays[N_LARGE - 1].name, "adam.v");
    memcpy(arrays, today.arrays, N_LARGE * sizeof *arrays);
    memcpy(arrays + N_LARGE, old.arrays, old.n * sizeof *arrays);
    cr_assert_eq(array_file_save(checkpoint, old.metadata, arrays, N_LARGE + old.n, NULL), ST_OK);
    array_file_release(&old);
    array_file_release(&today);
    file_bytes_release(&old_bytes);
    file_bytes_release(&bytes);
    return config;
}

Test(old_jobs, checkpoint_is_gone_on_with_to_the_same_weights)
{
    const struct train_config config = put_old();
    struct trial gone_on = run_of(&config, checkpoint, 0), whole = run_of(&config, NULL, 0);

    cr_assert(gone_on.st == ST_OK && whole.st == ST_OK, "%s%s", gone_on.err.text, whole.err.text);
    cr_assert_not(gone_on.result.began_again,
                  "the digest of the old file is not that of today's first weights");
    cr_assert_eq(gone_on.result.n_epochs, 2);
    cr_assert_eq(memcmp(model_params(gone_on.result.model), model_params(whole.result.model),
                        model_network(whole.result.model)->n_params * sizeof(float)),
                 0);
    train_result_release(&gone_on.result);
    train_result_release(&whole.result);
}

/* A job of today with the same fields solves the regression of its inputs another way: it is another job. */
Test(old_jobs, checkpoint_is_refused_to_a_job_that_solves_otherwise)
{
    const struct train_config config = tiny_config(JOB "}"),
                              same = tiny_config(JOB ",\"inputs_solver\":\"cholesky\"}");
    struct trial r;

    put_old();
    r = run_of(&config, checkpoint, 0);
    check_refusal("another solver", r.st, ST_CONFLICT, &r.err, "'inputs_solver' was \"cholesky\"");
    train_result_release(&r.result);
    r = run_of(&same, checkpoint, 0);
    cr_assert(r.st == ST_OK && !r.result.began_again, "%s", r.err.text);
    train_result_release(&r.result);
}
