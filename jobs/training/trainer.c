/* jobs/training/trainer.c - the pipeline, phase by phase, see cxrd/trainer.h.
 *
 * scanning: table, filter, files. splitting. caching: the picture cache is opened (it fills as pictures are first
 * used). training: epochs of steps, each with its validation; every epoch's weights become an immutable model, which
 * is validated and, if it is to be kept, kept. evaluating: the kept model on all rows of each set. */
#include "cxrd/trainer.h"

#include "batches.h"
#include "cxrd/clock.h"
#include "cxrd/file.h"
#include "cxrd/metrics.h"
#include "cxrd/training.h"
#include "evaluate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const PHASE_NAMES[] = { "scanning", "splitting", "caching", "training", "evaluating", "saving" };
const char *const SCORED_NAMES[N_SCORED] = { "validation", "test", "no_finding" };

enum { STREAM_WEIGHTS = 1, STREAM_BATCHES, STREAM_VALIDATION, STREAM_TEST, MAX_SCORES_CSV = 1 << 30 };

/* Everything a run holds, in the order in which it comes to be. */
struct run {
    const struct train_config *config;
    const struct train_request *request;
    const struct train_observer *observer;
    struct train_result *result;
    struct error *err;

    char root_path[2 * CONFIG_TEXT + 512]; /* of the data set */
    int root;                              /* its descriptor */
    struct table table;
    struct picture_files *files;
    struct rows used, normal; /* rows to learn from; normal chests to test with */
    struct split split;
    struct image_cache *cache;
    bool *unusable; /* [table.n_rows]: pictures that were found but could not be decoded */
    struct pictures pictures;
    struct pool *pool;
    struct scorer *scorer;

    struct network net;
    struct preprocess pre;
    struct training *training;
    struct adam adam;
    struct rng batch_rng, validation_rng;
    struct order order; /* of the training rows */
    struct batch batch;

    size_t steps_per_epoch;
    size_t images_done, images_total; /* progress: pictures to be trained on, validated and scored */
    double started;
    struct train_progress progress;
    double best_loss;
    struct scores kept_validation; /* of the kept model */
};

static bool cancelled(const struct run *r)
{
    return r->observer->cancelled && r->observer->cancelled(r->observer->arg);
}

static enum status check_cancelled(const struct run *r)
{
    return cancelled(r) ? error_set(r->err, ST_CANCELLED, "the training was cancelled") : ST_OK;
}

static void tell_phase(const struct run *r, enum train_phase phase)
{
    if (r->observer->phase)
        r->observer->phase(r->observer->arg, phase);
}

static void tell_progress(struct run *r)
{
    const double elapsed = clock_seconds() - r->started;
    struct train_progress *p = &r->progress;

    p->progress = r->images_total ? fmin((double)r->images_done / (double)r->images_total, 1) : 0;
    p->eta_s = p->progress > 0 ? elapsed * (1 - p->progress) / p->progress : -1;
    if (r->observer->step)
        r->observer->step(r->observer->arg, p);
}

/* ---- scanning ---- */

static enum status table_load(struct run *r)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const int fd = open_beneath(r->root, r->config->csv, O_RDONLY);
    enum status st;

    if (fd < 0)
        return error_errno(r->err, errno == ENOENT ? ST_NOTFOUND : ST_IO, "cannot open the table '%s'",
                           r->config->csv);
    st = file_read_fd(fd, r->config->csv, TABLE_MAX_BYTES, &file, r->err);
    close(fd);
    if (st == ST_OK)
        st = table_read(file.data, file.size, r->config->csv, &r->table, r->err);
    file_bytes_release(&file);
    return st;
}

static enum status root_open(struct run *r)
{
    const int datasets = open(r->request->datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (datasets < 0)
        return error_errno(r->err, ST_NOTFOUND, "cannot open the folder of data sets '%s'",
                           r->request->datasets);
    r->root = open_beneath(datasets, r->config->dataset, O_RDONLY | O_DIRECTORY);
    close(datasets);
    if (r->root < 0)
        return error_errno(r->err, ST_NOTFOUND, "cannot open the data set '%s'", r->config->dataset);
    snprintf(r->root_path, sizeof r->root_path, "%s/%s", r->request->datasets, r->config->dataset);
    return ST_OK;
}

static enum status scan(struct run *r)
{
    struct dataset_report *report = &r->result->dataset;
    enum status st = root_open(r);

