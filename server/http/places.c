/* server/http/places.c - see places.h. */
#include "places.h"

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
    struct place *oldest, *newest;    /* that wait */
    struct source *next, *before;     /* in its row, where it has any that wait */
    struct row *row;                  /* NULL: in none */
};

/* Sources with as many connections, each with some that wait; the one that is longest in it first. */
struct row {
    struct source *first, *last;
};

struct places {
    size_t n_slots, n_rows, top; /* no row above `top` has a source in it */
    uint64_t seed;               /* so that nobody can choose addresses that share a slot */
    struct source **slots;
    struct row *rows; /* [connections of a source] */
    size_t taken, working;
};

struct places *places_new(size_t most)
{
    struct places *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->n_slots = most + 1;
    p->n_rows = most + 2;
    p->slots = calloc(p->n_slots, sizeof(struct source *));
    p->rows = calloc(p->n_rows, sizeof *p->rows);
    if (p->slots && p->rows && getrandom(&p->seed, sizeof p->seed, 0) == (ssize_t)sizeof p->seed)
        return p;
    places_free(p);
    return NULL;
}

void places_free(struct places *p)
{
    if (!p)
        return;
    free(p->slots);
    free(p->rows);
    free(p);
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

static struct source **slot_of(const struct places *p, uint64_t key)
{
    uint64_t mixed = (key ^ p->seed) * UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return &p->slots[(mixed ^ mixed >> 32) % p->n_slots];
}

static struct source *source_find(struct places *p, uint64_t key)
{
    struct source **slot = slot_of(p, key), *s = *slot;

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
static void settle(struct places *p, struct source *s)
{
    const size_t n = s->n_taken < p->n_rows ? s->n_taken : p->n_rows - 1;
    struct row *row = s->oldest ? &p->rows[n] : NULL;

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
    if (n > p->top)
        p->top = n;
}

static void source_drop(struct places *p, struct source *s)
{
    struct source **link = slot_of(p, s->key);

    while (*link != s)
        link = &(*link)->chain;
    *link = s->chain;
    free(s);
}

/* ---- places ---- */

static void line_up(struct place *place)
{
    struct source *s = place->source;

    place->next = NULL;
    place->before = s->newest;
    *(s->newest ? &s->newest->next : &s->oldest) = place;
    s->newest = place;
}

static void step_out(struct place *place)
{
    struct source *s = place->source;

    *(place->before ? &place->before->next : &s->oldest) = place->next;
    *(place->next ? &place->next->before : &s->newest) = place->before;
}

static void set_working(struct places *p, struct place *place, bool works)
{
    place->state = works ? PLACE_WORKS : PLACE_WAITS;
    p->working += works ? 1 : (size_t)-1;
    place->source->n_working += works ? 1 : (size_t)-1;
}

static void count(struct places *p, struct source *s, int one)
{
    p->taken += (size_t)one;
    s->n_taken += (size_t)one;
}

bool places_enter(struct places *p, struct place *place, const struct sockaddr *from)
{
    struct source *s = source_find(p, key_of(from));

    if (!s)
        return false;
    *place = (struct place){ .source = s, .state = PLACE_WAITS };
    s->n_all++;
    count(p, s, 1);
    line_up(place);
    settle(p, s);
    return true;
}

void places_leave(struct places *p, struct place *place)
{
    struct source *s = place->source;

    if (place->state == PLACE_WAITS)
        step_out(place);
    else if (place->state == PLACE_WORKS)
        set_working(p, place, false);
    if (place->state != PLACE_GOES)
        count(p, s, -1);
    s->n_all--;
    settle(p, s);
    if (s->n_all == 0)
        source_drop(p, s);
}

void places_work(struct places *p, struct place *place)
{
    if (place->state == PLACE_WORKS)
        return;
    if (place->state == PLACE_WAITS)
        step_out(place);
    else
        count(p, place->source, 1);
    set_working(p, place, true);
    settle(p, place->source);
}

void places_wait(struct places *p, struct place *place)
{
    if (place->state == PLACE_GOES)
        return;
    if (place->state == PLACE_WORKS)
        set_working(p, place, false);
    else
        step_out(place); /* and to the end of the line: it has been served */
    line_up(place);
    settle(p, place->source);
}

struct place *places_give_way_of(struct places *p, struct source *source)
{
    struct place *place = source->oldest;

    if (!place)
        return NULL;
    step_out(place);
    place->state = PLACE_GOES;
    count(p, source, -1);
    settle(p, source);
    return place;
}

struct place *places_give_way(struct places *p)
{
    while (p->top > 0 && !p->rows[p->top].first)
        p->top--;
    return p->rows[p->top].first ? places_give_way_of(p, p->rows[p->top].first) : NULL;
}

size_t places_taken(const struct places *p) { return p->taken; }
size_t places_working(const struct places *p) { return p->working; }
size_t places_working_of(const struct place *place) { return place->source->n_working; }
size_t places_taken_of(const struct place *place) { return place->source->n_taken; }
