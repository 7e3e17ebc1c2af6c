/* tests/unit/test_transfer.c - a training whose head is a regression on another model's features: it is at the least of its loss, all
 * before it is as it was, and it comes out the same whatever the threads, the cache, and wherever it was interrupted. */
#include "cxrd/session.h"
#include "files.h"
#include "jobs/training/logistic.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include "cxrd/log.h"
#include "cxrd/trainer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *folder, data[4096], cache[4096], checkpoint[4096];
static struct model *init;

enum { ROWS = 40 };

static void begin(void)
{
    log_set_level(LOG_OFF);
    folder = scratch_folder();
    snprintf(data, sizeof data, "%s/datasets", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    tiny_dataset(data, ROWS, 4);
    init = tiny_model(3, 1, NULL);
}

static void end(void)
{
    model_unref(init);
    scratch_remove(folder);
    check_no_leaks();
}

TestSuite(transfer, .init = begin, .fini = end);

/* A run, and the question whether it is cancelled that gets a yes. */
struct trial {
    struct train_config config;
    size_t threads, asked, stop_at;
    const char *cache, *checkpoint;
    struct train_result result;
    enum status st;
    struct error err;
};

static bool on_question(void *arg)
{
    struct trial *r = arg;

    return ++r->asked == r->stop_at;
}

static void run_once(struct trial *r)
{
    const struct train_observer observer = { .arg = r, .cancelled = on_question };
    const struct train_request request = { .config = &r->config,
                                           .datasets = data,
                                           .cache_folder = r->cache,
                                           .cache_bytes = 64 << 20,
                                           .init = init,
                                           .threads = r->threads ? r->threads : 2,
                                           .checkpoint = r->checkpoint };

    r->st = train_run(&request, &observer, &r->result, &r->err);
}

static struct trial of(const char *changes)
{
    struct trial r = { .cache = cache };
    const char *field;
    json_t *job = tiny_job(changes), *errors = json_array();

    cr_assert_eq(train_config_parse(job, &r.config, errors), ST_OK, "%s", changes);
    cr_assert_eq(train_config_adopt(&r.config, init, &field, &r.err), ST_OK, "%s", r.err.text);
    json_decref(job);
    json_decref(errors);
    return r;
}

#define TRANSFER "\"recipe\":\"transfer\",\"init\":\"0123abcd-0123\",\"tsne\":false"

static struct trial trained(const char *changes, size_t threads)
{
    struct trial r = of(changes);

    r.threads = threads;
    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    return r;
}

static const struct network *net_of(const struct trial *r) { return model_network(r->result.model); }
static const float *values_of(const struct trial *r) { return model_params(r->result.model); }

static bool same(const struct trial *a, const struct trial *b)
{
    const size_t n = net_of(a)->n_params + net_of(a)->n_state;

    return network_alike(net_of(a), net_of(b)) && memcmp(values_of(a), values_of(b), n * sizeof(float)) == 0;
}

static double member(const struct trial *r, const char *name)
{
    json_t *told = transfer_json(&r->result);
    const double value = json_number_value(json_object_get(told, name));

    json_decref(told);
    return value;
}

/* All before the head is the model's that it began with, and the record says what was done. */
Test(transfer, keeps_the_backbone_and_fits_a_head)
{
    struct trial r = trained("{" TRANSFER ",\"transfer_l2\":[100,10,1]}", 2);
    const struct tensor *theirs = network_tensor(model_network(init), "conv4.weight"),
                        *ours = network_tensor(net_of(&r), "conv4.weight");

    cr_assert_str_eq(net_of(&r)->architecture, "cnn4");
    cr_assert(net_of(&r)->head == HEAD_GAP && r.result.n_epochs == 1 && r.result.kept_epoch == 1);
    cr_assert_eq(memcmp(values_of(&r) + ours->offset, model_params(init) + theirs->offset,
                        ours->count * sizeof(float)),
                 0);
    cr_assert(member(&r, "features") == 256 && member(&r, "rows") == (double)r.result.dataset.train);
    cr_assert(member(&r, "l2") == 1 || member(&r, "l2") == 10 || member(&r, "l2") == 100);
    cr_assert_lt(r.result.validation_loss, r.result.baseline.loss,
                 "findings that can be seen are not learned");
    cr_assert(isnan(r.result.epochs[0].learning_rate));
    train_result_release(&r.result);
}

Test(transfer, is_the_same_for_any_number_of_threads_with_and_without_a_cache)
{
    static const char JOB[] =
        "{" TRANSFER ",\"transfer_layer\":\"conv3\",\"transfer_pooling\":\"mean_and_max\","
        "\"transfer_views\":1,\"inputs\":[\"age\",\"history\"],\"transfer_l2\":[100,10]}";
    struct trial one = trained(JOB, 1), other;

    cr_assert_str_eq(net_of(&one)->architecture, GRAPH_ARCHITECTURE);
    cr_assert(net_of(&one)->n_inputs > 2 && member(&one, "features") == 256 && member(&one, "views") == 1);
    for (size_t threads = 1; threads <= 3; threads++) { /* the first of them finds the features */
        other = trained(JOB, threads);
        cr_assert(same(&one, &other), "%zu threads", threads);
        train_result_release(&other.result);
    }
    other = of(JOB);
    other.cache = NULL;
    run_once(&other);
    cr_assert(other.st == ST_OK && same(&one, &other), "without a cache it is another");
    train_result_release(&other.result);
    train_result_release(&one.result);
}

/* Stopped at some question, begun again, until it ends. */
static void check_interrupted(const char *job, size_t every)
{
    struct trial whole = of(job), r;
    size_t stops = 0;

    whole.cache = NULL;
    run_once(&whole);
    cr_assert_eq(whole.st, ST_OK);
    for (r = of(job);; r = of(job)) {
        r.checkpoint = checkpoint;
        r.stop_at = every * (stops + 1); /* a little farther each time: without a cache it would never end */
        run_once(&r);
        if (r.st == ST_OK)
            break;
        cr_assert_eq(r.st, ST_CANCELLED, "%s", r.err.text);
        train_result_release(&r.result);
        stops++;
    }
    cr_assert_geq(stops, 2, "it was not interrupted");
    cr_assert(same(&whole, &r), "it ends with other weights");
    train_result_release(&r.result);
    train_result_release(&whole.result);
}

/* It begins again some twenty times, each time with all features: of another network than of the smallest that takes hours under
 * ThreadSanitizer. */
Test(transfer, ends_the_same_wherever_it_was_interrupted)
{
    model_unref(init);
    init = tiny_graph(3, &NIH_LABELS);
    check_interrupted("{" TRANSFER ",\"transfer_views\":2,\"transfer_l2\":[100,10]}", 7);
    check_interrupted("{" TRANSFER ",\"epochs\":3,\"transfer_l2\":[10]}", 5);
}

/* Further epochs begin at the regression and move all of it; the best is kept. */
Test(transfer, goes_on_with_epochs_of_steps)
{
    struct trial head = trained("{" TRANSFER ",\"transfer_l2\":[10]}", 2),
                 more = trained("{" TRANSFER ",\"transfer_l2\":[10],\"epochs\":2,\"keep_best\":false}", 2),
                 best = trained("{" TRANSFER ",\"transfer_l2\":[10],\"epochs\":2,\"learning_rate\":1}", 2);
    const size_t first = network_tensor(net_of(&more), "conv1.weight")->offset;

    cr_assert(more.result.n_epochs == 2 && more.result.kept_epoch == 2);
    cr_assert_eq(more.result.epochs[0].val_loss, head.result.epochs[0].val_loss);
    cr_assert(isnan(more.result.epochs[0].learning_rate) && more.result.epochs[1].learning_rate > 0);
    cr_assert_neq(values_of(&more)[first], values_of(&head)[first]);
    cr_assert_float_eq(values_of(&more)[first], values_of(&head)[first], 1e-3);
    cr_assert_eq(member(&more, "l2"), 10);
    cr_assert(best.result.kept_epoch == 1 && same(&best, &head), "a worse epoch is kept");
    train_result_release(&head.result);
    train_result_release(&more.result);
    train_result_release(&best.result);
}

/* With a frozen backbone further epochs move the head alone. */
Test(transfer, goes_on_with_its_head_alone)
{
    struct trial head = trained("{" TRANSFER ",\"transfer_l2\":[10]}", 2),
                 more = trained("{" TRANSFER ",\"transfer_l2\":[10],\"epochs\":2,\"keep_best\":false,"
                                "\"freeze\":\"backbone\"}",
                                2);
    const size_t weights = net_of(&head)->head_weights;

    cr_assert_eq(more.result.kept_epoch, 2);
    cr_assert_eq(memcmp(values_of(&more), values_of(&head), weights * sizeof(float)), 0);
    cr_assert_neq(values_of(&more)[weights], values_of(&head)[weights]);
    train_result_release(&head.result);
    train_result_release(&more.result);
}

/* Findings that `init` does not have; one that no row has says its base rate, and the record warns of it. */
Test(transfer, answers_for_its_own_findings)
{
    struct trial r = trained(
        "{" TRANSFER
        ",\"labels\":[\"Mass\",\"Effusion\",\"Hernia\",\"Nobody has this\",\"Atelectasis\",\"Cardiomegaly\","
        "\"Infiltration\",\"Nodule\",\"Pneumonia\",\"Pneumothorax\",\"Consolidation\",\"Edema\","
        "\"Emphysema\","
        "\"Fibrosis\",\"Pleural_Thickening\"],\"transfer_l2\":[10]}",
        2);
    const struct network *net = net_of(&r);
    const size_t features = (net->head_bias - net->head_weights) / net->n_labels;
    json_t *warnings = result_warnings(&r.result);
    size_t warned = 0, i;
    json_t *warning;

    cr_assert_eq(net->n_labels, 15);
    for (size_t j = 0; j < features; j++)
        cr_assert_eq(values_of(&r)[net->head_weights + 3 * features + j], 0);
    cr_assert_float_eq((double)values_of(&r)[net->head_bias + 3],
                       log(0.5 / ((double)r.result.dataset.train + 0.5)), 1e-6);
    json_array_foreach (warnings, i, warning)
        warned += strcmp(json_string_value(json_object_get(warning, "code")), "findings_without_rows") == 0 &&
                  strstr(json_string_value(json_object_get(warning, "detail")), "Nobody has this") != NULL;
    cr_assert_eq(warned, 1);
    json_decref(warnings);
    train_result_release(&r.result);
}

/* A network whose numbers overflow is no backbone. */
Test(transfer, refuses_features_that_are_no_numbers)
{
    struct trial r;

    model_unref(init);
    init = tiny_model(3, 1e30f, NULL);
    r = of("{" TRANSFER "}");
    run_once(&r);
    check_refusal("overflowing features", r.st, ST_NUMERIC, &r.err, "not finite");
    train_result_release(&r.result);
}