    if (st == ST_OK)
        st = table_load(r);
    if (st == ST_OK)
        st = table_filter(&r->table, (int)r->config->max_age, r->config->drop_no_finding, &r->used,
                          &r->normal, report, r->err);
    if (st == ST_OK)
        st = discover(r->root, r->config->images, &r->files, r->err);
    if (st != ST_OK)
        return st;
    report->missing_images = rows_keep_found(&r->table, r->files, &r->used);
    rows_keep_found(&r->table, r->files, &r->normal);
    if (r->used.n == 0)
        return error_set(r->err, ST_UNUSABLE,
                         "no picture found: of %zu rows none has a file that matches '%s' (%zu files)",
                         report->missing_images, r->config->images, picture_count(r->files));
    if (r->config->missing_images == MISSING_FAIL && report->missing_images > 0)
        return error_set(r->err, ST_UNUSABLE, "%zu rows have no picture, and 'missing_images' is \"fail\"",
                         report->missing_images);
    return ST_OK;
}

/* ---- splitting ---- */

static enum status list_load(struct run *r, const char *name, struct file_bytes *ret)
{
    const int fd = open_beneath(r->root, name, O_RDONLY);
    enum status st;

    if (fd < 0)
        return error_errno(r->err, ST_NOTFOUND, "cannot open the list '%s'", name);
    st = file_read_fd(fd, name, TABLE_MAX_BYTES, ret, r->err);
    close(fd);
    return st;
}

static enum status split(struct run *r)
{
    struct file_bytes test = FILE_BYTES_INIT, train_val = FILE_BYTES_INIT;
    struct split_options options = { .by = (enum split_by)r->config->split_by,
                                     .test_fraction = r->config->test_fraction,
                                     .val_fraction = r->config->val_fraction,
                                     .seed = (uint64_t)r->config->seed };
    enum status st = ST_OK;

    if (options.by == SPLIT_LIST) {
        st = list_load(r, "test_list.txt", &test);
        if (st == ST_OK)
            st = list_load(r, "train_val_list.txt", &train_val);
        options.test_list = test.data;
        options.test_list_size = test.size;
        options.train_val_list = train_val.data;
        options.train_val_list_size = train_val.size;
    }
    if (st == ST_OK)
        st = split_make(&r->table, &r->used, &options, &r->split, &r->result->dataset, r->err);
    file_bytes_release(&test);
    file_bytes_release(&train_val);
    if (st != ST_OK)
        return st;
    r->result->has_dataset = true;
    if (r->observer->dataset)
        r->observer->dataset(r->observer->arg, &r->result->dataset);
    return ST_OK;
}

/* ---- caching: everything that training needs is made ready ---- */

static void pictures_open(struct run *r)
{
    const struct image_cache_options options = { .folder = r->request->cache_folder,
                                                 .max_bytes = r->request->cache_bytes,
                                                 .csv_sha256 = r->table.sha256,
                                                 .images = r->config->images,
                                                 .root = r->root_path,
                                                 .n_rows = r->table.n_rows,
                                                 .pre = r->pre };

    r->cache = image_cache_open(&options);
    r->pictures = (struct pictures){ &r->table, r->files, r->pre, r->cache, r->unusable };
}

static size_t validation_rows(const struct run *r)
{
    const size_t n = r->split.part[VALIDATION].n;
    const size_t asked = (size_t)r->config->validation_steps * recipe_rules(r->config)->validation_batch;

    return asked && asked < n ? asked : n;
}

static void plan(struct run *r)
{
    const size_t batch = (size_t)r->config->batch_size, n_train = r->split.part[TRAIN].n;
    const size_t epochs = (size_t)r->config->epochs;
    size_t trained;

    r->steps_per_epoch =
        r->config->steps_per_epoch ? (size_t)r->config->steps_per_epoch : (n_train + batch - 1) / batch;
    trained = r->config->steps_per_epoch ? r->steps_per_epoch * batch : n_train;
    /* a step forward and backward costs about three times a forward pass */
    r->images_total = epochs * (3 * trained + validation_rows(r)) + r->split.part[VALIDATION].n +
                      r->split.part[TEST].n + r->normal.n;
}

/* The network to be trained: the recipe's, or what the model to start from has. */
static enum status geometry(struct run *r)
{
    const struct train_config *c = r->config;

