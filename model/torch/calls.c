/* model/torch/calls.c - the operations that Python would call something for. Their result is noted down, nothing is
 * called. Every number that a tensor is described by is held against its storage before it is believed. */
#include "machine.h"

#include <string.h>

static enum status refuse(struct pickle *p, const char *what)
{
    return error_set(p->err, ST_FORMAT, "the pickle has %s at byte %zu", what, pickle_place(p));
}

static bool is_kind(const struct pickle *p, value_id v, enum kind kind)
{
    return v != NO_VALUE && p->values[v].kind == kind;
}

static bool is_global(const struct pickle *p, value_id v, enum global is)
{
    return is_kind(p, v, KIND_GLOBAL) && p->values[v].global.is == is;
}

/* ---- storages ---- */

enum { MAX_KEY = 32, MAX_NAMED = 2 * PICKLE_MAX_STORAGES };

static bool same_key(const struct storage *s, const struct value *key)
{
    return s->key_size == key->text.n && memcmp(s->key, key->text.at, s->key_size) == 0;
}

/* The storage of that key, a new one where there is none yet. One that was there must be the same. */
static enum status storage_note(struct pickle *p, const struct storage *s, const struct value *key)
{
    enum status st;
    size_t i = 0;

    if (p->storages_named++ == MAX_NAMED) /* each is looked for among all */
        return error_set(p->err, ST_LIMIT, "the pickle has more than %d tensors", MAX_NAMED);
    while (i < p->n_storages && !same_key(&p->storages[i], key))
        i++;
    if (i < p->n_storages && (p->storages[i].dtype != s->dtype || p->storages[i].count != s->count))
        return refuse(p, "a storage that it has described otherwise before");
    if (i == p->n_storages) {
        st = room_for_one(p, (void **)&p->storages, p->n_storages, &p->storages_room, sizeof *p->storages,
                          PICKLE_MAX_STORAGES, "storages");
        if (st != ST_OK)
            return st;
        p->storages[p->n_storages++] = *s;
    }
    return push(p, (struct value){ .kind = KIND_STORAGE, .index = (uint32_t)i });
}

/* ('storage', type, key, where it was, values), of old files with a view of another one behind that; or, of old files,
 * ('module', class, its file, its source), which stands for the class. */
enum status do_persistent(struct pickle *p)
{
    value_id id, key, count, type;
    struct storage s;
    enum status st = pop(p, &id);

    if (st != ST_OK)
        return st;
    if (!is_kind(p, id, KIND_TUPLE))
        return refuse(p, "a persistent id that is no tuple");
    type = item_of(p, id, 1);
    key = item_of(p, id, 2);
    count = item_of(p, id, 4);
    if (value_is(p, item_of(p, id, 0), "module") && is_global(p, type, GLOBAL_CLASS))
        return push_id(p, type);
    if (!value_is(p, item_of(p, id, 0), "storage") || !is_global(p, type, GLOBAL_STORAGE) ||
        !is_kind(p, key, KIND_TEXT) || p->values[key].text.n > MAX_KEY || !is_kind(p, count, KIND_INT))
        return refuse(p, "a persistent id that is no storage");
    if (item_of(p, id, 5) != NO_VALUE && !is_kind(p, item_of(p, id, 5), KIND_NONE))
        return refuse(p, "a storage that is a part of another one");
    if (p->values[count].number < 0)
        return refuse(p, "a storage of less than nothing");
    s = (struct storage){ .key = p->values[key].text.at,
                          .key_size = p->values[key].text.n,
                          .dtype = p->values[type].global.dtype,
                          .count = (size_t)p->values[count].number };
    return storage_note(p, &s, &p->values[key]);
}

/* ---- tensors ---- */

/* A whole number that is not below 0. */
static bool count_of(const struct pickle *p, value_id v, size_t *ret)
{
    if (!is_kind(p, v, KIND_INT) || p->values[v].number < 0)
        return false;
    *ret = (size_t)p->values[v].number;
    return true;
}

/* Shape and strides: the last value lies in the storage. */
static bool lies_within(const struct tensor_view *t, size_t count)
{
    size_t last = t->offset, values = 1;

    for (size_t d = 0; d < t->rank; d++) {
        size_t step;

        if (t->dims[d] == 0)
            return t->offset <= count;
        if (__builtin_mul_overflow(t->dims[d] - 1, t->strides[d], &step) ||
            __builtin_add_overflow(last, step, &last) || __builtin_mul_overflow(values, t->dims[d], &values))
            return false;
    }
    return last < count;
}

static enum status view_read(struct pickle *p, value_id args, struct tensor_view *t)
{
    const value_id sizes = item_of(p, args, 2), strides = item_of(p, args, 3);

    t->storage = p->values[item_of(p, args, 0)].index;
    if (!is_kind(p, sizes, KIND_TUPLE) || !is_kind(p, strides, KIND_TUPLE) ||
        p->values[sizes].items.n != p->values[strides].items.n ||
        !count_of(p, item_of(p, args, 1), &t->offset))
        return refuse(p, "a tensor whose offset, shape and strides do not fit together");
    t->rank = p->values[sizes].items.n;
    if (t->rank > ARRAY_MAX_RANK)
        return refuse(p, "a tensor of more than 4 dimensions");
    for (size_t d = 0; d < t->rank; d++)
        if (!count_of(p, item_of(p, sizes, d), &t->dims[d]) ||
            !count_of(p, item_of(p, strides, d), &t->strides[d]))
            return refuse(p, "a tensor with a size or a stride that is no count");
    if (!lies_within(t, p->storages[t->storage].count))
        return refuse(p, "a tensor that does not lie in its storage");
    return ST_OK;
}

