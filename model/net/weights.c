/* model/net/weights.c - safetensors, see cxrd/weights.h. The file comes from strangers: the header is parsed by
 * jansson, then every number in it is compared with what the architecture says it must be. */
#include "cxrd/weights.h"

#include "cxrd/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights files are little-endian and are copied as they are"
#endif

enum { LENGTH_SIZE = 8, MAX_HEADER = 1 << 20 };

/* The file's parts while it is read. */
struct parts {
    json_t *header; /* owned */
    const uint8_t *data;
    size_t data_size;
    struct network net;
    struct preprocess pre;
    json_t *notes; /* owned: metadata that is not ours to interpret */
};

static uint64_t little_endian64(const uint8_t *p)
{
    uint64_t v = 0;

    for (size_t i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static enum status header_parse(struct parts *p, const uint8_t *bytes, size_t n_bytes, struct error *err)
{
    json_error_t why;
    uint64_t length;

    if (n_bytes < LENGTH_SIZE)
        return error_set(err, ST_FORMAT, "not a safetensors file: it has only %zu bytes", n_bytes);
    length = little_endian64(bytes);
    if (length > MAX_HEADER || length > n_bytes - LENGTH_SIZE)
        return error_set(err, ST_FORMAT, "not a safetensors file: its header claims %" PRIu64 " bytes",
                         length);
    p->header = json_loadb((const char *)bytes + LENGTH_SIZE, (size_t)length, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(p->header))
        return error_set(err, ST_FORMAT, "not a safetensors file: its header is not a JSON object");
    p->data = bytes + LENGTH_SIZE + length;
    p->data_size = n_bytes - LENGTH_SIZE - (size_t)length;
    return ST_OK;
}

/* A metadata value as a number; `fallback` where the key is missing. */
static enum status number_of(const json_t *metadata, const char *key, double fallback, double *ret,
                             struct error *err)
{
    const char *text = json_string_value(json_object_get(metadata, key));
    char *end;

    *ret = fallback;
    if (!text)
        return ST_OK;
    *ret = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite((float)*ret))
        return error_set(err, ST_FORMAT, "the metadata's '%s' is not a number: '%.32s'", key, text);
    return ST_OK;
}

static enum status geometry_parse(struct parts *p, const json_t *metadata, struct error *err)
{
    const char *architecture = json_string_value(json_object_get(metadata, "architecture"));
    const char *resize = json_string_value(json_object_get(metadata, "resize"));
    const char *labels = json_string_value(json_object_get(metadata, "labels"));
    double size, mean, std;
    struct error why;
    enum status st = number_of(metadata, "image_size", 256, &size, err);

    if (st == ST_OK)
        st = number_of(metadata, "input_mean", 0, &mean, err);
    if (st == ST_OK)
        st = number_of(metadata, "input_std", 1, &std, err);
    if (st != ST_OK)
        return st;
    if ((float)std <= 0)
        return error_set(err, ST_FORMAT, "the metadata's 'input_std' must be above 0");
    if (!isfinite((0 - (float)mean) / (float)std) || !isfinite((255 - (float)mean) / (float)std))
        return error_set(err, ST_FORMAT,
                         "the metadata's 'input_mean' and 'input_std' make no numbers of grey values");
    if (size < PREPROCESS_MIN_SIZE || size > PREPROCESS_MAX_SIZE || size != floor(size))
        return error_set(err, ST_FORMAT, "the metadata's 'image_size' is not a whole number in %d..%d",
                         PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE);
    p->pre = (struct preprocess){ .size = (size_t)size, .mean = (float)mean, .std = (float)std };
    if (resize && !resize_parse(resize, &p->pre.resize))
        return error_set(err, ST_FORMAT, "the metadata's 'resize' is '%.32s', not 'nearest' or 'area'",
                         resize);
    if (labels && strcmp(labels, labels_joined()) != 0)
        return error_set(err, ST_FORMAT, "the metadata's 'labels' are not the 14 findings in their order");
    if (network_init(&p->net, architecture ? architecture : "cnn4", p->pre.size, &why) != ST_OK)
        return error_set(err, ST_FORMAT, "%s", why.text);
    return ST_OK;
}

/* Keys that the model's own fields answer for; all others are notes. */
static bool is_ours(const char *key)
{
    static const char *const OURS[] = { "format",     "architecture", "image_size", "resize",
                                        "input_mean", "input_std",    "labels" };

    for (size_t i = 0; i < sizeof OURS / sizeof OURS[0]; i++)
        if (strcmp(key, OURS[i]) == 0)
            return true;
    return false;
}

static enum status metadata_parse(struct parts *p, struct error *err)
{
    json_t *metadata = json_object_get(p->header, "__metadata__"), *value;
    const char *key;

    if (metadata && !json_is_object(metadata))
        return error_set(err, ST_FORMAT, "the header's '__metadata__' is not an object");
    p->notes = json_object();
    if (!p->notes)
        return error_nomem(err);
    json_object_foreach (metadata, key, value) {
        if (!json_is_string(value))
            return error_set(err, ST_FORMAT, "the metadata's '%.32s' is not a string", key);
        if (!is_ours(key) && json_object_set(p->notes, key, value) != 0)
            return error_nomem(err);
    }
    return geometry_parse(p, metadata, err);
}

static bool shape_matches(const json_t *shape, const struct tensor *t)
{
    if (json_array_size(shape) != t->rank)
        return false;
    for (size_t d = 0; d < t->rank; d++) {
        const json_t *dim = json_array_get(shape, d);

        if (!json_is_integer(dim) || json_integer_value(dim) != (json_int_t)t->dims[d])
            return false;
    }
    return true;
}

/* Where a tensor's bytes lie, checked against its size and the data's. */
static enum status tensor_locate(const struct parts *p, const struct tensor *t, uint64_t *ret_begin,
                                 struct error *err)
{
    const json_t *entry = json_object_get(p->header, t->name);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    json_int_t begin, end;

    if (!entry)
        return error_set(err, ST_FORMAT, "the tensor '%s' is missing", t->name);
    if (!dtype || strcmp(dtype, "F32") != 0)
        return error_set(err, ST_FORMAT, "the tensor '%s' is not of type F32", t->name);
    if (!shape_matches(json_object_get(entry, "shape"), t))
        return error_set(err, ST_FORMAT, "the tensor '%s' has the wrong shape for '%s' at image size %zu",
                         t->name, p->net.architecture, p->net.image_size);
    if (json_array_size(offsets) != 2 || !json_is_integer(json_array_get(offsets, 0)) ||
        !json_is_integer(json_array_get(offsets, 1)))
        return error_set(err, ST_FORMAT, "the tensor '%s' has no data offsets", t->name);
    begin = json_integer_value(json_array_get(offsets, 0));
    end = json_integer_value(json_array_get(offsets, 1));
    if (begin < 0 || end < begin || (uint64_t)end > p->data_size)
        return error_set(err, ST_FORMAT, "the tensor '%s' lies outside the file", t->name);
    if ((uint64_t)(end - begin) != t->count * sizeof(float))
        return error_set(err, ST_FORMAT, "the tensor '%s' has %" PRId64 " bytes, its shape needs %zu",
                         t->name, (int64_t)(end - begin), t->count * sizeof(float));
    *ret_begin = (uint64_t)begin;
    return ST_OK;
}

/* All tensors there, none other, none over another. With the sizes right they then cover the data exactly. */
static enum status tensors_read(const struct parts *p, float *params, struct error *err)
{
    const struct network *net = &p->net;
    uint64_t begins[NETWORK_MAX_TENSORS];
    const char *key;
    json_t *value;

    json_object_foreach (p->header, key, value)
        if (strcmp(key, "__metadata__") != 0 && !network_tensor(net, key))
            return error_set(err, ST_FORMAT, "the tensor '%.32s' does not belong to '%s'", key,
                             net->architecture);
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        const enum status st = tensor_locate(p, t, &begins[i], err);

        if (st != ST_OK)
            return st;
        for (size_t j = 0; j < i; j++)
            if (begins[i] < begins[j] + net->tensors[j].count * sizeof(float) &&
                begins[j] < begins[i] + t->count * sizeof(float))
                return error_set(err, ST_FORMAT, "the tensors '%s' and '%s' overlap", t->name,
                                 net->tensors[j].name);
        memcpy(params + t->offset, p->data + begins[i], t->count * sizeof(float));
    }
    if (p->data_size != net->n_params * sizeof(float))
        return error_set(err, ST_FORMAT, "the file holds %zu bytes of data, its tensors need %zu",
                         p->data_size, net->n_params * sizeof(float));
    return ST_OK;
}