    if (r->request->init) {
        r->net = *model_network(r->request->init);
        r->pre = *model_preprocess(r->request->init);
        return ST_OK;
    }
    r->pre = (struct preprocess){ (size_t)c->image_size, (enum resize)c->resize, (float)c->input_mean,
                                  (float)c->input_std };
    return network_init(&r->net, "cnn4", (size_t)c->image_size, r->err);
}

/* How often each finding occurs among the training rows, [14]. */
static void base_rates(const struct run *r, double rates[N_LABELS])
{
    const struct rows *train = &r->split.part[TRAIN];

    for (size_t k = 0; k < N_LABELS; k++) {
        size_t n = 0;

        for (size_t i = 0; i < train->n; i++)
            n += r->table.rows[train->index[i]].labels >> k & 1;
        rates[k] = (double)n / (double)train->n;
    }
}

static void weights_begin(struct run *r)
{
    float *params = training_params(r->training);
    const struct tensor *bias = network_tensor(&r->net, "head.bias");
    double rates[N_LABELS];
    struct rng rng;

    if (r->request->init) {
        memcpy(params, model_params(r->request->init), r->net.n_params * sizeof *params);
        return;
    }
    rng_seed(&rng, (uint64_t)r->config->seed, STREAM_WEIGHTS);
    network_initialise(&r->net, recipe_rules(r->config)->init, &rng, params);
    if (r->config->head_bias != HEAD_BIAS_BASE_RATES)
        return;
    base_rates(r, rates);
    for (size_t k = 0; k < N_LABELS; k++) { /* half a row is added, so that no rate is 0 or 1 */
        const double n = (double)r->split.part[TRAIN].n, p = (rates[k] * n + 0.5) / (n + 1);

        params[bias->offset + k] = (float)log(p / (1 - p));
    }
}

static enum status prepare(struct run *r)
{
    struct rng *shuffler = r->config->shuffle ? &r->batch_rng : NULL;
    enum status st = geometry(r);

    r->unusable = calloc(r->table.n_rows + 1, sizeof *r->unusable);
    if (st == ST_OK && !r->unusable)
        st = error_nomem(r->err);
    if (st != ST_OK)
        return st;
    pictures_open(r);
    plan(r);
    st = pool_new(r->request->threads, r->request->class, &r->pool, r->err);
    if (st == ST_OK)
        st = scorer_new(&r->pictures, r->pool, &r->scorer, r->err);
    if (st == ST_OK)
        st = training_new(&r->net, r->pool, &r->training, r->err);
    if (st == ST_OK)
        st = adam_init(&r->adam, r->net.n_params, r->err);
    if (st == ST_OK)
        st = batch_init(&r->batch, (size_t)r->config->batch_size, r->pre.size, r->err);
    if (st != ST_OK)
        return st;
    rng_seed(&r->batch_rng, (uint64_t)r->config->seed, STREAM_BATCHES);
    rng_seed(&r->validation_rng, (uint64_t)r->config->seed, STREAM_VALIDATION);
    weights_begin(r);
    return order_init(&r->order, &r->split.part[TRAIN], shuffler) == ST_OK ? ST_OK : error_nomem(r->err);
}

/* ---- training ---- */

/* What an epoch adds up. */
struct running {
    double loss_sum; /* weighted by pictures */
    size_t images, top5_hits, top5_rows;
    double started, seconds; /* training only */
};

/* The next batch; at the end of the rows it goes on with a fresh permutation. */
static enum status next_batch(struct run *r)
{
    const bool strict = r->config->missing_images == MISSING_FAIL;

