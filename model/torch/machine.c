/* model/torch/machine.c - the machine that a pickle runs on: its values, its stack and what hangs on what. See machine.h. */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 1 << 16, MAX_CELLS = 1 << 21 };

size_t pickle_place(const struct pickle *p) { return p->base + p->operation; }

const char *shown(const char *at, size_t n, char ret[SHOWN_SIZE])
{
    size_t i;

    for (i = 0; i < n && i < SHOWN_SIZE - 1; i++)
        ret[i] = at[i] >= ' ' && at[i] < 127 ? at[i] : '?';
    ret[i] = '\0';
    return ret;
}

/* ---- room ---- */

enum status room_for_one(struct pickle *p, void **items, size_t n, size_t *room, size_t size, size_t most,
                         const char *of_what)
{
    const size_t next = *room ? 2 * *room : 64;
    void *grown;

    if (n < *room)
        return ST_OK;
    if (n >= most)
        return error_set(p->err, ST_LIMIT, "the pickle has more than %zu %s", most, of_what);
    grown = realloc(*items, next * size);
    if (!grown)
        return error_nomem(p->err);
    *items = grown;
    *room = next;
    return ST_OK;
}

enum status push_id(struct pickle *p, value_id v)
{
    const enum status st = room_for_one(p, (void **)&p->stack, p->depth, &p->stack_room, sizeof *p->stack,
                                        MAX_DEPTH, "values on its stack");

    if (st == ST_OK)
        p->stack[p->depth++] = v;
    return st;
}

enum status push(struct pickle *p, struct value v)
{
    const enum status st = room_for_one(p, (void **)&p->values, p->n_values, &p->values_room,
                                        sizeof *p->values, PICKLE_MAX_VALUES, "values");

    if (st != ST_OK)
        return st;
    p->values[p->n_values] = v;
    return push_id(p, (value_id)p->n_values++);
}

size_t floor_of(const struct pickle *p) { return p->n_marks ? p->marks[p->n_marks - 1] : 0; }

enum status pop(struct pickle *p, value_id *ret)
{
    *ret = NO_VALUE;
    if (p->depth <= floor_of(p))
        return error_set(p->err, ST_FORMAT, "the pickle takes a value that is not there at byte %zu",
                         pickle_place(p));
    *ret = p->stack[--p->depth];
    return ST_OK;
}

enum status unmark(struct pickle *p, size_t *ret_first)
{
    *ret_first = 0;
    if (p->n_marks == 0)
        return error_set(p->err, ST_FORMAT, "the pickle takes a mark that is not there at byte %zu",
                         pickle_place(p));
    *ret_first = p->marks[--p->n_marks];
    return ST_OK;
}

enum status hang_on(struct pickle *p, value_id to, value_id v)
{
    const enum status st =
        room_for_one(p, (void **)&p->cells, p->n_cells, &p->cells_room, sizeof *p->cells, MAX_CELLS, "items");
    struct value *t = &p->values[to];

    if (st != ST_OK)
        return st;
    p->cells[p->n_cells] = (struct cell){ v, NO_CELL };
    if (t->items.last != NO_CELL)
        p->cells[t->items.last].next = (uint32_t)p->n_cells;
    else
        t->items.first = (uint32_t)p->n_cells;
    t->items.last = (uint32_t)p->n_cells++;
    t->items.n++;
    return ST_OK;
}

/* ---- asking ---- */

value_id item_of(const struct pickle *p, value_id items, size_t i)
{
    uint32_t c;

    if (items == NO_VALUE || (p->values[items].kind != KIND_TUPLE && p->values[items].kind != KIND_LIST) ||
        i >= p->values[items].items.n)
        return NO_VALUE;
    for (c = p->values[items].items.first; i > 0; i--)
        c = p->cells[c].next;
    return p->cells[c].value;
}

bool value_is(const struct pickle *p, value_id v, const char *text)
{
    return v != NO_VALUE && p->values[v].kind == KIND_TEXT && p->values[v].text.n == strlen(text) &&
           memcmp(p->values[v].text.at, text, p->values[v].text.n) == 0;
}

value_id dict_get(const struct pickle *p, value_id dict, const char *key)
{
    value_id found = NO_VALUE;

    if (dict == NO_VALUE || p->values[dict].kind != KIND_DICT)
        return NO_VALUE;
    for (uint32_t c = p->values[dict].items.first; c != NO_CELL; c = p->cells[p->cells[c].next].next)
        if (value_is(p, p->cells[c].value, key))
            found = p->cells[p->cells[c].next].value;
    return found;
}

void pickle_release(struct pickle *p)
{
    free(p->values);
    free(p->cells);
    free(p->storages);
    free(p->tensors);
    free(p->stack);
    free(p->marks);
    free(p->memo);
    *p = (struct pickle){ 0 };
}
