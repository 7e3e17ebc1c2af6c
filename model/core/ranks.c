/* model/core/ranks.c - see cxrd/ranks.h: all that ranks tell one another, made of one thing, an exchange of bytes by a form. */
#include "cxrd/ranks.h"

#include "cxrd/clock.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 64, SLOW_SUMS = 50, NAME = 128 };
static const double SLOW = 1.5, SILENT_STEPS = 20;

enum call { CALL_NAME, CALL_AGREE, CALL_OR, CALL_GATHER, CALL_TELL, CALL_SUM, CALL_END };

/* The beginning of a call. */
struct word {
    uint32_t call, status; /* enum call; enum status: how the rank fares */
    double busy;           /* seconds of its own work since the last call */
};

struct ranks {
    const struct ranks_form *form;
    void *arg;
    size_t n, me;
    double wait;
    char (*names)[NAME];
    struct iovec *out, *in; /* [n] */
    struct word *words;     /* [n]: of this call */
    bool *missing;          /* [n] */
    struct error why;       /* why it is over; of code ST_OK: it is not */
    bool lost, ended;

    double returned;             /* when the last call did */
    double summed, steps[STEPS]; /* when the last sum was; how long it took to the next, the last ones */
    size_t n_sums;
    double *busy;  /* [n]: since the last sum */
    size_t *slow;  /* [n]: sums in a row */
    double *times; /* [n]: how many times as long as the others it took for the last */
    bool *told;    /* [n] */
};

size_t ranks_n(const struct ranks *r)
{
    assert(!r || r->n > 0);
    return r ? r->n : 1;
}

size_t ranks_me(const struct ranks *r) { return r ? r->me : 0; }
const char *ranks_name(const struct ranks *r, size_t rank) { return r ? r->names[rank] : ""; }
bool ranks_lost(const struct ranks *r) { return r && r->lost; }
bool ranks_misses(const struct ranks *r, size_t rank) { return r && r->lost && r->missing[rank]; }

const struct error *ranks_why(const struct ranks *r)
{
    static const struct error NOTHING = { 0 };

    return r ? &r->why : &NOTHING;
}

size_t ranks_share(const struct ranks *r, size_t rank, size_t n)
{
    return n / ranks_n(r) * rank + n % ranks_n(r) * rank / ranks_n(r);
}

void ranks_free(struct ranks *r)
{
    if (!r)
        return;
    free(r->names);
    free(r->out);
    free(r->in);
    free(r->words);
    free(r->missing);
    free(r->busy);
    free(r->slow);
    free(r->times);
    free(r->told);
    free(r);
}

/* ---- a call ---- */

static enum status over(struct ranks *r, enum status st, struct error *err)
{
    assert(st != ST_OK);
    r->why.code = st;
    if (err)
        *err = r->why;
    return st;
}

