/* model/foreign/outputs.c - which finding each output of a file is, see foreign.h. */
#include "foreign.h"

#include "lists.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A list between commas, as it is gone through. */
struct items {
    const char *at; /* NULL: there is no other */
};

static bool next_item(struct items *i, const char **ret, size_t *ret_n)
{
    if (!i->at)
        return false;
    *ret = i->at;
    *ret_n = strcspn(i->at, ",");
    i->at = i->at[*ret_n] ? i->at + *ret_n + 1 : NULL;
    return true;
}

static size_t count_items(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == ',';
    return n;
}

/* The outputs' names, and their source. */
struct naming {
    const char *names, *from;
};

static struct naming naming_of(const struct import_options *o, const struct output_sayings *s)
{
    const char *list = o->labels ? labels_list(o->labels) : NULL;

    if (o->labels)
        return (struct naming){ list ? list : o->labels, "given" };
    return (struct naming){ s->names, s->from };
}

/* ---- thresholds ---- */

static enum status thresholds_parse(const char *text, size_t n, double ret[MAX_LABELS], struct error *err)
{
    struct items items = { text };
    const char *at;
    size_t length;

    if (count_items(text) != n)
        return error_set(err, ST_INVALID, "'thresholds' are %zu, the file has %zu outputs", count_items(text),
                         n);
    for (size_t k = 0; next_item(&items, &at, &length); k++) {
        char *end;

        ret[k] = strtod(at, &end);
        if (length == 0 || end != at + length || !(isnan(ret[k]) || (ret[k] > 0 && ret[k] < 1)))
            return error_set(err, ST_INVALID,
                             "'thresholds' must be numbers between 0 and 1, or nan, not '%.*s'",
                             length < 32 ? (int)length : 32, at);
    }
    return ST_OK;
}

/* *ret: [n], or left alone where there are none. */
static enum status thresholds_of(const struct import_options *o, const struct output_sayings *s,
                                 double room[MAX_LABELS], const double **ret, struct error *err)
{
    const char *list = o->thresholds ? thresholds_list(o->thresholds) : NULL;
    enum status st;

    *ret = s->thresholds;
    if (o->thresholds) {
        st = thresholds_parse(list ? list : o->thresholds, s->n, room, err);
        if (st != ST_OK)
            return st;
        *ret = room;
    }
    for (size_t k = 0; *ret && k < s->n; k++)
        if (!isnan((*ret)[k]) && !((float)(*ret)[k] > 0 && (float)(*ret)[k] < 1))
            return error_set(err, ST_INVALID, "the threshold of output %zu is not between 0 and 1", k);
    return ST_OK;
}

/* ---- one output ---- */

/* A name cut and cleaned for a sentence, a log and JSON. */
static const char *visible(const char *name, size_t n, char ret[LABEL_SIZE])
{
    size_t i;

    for (i = 0; i < n && i < LABEL_SIZE - 1; i++)
        ret[i] = name[i] >= ' ' && name[i] < 127 ? name[i] : '?';
    ret[i] = '\0';
    return ret;
}

static enum status told(json_t *list, size_t output, const char *name, const char *label, const char *why,
                        struct error *err)
{
    json_t *entry = json_pack("{s:I,s:s,s:s?,s:s*}", "output", (json_int_t)output, "name", name, "label",
                              label, "why", why);

    return json_array_append_new(list, entry) == 0 ? ST_OK : error_nomem(err);
}

/* Why an output is left out; NULL: it is not. */
static const char *left_out(size_t n, int word, const double *thresholds, size_t output)
{
    if (n == 0)
        return "it has no name";
    if (word == LABEL_NO_FINDING)
        return "it means that there is no finding";
    if (thresholds && isnan(thresholds[output]))
        return "it has no threshold: it was never trained";
    return NULL;
}

