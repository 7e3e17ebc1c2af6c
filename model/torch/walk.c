/* model/torch/walk.c - see walk.h. An object that refers to itself, or to the same thing again and again, ends at a depth and at a number of
 * steps. */
#include "walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 24, MAX_STEPS = 4 << 20 };

struct walk {
    const struct pickle *p;
    struct state_dict *to;
    struct error *err;
    size_t steps;
    char name[ARRAY_NAME_SIZE]; /* of the module, with a dot behind it */
};

static enum kind kind_of(const struct walk *w, value_id v)
{
    return v == NO_VALUE ? KIND_NONE : w->p->values[v].kind;
}

/* dict_get(), which is counted. */
static enum status get(struct walk *w, value_id dict, const char *key, value_id *ret)
{
    *ret = NO_VALUE;
    if (kind_of(w, dict) != KIND_DICT)
        return ST_OK;
    w->steps += w->p->values[dict].items.n;
    if (w->steps > MAX_STEPS)
        return error_set(w->err, ST_LIMIT, "the pickle's objects do not end");
    *ret = dict_get(w->p, dict, key);
    return ST_OK;
}

/* ---- tensors ---- */

static enum status make_room(struct walk *w)
{
    struct state_dict *s = w->to;
    const size_t room = s->room ? 2 * s->room : 256;
    struct array *arrays;
    uint32_t *views;

    if (s->n < s->room)
        return ST_OK;
    if (s->n >= ARRAYS_MAX)
        return error_set(w->err, ST_LIMIT, "the file holds more than %d tensors", ARRAYS_MAX);
    arrays = realloc(s->arrays, room * sizeof *arrays);
    if (arrays)
        s->arrays = arrays;
    views = realloc(s->views, room * sizeof *views);
    if (views)
        s->views = views;
    if (!arrays || !views)
        return error_nomem(w->err);
    s->room = room;
    return ST_OK;
}

/* Append a key to the module's name. `ret_end` is where it was cut, to undo it. */
static enum status name_extend(struct walk *w, value_id key, const char *behind, size_t *ret_end)
{
    const size_t end = strlen(w->name);
    const struct value *v = &w->p->values[key];
    char text[SHOWN_SIZE];

    *ret_end = end;
    if (v->kind != KIND_TEXT)
        return error_set(w->err, ST_FORMAT, "a tensor's name in '%s' is no text", w->name);
    if (end + v->text.n + strlen(behind) >= sizeof w->name)
        return error_set(w->err, ST_FORMAT, "the tensor '%s' does not belong here: its name is too long",
                         shown(v->text.at, v->text.n, text));
    for (size_t i = 0; i < v->text.n; i++)
        if (v->text.at[i] <= ' ' || v->text.at[i] >= 127)
            return error_set(w->err, ST_FORMAT, "the tensor '%s' has a name that is no visible ASCII",
                             shown(v->text.at, v->text.n, text));
    memcpy(w->name + end, v->text.at, v->text.n);
    snprintf(w->name + end + v->text.n, sizeof w->name - end - v->text.n, "%s", behind);
    return ST_OK;
}

static enum status add_tensor(struct walk *w, value_id key, value_id tensor)
{
    const uint32_t view = w->p->values[tensor].index;
    const struct tensor_view *t = &w->p->tensors[view];
    struct state_dict *s = w->to;
    size_t end;
    enum status st = name_extend(w, key, "", &end);

    if (st == ST_OK)
        st = make_room(w);
    if (st == ST_OK) {
        struct array *a = &s->arrays[s->n];

        *a = (struct array){ .dtype = w->p->storages[t->storage].dtype, .rank = t->rank };
        memcpy(a->name, w->name, sizeof a->name);
        memcpy(a->dims, t->dims, sizeof a->dims);
        s->views[s->n++] = view;
    }
    w->name[end] = '\0';
    return st;
}

/* All tensors of a dictionary. Other values are passed over. */
static enum status add_tensors(struct walk *w, value_id dict)
{
    const struct pickle *p = w->p;
    enum status st = ST_OK;

    if (kind_of(w, dict) != KIND_DICT)
        return ST_OK;
    w->steps += p->values[dict].items.n;
    if (w->steps > MAX_STEPS)
        return error_set(w->err, ST_LIMIT, "the pickle's objects do not end");
    for (uint32_t c = p->values[dict].items.first; c != NO_CELL && st == ST_OK;) {
        const uint32_t value = p->cells[c].next;

        if (kind_of(w, p->cells[value].value) == KIND_TENSOR)
            st = add_tensor(w, p->cells[c].value, p->cells[value].value);
        c = p->cells[value].next;
    }
    return st;
}

/* ---- what a module says of itself ---- */

/* A list of texts, between commas. One of other things, or of more than there may be findings, says nothing. */
static void labels_note(struct walk *w, value_id list)
{
    const struct pickle *p = w->p;
    char *to = w->to->labels;
    size_t used = 0;

    if (kind_of(w, list) != KIND_LIST || p->values[list].items.n > MAX_LABELS || to[0])
        return;
    for (uint32_t c = p->values[list].items.first; c != NO_CELL; c = p->cells[c].next) {
        const struct value *v = &p->values[p->cells[c].value];

        if (v->kind != KIND_TEXT || v->text.n >= LABEL_SIZE || memchr(v->text.at, ',', v->text.n) ||
            memchr(v->text.at, '\0', v->text.n)) {
            to[0] = '\0';
            return;
        }
        used += (size_t)snprintf(to + used, LABELS_TEXT_SIZE - used, "%s%.*s",
                                 c == p->values[list].items.first ? "" : ",", (int)v->text.n, v->text.at);
    }
}

