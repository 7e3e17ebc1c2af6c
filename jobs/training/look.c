/* jobs/training/look.c - a look at pictures before they are used: which are equal, which cannot be read, what the input gate
 * says of them. First the rows that train, validate and test, before they are split; then the normal chests. The pictures are in
 * the cache afterwards, so that the first epoch need not decode them again; a later job finds what was seen there and decodes nothing. */
#include "run.h"

#include "cxrd/decoder.h"

#include <math.h>
#include <stdlib.h>

enum { STRETCH = 64 };

/* The facts of a row's picture, as ranks tell one another. */
struct seen {
    uint64_t pixels;
    uint32_t codes, unusable; /* unusable: 1 or 0 */
};

struct look {
    struct run *r;
    const struct rows *rows;
    size_t done;                  /* before this stretch, which is shared out among the ranks */
    size_t first;                 /* of this rank's share of it */
    uint8_t *grey;                /* [thread][size * size] */
    struct error errors[STRETCH]; /* of the share */
    struct seen *seen;            /* [ranks][STRETCH] */
};

static void look_task(void *arg, size_t task, size_t thread)
{
    struct look *l = arg;
    const struct pictures *p = &l->r->pictures;
    const uint32_t row = l->rows->index[l->done + l->first + task];
    struct picture_facts facts = { 0 };
    struct error *err = &l->errors[task];

    if (l->r->left_out[row]) /* nobody looks at it */
        return;
    err->code = picture_look(p, row, l->grey + thread * p->pre.size * p->pre.size, &facts, err);
    if (err->code != ST_OK)
        return;
    l->r->pixels[row] = facts.pixels;
    l->r->codes[row] = facts.codes;
}

enum { MOST_DECODERS = 8 };

size_t train_decoders(size_t threads) { return threads < MOST_DECODERS ? threads : MOST_DECODERS; }

/* Processes of the run's own: they begin with the first picture that needs them, and take nothing from those that decode for
 * predictions. A picture waits for one as long as it takes, and is tried again where one is lost: a run goes on for hours, and
 * must not end for that. */
static enum status own_decoder(struct run *r)
{
    struct decoder_options options = decoder_options_default();

    options.helpers = train_decoders(r->request->threads);
    options.most_bytes = PICTURE_MAX_BYTES;
    options.tries = 3;
    options.wait_s = INFINITY;
    options.class = r->request->class;
    return decoder_open(&options, &r->decoder, r->err);
}

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
    r->pictures = (struct pictures){ &r->table, r->files, r->pre, r->cache, r->unusable, r->decoder };
}

/* How a picture becomes the network's input; zeroes where there are none. */
static struct preprocess preprocess_of(const struct train_request *request)
{
    const struct train_config *c = request->config;

    if (!train_config_sees(c))
        return (struct preprocess){ 0 };
    if (request->init)
        return *model_preprocess(request->init);
    return (struct preprocess){ (size_t)c->image_size, (enum resize)c->resize, (float)c->input_mean,
                                (float)c->input_std };
}

enum status run_open(struct run *r)
{
    const struct train_config *c = r->config;
    enum status st = ST_OK;

    r->pre = preprocess_of(r->request);
    r->unusable = calloc(r->table.n_rows + 1, sizeof *r->unusable);
    r->pixels = calloc(r->table.n_rows + 1, sizeof *r->pixels);
    r->codes = calloc(r->table.n_rows + 1, sizeof *r->codes);
    r->left_out = calloc(r->table.n_rows + 1, sizeof *r->left_out);
    if (!r->unusable || !r->pixels || !r->codes || !r->left_out)
        return error_nomem(r->err);
    st = run_ask_patients(r);
    if (st != ST_OK)
        return st;
    if (train_config_sees(c)) {
        st = own_decoder(r);
        pictures_open(r);
    } else {
        r->pictures = (struct pictures){ .table = &r->table };
    }
    return st == ST_OK ? pool_new(r->request->threads, r->request->class, &r->pool, r->err) : st;
}

/* Make each rank's facts about its share of the last `n` rows known in all. */
static enum status tell(const struct look *l, size_t n)
{
    struct run *r = l->r;
    const uint32_t *rows = l->rows->index + l->done - n;
    enum status st;

    if (!r->ranks)
        return ST_OK;
    for (size_t i = l->first; i < ranks_share(r->ranks, ranks_me(r->ranks) + 1, n); i++)
        l->seen[i] = (struct seen){ r->pixels[rows[i]], r->codes[rows[i]], r->unusable[rows[i]] };
    st = ranks_gather(r->ranks, l->seen, sizeof *l->seen, NULL, n, r->err);
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        r->pixels[rows[i]] = l->seen[i].pixels;
        r->codes[rows[i]] = l->seen[i].codes;
        r->unusable[rows[i]] = l->seen[i].unusable != 0;
    }
    return st;
}

/* One that is no good is marked, and counted; one of which nothing can be known now ends it. */
static enum status look_stretch(struct look *l)
{
    struct run *r = l->r;
    const size_t left = l->rows->n - l->done, most = STRETCH * ranks_n(r->ranks),
                 n = left < most ? left : most;
    const enum status st = run_check_cancelled(r);
    size_t mine;

    if (st != ST_OK)
        return st;
    l->first = ranks_share(r->ranks, ranks_me(r->ranks), n);
    mine = ranks_share(r->ranks, ranks_me(r->ranks) + 1, n) - l->first;
    pool_run(r->pool, mine, look_task, l);
    for (size_t i = 0; i < mine; i++)
        if (status_is_outside(l->errors[i].code))
            return error_set(r->err, l->errors[i].code, "%s", l->errors[i].text);
    l->done += n;
    ranks_beat(r->ranks);
    return tell(l, n);
}

enum status run_look_at(struct run *r, const struct rows *rows)
{
    struct look l = { .r = r, .rows = rows };
    enum status st = ST_OK;

    if (!train_config_sees(r->config))
        return ST_OK;
    l.grey = malloc(pool_threads(r->pool) * r->pre.size * r->pre.size);
    l.seen = malloc(ranks_n(r->ranks) * STRETCH * sizeof *l.seen);
    if (!l.grey || !l.seen)
        st = error_nomem(r->err);
    while (l.done < rows->n && st == ST_OK)
        st = look_stretch(&l);
    free(l.grey);
    free(l.seen);
    return st;
}

enum status run_look(struct run *r)
{
    const enum status st = run_open(r);

    return st == ST_OK ? run_look_at(r, &r->used) : st;
}