static enum status settle_one(const char *name, size_t n, size_t output, const double *thresholds,
                              struct outputs *to, json_t *list, struct error *err)
{
    const int word = label_of_word(&NIH_LABELS, name, n);
    const char *why = left_out(n, word, thresholds, output);
    char text[LABEL_SIZE];
    struct error fault;

    visible(name, n, text);
    if (why)
        return told(list, output, text, NULL, why, err);
    if (word >= 0) {
        name = NIH_LABELS.names[word];
        n = strlen(name);
    }
    if (labels_add(&to->labels, name, n, &fault) != ST_OK)
        return error_set(err, ST_INVALID, "output %zu: %.200s; 'labels' can say what it is", output,
                         fault.text);
    to->from[to->labels.n - 1] = output;
    if (thresholds)
        to->thresholds[to->labels.n - 1] = thresholds[output];
    return told(list, output, text, to->labels.names[to->labels.n - 1], NULL, err);
}

static enum status settle_all(const struct naming *naming, const double *thresholds, struct outputs *to,
                              json_t *list, struct error *err)
{
    struct items items = { naming->names };
    const char *name;
    size_t n;
    enum status st = ST_OK;

    for (size_t k = 0; st == ST_OK && next_item(&items, &name, &n); k++)
        st = settle_one(name, n, k, thresholds, to, list, err);
    if (st == ST_OK && to->labels.n == 0)
        st =
            error_set(err, ST_INVALID, "none of the outputs means a finding: 'labels' can say what they are");
    return st;
}

/* ---- all of them ---- */

/* A head of the labels that were given, for a file that has none for findings. */
static enum status settle_fresh(const struct import_options *o, const struct output_sayings *s,
                                const struct naming *naming, struct outputs *to, json_t *list,
                                struct error *err)
{
    if (!o->labels && s->n == 0)
        return error_set(
            err, ST_INVALID,
            "the file has no head: it cannot answer for findings. With 'labels' it gets a new one, which has "
            "learned nothing, for a training to begin from");
    if (!o->labels)
        return error_set(
            err, ST_INVALID,
            "the file has %zu outputs, which are classes of other pictures: it cannot answer for findings. "
            "With "
            "'labels' it gets a new head, which has learned nothing, for a training to begin from",
            s->n);
    to->fresh = true;
    return settle_all(naming, NULL, to, list, err);
}

static enum status settle(const struct import_options *o, const struct output_sayings *s,
                          const struct naming *naming, struct outputs *to, json_t *list, struct error *err)
{
    const double *thresholds;
    double room[MAX_LABELS];
    enum status st;

    if (s->n == 0 || s->n > MAX_LABELS)
        return settle_fresh(o, s, naming, to, list, err);
    if (!naming->names)
        return error_set(
            err, ST_INVALID,
            "the file has %zu outputs and does not say which findings they are: 'labels' must say it", s->n);
    if (count_items(naming->names) != s->n)
        return error_set(err, ST_INVALID, "'labels' are %zu, the file has %zu outputs",
                         count_items(naming->names), s->n);
    st = thresholds_of(o, s, room, &thresholds, err);
    if (st != ST_OK)
        return st;
    to->has_thresholds = thresholds != NULL;
    return settle_all(naming, thresholds, to, list, err);
}

enum status foreign_outputs(const struct import_options *o, const struct output_sayings *s,
                            struct outputs *ret, json_t *report, struct error *err)
{
    const struct naming naming = naming_of(o, s);
    json_t *list = json_array();
    enum status st;

    *ret = (struct outputs){ .fresh = false };
    if (!list || json_object_set_new(report, "outputs", list) != 0)
        return error_nomem(err);
    st = settle(o, s, &naming, ret, list, err);
    if (st == ST_OK && json_object_set_new(report, "labels_from", json_string(naming.from)) != 0)
        st = error_nomem(err);
    if (st == ST_OK && json_object_set_new(report, "head", json_string(ret->fresh ? "new" : "kept")) != 0)
        st = error_nomem(err);
    return st;
}