    for (size_t read = 0; read <= 2 * r->order.n; read += r->batch.capacity) {
        const uint32_t *rows;
        size_t n = order_next(&r->order, r->batch.capacity, &rows);
        enum status st;

        if (n == 0) {
            order_restart(&r->order);
            n = order_next(&r->order, r->batch.capacity, &rows);
        }
        st = batch_load(&r->batch, &r->pictures, r->pool, rows, n, strict, r->err);
        if (st != ST_OK || r->batch.n > 0)
            return st;
    }
    return error_set(r->err, ST_UNUSABLE, "none of the %zu training pictures can be read", r->order.n);
}

static double learning_rate(const struct run *r)
{
    const double total = (double)r->steps_per_epoch * (double)r->config->epochs;

    switch ((enum lr_schedule)r->config->lr_schedule) {
    case LR_CONSTANT: break;
    case LR_COSINE: return r->config->learning_rate * 0.5 * (1 + cos(M_PI * (double)r->adam.steps / total));
    }
    return r->config->learning_rate;
}

static void count_batch(const struct run *r, const float *logits, double loss, struct running *e)
{
    for (size_t i = 0; i < r->batch.n; i++) {
        uint8_t truth[N_LABELS];
        size_t hits, rows;

        for (size_t k = 0; k < N_LABELS; k++)
            truth[k] = r->batch.y[i * N_LABELS + k] != 0;
        metrics_top5(1, truth, logits + i * N_LABELS, &hits,
                     &rows); /* the order of logits is that of scores */
        e->top5_hits += hits;
        e->top5_rows += rows;
    }
    e->loss_sum += loss * (double)r->batch.n;
    e->images += r->batch.n;
}

static enum status step(struct run *r, struct running *e)
{
    float logits[256 * N_LABELS];
    double loss;
    enum status st = check_cancelled(r);

    assert(r->batch.capacity <= 256);
    if (st == ST_OK)
        st = next_batch(r);
    if (st != ST_OK)
        return st;
    st = training_gradient(r->training, r->batch.n, r->batch.x, r->batch.y, logits, &loss);
    if (st != ST_OK)
        return error_set(
            r->err, st,
            "the training loss is no longer a finite number (step %ju); a lower learning rate may help",
            (uintmax_t)r->adam.steps + 1);
    adam_update(&r->adam, training_gradients(r->training), learning_rate(r), r->config->weight_decay,
                training_params(r->training));
    count_batch(r, logits, loss, e);
    e->seconds = clock_seconds() - e->started;
    r->images_done += 3 * r->batch.n;
    r->progress.loss = e->loss_sum / (double)e->images;
    r->progress.images_per_s = (double)e->images / fmax(e->seconds, 1e-9);
    return ST_OK;
}

static bool hook_cancelled(void *arg) { return cancelled(arg); }

static void hook_done(void *arg, size_t rows)
{
    struct run *r = arg;

    r->images_done += rows;
    tell_progress(r);
}

static enum status score(struct run *r, const struct model *m, const uint32_t *rows, size_t n,
                         struct scores *ret)
{
    const struct scoring_hooks hooks = { r, hook_cancelled, hook_done };

    return scorer_run(r->scorer, m, rows, n, r->config->missing_images == MISSING_FAIL, &hooks, ret, r->err);
}

/* Validation rows of this epoch: all, in table order, or as many as asked for, drawn afresh. */
static enum status validate(struct run *r, const struct model *m, struct scores *ret)
{
    const struct rows *all = &r->split.part[VALIDATION];
    const bool draw = r->config->validation_steps > 0 && r->config->shuffle;
    struct order order;
    const uint32_t *rows;
    enum status st;
    size_t n;

    if (order_init(&order, all, draw ? &r->validation_rng : NULL) != ST_OK)
        return error_nomem(r->err);
    n = order_next(&order, validation_rows(r), &rows);
    st = score(r, m, rows, n, ret);
    order_release(&order);
    return st;
}

/* The weights as they are now. */
static enum status snapshot(const struct run *r, struct model **ret_model)
{
    json_t *notes = r->request->notes ? json_deep_copy(r->request->notes) : json_object();
    char now[CLOCK_TEXT_SIZE];

    if (notes)
        json_object_set_new(notes, "created_at", json_string(clock_utc(now)));
    return model_new(&r->net, &r->pre, training_params(r->training), notes, ret_model, r->err);
}

/* Keep this epoch's model if the recipe says so; takes over both. */
static void keep(struct run *r, struct model *m, struct scores *validation, const struct epoch_report *e)
{
    struct train_result *result = r->result;
    const bool better = !result->model || e->val_loss < r->best_loss;

    if (!better && recipe_rules(r->config)->keep_best) {
        model_unref(m);
        scores_release(validation);
        return;
    }
    if (better)
        r->best_loss = e->val_loss;
    model_unref(result->model);
    scores_release(&r->kept_validation);
    result->model = m;
    result->kept_epoch = e->epoch;
    result->validation_loss = e->val_loss;
    result->top5_accuracy = e->val_top5_accuracy;
    r->kept_validation = *validation;
}

static enum status epoch_end(struct run *r, const struct running *sums, struct epoch_report *e)
{
    struct model *m = NULL;
    struct scores validation;
    enum status st = snapshot(r, &m);

