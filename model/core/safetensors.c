/* model/core/safetensors.c - see cxrd/safetensors.h. Files come from strangers: the header is parsed by jansson, then
 * every number in it is held against the others and against the file's length. */
#include "cxrd/safetensors.h"

#include "cxrd/file.h"
#include "cxrd/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "these files are little-endian and are copied as they are"
#endif

enum { LENGTH_SIZE = 8 };

static const struct {
    const char *name;
    size_t size;
} DTYPES[N_DTYPES] = {
    [DTYPE_F32] = { "F32", 4 }, [DTYPE_F64] = { "F64", 8 },   [DTYPE_U8] = { "U8", 1 },
    [DTYPE_U32] = { "U32", 4 }, [DTYPE_U64] = { "U64", 8 },   [DTYPE_I64] = { "I64", 8 },
    [DTYPE_F16] = { "F16", 2 }, [DTYPE_BF16] = { "BF16", 2 }, [DTYPE_I8] = { "I8", 1 },
    [DTYPE_I16] = { "I16", 2 }, [DTYPE_I32] = { "I32", 4 },   [DTYPE_BOOL] = { "BOOL", 1 },
};

size_t dtype_size(enum dtype d) { return DTYPES[d].size; }

size_t array_values(const struct array *a)
{
    size_t n = 1;

    for (size_t d = 0; d < a->rank; d++)
        n *= a->dims[d];
    return n;
}

size_t array_bytes(const struct array *a) { return array_values(a) * dtype_size(a->dtype); }

/* IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. */
static float half(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                                      : ldexpf((float)fraction, -24);

    return bits >> 15 ? -size : size;
}

/* The upper half of a binary32. */
static float bfloat(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float v;

    memcpy(&v, &wide, sizeof v);
    return v;
}

bool array_floats(const struct array *a, float *ret)
{
    const size_t n = array_values(a), size = dtype_size(a->dtype);
    const uint8_t *at = a->data;
    uint16_t bits;
    double v;

    if (a->dtype != DTYPE_F32 && a->dtype != DTYPE_F64 && a->dtype != DTYPE_F16 && a->dtype != DTYPE_BF16)
        return false;
    if (a->dtype == DTYPE_F32) {
        memcpy(ret, at, n * size);
        return true;
    }
    for (size_t i = 0; i < n; i++, at += size)
        if (a->dtype == DTYPE_F64) {
            memcpy(&v, at, sizeof v);
            ret[i] = (float)v;
        } else {
            memcpy(&bits, at, sizeof bits);
            ret[i] = a->dtype == DTYPE_F16 ? half(bits) : bfloat(bits);
        }
    return true;
}

const struct array *array_find(const struct array_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->arrays[i].name, name) == 0)
            return &f->arrays[i];
    return NULL;
}

/* ---- reading ---- */

/* A file while it is read. */
struct reading {
    json_t *header; /* owned */
    const uint8_t *data;
    size_t data_size;
    struct array_file *file;
    struct error *err;
};

