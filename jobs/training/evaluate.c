/* jobs/training/evaluate.c - see evaluate.h. */
#include "evaluate.h"

#include "augment.h"
#include "batches.h"
#include "cxrd/csv_text.h"
#include "row_inputs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct scorer_thread {
    struct session *session;
    uint8_t *grey, *taken; /* [S][S]: the picture, and as a view has it */
    float *x;              /* [channels][S][S] */
    float *features;       /* [model_features()], while such are kept */
};

struct scorer {
    const struct pictures *pictures;
    struct pool *pool;
    size_t n_threads;
    struct scorer_thread *threads;
};

void scores_release(struct scores *s)
{
    free(s->rows);
    free(s->patients);
    free(s->truth);
    free(s->prob);
    free(s->logits);
    *s = (struct scores){ 0 };
}

enum status scores_init(struct scores *s, const struct labels *labels, size_t n)
{
    const size_t cells = (n + 1) * labels->n;

    *s = (struct scores){ .labels = labels,
                          .rows = malloc((n + 1) * sizeof *s->rows),
                          .patients = malloc((n + 1) * sizeof *s->patients),
                          .truth = malloc(cells),
                          .prob = malloc(cells * sizeof *s->prob),
                          .logits = malloc(cells * sizeof *s->logits) };
    if (s->rows && s->patients && s->truth && s->prob && s->logits)
        return ST_OK;
    scores_release(s);
    return ST_NOMEM;
}

enum status scorer_new(const struct pictures *pictures, struct pool *pool, struct scorer **ret_scorer,
                       struct error *err)
{
    const size_t plane = pictures->pre.size * pictures->pre.size, n = preprocess_floats(&pictures->pre);
    struct scorer *s = calloc(1, sizeof *s);
    bool ok = s != NULL;

    if (ok) {
        *s = (struct scorer){ pictures, pool, pool_threads(pool),
                              calloc(pool_threads(pool), sizeof *s->threads) };
        ok = s->threads != NULL;
    }
    for (size_t i = 0; ok && i < s->n_threads; i++) {
        struct scorer_thread *l = &s->threads[i];

        l->grey = malloc(plane + 1);
        l->taken = malloc(plane + 1);
        l->x = malloc((n + 1) * sizeof *l->x);
        ok = l->grey && l->taken && l->x && session_new(&l->session) == ST_OK;
    }
    if (!ok) {
        scorer_free(s);
        return error_nomem(err);
    }
    *ret_scorer = s;
    return ST_OK;
}

void scorer_free(struct scorer *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->threads && i < s->n_threads; i++) {
        session_free(s->threads[i].session);
        free(s->threads[i].grey);
        free(s->threads[i].taken);
        free(s->threads[i].features);
        free(s->threads[i].x);
    }
    free(s->threads);
    free(s);
}

enum status features_init(struct features *f, size_t n, size_t size)
{
    *f = (struct features){ n, size, malloc((n + 1) * sizeof *f->rows),
                            malloc((n * size + 1) * sizeof *f->values), calloc(n + 1, sizeof *f->read) };
    if (f->rows && f->values && f->read)
        return ST_OK;
    features_release(f);
    return ST_NOMEM;
}

void features_release(struct features *f)
{
    free(f->rows);
    free(f->values);
    free(f->read);
    *f = (struct features){ 0 };
}

int row_compare(const void *a, const void *b)
{
    const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;

    return (p > q) - (p < q);
}

/* Of the picture that a session has just run. */
static void features_take(struct features *f, uint32_t row, const struct session *session,
                          const struct model *m)
{
    const uint32_t *found = f && f->n > 0 ? bsearch(&row, f->rows, f->n, sizeof row, row_compare) : NULL;

    if (!found)
        return;
    memcpy(f->values + (size_t)(found - f->rows) * f->size, session_features(session, m),
           f->size * sizeof *f->values);
    f->read[found - f->rows] = true;
}

