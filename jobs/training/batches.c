/* jobs/training/batches.c - see batches.h. */
#include "batches.h"

#include "augment.h"
#include "cxrd/metrics.h"
#include "cxrd/ranks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum status order_init(struct order *o, const struct rows *source, const float *weights, struct rng *rng)
{
    *o = (struct order){ .n = source->n, .source = source, .rng = rng, .weights = weights };
    o->rows = malloc((source->n + 1) * sizeof *o->rows);
    if (!o->rows)
        return ST_NOMEM;
    order_restart(o);
    return ST_OK;
}

void order_release(struct order *o)
{
    free(o->rows);
    *o = (struct order){ 0 };
}

/* As many rows as there are, each as often as its weight says, to the next whole number: where evenly spaced marks fall
 * when the weights are laid end to end. */
static void take_by_weight(struct order *o)
{
    double total = 0, end = 0, mark = o->rng ? rng_unit(o->rng) : 0.5;
    size_t taken = 0;

    for (size_t i = 0; i < o->n; i++)
        total += (double)o->weights[i];
    for (size_t i = 0; i < o->n; i++) {
        end += (double)o->weights[i] * (double)o->n / total;
        /* NOLINTNEXTLINE(cert-flp30-c): the marks are whole numbers beyond the first, and exact */
        for (; taken < o->n && (mark < end || i + 1 == o->n); mark++)
            o->rows[taken++] = o->source->index[i];
    }
}

void order_restart(struct order *o)
{
    if (o->weights)
        take_by_weight(o);
    else
        memcpy(o->rows, o->source->index, o->n * sizeof *o->rows);
    if (o->rng)
        rng_shuffle(o->rng, o->rows, o->n);
    o->at = 0;
}

size_t order_next(struct order *o, size_t n, const uint32_t **ret_rows)
{
    const size_t left = o->n - o->at, taken = n < left ? n : left;

    *ret_rows = o->rows + o->at;
    o->at += taken;
    o->given = taken;
    return taken;
}

void order_back(struct order *o)
{
    o->at -= o->given;
    o->given = 0;
}

enum status batch_init(struct batch *b, size_t capacity, const struct preprocess *pre, size_t n_labels,
                       struct error *err)
{
    const size_t plane = pre->size * pre->size;

    *b = (struct batch){ .capacity = capacity,
                         .n_labels = n_labels,
                         .rows = malloc(capacity * sizeof *b->rows),
                         .x = malloc(capacity * preprocess_floats(pre) * sizeof *b->x),
                         .truth = malloc(capacity * n_labels),
                         .y = malloc(capacity * n_labels * sizeof *b->y),
                         .first = malloc(capacity * sizeof *b->first),
                         .grey = malloc(capacity * plane),
                         .taken = malloc(capacity * plane),
                         .unreadable = malloc(capacity * sizeof *b->unreadable),
                         .loaded = malloc(capacity * sizeof *b->loaded),
                         .wanted = malloc(capacity * sizeof *b->wanted) };
    if (b->rows && b->x && b->truth && b->y && b->first && b->grey && b->taken && b->unreadable &&
        b->loaded && b->wanted)
        return ST_OK;
    batch_release(b);
    return error_nomem(err);
}

void batch_release(struct batch *b)
{
    free(b->rows);
    free(b->x);
    free(b->truth);
    free(b->y);
    free(b->first);
    free(b->grey);
    free(b->taken);
    free(b->unreadable);
    free(b->loaded);
    free(b->wanted);
    *b = (struct batch){ 0 };
}

void row_truth(const struct table *t, size_t row, uint8_t *ret_truth)
{
    const struct table_row *r = &t->rows[row];

    for (size_t k = 0; k < t->labels.n; k++)
        ret_truth[k] = (uint8_t)(r->unknown >> k & 1 ? TRUTH_UNKNOWN : r->labels >> k & 1);
}

/* The next place of a batch. */
static void place_label(struct batch *b, const struct table *t, uint32_t row)
{
    const size_t at = b->n * b->n_labels;

    b->rows[b->n] = row;
    row_truth(t, row, b->truth + at);
    for (size_t k = 0; k < b->n_labels; k++)
        b->y[at + k] = b->truth[at + k] == 1 ? 1.0f : 0.0f;
}

struct loading {
    struct batch *b;
    const struct pictures *pictures;
    const uint32_t *rows;
    size_t n;
    struct error *errors; /* [n], at the places at which a row comes first */
};

/* Where each row comes first: with "resample" there may be more of it in a batch, and no two threads may load it. */
static void find_first(const uint32_t *rows, size_t n, size_t *ret_first)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;

        while (rows[at] != rows[i])
            at++;
        ret_first[i] = at;
    }
}