static int double_compare(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

static double median(const double *values, size_t n)
{
    double sorted[RANKS_MAX]; /* STEPS are fewer */

    memcpy(sorted, values, n * sizeof *values);
    qsort(sorted, n, sizeof *sorted, double_compare);
    return sorted[(n - 1) / 2];
}

static double patience(const struct ranks *r)
{
    const size_t n = r->n_sums < STEPS ? r->n_sums : STEPS;

    return n ? fmax(r->wait, SILENT_STEPS * median(r->steps, n)) : r->wait;
}

/* The ranks that are missing. */
static enum status missed(struct ranks *r, double seconds, struct error *err)
{
    char names[200] = "";
    size_t at = 0, n = 0;

    for (size_t q = 0; q < r->n; q++)
        if (r->missing[q] && at < sizeof names - 1) {
            at += (size_t)snprintf(names + at, sizeof names - at, "%srank %zu (%s)", n++ ? ", " : "", q,
                                   r->names[q]);
            at = at < sizeof names ? at : sizeof names - 1;
        }
    r->lost = true;
    if (n == 0)
        return over(r, error_set(&r->why, ST_IO, "the ranks cannot reach one another"), err);
    return over(r, error_set(&r->why, ST_IO, "%s: not heard of for %.0f s", names, seconds), err);
}

/* out[q] and in[q] of all ranks are set; those of this one are not looked at. */
static enum status exchange(struct ranks *r, struct error *err)
{
    const double seconds = patience(r);
    enum status st;

    memset(r->missing, 0, r->n * sizeof *r->missing);
    st = r->form->exchange(r->arg, r->out, r->in, seconds, r->missing);
    if (st == ST_IO)
        return missed(r, seconds, err);
    if (st != ST_OK) {
        r->lost = true;
        return over(r, error_set(&r->why, st, "the training was cancelled"), err);
    }
    return ST_OK;
}

/* The same bytes to all, or none. */
static void send_all(struct ranks *r, const void *bytes, size_t n)
{
    for (size_t q = 0; q < r->n; q++)
        r->out[q] = (struct iovec){ (void *)bytes, n };
}

static void receive_nothing(struct ranks *r) { memset(r->in, 0, r->n * sizeof *r->in); }

/* The first rank that has failed, or else that was cancelled; n: none. */
static size_t first_failed(const struct ranks *r)
{
    size_t cancelled = r->n;

    for (size_t q = r->n; q-- > 0;)
        if (r->words[q].status == ST_CANCELLED)
            cancelled = q;
    for (size_t q = 0; q < r->n; q++)
        if (r->words[q].status != ST_OK && r->words[q].status != ST_CANCELLED)
            return q;
    return cancelled;
}

/* A rank has failed: its sentence to all.
 *   mine  this one's, if it is the one */
static enum status hear_failure(struct ranks *r, size_t whose, const struct error *mine, struct error *err)
{
    const enum status st = (enum status)r->words[whose].status;
    char text[sizeof r->why.text] = "";
    const bool own = whose == r->me;
    enum status heard;

    assert(mine || !own);
    send_all(r, NULL, 0);
    receive_nothing(r);
    if (own)
        send_all(r, mine->text, sizeof mine->text);
    else
        r->in[whose] = (struct iovec){ text, sizeof text };
    heard = exchange(r, err);
    if (heard != ST_OK)
        return heard;
    if (own) {
        r->why = *mine;
        return over(r, st, err);
    }
    text[sizeof text - 1] = '\0';
    if (st == ST_CANCELLED)
        error_set(&r->why, st, "%s", text);
    else
        error_set(&r->why, st, "rank %zu (%s): %s", whose, r->names[whose], text);
    return over(r, st, err);
}

/* The words of all ranks, and what they come to. */
static enum status meet(struct ranks *r, enum call call, enum status mine, const struct error *why,
                        struct error *err)
{
    const struct word word = { (uint32_t)call, (uint32_t)mine, clock_seconds() - r->returned };
    size_t failed;
    enum status st;

    if (r->why.code != ST_OK)
        return over(r, r->why.code, err);
    r->returned = clock_seconds();
    send_all(r, &word, sizeof word);
    for (size_t q = 0; q < r->n; q++)
        r->in[q] = (struct iovec){ &r->words[q], sizeof r->words[q] };
    r->words[r->me] = word;
    st = exchange(r, err);
    if (st != ST_OK)
        return st;
    for (size_t q = 0; q < r->n; q++)
        r->busy[q] += r->words[q].busy;
    failed = first_failed(r);
    if (failed < r->n)
        return hear_failure(r, failed, why, err);
    for (size_t q = 0; q < r->n; q++)
        if (r->words[q].call != (uint32_t)call)
            return over(r,
                        error_set(&r->why, ST_CONFLICT, "rank %zu (%s) is at another place of the training",
                                  q, r->names[q]),
                        err);
    return ST_OK;
}

static enum status begin(struct ranks *r, enum call call, struct error *err)
{
    return meet(r, call, ST_OK, NULL, err);
}

static enum status done(struct ranks *r, enum status st)
{
    r->returned = clock_seconds();
    return st;
}

/* ---- gather ---- */

static enum status gather(struct ranks *r, void *all, size_t each, const size_t *bounds, size_t n,
                          struct error *err)
{
    char *at = all;

    for (size_t q = 0; q < r->n; q++) {
        const size_t first = bounds ? bounds[q] : ranks_share(r, q, n),
                     end = bounds ? bounds[q + 1] : ranks_share(r, q + 1, n);

        r->in[q] = (struct iovec){ at + first * each, (end - first) * each };
    }
    send_all(r, r->in[r->me].iov_base, r->in[r->me].iov_len);
    return exchange(r, err);
}

enum status ranks_gather(struct ranks *r, void *all, size_t each, const size_t *bounds, size_t n,
                         struct error *err)
{
    enum status st;

    if (!r)
        return ST_OK;
    st = begin(r, CALL_GATHER, err);
    return done(r, st == ST_OK ? gather(r, all, each, bounds, n, err) : st);
}

enum status ranks_or(struct ranks *r, bool *flags, size_t n, struct error *err)
{
    bool *all;
    enum status st;

    if (!r)
        return ST_OK;
    all = calloc(r->n * n + 1, sizeof *all);
    if (!all)
        return error_nomem(err);
    memcpy(all + r->me * n, flags, n * sizeof *all);
    st = begin(r, CALL_OR, err);
    if (st == ST_OK)
        st = gather(r, all, n * sizeof *all, NULL, r->n, err);
    for (size_t i = 0; i < r->n * n && st == ST_OK; i++)
        flags[i % n] = flags[i % n] || all[i];
    free(all);
    return done(r, st);
}

/* ---- agree ---- */

typedef char text_of_rank[RANKS_TEXT];

/* The rank whose text most ranks have; of as many the first. */
static size_t most_said(const struct ranks *r, text_of_rank *texts)
{
    size_t best = 0, most = 0;

    for (size_t q = 0; q < r->n; q++) {
        size_t n = 0;

        for (size_t p = 0; p < r->n; p++)
            n += strcmp(texts[p], texts[q]) == 0;
        if (n > most) {
            most = n;
            best = q;
        }
    }
    return best;
}

static enum status compare(struct ranks *r, const char *what, text_of_rank *texts, struct error *err)
{
    const size_t right = most_said(r, texts);
    char names[160] = "";
    size_t at = 0, other = r->n;

    for (size_t q = r->n; q-- > 0;)
        if (strcmp(texts[q], texts[right]) != 0)
            other = q;
    if (other == r->n)
        return ST_OK;
    for (size_t q = other; q < r->n && at < sizeof names - 1; q++)
        if (strcmp(texts[q], texts[right]) != 0) {
            at += (size_t)snprintf(names + at, sizeof names - at, "%srank %zu (%.60s)", at ? ", " : "", q,
                                   r->names[q]);
            at = at < sizeof names ? at : sizeof names - 1;
        }
    return over(r,
                error_set(&r->why, ST_CONFLICT,
                          "%s: not the same in %s as in the others ('%.48s', not '%.48s')", what, names,
                          texts[other], texts[right]),
                err);
}

enum status ranks_agree(struct ranks *r, const char *what, const char *text, struct error *err)
{
    text_of_rank *texts;
    enum status st;

    if (!r)
        return ST_OK;
    texts = calloc(r->n, sizeof *texts);
    if (!texts)
        return error_nomem(err);
    snprintf(texts[r->me], sizeof *texts, "%s", text);
    st = begin(r, CALL_AGREE, err);
    if (st == ST_OK)
        st = gather(r, texts, sizeof *texts, NULL, r->n, err);
    for (size_t q = 0; q < r->n; q++)
        texts[q][RANKS_TEXT - 1] = '\0';
    if (st == ST_OK)
        st = compare(r, what, texts, err);
    free(texts);
    return done(r, st);
}

/* ---- tell ---- */

static enum status tell(struct ranks *r, void *bytes, size_t n, struct error *err)
{
    send_all(r, bytes, r->me == 0 ? n : 0);
    receive_nothing(r);
    if (r->me != 0)
        r->in[0] = (struct iovec){ bytes, n };
    return exchange(r, err);
}

enum status ranks_broadcast(struct ranks *r, void **bytes, size_t *n, struct error *err)
{
    const struct error no_memory = { ST_NOMEM, "out of memory", "", NULL };
    uint64_t size = *n;
    enum status st;

    if (!r)
        return ST_OK;
    st = begin(r, CALL_TELL, err);
    if (st == ST_OK)
        st = tell(r, &size, sizeof size, err);
    if (st != ST_OK)
        return done(r, st);
    if (r->me != 0) {
        *n = size;
        *bytes = size ? malloc(size) : NULL;
    }
    st = meet(r, CALL_TELL, *n && !*bytes ? ST_NOMEM : ST_OK, &no_memory, err);
    if (st == ST_OK)
        st = tell(r, *bytes, *n, err);
    if (st != ST_OK && r->me != 0)
        free(*bytes);
    return done(r, st);
}

/* ---- sum ----
 *
 * A rank's share of the parts is covered by whole subtrees, as large as can be: stumps. It adds up each of them; then each rank is sent a
 * stretch of all stumps, adds them up to the root, and sends what it got to all. */

struct stump {
    size_t at, size; /* parts at..at+size-1 */
};

enum { MOST_STUMPS = 64 };

/* The stumps of parts begin..end-1, in order; returns how many. */
static size_t stumps_of(size_t begin, size_t end, struct stump *ret)
{
    size_t n = 0;

    while (begin < end) {
        size_t size = 1;

        while (begin % (2 * size) == 0 && begin + 2 * size <= end)
            size *= 2;
        assert(n < MOST_STUMPS);
        ret[n++] = (struct stump){ begin, size };
        begin += size;
    }
    return n;
}

static size_t rank_stumps(const struct ranks *r, size_t rank, size_t n_parts, struct stump *ret)
{
    return stumps_of(ranks_share(r, rank, n_parts), ranks_share(r, rank + 1, n_parts), ret);
}

static void add(float *restrict sum, const float *restrict other, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += other[i];
}

/* vectors [size], NULL where there is none any more: lower + upper halves, into the first. */
static void add_tree(float **vectors, size_t size, size_t n)
{
    for (size_t step = 1; step < size; step *= 2)
        for (size_t k = 0; k < size; k += 2 * step)
            if (vectors[k + step]) {
                add(vectors[k], vectors[k + step], n);
                vectors[k + step] = NULL;
            }
}

static size_t most_stumps(const struct ranks *r, size_t n_parts)
{
    struct stump stumps[MOST_STUMPS];
    size_t most = 0;

    for (size_t q = 0; q < r->n; q++) {
        const size_t n = rank_stumps(r, q, n_parts, stumps);

        most = n > most ? n : most;
    }
    return most;
}

size_t ranks_sum_room(const struct ranks *r, size_t n_parts, size_t n)
{
    struct stump stumps[MOST_STUMPS];
    size_t others = 0;

    for (size_t q = 0; r && q < r->n; q++)
        if (q != r->me)
            others += rank_stumps(r, q, n_parts, stumps);
    return others * (n / ranks_n(r) + 1);
}

/* Stump number k of each rank, its stretch to each.
 *   vectors  [n_parts]: the stretch of each stump that this rank adds up, by where the stump begins */
static enum status stumps_travel(struct ranks *r, size_t k, size_t n_parts, size_t width, float *const *parts,
                                 size_t n, float **room, float **vectors, struct error *err)
{
    const size_t first = ranks_share(r, r->me, n_parts), at = ranks_share(r, r->me, n),
                 length = ranks_share(r, r->me + 1, n) - at;
    struct stump stumps[MOST_STUMPS];
    float *mine = NULL;

    for (size_t q = 0; q < r->n; q++) {
        const bool any = k < rank_stumps(r, q, n_parts, stumps);

        r->in[q] = (struct iovec){ NULL, 0 };
        if (any && q == r->me) {
            mine = parts[(stumps[k].at - first) / width];
            vectors[stumps[k].at] = mine + at;
        } else if (any) {
            r->in[q] = (struct iovec){ *room, length * sizeof(float) };
            vectors[stumps[k].at] = *room;
            *room += length;
        }
    }
    for (size_t q = 0; q < r->n; q++) {
        const size_t begin = ranks_share(r, q, n), end = ranks_share(r, q + 1, n);

        r->out[q] =
            mine ? (struct iovec){ mine + begin, (end - begin) * sizeof(float) } : (struct iovec){ NULL, 0 };
    }
    return exchange(r, err);
}

/* Each stump of this rank into its first part. */
static void add_own(const struct ranks *r, size_t n_parts, size_t width, float *const *parts, size_t n)
{
    const size_t first = ranks_share(r, ranks_me(r), n_parts);
    struct stump stumps[MOST_STUMPS];
    const size_t n_stumps = rank_stumps(r, ranks_me(r), n_parts, stumps);

    for (size_t k = 0; k < n_stumps; k++) {
        float *const *own = parts + (stumps[k].at - first) / width;

        assert(stumps[k].size % width == 0);
        for (size_t step = 1; step < stumps[k].size / width; step *= 2)
            for (size_t i = 0; i < stumps[k].size / width; i += 2 * step)
                add(own[i], own[i + step], n);
    }
}

/* How long each rank took for its share, and which one was slow. */
static void time_sum(struct ranks *r, size_t n_parts)
{
    const double now = clock_seconds();
    double each[RANKS_MAX], others[RANKS_MAX];

    for (size_t q = 0; q < r->n; q++) {
        const size_t share = ranks_share(r, q + 1, n_parts) - ranks_share(r, q, n_parts);

        each[q] = share ? r->busy[q] / (double)share : 0;
        r->busy[q] = 0;
    }
    for (size_t q = 0; q < r->n && r->n_sums > 0; q++) {
        size_t n = 0;

        for (size_t p = 0; p < r->n; p++)
            if (p != q && each[p] > 0)
                others[n++] = each[p];
        r->times[q] = n ? each[q] / median(others, n) : 1;
        r->slow[q] = r->times[q] > SLOW ? r->slow[q] + 1 : 0;
    }
    if (r->summed > 0)
        r->steps[r->n_sums++ % STEPS] = now - r->summed;
    r->summed = now;
}

enum status ranks_sum(struct ranks *r, size_t n_parts, size_t width, float *const *parts, size_t n,
                      float *room, struct error *err)
{
    float *vectors[1 << 9] = { NULL };
    size_t most, at;
    enum status st;

    assert(n_parts > 0 && (n_parts & (n_parts - 1)) == 0 && n_parts <= sizeof vectors / sizeof vectors[0]);
    add_own(r, n_parts, width, parts, n);
    if (!r)
        return ST_OK;
    st = begin(r, CALL_SUM, err);
    if (st == ST_OK)
        time_sum(r, n_parts);
    most = most_stumps(r, n_parts);
    for (size_t k = 0; k < most && st == ST_OK; k++)
        st = stumps_travel(r, k, n_parts, width, parts, n, &room, vectors, err);
    if (st != ST_OK)
        return done(r, st);
    at = ranks_share(r, r->me, n);
    add_tree(vectors, n_parts, ranks_share(r, r->me + 1, n) - at);
    assert(vectors[0]);
    if (vectors[0] != *parts + at)
        memcpy(*parts + at, vectors[0], (ranks_share(r, r->me + 1, n) - at) * sizeof(float));
    return done(r, gather(r, *parts, sizeof(float), NULL, n, err));
}

bool ranks_slow(struct ranks *r, size_t *ret_rank, double *ret_times)
{
    for (size_t q = 0; q < ranks_n(r) && r; q++)
        if (r->slow[q] >= SLOW_SUMS && !r->told[q]) {
            r->told[q] = true;
            *ret_rank = q;
            *ret_times = r->times[q];
            return true;
        }
    return false;
}

/* ---- the first and the last ---- */

void ranks_beat(struct ranks *r)
{
    if (r && r->why.code == ST_OK && r->form->beat)
        r->form->beat(r->arg);
}

enum status ranks_end(struct ranks *r, enum status mine, struct error *err)
{
    const struct error own = err ? *err : (struct error){ 0 };
    enum status st;

    if (!r || r->ended || r->why.code != ST_OK)
        return mine;
    r->ended = true;
    st = meet(r, CALL_END, mine, &own, mine == ST_OK ? err : NULL);
    return done(r, mine == ST_OK ? st : mine);
}

static enum status tell_names(struct ranks *r, const char *name, struct error *err)
{
    enum status st;

    snprintf(r->names[r->me], NAME, "%s", name);
    st = begin(r, CALL_NAME, err);
    if (st == ST_OK)
        st = gather(r, r->names, NAME, NULL, r->n, err);
    for (size_t q = 0; q < r->n; q++)
        r->names[q][NAME - 1] = '\0';
    return done(r, st);
}

enum status ranks_new(const struct ranks_form *form, void *arg, size_t n, size_t me, const char *name,
                      double wait, struct ranks **ret, struct error *err)
{
    struct ranks *r;
    enum status st;

    if (n > RANKS_MAX)
        return error_set(err, ST_LIMIT, "%zu ranks asked for, %d are possible", n, RANKS_MAX);
    if (!(r = calloc(1, sizeof *r)))
        return error_nomem(err);
    *r = (struct ranks){ .form = form,
                         .arg = arg,
                         .n = n,
                         .me = me,
                         .wait = wait,
                         .returned = clock_seconds(),
                         .names = calloc(n, sizeof *r->names),
                         .out = calloc(n, sizeof *r->out),
                         .in = calloc(n, sizeof *r->in),
                         .words = calloc(n, sizeof *r->words),
                         .missing = calloc(n, sizeof *r->missing),
                         .busy = calloc(n, sizeof *r->busy),
                         .slow = calloc(n, sizeof *r->slow),
                         .times = calloc(n, sizeof *r->times),
                         .told = calloc(n, sizeof *r->told) };
    if (!r->names || !r->out || !r->in || !r->words || !r->missing || !r->busy || !r->slow || !r->times ||
        !r->told)
        st = error_nomem(err);
    else
        st = tell_names(r, name, err);
    if (st != ST_OK) {
        ranks_free(r);
        return st;
    }
    *ret = r;
    return ST_OK;
}