enum status weights_read(const void *bytes, size_t n_bytes, struct model **ret_model, struct error *err)
{
    struct parts p = { 0 };
    float *params = NULL;
    enum status st = header_parse(&p, bytes, n_bytes, err);

    if (st == ST_OK)
        st = metadata_parse(&p, err);
    if (st != ST_OK)
        goto out;
    params = malloc(p.net.n_params * sizeof *params);
    if (!params) {
        st = error_nomem(err);
        goto out;
    }
    st = tensors_read(&p, params, err);
    if (st != ST_OK)
        goto out;
    st = model_new(&p.net, &p.pre, params, p.notes, ret_model, err);
    p.notes = NULL;
out:
    free(params);
    json_decref(p.notes);
    json_decref(p.header);
    return st;
}

enum status weights_load(const char *path, struct model **ret_model, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_read(path, WEIGHTS_MAX_BYTES, &file, err);

    if (st == ST_OK)
        st = weights_read(file.data, file.size, ret_model, err);
    file_bytes_release(&file);
    return st;
}

/* The shortest decimal that reads back as the same float. */
static json_t *number_text(float v)
{
    char text[32];

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    return json_string(text);
}

static json_t *metadata_make(const struct model *m)
{
    const struct network *net = model_network(m);
    const struct preprocess *pre = model_preprocess(m);
    char size[32];
    json_t *metadata;

    snprintf(size, sizeof size, "%zu", net->image_size);
    metadata =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:s}", "format", "cxrd", "architecture", net->architecture,
                  "image_size", size, "resize", resize_name(pre->resize), "input_mean",
                  number_text(pre->mean), "input_std", number_text(pre->std), "labels", labels_joined());
    if (metadata && json_object_update_missing(metadata, (json_t *)model_notes(m)) != 0) {
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

static json_t *header_make(const struct model *m)
{
    const struct network *net = model_network(m);
    json_t *header = json_pack("{s:o}", "__metadata__", metadata_make(m));

    for (size_t i = 0; header && i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        json_t *shape = json_array();
        const size_t begin = t->offset * sizeof(float), end = begin + t->count * sizeof(float);

        for (size_t d = 0; d < t->rank; d++)
            json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
        if (json_object_set_new(header, t->name,
                                json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets",
                                          (json_int_t)begin, (json_int_t)end)) != 0) {
            json_decref(header);
            return NULL;
        }
    }
    return header;
}