/* A stretch of rows that the pool scores at once; results at their places, what failed marked. */
struct stretch {
    struct scorer *scorer;
    const struct model *model;
    const struct scoring_hooks *hooks;
    struct stretch_scores scores;
};

static enum status no_result(enum status st, struct error *err)
{
    return st == ST_NOMEM ? error_nomem(err)
                          : error_set(err, st, "the model's result is not a finite number");
}

/* The row's picture as the network is fed. */
static enum status picture_take(const struct stretch *t, uint32_t row, struct scorer_thread *l,
                                struct error *err)
{
    const struct pictures *pictures = t->scorer->pictures;
    const size_t size = pictures->pre.size;
    const struct view *view = t->hooks->view;
    const enum status st = picture_load(pictures, row, l->grey, err);
    struct augmentation a;

    if (st != ST_OK)
        return st;
    if (view) {
        augmentation_draw(view->seed, view->number << 32 | row, &a);
        augment(l->grey, size, &a, l->taken);
    }
    preprocess_scale(view ? l->taken : l->grey, size * size, &pictures->pre, l->x);
    return ST_OK;
}

/* By the network, or by what is kept of it. */
static enum status picture_run(const struct stretch *t, uint32_t row, struct scorer_thread *l, float *logits,
                               struct error *err)
{
    static const struct picture_facts NOTHING = { 0 };
    struct image_cache *kept = t->hooks->kept;
    const uint64_t stamp = kept ? picture_stamp(t->scorer->pictures, row) : 0;
    enum status st;

    if (kept && image_cache_get(kept, row, stamp, l->features))
        return session_head(l->session, t->model, l->features, logits);
    st = picture_take(t, row, l, err);
    if (st != ST_OK)
        return st;
    st = session_run(l->session, t->model, 1, l->x, logits);
    if (st == ST_OK && kept)
        image_cache_put(kept, row, stamp, &NOTHING, session_features(l->session, t->model));
    return st;
}

/* Score the row's picture, where the model sees one. */
static enum status score_picture(const struct stretch *t, uint32_t row, struct scorer_thread *l,
                                 float *logits, struct error *err)
{
    enum status st;

    if (!model_sees(t->model)) {
        model_bias(t->model, logits);
        return ST_OK;
    }
    st = picture_run(t, row, l, logits, err);
    if (st == ST_OK)
        features_take(t->hooks->features, row, l->session, t->model);
    else if (st == ST_NUMERIC || st == ST_NOMEM)
        no_result(st, err);
    return st;
}

static void score_task(void *arg, size_t task, size_t thread)
{
    struct stretch *t = arg;
    struct stretch_scores *s = &t->scores;
    const uint32_t row = s->rows[task];
    const struct input_values values = row_values(t->scorer->pictures->table, row);
    enum status st = score_picture(t, row, &t->scorer->threads[thread], s->logits[task], &s->errors[task]);

    if (st == ST_OK && (st = model_add_inputs(t->model, &values, s->logits[task], NULL)) != ST_OK)
        no_result(st, &s->errors[task]);
    s->status[task] = st;
}

/* Append the stretch's results; a picture that is no good is left out or ends it all. */
static enum status collect(const struct stretch *t, bool strict, struct scores *s, struct error *err)
{
    const struct table *table = t->scorer->pictures->table;
    const struct stretch_memory *memory = t->hooks->memory;
    const struct stretch_scores *from = &t->scores;
    const size_t width = s->labels->n;

    for (size_t i = 0; i < from->n; i++) {
        if (from->status[i] != ST_OK &&
            (strict || from->status[i] == ST_NUMERIC || status_is_outside(from->status[i])))
            return error_set(err, from->status[i], "%s", from->errors[i].text);
        if (from->status[i] != ST_OK && memory)
            memory->left_out(memory->arg, from->rows[i], &from->errors[i]);
        if (from->status[i] != ST_OK)
            continue;
        s->rows[s->n] = from->rows[i];
        s->patients[s->n] = table->rows[from->rows[i]].patient;
        row_truth(table, from->rows[i], s->truth + s->n * width);
        memcpy(s->logits + s->n * width, from->logits[i], width * sizeof *s->logits);
        model_probabilities(t->model, 1, from->logits[i], s->prob + s->n * width);
        s->n++;
    }
    return ST_OK;
}

