/* jobs/registry/card.c - see cxrd/card.h. */
#include "cxrd/card.h"

#include "cxrd/clock.h"
#include "cxrd/decimal.h"
#include "cxrd/import.h"
#include "cxrd/json.h"

#include <string.h>

/* A note that is itself JSON, such as "metrics": as what it says, or null. */
static json_t *note_json(const json_t *notes, const char *key)
{
    const char *text = json_string_value(json_object_get(notes, key));
    json_t *value = NULL;

    if (text && json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &value, NULL) == ST_OK)
        return value;
    return json_null();
}

static json_t *text_or_null(const char *text) { return text && *text ? json_string(text) : json_null(); }

static json_t *shapes_json(const struct network *net)
{
    json_t *tensors = json_object();

    for (size_t i = 0; i < net->n_tensors; i++) {
        json_t *shape = json_array();

        for (size_t d = 0; d < net->tensors[i].rank; d++)
            json_array_append_new(shape, json_integer((json_int_t)net->tensors[i].dims[d]));
        json_object_set_new(tensors, net->tensors[i].name, shape);
    }
    return tensors;
}

static json_t *labels_json(const struct labels *l)
{
    json_t *names = json_array();

    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(names, json_string(l->names[i]));
    return names;
}

/* The kinds of what it takes, as a request's fields are named. */
static json_t *names_of(const struct inputs *in)
{
    const unsigned kinds = inputs_kinds(in);
    json_t *names = json_array();

    for (size_t kind = 0; kind < N_INPUT_KINDS; kind++)
        if (kinds >> kind & 1)
            json_array_append_new(names, json_string(INPUT_NAMES[kind]));
    return names;
}

/* One scaling, or one for each channel. */
static json_t *scaling_json(const struct preprocess *pre, float one,
                            const float by_channel[PREPROCESS_CHANNELS])
{
    json_t *list;

    if (!pre->by_channel)
        return decimal_json(one);
    list = json_array();
    for (size_t c = 0; c < PREPROCESS_CHANNELS; c++)
        json_array_append_new(list, decimal_json(by_channel[c]));
    return list;
}

json_t *card_make(const char *id, const struct model *m, size_t bytes, const char *sha256, const char *job)
{
    const struct network *net = model_network(m);
    const struct preprocess *pre = model_preprocess(m);
    const json_t *notes = model_notes(m);
    const bool sees = model_sees(m);
    char now[CLOCK_TEXT_SIZE];
    json_t *card;

    json_watch(); /* a card that lost a note or a shape would be kept for good */
    card = json_pack(
        "{s:s,s:n,s:n,s:n,s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:s,s:o,s:b,s:o,s:b,s:s,s:o,s:o,s:o,s:o,s:"
        "o,s:"
        "o,s:s}",
        "id", id, "name", "note", "own_thresholds", "architecture", net->architecture, "parameters",
        (json_int_t)net->n_params, "channels", sees ? json_integer((json_int_t)net->channels) : json_null(),
        "image_size", sees ? json_integer((json_int_t)net->image_size) : json_null(), "resize",
        sees ? json_string(resize_name(pre->resize)) : json_null(), "input_mean",
        sees ? scaling_json(pre, pre->mean, pre->means) : json_null(), "input_std",
        sees ? scaling_json(pre, pre->std, pre->stds) : json_null(), "labels", labels_json(model_labels(m)),
        "inputs", names_of(model_inputs(m)), "bytes", (json_int_t)bytes, "sha256", sha256, "job",
        text_or_null(job), "imported", job == NULL, "import", note_json(notes, IMPORT_NOTE), "backbone",
        model_is_backbone(m), "created_at", clock_utc(now), "population",
        text_or_null(json_string_value(json_object_get(notes, "population"))), "metrics",
        note_json(notes, "metrics"), "operating_points", note_json(notes, "operating_points"), "data",
        note_json(notes, DATA_NOTE), "warnings", model_warnings(m), "tensors", shapes_json(net),
        "intended_use", INTENDED_USE);
    if (json_ran_out()) {
        json_decref(card);
        return NULL;
    }
    return card;
}

enum status card_labels(const json_t *card, struct labels *ret, struct error *err)
{
    const json_t *labels = json_object_get(card, "labels"), *name;
    enum status st = ST_OK;
    size_t i;

    if (!labels) {
        *ret = NIH_LABELS;
        return ST_OK;
    }
    ret->n = 0;
    json_array_foreach (labels, i, name)
        if (st == ST_OK)
            st = json_is_string(name)
                     ? labels_add(ret, json_string_value(name), json_string_length(name), err)
                     : error_set(err, ST_FORMAT, "a label is no text");
    return st;
}
