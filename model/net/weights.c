/* model/net/weights.c - models as safetensors files, see cxrd/weights.h: what safetensors.c has found in order is
 * compared with what the architecture says it must be. */
#include "cxrd/weights.h"

#include "cxrd/decimal.h"
#include "cxrd/file.h"
#include "cxrd/safetensors.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(8 + SAFETENSORS_MAX_HEADER + 4 * NETWORK_MAX_VALUES <= WEIGHTS_MAX_BYTES,
               "a file has room for any network");

/* One number, or one for each channel between commas; returns how many, 0: neither. */
static size_t numbers_read(const char *text, double ret[PREPROCESS_CHANNELS])
{
    size_t n = 0;

    if (strspn(text, "+-.0123456789eE,") != strlen(text)) /* no blanks, no hexadecimal */
        return 0;
    for (;; text++) {
        char *end;

        ret[n] = strtod(text, &end);
        if (end == text || !isfinite((float)ret[n++]))
            return 0;
        text = end;
        if (*text == '\0')
            return n == 1 || n == PREPROCESS_CHANNELS ? n : 0;
        if (*text != ',' || n == PREPROCESS_CHANNELS)
            return 0;
    }
}

/* A metadata value as such numbers; one, `fallback`, where the key is missing. */
static enum status numbers_of(const json_t *metadata, const char *key, double fallback,
                              double ret[PREPROCESS_CHANNELS], size_t *ret_n, struct error *err)
{
    const char *text = json_string_value(json_object_get(metadata, key));

    ret[0] = fallback;
    *ret_n = text ? numbers_read(text, ret) : 1;
    for (size_t c = 1; c < PREPROCESS_CHANNELS && *ret_n == 1; c++)
        ret[c] = ret[0];
    if (*ret_n == 0)
        return error_set(err, ST_FORMAT,
                         "the metadata's '%s' is not a number, nor one for each of %d channels: '%.64s'", key,
                         PREPROCESS_CHANNELS, text);
    return ST_OK;
}

/* A metadata value as one number; `fallback` where the key is missing. */
static enum status number_of(const json_t *metadata, const char *key, double fallback, double *ret,
                             struct error *err)
{
    double all[PREPROCESS_CHANNELS];
    size_t n;
    const enum status st = numbers_of(metadata, key, fallback, all, &n, err);

    *ret = all[0];
    if (st == ST_OK && n != 1)
        return error_set(err, ST_FORMAT, "the metadata's '%s' is not a number", key);
    return st;
}

static enum status scaling_check(const struct preprocess *pre, struct error *err)
{
    for (size_t c = 0; c < PREPROCESS_CHANNELS; c++) {
        if (pre->stds[c] <= 0)
            return error_set(err, ST_FORMAT, "the metadata's 'input_std' must be above 0");
        if (!isfinite((0 - pre->means[c]) / pre->stds[c]) || !isfinite((255 - pre->means[c]) / pre->stds[c]))
            return error_set(err, ST_FORMAT,
                             "the metadata's 'input_mean' and 'input_std' make no numbers of grey values");
    }
    return ST_OK;
}

/* "input_mean" and "input_std". */
static enum status scaling_of(const json_t *metadata, struct preprocess *pre, struct error *err)
{
    double means[PREPROCESS_CHANNELS], stds[PREPROCESS_CHANNELS];
    size_t n_means, n_stds;
    enum status st = numbers_of(metadata, "input_mean", 0, means, &n_means, err);

    if (st == ST_OK)
        st = numbers_of(metadata, "input_std", 1, stds, &n_stds, err);
    if (st != ST_OK)
        return st;
    pre->by_channel = n_means > 1 || n_stds > 1;
    for (size_t c = 0; c < PREPROCESS_CHANNELS; c++) {
        pre->means[c] = (float)means[c];
        pre->stds[c] = (float)stds[c];
    }
    pre->mean = pre->means[0];
    pre->std = pre->stds[0];
    return scaling_check(pre, err);
}

