/* server/api/scrape.c - see scrape.h. */
#include "scrape.h"

#include "cxrd/clock.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_TEXT = 4 << 20, WRITTEN_A_SECOND = 20, WRITTEN_AT_ONCE = 100 };
static const double OLDEST_S = 0.05;

/* Freed by the last who lets go of it. */
struct text {
    struct buf bytes;
    double begun; /* clock_seconds() */
    atomic_size_t held;
};

struct scrape {
    struct text *latest; /* NULL: none yet */
    double tokens, at;   /* how many may be written now, as of `at` */
};

static void text_release(void *arg)
{
    struct text *t = arg;

    if (!t || atomic_fetch_sub(&t->held, 1) > 1)
        return;
    buf_release(&t->bytes);
    free(t);
}

enum status scrape_new(struct scrape **ret_scrape, struct error *err)
{
    struct scrape *s = calloc(1, sizeof *s);

    if (!s)
        return error_nomem(err);
    s->tokens = WRITTEN_AT_ONCE;
    s->at = clock_seconds();
    *ret_scrape = s;
    return ST_OK;
}

void scrape_free(struct scrape *s)
{
    if (!s)
        return;
    text_release(s->latest);
    free(s);
}

/* Whether the latest text will do. */
static bool is_new_enough(struct scrape *s, double received)
{
    const double now = clock_seconds();

    s->tokens = fmin(WRITTEN_AT_ONCE, s->tokens + (now - s->at) * WRITTEN_A_SECOND);
    s->at = now;
    return s->latest &&
           (s->latest->begun >= received || (s->tokens < 1 && now - s->latest->begun < OLDEST_S));
}

static enum status renew(struct scrape *s,
                         enum status (*write)(void *arg, struct buf *out, struct error *err), void *arg,
                         struct error *err)
{
    struct text *t = calloc(1, sizeof *t);
    enum status st;

    if (!t)
        return error_nomem(err);
    t->bytes = (struct buf)BUF_INIT(MAX_TEXT);
    t->begun = clock_seconds();
    atomic_init(&t->held, 1);
    st = write(arg, &t->bytes, err);
    if (st == ST_OK)
        st = buf_status(&t->bytes);
    if (st != ST_OK) {
        text_release(t);
        return st;
    }
    s->tokens -= 1;
    text_release(s->latest);
    s->latest = t;
    return ST_OK;
}

enum status scrape_lend(struct scrape *s, double received,
                        enum status (*write)(void *arg, struct buf *out, struct error *err), void *arg,
                        struct http_lent *ret_lent, struct error *err)
{
    const enum status st = is_new_enough(s, received) ? ST_OK : renew(s, write, arg, err);

    if (st != ST_OK)
        return st;
    atomic_fetch_add(&s->latest->held, 1);
    *ret_lent = (struct http_lent){ s->latest->bytes.data, s->latest->bytes.len, text_release, s->latest };
    return ST_OK;
}