static void thresholds_note(struct walk *w, value_id list)
{
    const struct pickle *p = w->p;
    struct state_dict *s = w->to;

    if (kind_of(w, list) != KIND_LIST || p->values[list].items.n > MAX_LABELS)
        return;
    s->n_thresholds = 0;
    for (uint32_t c = p->values[list].items.first; c != NO_CELL; c = p->cells[c].next) {
        if (p->values[p->cells[c].value].kind != KIND_FLOAT) {
            s->n_thresholds = 0;
            return;
        }
        s->thresholds[s->n_thresholds++] = p->values[p->cells[c].value].real;
    }
}

/* The attributes that torchxrayvision gives its networks, and the names that people give such a list in a checkpoint. */
static enum status sayings_note(struct walk *w, value_id dict)
{
    static const char *const LISTS[] = { "pathologies", "targets", "labels",
                                         "label_names", "classes", "class_names" };
    value_id v;
    enum status st = ST_OK;

    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0] && st == ST_OK; i++) {
        st = get(w, dict, LISTS[i], &v);
        if (st == ST_OK)
            labels_note(w, v);
    }
    if (st == ST_OK)
        st = get(w, dict, "op_threshs", &v);
    if (st == ST_OK)
        thresholds_note(w, v);
    return st;
}

/* ---- modules ---- */

static enum status module_walk(struct walk *w, value_id object, size_t depth);

static enum status modules_walk(struct walk *w, value_id dict, size_t depth)
{
    const struct pickle *p = w->p;
    enum status st = ST_OK;

    if (kind_of(w, dict) != KIND_DICT)
        return ST_OK;
    for (uint32_t c = p->values[dict].items.first; c != NO_CELL && st == ST_OK;) {
        const uint32_t value = p->cells[c].next;
        size_t end;

        if (kind_of(w, p->cells[value].value) == KIND_OBJECT) {
            st = name_extend(w, p->cells[c].value, ".", &end);
            if (st == ST_OK)
                st = module_walk(w, p->cells[value].value, depth + 1);
            w->name[end] = '\0';
        }
        c = p->cells[value].next;
    }
    return st;
}

/* An attribute that is a tensor and was not registered as one. */
static enum status loose_thresholds(struct walk *w, value_id dict)
{
    const struct pickle *p = w->p;
    enum status st = ST_OK;

    for (uint32_t c = p->values[dict].items.first; c != NO_CELL && st == ST_OK;) {
        const uint32_t value = p->cells[c].next;

        if (value_is(p, p->cells[c].value, "op_threshs") && kind_of(w, p->cells[value].value) == KIND_TENSOR)
            st = add_tensor(w, p->cells[c].value, p->cells[value].value);
        c = p->cells[value].next;
    }
    return st;
}

static enum status module_walk(struct walk *w, value_id object, size_t depth)
{
    const value_id dict = w->p->values[object].state;
    value_id parameters, buffers, modules;
    enum status st;

    if (depth > MAX_DEPTH)
        return error_set(w->err, ST_LIMIT, "the pickle's modules are nested more than %d deep", MAX_DEPTH);
    if (kind_of(w, dict) != KIND_DICT)
        return ST_OK;
    st = sayings_note(w, dict);
    if (st == ST_OK)
        st = get(w, dict, "_parameters", &parameters);
    if (st == ST_OK)
        st = add_tensors(w, parameters);
    if (st == ST_OK)
        st = get(w, dict, "_buffers", &buffers);
    if (st == ST_OK)
        st = add_tensors(w, buffers);
    if (st == ST_OK)
        st = loose_thresholds(w, dict);
    if (st == ST_OK)
        st = get(w, dict, "_modules", &modules);
    return st == ST_OK ? modules_walk(w, modules, depth) : st;
}

/* ---- where the network is ---- */

/* One level down where a checkpoint keeps it; *v stays what it is where there is none. */
static enum status unwrap(struct walk *w, value_id *v, bool *ret_again)
{
    static const char *const KEYS[] = { "state_dict", "model_state_dict", "model", "net", "network" };

    *ret_again = false;
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        value_id inner;
        const enum status st = get(w, *v, KEYS[i], &inner);

        if (st != ST_OK)
            return st;
        if (kind_of(w, inner) == KIND_DICT || kind_of(w, inner) == KIND_OBJECT) {
            *v = inner;
            *ret_again = true;
            return ST_OK;
        }
    }
    return ST_OK;
}

enum status state_dict_of(const struct pickle *p, value_id root, struct state_dict *ret, struct error *err)
{
    struct walk w = { .p = p, .to = ret, .err = err };
    bool again = true;
    enum status st = ST_OK;

    for (size_t level = 0; again && level < 4 && kind_of(&w, root) == KIND_DICT && st == ST_OK; level++) {
        st = sayings_note(&w, root);
        if (st == ST_OK)
            st = unwrap(&w, &root, &again);
    }
    if (st == ST_OK)
        st = kind_of(&w, root) == KIND_OBJECT ? module_walk(&w, root, 0) : add_tensors(&w, root);
    if (st == ST_OK && ret->n == 0)
        st = error_set(err, ST_FORMAT, "the file holds no tensors that have names");
    return st;
}

void state_dict_release(struct state_dict *s)
{
    free(s->arrays);
    free(s->views);
    *s = (struct state_dict){ 0 };
}