/* The scaling is by channel where the network's image has several. */
static enum status channels_settle(const struct network *net, struct preprocess *pre, struct error *err)
{
    if (!network_sees(net)) {
        *pre = (struct preprocess){ 0 };
        return ST_OK;
    }
    if (pre->by_channel && net->nodes[0].out.c == 1)
        return error_set(
            err, ST_FORMAT,
            "the metadata's 'input_mean' and 'input_std' are of %d channels, the network's image has one",
            PREPROCESS_CHANNELS);
    pre->by_channel = net->nodes[0].out.c > 1;
    if (!pre->by_channel) {
        memset(pre->means, 0, sizeof pre->means);
        memset(pre->stds, 0, sizeof pre->stds);
    }
    return ST_OK;
}

/* "architecture" and what goes with it: "graph", "channels". */
static enum status architecture_of(const json_t *metadata, struct network_spec *spec, struct error *err)
{
    const char *architecture = json_string_value(json_object_get(metadata, "architecture"));
    double channels;
    const enum status st = number_of(metadata, "channels", MAX_CHANNELS, &channels, err);

    spec->architecture = architecture ? architecture : "cnn4";
    spec->graph = json_string_value(json_object_get(metadata, "graph"));
    if (st != ST_OK)
        return st;
    if (spec->graph && strcmp(spec->architecture, GRAPH_ARCHITECTURE) != 0)
        return error_set(err, ST_FORMAT, "the metadata have a 'graph', the architecture is '%.32s'",
                         spec->architecture);
    if (channels != 1 && channels != MAX_CHANNELS)
        return error_set(err, ST_FORMAT, "the metadata's 'channels' must be 1 or %d", MAX_CHANNELS);
    spec->channels = (size_t)channels;
    return ST_OK;
}

static enum status labels_of(const json_t *metadata, struct labels *ret, struct error *err)
{
    const char *text = json_string_value(json_object_get(metadata, "labels"));
    struct error why;

    *ret = NIH_LABELS;
    if (text && labels_parse(text, ret, &why) != ST_OK)
        return error_set(err, ST_FORMAT, "the metadata's 'labels': %s", why.text);
    return ST_OK;
}

/* "head", which is there where it is not the architecture's own. */
static enum status head_of(const json_t *metadata, enum head_kind *ret, struct error *err)
{
    const char *text = json_string_value(json_object_get(metadata, "head"));
    int head = HEAD_OWN;

    while (text && head < N_HEADS && strcmp(text, HEAD_NAMES[head]) != 0)
        head++;
    if (head == N_HEADS)
        return error_set(err, ST_FORMAT,
                         "the metadata's 'head' is '%.32s', not \"flatten\", \"gap\" or \"4x4\"", text);
    *ret = (enum head_kind)head;
    return ST_OK;
}

static enum status geometry_parse(const json_t *metadata, const struct network **ret_net,
                                  struct labels *labels, struct preprocess *pre, struct error *err)
{
    const char *resize = json_string_value(json_object_get(metadata, "resize"));
    const char *inputs = json_string_value(json_object_get(metadata, "inputs"));
    struct network_spec spec = { 0 };
    struct inputs in = { 0 };
    double size;
    struct error why;
    enum status st = number_of(metadata, "image_size", 256, &size, err);

    *pre = (struct preprocess){ 0 };
    if (st == ST_OK)
        st = scaling_of(metadata, pre, err);
    if (st == ST_OK)
        st = architecture_of(metadata, &spec, err);
    if (st != ST_OK)
        return st;
    if (size < PREPROCESS_MIN_SIZE || size > PREPROCESS_MAX_SIZE || size != floor(size))
        return error_set(err, ST_FORMAT, "the metadata's 'image_size' is not a whole number in %d..%d",
                         PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE);
    pre->size = (size_t)size;
    if (resize && !resize_parse(resize, &pre->resize))
        return error_set(err, ST_FORMAT, "the metadata's 'resize' is '%.32s', not 'nearest' or 'area'",
                         resize);
    st = labels_of(metadata, labels, err);
    if (st == ST_OK && inputs)
        st = inputs_parse(inputs, labels, &in, err);
    if (st == ST_OK)
        st = head_of(metadata, &spec.head, err);
    if (st != ST_OK)
        return st;
    spec.image_size = pre->size;
    spec.by_channel = pre->by_channel;
    spec.n_labels = labels->n;
    spec.n_inputs = in.n;
    st = network_new(&spec, ret_net, &why);
    if (st != ST_OK)
        return error_set(err, st == ST_INVALID ? ST_FORMAT : st, "%s", why.text);
    return channels_settle(*ret_net, pre, err);
}