/* The next rows, scored or recalled, among the others'. */
static enum status stretch_score(struct stretch *t, bool strict, struct scores *s, struct error *err)
{
    const struct stretch_memory *memory = t->hooks->memory;
    const bool known = memory && memory->recall(memory->arg, &t->scores);
    enum status st;

    if (!known)
        pool_run(t->scorer->pool, t->scores.n, score_task, t);
    st = collect(t, strict, s, err);
    if (st == ST_OK && memory && !known)
        st = memory->keep(memory->arg, &t->scores, err);
    if (t->hooks->done)
        t->hooks->done(t->hooks->arg, t->scores.n);
    return st;
}

/* Room for what is kept of a picture. */
static enum status features_make(struct scorer *s, const struct model *m)
{
    for (size_t i = 0; i < s->n_threads; i++) {
        free(s->threads[i].features);
        s->threads[i].features = malloc((model_features(m) + 1) * sizeof(float));
        if (!s->threads[i].features)
            return ST_NOMEM;
    }
    return ST_OK;
}

/* All rows, a stretch after the other. */
static enum status score_all(struct stretch *t, const uint32_t *rows, size_t n, bool strict, struct scores *s,
                             struct error *err)
{
    const struct scoring_hooks *hooks = t->hooks;
    enum status st = ST_OK;

    for (size_t at = 0; at < n && st == ST_OK; at += STRETCH_ROWS) {
        if (hooks->cancelled && hooks->cancelled(hooks->arg))
            return error_set(err, ST_CANCELLED, "the scoring was cancelled");
        t->scores.n = n - at < STRETCH_ROWS ? n - at : STRETCH_ROWS;
        t->scores.rows = rows + at;
        st = stretch_score(t, strict, s, err);
    }
    return st;
}

/* A stretch for each rank: each scores its own and has the others' of them. */
static enum status score_round(struct stretch *t, struct stretch_scores *all, const uint32_t *rows, size_t n,
                               bool strict, struct scores *s, struct error *err)
{
    const struct scoring_hooks *hooks = t->hooks;
    const size_t ranks = ranks_n(hooks->ranks), me = ranks_me(hooks->ranks);
    bool *unusable = t->scorer->pictures->unusable;
    enum status st;

    t->scores.rows = rows + ranks_share(hooks->ranks, me, n);
    t->scores.n = ranks_share(hooks->ranks, me + 1, n) - ranks_share(hooks->ranks, me, n);
    pool_run(t->scorer->pool, t->scores.n, score_task, t);
    all[me] = t->scores;
    st = ranks_gather(hooks->ranks, all, sizeof *all, NULL, ranks, err);
    for (size_t q = 0; q < ranks && st == ST_OK; q++) {
        t->scores = all[q];
        t->scores.rows = rows + ranks_share(hooks->ranks, q, n);
        for (size_t i = 0; i < t->scores.n; i++) {
            const enum status found = t->scores.status[i];

            if (unusable && found != ST_OK && found != ST_NUMERIC && !status_is_outside(found))
                unusable[t->scores.rows[i]] = true;
        }
        st = collect(t, strict, s, err);
    }
    if (st == ST_OK && hooks->done)
        hooks->done(hooks->arg, n);
    return st;
}

static enum status score_shared(struct stretch *t, const uint32_t *rows, size_t n, bool strict,
                                struct scores *s, struct error *err)
{
    const struct scoring_hooks *hooks = t->hooks;
    const size_t most = STRETCH_ROWS * ranks_n(hooks->ranks);
    struct stretch_scores *all = calloc(ranks_n(hooks->ranks), sizeof *all);
    enum status st = all ? ST_OK : error_nomem(err);