    if (st != ST_OK)
        return st;
    st = validate(r, m, &validation);
    if (st == ST_OK && validation.n == 0) {
        scores_release(&validation);
        st = error_set(r->err, ST_UNUSABLE, "none of the validation pictures can be read");
    }
    if (st != ST_OK) {
        model_unref(m);
        return st;
    }
    e->loss = sums->loss_sum / (double)sums->images;
    e->top5_accuracy = sums->top5_rows ? (double)sums->top5_hits / (double)sums->top5_rows : NAN;
    e->images_per_s = (double)sums->images / fmax(sums->seconds, 1e-9);
    e->val_loss = scores_loss(&validation);
    e->val_top5_accuracy = scores_top5(&validation);
    if (macro_auroc(&validation, &e->val_macro_auroc) != ST_OK) {
        model_unref(m);
        scores_release(&validation);
        return error_nomem(r->err);
    }
    keep(r, m, &validation, e);
    return ST_OK;
}

static enum status epoch(struct run *r, struct epoch_report *e)
{
    struct running sums = { .started = clock_seconds() };
    enum status st = ST_OK;

    order_restart(&r->order);
    r->progress.epoch = e->epoch;
    r->progress.steps = r->steps_per_epoch;
    for (r->progress.step = 0; r->progress.step < r->steps_per_epoch && st == ST_OK;) {
        st = step(r, &sums);
        r->progress.step++;
        if (st == ST_OK)
            tell_progress(r);
    }
    if (st == ST_OK)
        st = epoch_end(r, &sums, e);
    e->seconds = clock_seconds() - sums.started;
    if (st == ST_OK && r->observer->epoch)
        r->observer->epoch(r->observer->arg, e);
    return st;
}

static enum status train(struct run *r)
{
    struct train_result *result = r->result;
    const size_t epochs = (size_t)r->config->epochs, patience = (size_t)r->config->patience;

    result->epochs = calloc(epochs, sizeof *result->epochs);
    if (!result->epochs)
        return error_nomem(r->err);
    r->started = clock_seconds();
    for (size_t i = 0; i < epochs; i++) {
        enum status st;

        result->epochs[i].epoch = i + 1;
        st = epoch(r, &result->epochs[i]);
        if (st != ST_OK)
            return st;
        result->n_epochs = i + 1;
        if (patience && result->n_epochs - result->kept_epoch >= patience &&
            recipe_rules(r->config)->keep_best)
            break;
    }
    return ST_OK;
}

/* ---- evaluating ---- */

/* What predicting the base rates for everyone scores on the rows that the kept model was validated on. */
static enum status baseline(struct run *r)
{
    struct scores guess = r->kept_validation;
    double rates[N_LABELS];

    guess.prob = malloc((guess.n + 1) * N_LABELS * sizeof *guess.prob);
    if (!guess.prob)
        return error_nomem(r->err);
    base_rates(r, rates);
    for (size_t i = 0; i < guess.n * N_LABELS; i++)
        guess.prob[i] = (float)rates[i % N_LABELS];
    r->result->baseline_loss = scores_loss(&guess);
    r->result->baseline_top5_accuracy = scores_top5(&guess);
    free(guess.prob);
    return ST_OK;
}

/* At most `limit` of the scored rows, drawn by lot; 0: all of them. */
static enum status evaluate_some(struct run *r, const struct scores *s, size_t limit, struct evaluation *ret)
{
    struct scores some = *s;
    uint32_t *lot;
    struct rng rng;
    enum status st = ST_NOMEM;