/* Keys that the model's own fields answer for; all others are notes. */
static bool is_ours(const char *key)
{
    static const char *const OURS[] = { "format",    "architecture", "image_size", "resize",   "input_mean",
                                        "input_std", "labels",       "head",       "channels", "graph" };

    for (size_t i = 0; i < sizeof OURS / sizeof OURS[0]; i++)
        if (strcmp(key, OURS[i]) == 0)
            return true;
    return false;
}

/* The rest of the metadata: the model's notes. NULL without memory. */
static json_t *notes_of(const json_t *metadata)
{
    json_t *notes = json_object(), *value;
    const char *key;
    bool ok = notes != NULL;

    json_object_foreach ((json_t *)metadata, key, value)
        if (ok && !is_ours(key))
            ok = json_object_set(notes, key, value) == 0;
    if (!ok) {
        json_decref(notes);
        return NULL;
    }
    return notes;
}

static bool shape_matches(const struct array *a, const struct tensor *t)
{
    return a->rank == t->rank && memcmp(a->dims, t->dims, t->rank * sizeof t->dims[0]) == 0;
}

/* PyTorch's count of the batches that running statistics have seen: nothing is computed with it. */
static bool is_count(const struct network *net, const struct array *a)
{
    const char *suffix = strstr(a->name, ".num_batches_tracked");
    char statistic[ARRAY_NAME_SIZE + sizeof "running_var"];

    if (!suffix || a->dtype != DTYPE_I64 || a->rank != 0)
        return false;
    snprintf(statistic, sizeof statistic, "%.*s.running_var", (int)(suffix - a->name), a->name);
    return network_tensor(net, statistic) && strcmp(suffix, ".num_batches_tracked") == 0;
}

/* All tensors of the network, and none other. */
static enum status tensors_read(const struct array_file *f, const struct network *net, float *params,
                                struct error *err)
{
    for (size_t i = 0; i < f->n; i++)
        if (!network_tensor(net, f->arrays[i].name) && !is_count(net, &f->arrays[i]))
            return error_set(err, ST_FORMAT, "the tensor '%s' does not belong to '%s'", f->arrays[i].name,
                             net->architecture);
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        const struct array *a = array_find(f, t->name);

        if (!a)
            return error_set(err, ST_FORMAT, "the tensor '%s' is missing", t->name);
        if (a->dtype != DTYPE_F32)
            return error_set(err, ST_FORMAT, "the tensor '%s' is not of type F32", t->name);
        if (!shape_matches(a, t))
            return error_set(
                err, ST_FORMAT,
                "the tensor '%s' has the wrong shape for '%s' with %zu findings at image size %zu", t->name,
                net->architecture, net->n_labels, net->image_size);
        memcpy(params + t->offset, a->data, t->count * sizeof(float));
    }
    return ST_OK;
}

enum status weights_read(const void *bytes, size_t n_bytes, struct model **ret_model, struct error *err)
{
    struct array_file file = { 0 };
    const struct network *net = NULL;
    struct labels labels;
    struct preprocess pre;
    json_t *notes = NULL;
    float *params = NULL;
    enum status st = array_file_read(bytes, n_bytes, &file, err);

    if (st == ST_OK)
        st = geometry_parse(file.metadata, &net, &labels, &pre, err);
    if (st != ST_OK)
        goto out;
    params = malloc((net->n_params + net->n_state) * sizeof *params);
    notes = notes_of(file.metadata);
    if (!params || !notes) {
        st = error_nomem(err);
        goto out;
    }
    st = tensors_read(&file, net, params, err);
    if (st == ST_OK)
        st = array_file_whole(&file, err);
    if (st == ST_OK)
        st = model_new(net, &labels, &pre, params, json_incref(notes), ret_model, err);
out:
    network_unref(net);
    free(params);
    json_decref(notes);
    array_file_release(&file);
    return st;
}

enum status weights_load(const char *path, struct model **ret_model, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_read(path, WEIGHTS_MAX_BYTES, &file, err);

    if (st == ST_OK)
        st = error_inner(err, weights_read(file.data, file.size, ret_model, err), path);
    file_bytes_release(&file);
    return st;
}