/* A picture becomes the input at one place. */
static void place_fill(const struct loading *l, size_t place, const uint8_t *grey)
{
    const struct preprocess *pre = &l->pictures->pre;
    const size_t plane = pre->size * pre->size;
    uint8_t *taken = l->b->taken + place * plane;

    if (l->b->augment) {
        struct augmentation a;

        augmentation_draw(l->b->seed, l->b->number + place, &a);
        augment(grey, pre->size, &a, taken);
    }
    preprocess_scale(l->b->augment ? taken : grey, plane, pre, l->b->x + place * preprocess_floats(pre));
    l->b->loaded[place] = true;
}

/* Pictures `begin` up to `end` of those that can be read. */
static void want(struct batch *b, size_t n, size_t begin, size_t end)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        b->wanted[i] = !b->unreadable[i] && begin <= at && at < end && !b->loaded[i];
        at += !b->unreadable[i];
    }
}

static void load_task(void *arg, size_t task, size_t thread)
{
    const struct loading *l = arg;
    const struct preprocess *pre = &l->pictures->pre;
    uint8_t *grey = l->b->grey + task * pre->size * pre->size;
    bool any = false;

    (void)thread;
    if (l->b->first[task] != task)
        return;
    for (size_t place = task; place < l->n; place++)
        any = any || (l->b->first[place] == task && l->b->wanted[place]);
    if (!any || picture_load(l->pictures, l->rows[task], grey, &l->errors[task]) != ST_OK)
        return;
    for (size_t place = task; place < l->n; place++)
        if (l->b->first[place] == task && l->b->wanted[place])
            place_fill(l, place, grey);
}

static size_t n_readable(const struct loading *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        n += !l->b->unreadable[i];
    return n;
}

/* The facts found out about the pictures, in all ranks. False in *ret_any: nothing new.
 * Errors: of a picture that must be readable, or cannot be opened; those of ranks. */
static enum status agree(const struct loading *l, struct ranks *ranks, bool strict, bool *ret_any,
                         struct error *err)
{
    const size_t before = n_readable(l);
    enum status st;

    for (size_t i = 0; i < l->n; i++) {
        const struct error *why = &l->errors[l->b->first[i]];

        if (why->code != ST_OK && (strict || status_is_outside(why->code)))
            return error_set(err, why->code, "%s", why->text);
        l->b->unreadable[i] = l->b->unreadable[i] || why->code != ST_OK;
    }
    st = ranks_or(ranks, l->b->unreadable, l->n, err);
    for (size_t i = 0; i < l->n && l->pictures->unusable; i++)
        if (l->b->unreadable[i])
            l->pictures->unusable[l->rows[i]] = true;
    *ret_any = n_readable(l) < before;
    return st;
}

/* The pictures that are wanted: where one cannot be read, those behind it move up, and others are. */
static enum status load_wanted(struct loading *l, struct pool *pool, const struct batch_share *share,
                               bool strict, struct error *err)
{
    enum status st = ST_OK;
    bool again = true;

    while (again && st == ST_OK) {
        size_t begin = 0, end = n_readable(l);

        if (share)
            end = share->images(share->arg, end, &begin);
        want(l->b, l->n, begin, end);
        pool_run(pool, l->n, load_task, l);
        st = agree(l, share ? share->ranks : NULL, strict, &again, err);
        again = again && share;
    }
    return st;
}

enum status batch_load(struct batch *b, const struct pictures *pictures, struct pool *pool,
                       const struct batch_share *share, const uint32_t *rows, size_t n, bool strict,
                       struct error *err)
{
    const size_t n_floats = preprocess_floats(&pictures->pre);
    struct loading l = { b, pictures, rows, n, .errors = calloc(n + 1, sizeof *l.errors) };
    enum status st;

    assert(n <= b->capacity);
    if (!l.errors)
        return error_nomem(err);
    find_first(rows, n, b->first);
    memset(b->unreadable, 0, n * sizeof *b->unreadable);
    memset(b->loaded, 0, n * sizeof *b->loaded);
    st = load_wanted(&l, pool, share, strict, err);
    b->n = 0;
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        if (b->unreadable[i])
            continue;
        place_label(b, pictures->table, rows[i]);
        if (b->n < i && b->loaded[i]) /* those before it that could not be read leave a gap */
            memmove(b->x + b->n * n_floats, b->x + i * n_floats, n_floats * sizeof *b->x);
        b->n++;
    }
    free(l.errors);
    return st;
}
