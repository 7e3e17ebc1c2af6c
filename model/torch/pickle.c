/* model/torch/pickle.c - running a pickle: its bytes, and the operations that only make values. See pickle.h. */
#include "pickle.h"

#include "machine.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MARKS = 1 << 10, PROTOCOL = 2 };

/* ---- bytes ---- */

/* The next `n` bytes. */
static enum status take(struct pickle *p, size_t n, const uint8_t **ret)
{
    *ret = NULL;
    if (n > p->n_bytes - p->at)
        return error_set(p->err, ST_FORMAT, "the pickle ends inside of what begins at byte %zu",
                         pickle_place(p));
    *ret = p->bytes + p->at;
    p->at += n;
    return ST_OK;
}

/* A little-endian number of `n` bytes, 4 at most. */
static enum status take_number(struct pickle *p, size_t n, uint32_t *ret)
{
    const uint8_t *b;
    const enum status st = take(p, n, &b);

    *ret = 0;
    for (size_t i = n; st == ST_OK && i-- > 0;)
        *ret = *ret << 8 | b[i];
    return st;
}

/* A line, without its end. */
static enum status take_line(struct pickle *p, const char **ret, size_t *ret_n)
{
    const uint8_t *begin = p->bytes + p->at, *end = memchr(begin, '\n', p->n_bytes - p->at);

    *ret = NULL;
    *ret_n = 0;
    if (!end)
        return error_set(p->err, ST_FORMAT, "the pickle ends inside of what begins at byte %zu",
                         pickle_place(p));
    *ret = (const char *)begin;
    *ret_n = (size_t)(end - begin);
    p->at += *ret_n + 1;
    return ST_OK;
}

/* ---- operations ---- */

static enum status do_protocol(struct pickle *p)
{
    uint32_t version;
    const enum status st = take_number(p, 1, &version);

    if (st == ST_OK && version != PROTOCOL)
        return error_set(p->err, ST_FORMAT, "the pickle's protocol is %u, not %d, which torch.save() writes",
                         version, PROTOCOL);
    return st;
}

static enum status do_mark(struct pickle *p)
{
    const enum status st = room_for_one(p, (void **)&p->marks, p->n_marks, &p->marks_room, sizeof *p->marks,
                                        MAX_MARKS, "lists within each other");

    if (st == ST_OK)
        p->marks[p->n_marks++] = p->depth;
    return st;
}

static enum status push_number(struct pickle *p, int64_t v)
{
    return push(p, (struct value){ .kind = KIND_INT, .number = v });
}

static enum status do_int4(struct pickle *p)
{
    uint32_t v;
    const enum status st = take_number(p, 4, &v);

    return st == ST_OK ? push_number(p, (int32_t)v) : st;
}

static enum status do_int1(struct pickle *p)
{
    uint32_t v;
    const enum status st = take_number(p, 1, &v);

    return st == ST_OK ? push_number(p, v) : st;
}

static enum status do_int2(struct pickle *p)
{
    uint32_t v;
    const enum status st = take_number(p, 2, &v);

    return st == ST_OK ? push_number(p, v) : st;
}

/* Of any length up to 255 bytes; one that has no place in 64 bits measures nothing here. */
static enum status do_long(struct pickle *p)
{
    uint32_t n;
    uint64_t v = 0;
    const uint8_t *b = NULL;
    enum status st = take_number(p, 1, &n);

    if (st == ST_OK)
        st = take(p, n, &b);
    if (st != ST_OK)
        return st;
    if (n > sizeof v)
        return push(p, (struct value){ .kind = KIND_OTHER });
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)b[i] << 8 * i;
    if (n > 0 && n < sizeof v && b[n - 1] & 0x80)
        v |= UINT64_MAX << 8 * n;
    return push_number(p, (int64_t)v);
}

static enum status do_float(struct pickle *p)
{
    const uint8_t *b;
    uint64_t bits = 0;
    double v;
    const enum status st = take(p, sizeof bits, &b);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < sizeof bits; i++)
        bits = bits << 8 | b[i];
    memcpy(&v, &bits, sizeof v);
    return push(p, (struct value){ .kind = KIND_FLOAT, .real = v });
}

/*   length_bytes  how its length is written */
static enum status text(struct pickle *p, size_t length_bytes)
{
    uint32_t n;
    const uint8_t *b = NULL;
    enum status st = take_number(p, length_bytes, &n);