/* One number, or those of the channels. */
static json_t *numbers_text(float one, const float by_channel[PREPROCESS_CHANNELS], size_t channels)
{
    char text[PREPROCESS_CHANNELS][DECIMAL_TEXT];

    for (size_t c = 0; c < channels; c++)
        decimal_text(channels > 1 ? by_channel[c] : one, text[c]);
    return channels > 1 ? json_sprintf("%s,%s,%s", text[0], text[1], text[2]) : json_string(text[0]);
}

/* How a picture becomes its input. */
static json_t *preprocess_json(const struct preprocess *pre)
{
    char size[32];

    snprintf(size, sizeof size, "%zu", pre->size);
    return json_pack("{s:s,s:s,s:o,s:o}", "image_size", size, "resize", resize_name(pre->resize),
                     "input_mean", numbers_text(pre->mean, pre->means, preprocess_channels(pre)), "input_std",
                     numbers_text(pre->std, pre->stds, preprocess_channels(pre)));
}

/* A network's properties beside its architecture. */
static bool network_put(const struct network *net, json_t *metadata)
{
    bool ok = true;

    if (net->head != network_own_head(net->architecture))
        ok = json_object_set_new(metadata, "head", json_string(HEAD_NAMES[net->head])) == 0;
    if (strcmp(net->architecture, GRAPH_ARCHITECTURE) == 0) {
        char *text = network_text(net);

        ok = ok && text && json_object_set_new(metadata, "graph", json_string(text)) == 0;
        free(text);
    } else if (network_sees(net) && net->channels == 1) {
        ok = ok && json_object_set_new(metadata, "channels", json_string("1")) == 0;
    }
    return ok;
}

json_t *weights_metadata(const struct model *m)
{
    const struct network *net = model_network(m);
    char labels[LABELS_TEXT_SIZE];
    json_t *metadata = json_pack("{s:s,s:s,s:s}", "format", "cxrd", "architecture", net->architecture,
                                 "labels", labels_text(model_labels(m), labels));
    json_t *pre = network_sees(net) ? preprocess_json(model_preprocess(m)) : json_object();

    if (!metadata || !pre || !network_put(net, metadata) || json_object_update(metadata, pre) != 0 ||
        json_object_update_missing(metadata, (json_t *)model_notes(m)) != 0) {
        json_decref(metadata);
        metadata = NULL;
    }
    json_decref(pre);
    return metadata;
}

_Static_assert((int)NETWORK_MAX_TENSORS <= (int)ARRAYS_MAX && (int)TENSOR_NAME_BYTES <= (int)ARRAY_NAME_SIZE,
               "what a network has must fit in a file");

/* The model's tensors as arrays, whose data are borrowed; free() them. NULL without memory. */
static struct array *arrays_of(const struct model *m)
{
    const struct network *net = model_network(m);
    struct array *arrays = calloc(net->n_tensors, sizeof *arrays);

    for (size_t i = 0; i < net->n_tensors && arrays; i++) {
        const struct tensor *t = &net->tensors[i];

        arrays[i] =
            (struct array){ .dtype = DTYPE_F32, .rank = t->rank, .data = model_params(m) + t->offset };
        snprintf(arrays[i].name, sizeof arrays[i].name, "%s", t->name);
        memcpy(arrays[i].dims, t->dims, sizeof t->dims);
    }
    return arrays;
}

enum status weights_write(const struct model *m, struct buf *out, struct error *err)
{
    const size_t n = model_network(m)->n_tensors;
    struct array *arrays = arrays_of(m);
    json_t *metadata = weights_metadata(m);
    enum status st = metadata && arrays ? array_file_header(metadata, arrays, n, out, err) : error_nomem(err);

    json_decref(metadata);
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        buf_put(out, arrays[i].data, array_bytes(&arrays[i]));
        if (buf_status(out) != ST_OK)
            st = error_set(err, buf_status(out), "the weights do not fit");
    }
    free(arrays);
    return st;
}

enum status weights_save(const struct model *m, const char *path, struct error *err)
{
    struct array *arrays = arrays_of(m);
    json_t *metadata = weights_metadata(m);
    const enum status st = metadata && arrays
                               ? array_file_save(path, metadata, arrays, model_network(m)->n_tensors, err)
                               : error_nomem(err);

    json_decref(metadata);
    free(arrays);
    return st;
}
