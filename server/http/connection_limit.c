/* server/http/connection_limit.c - see connection_limit.h. */
#include "connection_limit.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Where connections come from; gone with the last of them. */
struct source {
    uint64_t key;
    struct source *chain;             /* in its slot of the table */
    size_t n_all, n_taken, n_working; /* connections: all, without those that go, those at work */
    struct counted *oldest, *newest;  /* that wait */
    struct source *next, *before;     /* in its row, where it has any that wait */
    struct row *row;                  /* NULL: in none */
};

/* Sources with as many connections, each with some that wait; the one that is longest in it first. */
struct row {
    struct source *first, *last;
};

struct connection_limit {
    size_t n_slots, n_rows, top; /* no row above `top` has a source in it */
    uint64_t seed;               /* so that nobody can choose addresses that share a slot */
    struct source **slots;
    struct row *rows; /* [connections of a source] */
    size_t taken, working;
};

struct connection_limit *connection_limit_new(size_t most)
{
    struct connection_limit *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->n_slots = most + 1;
    l->n_rows = most + 2;
    l->slots = calloc(l->n_slots, sizeof(struct source *));
    l->rows = calloc(l->n_rows, sizeof *l->rows);
    if (l->slots && l->rows && getrandom(&l->seed, sizeof l->seed, 0) == (ssize_t)sizeof l->seed)
        return l;
    connection_limit_free(l);
    return NULL;
}

void connection_limit_free(struct connection_limit *l)
{
    if (!l)
        return;
    free(l->slots);
    free(l->rows);
    free(l);
}

/* ---- sources ---- */

static uint64_t key_of(const struct sockaddr *from)
{
    uint64_t key = 0;

    if (from && from->sa_family == AF_INET) {
        memcpy(&key, &((const struct sockaddr_in *)(const void *)from)->sin_addr, sizeof(struct in_addr));
        key = key << 16 | 0xffff; /* no prefix of IPv6 that is routed looks like this */
    } else if (from && from->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
        const bool mapped = IN6_IS_ADDR_V4MAPPED(six);

        memcpy(&key, (const char *)six + (mapped ? 12 : 0), mapped ? 4 : sizeof key);
        key = mapped ? key << 16 | 0xffff : key;
    }
    return key;
}

static struct source **slot_of(const struct connection_limit *l, uint64_t key)
{
    uint64_t mixed = (key ^ l->seed) * UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return &l->slots[(mixed ^ mixed >> 32) % l->n_slots];
}

static struct source *source_find(struct connection_limit *l, uint64_t key)
{
    struct source **slot = slot_of(l, key), *s = *slot;

    while (s && s->key != key)
        s = s->chain;
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->key = key;
    s->chain = *slot;
    *slot = s;
    return s;
}

static void row_leave(struct source *s)
{
    if (!s->row)
        return;
    *(s->before ? &s->before->next : &s->row->first) = s->next;
    *(s->next ? &s->next->before : &s->row->last) = s->before;
    s->row = NULL;
}

/* Put a source into the row that it belongs to now, at its end. */
static void settle(struct connection_limit *l, struct source *s)
{
    const size_t n = s->n_taken < l->n_rows ? s->n_taken : l->n_rows - 1;
    struct row *row = s->oldest ? &l->rows[n] : NULL;

    if (s->row == row)
        return;
    row_leave(s);
    if (!row)
        return;
    s->row = row;
    s->next = NULL;
    s->before = row->last;
    *(row->last ? &row->last->next : &row->first) = s;
    row->last = s;
    if (n > l->top)
        l->top = n;
}

static void source_drop(struct connection_limit *l, struct source *s)
{
    struct source **link = slot_of(l, s->key);

    while (*link != s)
        link = &(*link)->chain;
    *link = s->chain;
    free(s);
}

/* ---- connections ---- */

static void line_up(struct counted *c)
{
    struct source *s = c->source;

    c->next = NULL;
    c->before = s->newest;
    *(s->newest ? &s->newest->next : &s->oldest) = c;
    s->newest = c;
}

static void step_out(struct counted *c)
{
    struct source *s = c->source;

    *(c->before ? &c->before->next : &s->oldest) = c->next;
    *(c->next ? &c->next->before : &s->newest) = c->before;
}

static void set_working(struct connection_limit *l, struct counted *c, bool works)
{
    c->state = works ? CONNECTION_WORKS : CONNECTION_WAITS;
    l->working += works ? 1 : (size_t)-1;
    c->source->n_working += works ? 1 : (size_t)-1;
}

static void count(struct connection_limit *l, struct source *s, int one)
{
    l->taken += (size_t)one;
    s->n_taken += (size_t)one;
}

bool connection_limit_enter(struct connection_limit *l, struct counted *c, const struct sockaddr *from)
{
    struct source *s = source_find(l, key_of(from));

    if (!s)
        return false;
    *c = (struct counted){ .source = s, .state = CONNECTION_WAITS };
    s->n_all++;
    count(l, s, 1);
    line_up(c);
    settle(l, s);
    return true;
}

void connection_limit_leave(struct connection_limit *l, struct counted *c)
{
    struct source *s = c->source;

    if (c->state == CONNECTION_WAITS)
        step_out(c);
    else if (c->state == CONNECTION_WORKS)
        set_working(l, c, false);
    if (c->state != CONNECTION_GOES)
        count(l, s, -1);
    s->n_all--;
    settle(l, s);
    if (s->n_all == 0)
        source_drop(l, s);
}

void connection_limit_work(struct connection_limit *l, struct counted *c)
{
    if (c->state == CONNECTION_WORKS)
        return;
    if (c->state == CONNECTION_WAITS)
        step_out(c);
    else
        count(l, c->source, 1);
    set_working(l, c, true);
    settle(l, c->source);
}

void connection_limit_wait(struct connection_limit *l, struct counted *c)
{
    if (c->state == CONNECTION_GOES)
        return;
    if (c->state == CONNECTION_WORKS)
        set_working(l, c, false);
    else
        step_out(c); /* and to the end of the line: it has been served */
    line_up(c);
    settle(l, c->source);
}

struct counted *connection_limit_give_way_of(struct connection_limit *l, struct source *source)
{
    struct counted *c = source->oldest;

    if (!c)
        return NULL;
    step_out(c);
    c->state = CONNECTION_GOES;
    count(l, source, -1);
    settle(l, source);
    return c;
}

struct counted *connection_limit_give_way(struct connection_limit *l)
{
    while (l->top > 0 && !l->rows[l->top].first)
        l->top--;
    return l->rows[l->top].first ? connection_limit_give_way_of(l, l->rows[l->top].first) : NULL;
}

size_t connection_limit_taken(const struct connection_limit *l) { return l->taken; }
size_t connection_limit_working(const struct connection_limit *l) { return l->working; }
size_t connection_limit_working_of(const struct counted *c) { return c->source->n_working; }
size_t connection_limit_taken_of(const struct counted *c) { return c->source->n_taken; }
