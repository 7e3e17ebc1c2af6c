/* jobs/training/regression.c - see regression.h. */
#include "regression.h"

#include "balance.h"
#include "cholesky.h"
#include "cxrd/metrics.h"
#include "folds.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of the loss, that a step must promise while ridges are compared: rows that a fit has not seen tell more of what is left, a loss
 * that moves with its root. */
static const double PRECISION = 1e-9;

enum { ALL = N_FOLDS /* no fold: none is left out */ };

enum status regression_init(struct regression *r, size_t n_labels, size_t n, size_t d)
{
    *r = (struct regression){ .n_labels = n_labels,
                              .n = n,
                              .d = d,
                              .copies = 1,
                              .x = malloc((n + 1) * d * sizeof *r->x),
                              .positive = malloc((n + 1) * n_labels),
                              .folds = calloc(n + 1, 1),
                              .fitted = calloc(n_labels * (d + 1), sizeof *r->fitted) };
    if (r->x && r->positive && r->folds && r->fitted)
        return ST_OK;
    regression_release(r);
    return ST_NOMEM;
}

void regression_release(struct regression *r)
{
    free(r->x);
    free(r->positive);
    free(r->folds);
    free(r->fitted);
    *r = (struct regression){ 0 };
}

double regression_bytes(size_t n_labels, size_t n, size_t d, size_t threads)
{
    const double each = (double)d * sizeof(float) + (double)n_labels + 1;
    const double fits = (double)(n_labels * (N_FOLDS + 1) + 10 * threads) * (double)(d + 1) * sizeof(double);

    return (double)n * (each + (double)threads * (sizeof(float) + 2 * sizeof(double))) + fits;
}

double *regression_fitted(const struct regression *r, size_t label) { return r->fitted + label * (r->d + 1); }

/* ---- one finding ---- */

/* Fits of all findings at one ridge, each to the rows of all folds but one, or to all. */
struct fits {
    const struct regression *r;
    double ridge, precision;
    bool all;       /* a task is a finding and takes all rows; or a finding and the fold that is left out */
    double *fitted; /* [tasks][d + 1]: where each begins, and then what was fitted */
    double loss[N_FOLDS][MAX_LABELS]; /* of the fold that was left out */
    enum status status[N_FOLDS * MAX_LABELS];
    const struct interruption *stop;
    pthread_mutex_t lock; /* of what follows, and of asking */
    bool over;
};

static bool ask(void *arg)
{
    struct fits *f = arg;
    bool over;

    pthread_mutex_lock(&f->lock);
    if (!f->over && f->stop->cancelled)
        f->over = f->stop->cancelled(f->stop->arg);
    over = f->over;
    pthread_mutex_unlock(&f->lock);
    return over;
}

/* The weight of each row, [n]; rows and positives in all. */
static void weigh(const struct regression *r, size_t label, size_t left_out, float *weights, double *ret_rows,
                  double *ret_positives)
{
    const uint8_t *positive = r->positive + label * r->n;

    *ret_rows = *ret_positives = 0;
    for (size_t i = 0; i < r->n; i++) {
        weights[i] = r->folds[i] == left_out || positive[i] >= TRUTH_UNKNOWN ? 0 : 1 / (float)r->copies;
        *ret_rows += (double)weights[i];
        *ret_positives += positive[i] == 1 ? (double)weights[i] : 0;
    }
}

static void put_ridges(const struct regression *r, double ridge, double *ret)
{
    for (size_t j = 0; j < r->d; j++)
        ret[j] = j < r->n_chosen ? ridge : LOGISTIC_RIDGE;
}

static enum status fit_one(struct fits *f, size_t label, size_t left_out, double *fitted)
{
    const struct regression *r = f->r;
    float *weights = malloc((r->n + 1) * sizeof *weights);
    double *ridge = malloc(r->d * sizeof *ridge), n, positives;
    enum status st = ST_NOMEM;

    if (!weights || !ridge)
        goto out;
    weigh(r, label, left_out, weights, &n, &positives);
    put_ridges(r, f->ridge, ridge);
    if (positives == 0 || positives == n) {
        memset(fitted, 0, r->d * sizeof *fitted);
        fitted[r->d] = log_odds(positives, n);
        st = ST_OK;
    } else {
        st = logistic_fit(&(struct logistic_rows){ .n = r->n,
                                                   .d = r->d,
                                                   .x = r->x,
                                                   .ridge = ridge,
                                                   .weights = weights,
                                                   .begin = fitted,
                                                   .precision = f->precision,
                                                   .stop = { ask, f } },
                          r->positive + label * r->n, fitted);
    }
out:
    free(weights);
    free(ridge);
    return st;
}