/* (storage, offset, shape, strides, …) */
static enum status make_tensor(struct pickle *p, value_id args)
{
    struct tensor_view t = { 0 };
    enum status st;

    if (!is_kind(p, item_of(p, args, 0), KIND_STORAGE))
        return refuse(p, "a tensor without a storage");
    st = view_read(p, args, &t);
    if (st == ST_OK)
        st = room_for_one(p, (void **)&p->tensors, p->n_tensors, &p->tensors_room, sizeof *p->tensors,
                          PICKLE_MAX_VALUES, "tensors");
    if (st != ST_OK)
        return st;
    p->tensors[p->n_tensors] = t;
    return push(p, (struct value){ .kind = KIND_TENSOR, .index = (uint32_t)p->n_tensors++ });
}

/* ---- the others ---- */

/* OrderedDict(), or of old files OrderedDict([[key, value], …]). */
static enum status make_dict(struct pickle *p, value_id args)
{
    const value_id pairs = item_of(p, args, 0);
    value_id made;
    enum status st = push(p, (struct value){ .kind = KIND_DICT, .items = { NO_CELL, NO_CELL, 0 } });

    if (st != ST_OK || pairs == NO_VALUE)
        return st;
    made = p->stack[p->depth - 1];
    if (!is_kind(p, pairs, KIND_LIST))
        return refuse(p, "a dictionary made of something else than a list");
    for (uint32_t c = p->values[pairs].items.first; c != NO_CELL && st == ST_OK; c = p->cells[c].next) {
        const value_id pair = p->cells[c].value, key = item_of(p, pair, 0), value = item_of(p, pair, 1);

        if (key == NO_VALUE || value == NO_VALUE)
            return refuse(p, "a dictionary made of something else than pairs");
        st = hang_on(p, made, key);
        if (st == ST_OK)
            st = hang_on(p, made, value);
    }
    return st;
}

/* getattr(object, name): nothing is looked up, and what stands for it can be called by nothing. */
static enum status pass_attribute(struct pickle *p, value_id args)
{
    if (!is_kind(p, item_of(p, args, 0), KIND_OBJECT) && !is_global(p, item_of(p, args, 0), GLOBAL_CLASS))
        return refuse(p, "an attribute (getattr) of a value that is no object");
    if (!is_kind(p, item_of(p, args, 1), KIND_TEXT))
        return refuse(p, "an attribute (getattr) without a name");
    return push(p, (struct value){ .kind = KIND_OTHER });
}

enum status do_reduce(struct pickle *p)
{
    value_id args, callable;
    enum status st = pop(p, &args);

    if (st == ST_OK)
        st = pop(p, &callable);
    if (st != ST_OK)
        return st;
    if (!is_kind(p, callable, KIND_GLOBAL) || !is_kind(p, args, KIND_TUPLE))
        return refuse(p, "a call of a value that is no function");
    switch (p->values[callable].global.is) {
    case GLOBAL_TENSOR: return make_tensor(p, args);
    case GLOBAL_PARAMETER:
        if (!is_kind(p, item_of(p, args, 0), KIND_TENSOR))
            return refuse(p, "a parameter that is no tensor");
        return push_id(p, item_of(p, args, 0));
    case GLOBAL_DICT: return make_dict(p, args);
    case GLOBAL_OTHER: return push(p, (struct value){ .kind = KIND_OTHER });
    case GLOBAL_ATTRIBUTE: return pass_attribute(p, args);
    case GLOBAL_STORAGE:
    case GLOBAL_CLASS: break;
    }
    return refuse(p, "a call of a class");
}

/* An object of a class of modules, without attributes yet. */
enum status do_new_object(struct pickle *p)
{
    value_id args, class;
    enum status st = pop(p, &args);

    if (st == ST_OK)
        st = pop(p, &class);
    if (st == ST_OK && (!is_global(p, class, GLOBAL_CLASS) || !is_kind(p, args, KIND_TUPLE)))
        st = refuse(p, "an object of a value that is no class of modules");
    if (st == ST_OK)
        st = push(p, (struct value){ .kind = KIND_OBJECT, .state = (value_id)p->n_values });
    return st;
}

/* An object gets its attributes. Those of an OrderedDict are notes of torch's. */
enum status do_build(struct pickle *p)
{
    value_id state, object;
    enum status st = pop(p, &state);

    if (st == ST_OK)
        st = pop(p, &object);
    if (st != ST_OK)
        return st;
    if (is_kind(p, object, KIND_OBJECT)) {
        if (!is_kind(p, state, KIND_DICT))
            return refuse(p, "an object whose attributes are no dictionary");
        p->values[object].state = state;
    } else if (!is_kind(p, object, KIND_DICT) && !is_kind(p, object, KIND_OTHER))
        return refuse(p, "attributes of a value that is no object");
    return push_id(p, object);
}
