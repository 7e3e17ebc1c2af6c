/* tests/support/train_run.c - see train_run.h. */
#include "train_run.h"

#include "cxrd/log.h"
#include "leaks.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

char *datasets;

void train_begin(void)
{
    log_set_level(LOG_OFF);
    datasets = scratch_folder();
}

void train_end(void)
{
    scratch_remove(datasets);
    check_no_leaks();
}

static bool see_question(void *arg)
{
    struct seen *s = arg;

    if (s->cancel_evaluation && s->n_phases && s->phases[s->n_phases - 1] == PHASE_EVALUATING)
        return true;
    return ++s->asked == s->cancel_at;
}

static bool see_enough(void *arg)
{
    struct seen *s = arg;

    s->enough_asked++;
    return s->enough_after && s->n_epochs >= s->enough_after;
}

static void see_phase(void *arg, enum train_phase phase)
{
    struct seen *s = arg;

    cr_assert_lt(s->n_phases, MAX_PHASES);
    s->phases[s->n_phases++] = phase;
}

static void see_dataset(void *arg, const struct train_result *so_far)
{
    struct seen *s = arg;

    cr_assert_gt(so_far->dataset.rows, 0);
    s->n_datasets++;
}

static void see_step(void *arg, const struct train_progress *p)
{
    struct seen *s = arg;
    const bool training = s->phases[s->n_phases - 1] == PHASE_TRAINING;

    cr_assert(p->progress >= s->progress && p->progress <= 1, "progress goes from %g to %g", s->progress,
              p->progress);
    cr_assert(p->eta_s >= 0 || p->eta_s == -1);
    s->progress = p->progress;
    if (training && p->step > 0 &&
        (s->n_steps == 0 || p->step != s->steps[s->n_steps - 1].step ||
         p->epoch != s->steps[s->n_steps - 1].epoch)) {
        cr_assert_lt(s->n_steps, MAX_STEPS);
        s->steps[s->n_steps++] = *p;
    }
}

static void see_epoch(void *arg, const struct epoch_report *report, const struct baseline *baseline)
{
    struct seen *s = arg;

    cr_assert_lt(s->n_epochs, N_EPOCHS);
    s->baseline = *baseline;
    s->epochs[s->n_epochs++] = *report;
    if (s->after_epoch)
        s->after_epoch(report->epoch);
}

void run_once(struct trial *r)
{
    const struct train_request request = { .config = &r->config,
                                           .datasets = datasets,
                                           .cache_folder = r->cache,
                                           .cache_bytes = 1 << 30,
                                           .init = r->init,
                                           .threads = 2,
                                           .notes = r->notes };
    const struct train_observer observer = { .arg = &r->seen,
                                             .cancelled = see_question,
                                             .enough = see_enough,
                                             .phase = see_phase,
                                             .dataset = see_dataset,
                                             .step = see_step,
                                             .epoch = see_epoch };

    r->st = train_run(&request, &observer, &r->result, &r->err);
}

void run_release(struct trial *r) { train_result_release(&r->result); }

struct trial trained(const char *changes)
{
    struct trial r = { .config = tiny_config(changes) };

    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s: %s", changes, r.err.text);
    return r;
}

struct scores_file scores_of(const struct trial *r, int set)
{
    return scores_file_read(r->result.scores_csv[set].data, r->result.scores_csv[set].len, &r->config.labels);
}

void check_near(const char *what, double found, double expected, double relative)
{
    cr_assert(fabs(found - expected) <= relative * fabs(expected), "%s: %.12g instead of %.12g", what, found,
              expected);
}

const float *params_of(const struct trial *r) { return model_params(r->result.model); }
size_t n_params(const struct trial *r) { return model_network(r->result.model)->n_params; }

bool same_weights(const struct trial *a, const struct trial *b)
{
    cr_assert_eq(n_params(a), n_params(b));
    return memcmp(params_of(a), params_of(b), n_params(a) * sizeof(float)) == 0;
}

bool *training_rows(const struct trial *r, size_t n_rows, size_t *ret_n)
{
    struct scores_file validation = scores_of(r, SCORED_VALIDATION), test = scores_of(r, SCORED_TEST);
    bool *in = calloc(n_rows, sizeof *in);

    *ret_n = 0;
    for (size_t i = 0; i < n_rows; i++) {
        in[i] = !scores_file_find(&validation, tiny_image(i)) && !scores_file_find(&test, tiny_image(i));
        *ret_n += in[i];
    }
    scores_file_release(&validation);
    scores_file_release(&test);
    return in;
}

size_t training_counts(const struct trial *r, size_t n_rows, double counts[N_NIH_LABELS])
{
    size_t n;
    bool *in = training_rows(r, n_rows, &n);

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        counts[k] = 0;
        for (size_t i = 0; i < n_rows; i++)
            counts[k] += in[i] && (tiny_labels(i) >> k & 1);
    }
    free(in);
    return n;
}

size_t training_rates(const struct trial *r, size_t n_rows, double rates[N_NIH_LABELS])
{
    const size_t n = training_counts(r, n_rows, rates);

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        const bool all_alike = rates[k] == 0 || rates[k] == (double)n;

        rates[k] = all_alike ? (rates[k] + 0.5) / (double)(n + 1) : rates[k] / (double)n;
    }
    return n;
}