static uint64_t little_endian64(const uint8_t *p)
{
    uint64_t v = 0;

    for (size_t i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static enum status header_parse(struct reading *r, const uint8_t *bytes, size_t n_bytes)
{
    uint64_t length;

    if (n_bytes < LENGTH_SIZE)
        return error_set(r->err, ST_FORMAT, "not a safetensors file: it has only %zu bytes", n_bytes);
    length = little_endian64(bytes);
    if (length > SAFETENSORS_MAX_HEADER || length > n_bytes - LENGTH_SIZE)
        return error_set(r->err, ST_FORMAT, "not a safetensors file: its header claims %" PRIu64 " bytes",
                         length);
    if (json_read(bytes + LENGTH_SIZE, (size_t)length, JSON_REJECT_DUPLICATES, &r->header, NULL) == ST_NOMEM)
        return error_nomem(r->err);
    if (!json_is_object(r->header))
        return error_set(r->err, ST_FORMAT, "not a safetensors file: its header is not a JSON object");
    r->data = bytes + LENGTH_SIZE + length;
    r->data_size = n_bytes - LENGTH_SIZE - (size_t)length;
    return ST_OK;
}

static enum status metadata_check(struct reading *r)
{
    json_t *metadata = json_object_get(r->header, "__metadata__"), *value;
    const char *key;

    if (metadata && !json_is_object(metadata))
        return error_set(r->err, ST_FORMAT, "the header's '__metadata__' is not an object");
    json_object_foreach (metadata, key, value)
        if (!json_is_string(value))
            return error_set(r->err, ST_FORMAT, "the metadata's '%.32s' is not a string", key);
    r->file->metadata = metadata ? json_incref(metadata) : json_object();
    return r->file->metadata ? ST_OK : error_nomem(r->err);
}

static enum status dtype_parse(struct reading *r, const json_t *entry, struct array *a)
{
    const char *name = json_string_value(json_object_get(entry, "dtype"));

    for (size_t i = 0; name && i < N_DTYPES; i++)
        if (strcmp(name, DTYPES[i].name) == 0) {
            a->dtype = (enum dtype)i;
            return ST_OK;
        }
    return error_set(r->err, ST_FORMAT, "the tensor '%s' is not of type F32 or another that is read here",
                     a->name);
}

/* The shape, and that its values fit in the file: no product overflows. */
static enum status shape_parse(struct reading *r, const json_t *entry, struct array *a)
{
    const json_t *shape = json_object_get(entry, "shape");
    size_t left = r->data_size / dtype_size(a->dtype);

    if (!json_is_array(shape) || json_array_size(shape) > ARRAY_MAX_RANK)
        return error_set(r->err, ST_FORMAT, "the tensor '%s' has the wrong shape", a->name);
    a->rank = json_array_size(shape);
    for (size_t d = 0; d < a->rank; d++) {
        const json_t *dim = json_array_get(shape, d);

        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return error_set(r->err, ST_FORMAT, "the tensor '%s' has the wrong shape", a->name);
        if ((uint64_t)json_integer_value(dim) > left)
            return error_set(r->err, ST_FORMAT,
                             "the tensor '%s' does not fit in the file, which has %zu bytes of data", a->name,
                             r->data_size);
        a->dims[d] = (size_t)json_integer_value(dim);
        left = a->dims[d] ? left / a->dims[d] : left;
    }
    return ST_OK;
}

static enum status place_parse(struct reading *r, const json_t *entry, struct array *a)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    json_int_t begin, end;

    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return error_set(r->err, ST_FORMAT, "the tensor '%s' has no data offsets", a->name);
    begin = json_integer_value(first);
    end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > r->data_size)
        return error_set(r->err, ST_FORMAT, "the tensor '%s' lies outside the file", a->name);
    if ((uint64_t)(end - begin) != array_bytes(a))
        return error_set(r->err, ST_FORMAT, "the tensor '%s' has %" PRId64 " bytes, its shape needs %zu",
                         a->name, (int64_t)(end - begin), array_bytes(a));
    a->data = r->data + begin;
    return ST_OK;
}

static enum status array_parse(struct reading *r, const char *name, const json_t *entry)
{
    struct array_file *f = r->file;
    struct array *a = &f->arrays[f->n];
    enum status st;

    if (strlen(name) >= ARRAY_NAME_SIZE)
        return error_set(r->err, ST_FORMAT, "the tensor '%.32s' does not belong here: its name is too long",
                         name);
    *a = (struct array){ .rank = 0 };
    memcpy(a->name, name, strlen(name) + 1);
    st = dtype_parse(r, entry, a);
    if (st == ST_OK)
        st = shape_parse(r, entry, a);
    if (st == ST_OK)
        st = place_parse(r, entry, a);
    f->n += st == ST_OK;
    return st;
}

struct span {
    const uint8_t *begin, *end;
    const char *name;
};

/* By where they begin; of several at one place those without a byte first. */
static int by_place(const void *a, const void *b)
{
    const struct span *p = a, *q = b;

    if (p->begin != q->begin)
        return p->begin < q->begin ? -1 : 1;
    return (p->end > q->end) - (p->end < q->end);
}

/* No two share a byte: each ends before the next begins. */
static enum status overlap_check(struct reading *r)
{
    const struct array_file *f = r->file;
    struct span *spans = malloc((f->n + 1) * sizeof *spans);
    enum status st = ST_OK;

    if (!spans)
        return error_nomem(r->err);
    for (size_t i = 0; i < f->n; i++) {
        const struct array *a = &f->arrays[i];

        spans[i] = (struct span){ a->data, (const uint8_t *)a->data + array_bytes(a), a->name };
    }
    qsort(spans, f->n, sizeof *spans, by_place);
    for (size_t i = 1; i < f->n && st == ST_OK; i++)
        if (spans[i - 1].end > spans[i].begin)
            st = error_set(r->err, ST_FORMAT, "the tensors '%s' and '%s' overlap", spans[i - 1].name,
                           spans[i].name);
    free(spans);
    return st;
}

/* Room for as many arrays as the header has members. */
static enum status arrays_init(struct reading *r)
{
    const size_t n = json_object_size(r->header);