    for (size_t at = 0; at < n && st == ST_OK; at += most) {
        if (hooks->cancelled && hooks->cancelled(hooks->arg))
            st = error_set(err, ST_CANCELLED, "the scoring was cancelled");
        else
            st = score_round(t, all, rows + at, n - at < most ? n - at : most, strict, s, err);
    }
    free(all);
    return st;
}

enum status scorer_run(struct scorer *scorer, const struct model *m, const uint32_t *rows, size_t n,
                       bool strict, const struct scoring_hooks *hooks, struct scores *ret_scores,
                       struct error *err)
{
    const bool shared = hooks->ranks && !hooks->features && !hooks->memory && !hooks->kept && model_sees(m);
    struct stretch *t = calloc(1, sizeof *t);
    struct scores s;
    enum status st = t && hooks->kept ? features_make(scorer, m) : ST_OK;

    if (!t || st != ST_OK || scores_init(&s, &scorer->pictures->table->labels, n) != ST_OK) {
        free(t);
        return error_nomem(err);
    }
    assert(model_labels(m)->n == s.labels->n);
    t->scorer = scorer;
    t->model = m;
    t->hooks = hooks;
    st = shared ? score_shared(t, rows, n, strict, &s, err) : score_all(t, rows, n, strict, &s, err);
    free(t);
    if (st != ST_OK) {
        scores_release(&s);
        return st;
    }
    *ret_scores = s;
    return ST_OK;
}

static void append(struct scores *to, const struct scores *from)
{
    const size_t at = to->n * to->labels->n, cells = from->n * from->labels->n;

    memcpy(to->rows + to->n, from->rows, from->n * sizeof *to->rows);
    memcpy(to->patients + to->n, from->patients, from->n * sizeof *to->patients);
    memcpy(to->truth + at, from->truth, cells);
    memcpy(to->prob + at, from->prob, cells * sizeof *to->prob);
    memcpy(to->logits + at, from->logits, cells * sizeof *to->logits);
    to->n += from->n;
}

enum status scores_join(const struct scores *a, const struct scores *b, struct scores *ret)
{
    const enum status st = scores_init(ret, a->labels, a->n + b->n);

    if (st != ST_OK)
        return st;
    append(ret, a);
    append(ret, b);
    return ST_OK;
}

void scores_own(struct scores *s, const struct table *t)
{
    for (size_t i = 0; i < s->n; i++)
        s->patients[i] = t->rows[s->rows[i]].patient;
}

void scores_recalibrate(struct scores *s, const struct model *m)
{
    model_probabilities(m, s->n, s->logits, s->prob);
}

void scores_csv_head(const struct labels *labels, struct buf *out)
{
    for (size_t k = 0; k < labels->n; k++)
        buf_printf(out, ",true_%s", labels->names[k]);
    for (size_t k = 0; k < labels->n; k++)
        buf_printf(out, ",prob_%s", labels->names[k]);
    buf_puts(out, "\n");
}

void scores_csv_row(const struct scores *s, size_t i, struct buf *out)
{
    static const char *const TRUTHS[] = { ",0", ",1", [TRUTH_UNKNOWN] = "," };
    const size_t n = s->labels->n;

    for (size_t k = 0; k < n; k++)
        buf_puts(out, TRUTHS[s->truth[i * n + k]]);
    for (size_t k = 0; k < n; k++)
        buf_printf(out, ",%.9g", (double)s->prob[i * n + k]);
    buf_puts(out, "\n");
}

enum status scores_csv(const struct scores *s, const struct table *t, struct buf *out)
{
    buf_puts(out, "image");
    scores_csv_head(s->labels, out);
    for (size_t i = 0; i < s->n; i++) {
        csv_text(table_image(t, s->rows[i]), out);
        scores_csv_row(s, i, out);
    }
    return buf_status(out);
}