    if (limit == 0 || limit >= s->n)
        return evaluate(s, ret);
    some.n = limit;
    some.truth = malloc(limit * N_LABELS);
    some.prob = malloc(limit * N_LABELS * sizeof *some.prob);
    lot = malloc(s->n * sizeof *lot);
    if (some.truth && some.prob && lot) {
        for (size_t i = 0; i < s->n; i++)
            lot[i] = (uint32_t)i;
        rng_seed(&rng, (uint64_t)r->config->seed, STREAM_TEST);
        rng_shuffle(&rng, lot, s->n);
        for (size_t i = 0; i < limit; i++) {
            memcpy(some.truth + i * N_LABELS, s->truth + lot[i] * N_LABELS, N_LABELS);
            memcpy(some.prob + i * N_LABELS, s->prob + lot[i] * N_LABELS, N_LABELS * sizeof *some.prob);
        }
        st = evaluate(&some, ret);
    }
    free(lot);
    free(some.truth);
    free(some.prob);
    return st;
}

static enum status evaluate_set(struct run *r, int set, const struct rows *rows)
{
    struct train_result *result = r->result;
    struct scores s;
    enum status st = score(r, result->model, rows->index, rows->n, &s);

    if (st != ST_OK)
        return st;
    st = evaluate_some(r, &s, set == SCORED_TEST ? recipe_rules(r->config)->test_rows : 0,
                       &result->evaluation[set]);
    if (st == ST_OK)
        st = scores_csv(&s, &r->table, &result->scores_csv[set]);
    scores_release(&s);
    return st == ST_OK ? ST_OK : error_set(r->err, st, "the scores do not fit in memory");
}

static enum status evaluate_all(struct run *r)
{
    enum status st = baseline(r);

    if (st == ST_OK)
        st = evaluate_set(r, SCORED_VALIDATION, &r->split.part[VALIDATION]);
    if (st == ST_OK)
        st = evaluate_set(r, SCORED_TEST, &r->split.part[TEST]);
    if (st == ST_OK)
        st = evaluate_set(r, SCORED_NO_FINDING, &r->normal);
    return st;
}

static size_t count_unusable(const struct run *r)
{
    size_t n = 0;

    for (size_t i = 0; r->unusable && i < r->table.n_rows; i++)
        n += r->unusable[i];
    return n;
}

static void run_release(struct run *r)
{
    scores_release(&r->kept_validation);
    batch_release(&r->batch);
    order_release(&r->order);
    adam_release(&r->adam);
    training_free(r->training);
    scorer_free(r->scorer);
    pool_free(r->pool);
    image_cache_close(r->cache);
    free(r->unusable);
    split_release(&r->split);
    rows_release(&r->normal);
    rows_release(&r->used);
    picture_files_free(r->files);
    table_release(&r->table);
    if (r->root >= 0)
        close(r->root);
    free(r);
}

enum status train_run(const struct train_request *request, const struct train_observer *observer,
                      struct train_result *ret_result, struct error *err)
{
    static const struct {
        enum train_phase phase;
        enum status (*work)(struct run *r);
    } PHASES[] = {
        { PHASE_SCANNING, scan },  { PHASE_SPLITTING, split },         { PHASE_CACHING, prepare },
        { PHASE_TRAINING, train }, { PHASE_EVALUATING, evaluate_all },
    };
    struct run *r = calloc(1, sizeof *r);
    enum status st = ST_OK;

    *ret_result = (struct train_result){ 0 };
    for (int i = 0; i < N_SCORED; i++)
        ret_result->scores_csv[i] = (struct buf)BUF_INIT(MAX_SCORES_CSV);
    if (!r)
        return error_nomem(err);
    r->config = request->config;
    r->request = request;
    r->observer = observer;
    r->result = ret_result;
    r->err = err;
    r->root = -1;
    for (size_t i = 0; i < sizeof PHASES / sizeof PHASES[0] && st == ST_OK; i++) {
        if (PHASES[i].phase > PHASE_SPLITTING && request->config->epochs == 0)
            break; /* the data's report was all that was asked for */
        tell_phase(r, PHASES[i].phase);
        st = check_cancelled(r);
        if (st == ST_OK)
            st = PHASES[i].work(r);
    }
    ret_result->unreadable = count_unusable(r);
    run_release(r);
    return st;
}

void train_result_release(struct train_result *r)
{
    model_unref(r->model);
    free(r->epochs);
    for (int i = 0; i < N_SCORED; i++)
        buf_release(&r->scores_csv[i]);
    *r = (struct train_result){ 0 };
}
