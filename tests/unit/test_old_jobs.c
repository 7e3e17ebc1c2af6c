/* tests/unit/test_old_jobs.c - what a version of before left behind: its checkpoint is gone on with to the same weights, or a sentence
 * says why not. The files are in tests/fixtures/checkpoint, where its README says how they were made. */
#include "cxrd/log.h"
#include "cxrd/safetensors.h"
#include "cxrd/trainer.h"
#include "cxrd/weights.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_ROWS = 24, N_NORMAL = 4, N_LARGE = 3 };

#define CLOSE 1e-5

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
    size_t resumed_with, epochs_told;
    double progress; /* after its first step */
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

static void on_resumed(void *arg, const struct train_result *so_far)
{
    ((struct trial *)arg)->resumed_with = so_far->n_epochs;
}

static void on_step(void *arg, const struct train_progress *p)
{
    struct trial *r = arg;

    if (r->progress == 0)
        r->progress = p->progress;
}

static void on_epoch(void *arg, const struct epoch_report *report, const struct baseline *baseline)
{
    (void)report, (void)baseline;
    ((struct trial *)arg)->epochs_told++;
}

static struct trial run_from(const struct model *init, const struct train_config *config, const char *at,
                             size_t stop_at)
{
    struct trial r = { .config = *config, .checkpoint = at, .stop_at = stop_at };
    const struct train_request request = {
        .config = &r.config, .datasets = datasets, .init = init, .threads = 2, .checkpoint = at
    };
    const struct train_observer observer = { .arg = &r,
                                             .cancelled = on_question,
                                             .will_resume = on_will_resume,
                                             .resumed = on_resumed,
                                             .step = on_step,
                                             .epoch = on_epoch };

    r.st = train_run(&request, &observer, &r.result, &r.err);
    return r;
}

static struct trial run_of(const struct train_config *config, const char *at, size_t stop_at)
{
    return run_from(NULL, config, at, stop_at);
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

/* ---- halfway ---- */

static struct model *model_of(const char *name)
{
    struct model *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(weights_load(path_in(FIXTURES "/checkpoint", "%s", name), &m, &err), ST_OK, "%s", err.text);
    return m;
}

/* Put the checkpoint of a training that was interrupted in its second epoch where a run looks for one. */
static struct train_config put_halfway(void)
{
    struct file_bytes bytes = read_bytes(FIXTURES "/checkpoint/halfway.safetensors");
    struct array_file f = { 0 };
    struct train_config config;

    cr_assert_eq(array_file_read(bytes.data, bytes.size, &f, NULL), ST_OK);
    config = recorded(f.metadata);
    write_bytes(checkpoint, bytes.data, bytes.size);
    array_file_release(&f);
    file_bytes_release(&bytes);
    return config;
}

/* The largest difference of a parameter or a running statistic. */
static double difference(const struct model *a, const struct model *b)
{
    const size_t n = model_network(a)->n_params + model_network(a)->n_state;
    double most = 0;

    cr_assert(network_alike(model_network(a), model_network(b)));
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)model_params(a)[i] - (double)model_params(b)[i]));
    return most;
}

/* Its sums of an epoch end before the count of findings that are known. It ends with the weights with which it would have ended
 * there: where the processor has other instructions, the last digits are others. */
Test(old_jobs, checkpoint_from_the_middle_of_an_epoch_is_gone_on_with)
{
    struct model *init = model_of("network.safetensors"), *ended = model_of("ended.safetensors");
    const struct train_config config = put_halfway();
    struct trial gone_on = run_from(init, &config, checkpoint, 0), whole = run_from(init, &config, NULL, 0);

    cr_assert(gone_on.st == ST_OK && whole.st == ST_OK, "%s%s", gone_on.err.text, whole.err.text);
    cr_assert(!gone_on.result.began_again && gone_on.resumed_with == 1 && gone_on.epochs_told == 2);
    cr_assert(gone_on.progress > 1. / 3 + whole.progress, "the first step was at %g", gone_on.progress);
    cr_assert_lt(difference(gone_on.result.model, whole.result.model), CLOSE);
    cr_assert_lt(difference(gone_on.result.model, ended), CLOSE);
    cr_assert_gt(difference(init, ended), 1e-2);
    for (size_t i = 0; i < 3; i++)
        cr_assert_float_eq(gone_on.result.epochs[i].loss, whole.result.epochs[i].loss, CLOSE);
    train_result_release(&gone_on.result);
    train_result_release(&whole.result);
    model_unref(init);
    model_unref(ended);
}

/* It is of that network's training, and of no other. */
Test(old_jobs, checkpoint_from_the_middle_of_an_epoch_is_refused_to_another_job)
{
    struct model *init = model_of("network.safetensors");
    struct train_config config = put_halfway();
    struct trial r;

    config.seed++;
    r = run_from(init, &config, checkpoint, 0);
    check_refusal("another seed", r.st, ST_CONFLICT, &r.err, "'seed' was 7, is 8");
    train_result_release(&r.result);
    model_unref(init);
}