/* The length and the JSON, padded with spaces so that the data begins at a multiple of 8. */
static enum status header_write(const struct model *m, struct buf *out, struct error *err)
{
    json_t *header = header_make(m);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    uint8_t length[LENGTH_SIZE];
    uint64_t n;

    json_decref(header);
    if (!text)
        return error_nomem(err);
    n = (strlen(text) + 7) / 8 * 8;
    if (n > MAX_HEADER) { /* what no reader of ours would take */
        free(text);
        return error_set(err, ST_LIMIT,
                         "the model's notes do not fit: the header has %" PRIu64 " bytes, the limit is %d", n,
                         MAX_HEADER);
    }
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        length[i] = (uint8_t)(n >> (8 * i));
    buf_put(out, length, sizeof length);
    buf_printf(out, "%-*s", (int)n, text);
    free(text);
    return buf_status(out) == ST_OK ? ST_OK : error_set(err, buf_status(out), "the weights do not fit");
}

enum status weights_write(const struct model *m, struct buf *out, struct error *err)
{
    const enum status st = header_write(m, out, err);

    if (st != ST_OK)
        return st;
    buf_put(out, model_params(m), model_network(m)->n_params * sizeof(float));
    return buf_status(out) == ST_OK ? ST_OK : error_set(err, buf_status(out), "the weights do not fit");
}

enum status weights_save(const struct model *m, const char *path, struct error *err)
{
    struct buf header = BUF_INIT(LENGTH_SIZE + MAX_HEADER);
    enum status st = header_write(m, &header, err);

    if (st == ST_OK) {
        const struct iovec parts[] = {
            { header.data, header.len },
            { (void *)model_params(m), model_network(m)->n_params * sizeof(float) },
        };

        st = file_replace(path, parts, 2, err);
    }
    buf_release(&header);
    return st;
}