/* The same of all rows with the one ridge, as old jobs were fitted. */
static enum status fit_by_factors(struct fits *f, size_t label, double *fitted)
{
    const struct regression *r = f->r;

    assert(f->all && r->copies == 1 && r->n_chosen == 0);
    return cholesky_fit(&(struct logistic_rows){ .n = r->n, .d = r->d, .x = r->x, .stop = { ask, f } },
                        r->positive + label * r->n, fitted);
}

/* A fit's scores of the pictures of the fold that it has not seen, as they are. */
static double loss_unseen(const struct regression *r, size_t label, size_t fold, const double *fitted)
{
    double loss = 0;

    for (size_t i = 0; i < r->n; i += r->copies)
        if (r->folds[i] == fold && r->positive[label * r->n + i] < TRUTH_UNKNOWN)
            loss +=
                logistic_loss(logistic_logit(fitted, r->x + i * r->d, r->d), r->positive[label * r->n + i]);
    return loss;
}

static void fit_task(void *arg, size_t task, size_t thread)
{
    struct fits *f = arg;
    const size_t label = task % f->r->n_labels, fold = f->all ? (size_t)ALL : task / f->r->n_labels;
    double *fitted = f->fitted + task * (f->r->d + 1);

    (void)thread;
    f->status[task] =
        f->r->solver == SOLVER_CHOLESKY ? fit_by_factors(f, label, fitted) : fit_one(f, label, fold, fitted);
    if (fold < N_FOLDS && f->status[task] == ST_OK)
        f->loss[fold][label] = loss_unseen(f->r, label, fold, fitted);
}

static enum status fits_run(struct fits *f, struct pool *pool)
{
    const size_t tasks = f->all ? f->r->n_labels : N_FOLDS * f->r->n_labels;

    pool_run(pool, tasks, fit_task, f);
    for (size_t i = 0; i < tasks; i++)
        if (f->status[i] != ST_OK)
            return f->status[i];
    return ST_OK;
}

enum status regression_fit(struct regression *r, double ridge, const struct interruption *stop,
                           struct pool *pool)
{
    struct fits f = { .r = r,
                      .ridge = ridge,
                      .all = true,
                      .fitted = r->fitted,
                      .stop = stop,
                      .lock = PTHREAD_MUTEX_INITIALIZER };

    return fits_run(&f, pool);
}

enum status regression_tell(enum status st, const char *what, struct error *err)
{
    if (st == ST_OK)
        return st;
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st == ST_CANCELLED)
        return error_set(err, st, "the training was cancelled");
    return error_set(err, st, "%s make no finite logistic regression", what);
}

/* ---- which ridge ---- */

static double mean_loss(const struct fits *f)
{
    const size_t copies = f->r->copies;
    double sum = 0, n = 0;

    for (size_t fold = 0; fold < N_FOLDS; fold++)
        for (size_t k = 0; k < f->r->n_labels; k++)
            sum += f->loss[fold][k];
    for (size_t k = 0; k < f->r->n_labels; k++)
        n += (double)metrics_known(f->r->n / copies, f->r->positive + k * f->r->n, copies);
    return sum / fmax(n, 1);
}

enum status regression_choose(const struct regression *r, const struct ridges *ridges,
                              const struct interruption *stop, struct pool *pool, struct ridge_choice *ret)
{
    struct fits f = { .r = r,
                      .precision = PRECISION,
                      .fitted = calloc(N_FOLDS * r->n_labels * (r->d + 1), sizeof *f.fitted),
                      .stop = stop,
                      .lock = PTHREAD_MUTEX_INITIALIZER };
    enum status st = f.fitted ? ST_OK : ST_NOMEM;
    size_t best = 0;

    *ret = (struct ridge_choice){ .ridge = ridges->at[0] };
    for (size_t i = 0; i < ridges->n && i < best + 3 && st == ST_OK; i++) {
        f.ridge = ridges->at[i];
        st = fits_run(&f, pool);
        ret->loss[i] = mean_loss(&f);
        ret->n_tried = i + 1;
        if (ret->loss[i] < ret->loss[best])
            best = i;
    }
    ret->ridge = ridges->at[best];
    free(f.fitted);
    return st;
}