    if (st == ST_OK)
        st = take(p, n, &b);
    return st == ST_OK ? push(p, (struct value){ .kind = KIND_TEXT, .text = { (const char *)b, n } }) : st;
}

static enum status do_text(struct pickle *p) { return text(p, 4); }
static enum status do_short_text(struct pickle *p) { return text(p, 1); }
static enum status do_none(struct pickle *p) { return push(p, (struct value){ .kind = KIND_NONE }); }

/* An object that refers to itself is made first, and the one begun around it is dropped. */
static enum status do_pop(struct pickle *p)
{
    value_id dropped;

    return pop(p, &dropped);
}

static enum status do_true(struct pickle *p)
{
    return push(p, (struct value){ .kind = KIND_BOOL, .number = 1 });
}
static enum status do_false(struct pickle *p) { return push(p, (struct value){ .kind = KIND_BOOL }); }

static enum status push_empty(struct pickle *p, enum kind kind)
{
    return push(p, (struct value){ .kind = kind, .items = { NO_CELL, NO_CELL, 0 } });
}

static enum status do_empty_dict(struct pickle *p) { return push_empty(p, KIND_DICT); }
static enum status do_empty_list(struct pickle *p) { return push_empty(p, KIND_LIST); }
static enum status do_empty_tuple(struct pickle *p) { return push_empty(p, KIND_TUPLE); }

/* The values on the stack from `first` on become the items of `to`. */
static enum status hang_all(struct pickle *p, size_t first, value_id to)
{
    enum status st = ST_OK;

    for (size_t i = first; i < p->depth && st == ST_OK; i++)
        st = hang_on(p, to, p->stack[i]);
    p->depth = first;
    return st;
}

/* A tuple of what lies on the stack from `first` on. */
static enum status tuple_from(struct pickle *p, size_t first)
{
    value_id made;
    enum status st = push_empty(p, KIND_TUPLE);

    if (st != ST_OK)
        return st;
    made = p->stack[--p->depth];
    st = hang_all(p, first, made);
    return st == ST_OK ? push_id(p, made) : st;
}

static enum status do_tuple(struct pickle *p)
{
    size_t first;
    const enum status st = unmark(p, &first);

    return st == ST_OK ? tuple_from(p, first) : st;
}

static enum status tuple_of(struct pickle *p, size_t n)
{
    if (p->depth - floor_of(p) < n)
        return error_set(p->err, ST_FORMAT, "the pickle takes a value that is not there at byte %zu",
                         pickle_place(p));
    return tuple_from(p, p->depth - n);
}

static enum status do_tuple1(struct pickle *p) { return tuple_of(p, 1); }
static enum status do_tuple2(struct pickle *p) { return tuple_of(p, 2); }
static enum status do_tuple3(struct pickle *p) { return tuple_of(p, 3); }

/* The values on the stack from `first` on go into the list or dictionary below them; into an object that is not read they go without
 * a trace. */
static enum status fill(struct pickle *p, size_t first, enum kind kind)
{
    value_id to;

    if (first <= floor_of(p))
        return error_set(p->err, ST_FORMAT, "the pickle takes a value that is not there at byte %zu",
                         pickle_place(p));
    to = p->stack[first - 1];
    if (p->values[to].kind == KIND_OTHER) {
        p->depth = first;
        return ST_OK;
    }
    if (p->values[to].kind != kind || (kind == KIND_DICT && (p->depth - first) % 2 != 0))
        return error_set(p->err, ST_FORMAT, "the pickle fills a value that is no %s at byte %zu",
                         kind == KIND_DICT ? "dictionary" : "list", pickle_place(p));
    return hang_all(p, first, to);
}

static enum status fill_marked(struct pickle *p, enum kind kind)
{
    size_t first;
    const enum status st = unmark(p, &first);

    return st == ST_OK ? fill(p, first, kind) : st;
}

static enum status do_append(struct pickle *p) { return fill(p, p->depth ? p->depth - 1 : 0, KIND_LIST); }
static enum status do_appends(struct pickle *p) { return fill_marked(p, KIND_LIST); }
static enum status do_set_item(struct pickle *p)
{
    return fill(p, p->depth > 1 ? p->depth - 2 : 0, KIND_DICT);
}
static enum status do_set_items(struct pickle *p) { return fill_marked(p, KIND_DICT); }

static enum status do_global(struct pickle *p)
{
    const char *module, *name;
    size_t n_module, n_name;
    struct value v;
    enum status st = take_line(p, &module, &n_module);