    if (n > ARRAYS_MAX + 1) /* the metadata is one of them */
        return error_set(r->err, ST_FORMAT, "the file holds more than %d tensors", ARRAYS_MAX);
    r->file->arrays = calloc(n + 1, sizeof *r->file->arrays);
    return r->file->arrays ? ST_OK : error_nomem(r->err);
}

enum status array_file_read(const void *bytes, size_t n_bytes, struct array_file *ret, struct error *err)
{
    struct array_file f = { 0 };
    struct reading r = { .file = &f, .err = err };
    enum status st = header_parse(&r, bytes, n_bytes);
    const char *name;
    json_t *entry;

    if (st == ST_OK)
        st = metadata_check(&r);
    if (st == ST_OK)
        st = arrays_init(&r);
    json_object_foreach (r.header, name, entry)
        if (st == ST_OK && strcmp(name, "__metadata__") != 0)
            st = array_parse(&r, name, entry);
    if (st == ST_OK)
        st = overlap_check(&r);
    json_decref(r.header);
    if (st != ST_OK) {
        array_file_release(&f);
        return st;
    }
    f.data_size = r.data_size;
    *ret = f;
    return ST_OK;
}

enum status array_file_whole(const struct array_file *f, struct error *err)
{
    size_t sum = 0;

    for (size_t i = 0; i < f->n; i++)
        sum += array_bytes(&f->arrays[i]); /* each is within the file, and there are few: no overflow */
    if (sum != f->data_size)
        return error_set(err, ST_FORMAT, "the file holds %zu bytes of data, its tensors need %zu",
                         f->data_size, sum);
    return ST_OK;
}

void array_file_release(struct array_file *f)
{
    json_decref(f->metadata);
    free(f->arrays);
    *f = (struct array_file){ 0 };
}

/* ---- writing ---- */

static json_t *header_json(const json_t *metadata, const struct array *arrays, size_t n)
{
    json_t *header = json_object();
    size_t at = 0;
    bool ok = header != NULL;

    json_watch(); /* a shape that lost a side would be another model's */
    if (ok && metadata)
        ok = json_object_set(header, "__metadata__", (json_t *)metadata) == 0;
    for (size_t i = 0; ok && i < n; i++) {
        const struct array *a = &arrays[i];
        const size_t end = at + array_bytes(a);
        json_t *shape = json_array();

        for (size_t d = 0; d < a->rank; d++)
            json_array_append_new(shape, json_integer((json_int_t)a->dims[d]));
        ok = json_object_set_new(header, a->name,
                                 json_pack("{s:s,s:o,s:[I,I]}", "dtype", DTYPES[a->dtype].name, "shape",
                                           shape, "data_offsets", (json_int_t)at, (json_int_t)end)) == 0;
        at = end;
    }
    if (!ok || json_ran_out()) {
        json_decref(header);
        return NULL;
    }
    return header;
}

/* The length and the JSON, padded with spaces so that the data begins at a multiple of 8. */
enum status array_file_header(const json_t *metadata, const struct array *arrays, size_t n, struct buf *out,
                              struct error *err)
{
    json_t *header = header_json(metadata, arrays, n);
    char *text = header ? json_text(header, JSON_COMPACT) : NULL;
    uint8_t length[LENGTH_SIZE];
    uint64_t size;

    json_decref(header);
    if (!text)
        return error_nomem(err);
    size = (strlen(text) + 7) / 8 * 8;
    if (size > SAFETENSORS_MAX_HEADER) {
        free(text);
        return error_set(err, ST_LIMIT,
                         "the metadata do not fit: the header has %" PRIu64 " bytes, the limit is %d", size,
                         SAFETENSORS_MAX_HEADER);
    }
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        length[i] = (uint8_t)(size >> (8 * i));
    buf_put(out, length, sizeof length);
    buf_printf(out, "%-*s", (int)size, text);
    free(text);
    return buf_status(out) == ST_OK ? ST_OK : error_set(err, buf_status(out), "the tensors do not fit");
}

enum status array_file_save(const char *path, const json_t *metadata, const struct array *arrays, size_t n,
                            struct error *err)
{
    struct buf header = BUF_INIT(SAFETENSORS_MAX_HEADER + LENGTH_SIZE);
    struct iovec *parts = calloc(n + 1, sizeof *parts);
    enum status st = parts ? array_file_header(metadata, arrays, n, &header, err) : error_nomem(err);

    if (st == ST_OK) {
        parts[0] = (struct iovec){ header.data, header.len };
        for (size_t i = 0; i < n; i++)
            parts[i + 1] = (struct iovec){ (void *)arrays[i].data, array_bytes(&arrays[i]) };
        st = file_replace(path, parts, n + 1, err);
    }
    buf_release(&header);
    free(parts);
    return st;
}