    if (st == ST_OK)
        st = take_line(p, &name, &n_name);
    if (st == ST_OK)
        st = global_find(p, module, n_module, name, n_name, &v);
    return st == ST_OK ? push(p, v) : st;
}

/* ---- memory ---- */

/* Room up to a number: all of those in between are empty. */
static enum status memo_reach(struct pickle *p, size_t i)
{
    const size_t room = i < 512 ? 1024 : 2 * i;
    value_id *grown;

    if (i < p->memo_room)
        return ST_OK;
    if (i >= PICKLE_MAX_VALUES)
        return error_set(p->err, ST_LIMIT, "the pickle keeps more than %d values", PICKLE_MAX_VALUES);
    grown = realloc(p->memo, room * sizeof *grown);
    if (!grown)
        return error_nomem(p->err);
    memset(grown + p->memo_room, 0xff, (room - p->memo_room) * sizeof *grown);
    p->memo = grown;
    p->memo_room = room;
    return ST_OK;
}

static enum status keep(struct pickle *p, size_t number_bytes)
{
    uint32_t i;
    value_id v;
    enum status st = take_number(p, number_bytes, &i);

    if (st == ST_OK)
        st = pop(p, &v);
    if (st == ST_OK)
        st = memo_reach(p, i);
    if (st != ST_OK)
        return st;
    p->memo[i] = v;
    return push_id(p, v);
}

static enum status recall(struct pickle *p, size_t number_bytes)
{
    uint32_t i;
    const enum status st = take_number(p, number_bytes, &i);

    if (st != ST_OK)
        return st;
    if (i >= p->memo_room || p->memo[i] == NO_VALUE)
        return error_set(p->err, ST_FORMAT, "the pickle recalls an entry that it has not kept at byte %zu",
                         pickle_place(p));
    return push_id(p, p->memo[i]);
}

static enum status do_keep(struct pickle *p) { return keep(p, 1); }
static enum status do_long_keep(struct pickle *p) { return keep(p, 4); }
static enum status do_recall(struct pickle *p) { return recall(p, 1); }
static enum status do_long_recall(struct pickle *p) { return recall(p, 4); }

/* ---- running ---- */

enum { STOP = '.' };

/* Every other one is refused. */
static enum status (*const OPERATIONS[256])(struct pickle *p) = {
    [0x80] = do_protocol,   ['0'] = do_pop,        ['('] = do_mark,       ['N'] = do_none,
    [0x88] = do_true,       [0x89] = do_false,     ['J'] = do_int4,       ['K'] = do_int1,
    ['M'] = do_int2,        [0x8a] = do_long,      ['G'] = do_float,      ['X'] = do_text,
    ['T'] = do_text,        ['U'] = do_short_text, ['}'] = do_empty_dict, [']'] = do_empty_list,
    [')'] = do_empty_tuple, ['t'] = do_tuple,      [0x85] = do_tuple1,    [0x86] = do_tuple2,
    [0x87] = do_tuple3,     ['a'] = do_append,     ['e'] = do_appends,    ['s'] = do_set_item,
    ['u'] = do_set_items,   ['q'] = do_keep,       ['r'] = do_long_keep,  ['h'] = do_recall,
    ['j'] = do_long_recall, ['c'] = do_global,     ['R'] = do_reduce,     [0x81] = do_new_object,
    ['b'] = do_build,       ['Q'] = do_persistent,
};

/* At STOP one value is left on the stack. */
static enum status result(struct pickle *p, value_id *ret_root)
{
    if (p->n_marks || p->depth != 1)
        return error_set(p->err, ST_FORMAT,
                         "the pickle ends with %zu values and %zu marks, not with one value", p->depth,
                         p->n_marks);
    *ret_root = p->stack[--p->depth];
    return ST_OK;
}

enum status pickle_run(struct pickle *p, value_id *ret_root)
{
    char name[OPCODE_TEXT];
    enum status st = ST_OK;

    while (st == ST_OK) {
        uint8_t code;

        if (p->at == p->n_bytes)
            return error_set(p->err, ST_FORMAT, "the pickle ends without STOP");
        p->operation = p->at;
        code = p->bytes[p->at++];
        if (code == STOP)
            return result(p, ret_root);
        if (!OPERATIONS[code])
            return error_set(p->err, ST_FORMAT,
                             "the pickle has the operation %s at byte %zu, which is not read: " NOTHING_RUNS,
                             opcode_name(code, name), pickle_place(p));
        st = OPERATIONS[code](p);
    }
    return st;
}
