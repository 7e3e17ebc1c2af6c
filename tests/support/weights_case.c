/* tests/support/weights_case.c - see weights_case.h. */
#include "weights_case.h"

#include "cxrd/rng.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- a model and its file ---- */

struct model *model_make(size_t size, struct preprocess pre, json_t *notes)
{
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *params;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", size, N_NIH_LABELS, 0 }, &net, &err), ST_OK,
                 "%s", err.text);
    params = malloc(net->n_params * sizeof *params);
    cr_assert_not_null(params);
    rng_seed(&rng, size, 0);
    for (size_t i = 0; i < net->n_params; i++)
        params[i] = rng_uniform(&rng, -1, 1);
    pre.size = size;
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, notes, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(params);
    return m;
}

struct model *initial_model(const char *architecture)
{
    const struct preprocess pre = { .size = SIZE, .mean = 128, .std = 64 };
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *values;

    cr_assert_eq(network_new(&(struct network_spec){ architecture, SIZE, N_NIH_LABELS, 0 }, &net, &err),
                 ST_OK, "%s", err.text);
    values = malloc((net->n_params + net->n_state) * sizeof *values);
    cr_assert_not_null(values);
    rng_seed(&rng, 1, 0);
    network_initialise(net, INIT_HE, &rng, values);
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, values, NULL, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(values);
    return m;
}

struct model *small_model(void)
{
    const struct preprocess pre = { .resize = RESIZE_AREA, .mean = 119.3f, .std = 57.7f };

    return model_make(SIZE, pre, json_pack("{s:s,s:s}", "job", "j-1", "metrics", "{\"macro_auroc\":0.6}"));
}

struct buf written(const struct model *m)
{
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct error err = { 0 };

    cr_assert_eq(weights_write(m, &out, &err), ST_OK, "%s", err.text);
    return out;
}

struct buf small_file(void)
{
    struct model *m = small_model();
    struct buf file = written(m);

    model_unref(m);
    return file;
}

struct model *read_ok(const struct buf *file)
{
    struct model *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(buf_status(file), ST_OK);
    cr_assert_eq(weights_read(file->data, file->len, &m, &err), ST_OK, "%s", err.text);
    return m;
}

void check_refused(const char *what, const void *bytes, size_t n, enum status expected, const char *word)
{
    struct model *m = NULL;
    struct error err = { 0 };

    check_refusal(what, weights_read(bytes, n, &m, &err), expected, &err, word);
    cr_assert_null(m, "%s: there is a model", what);
}

/* ---- files with one thing wrong ---- */

uint64_t length_of(const char *file)
{
    uint64_t n = 0;

    for (size_t i = 0; i < LENGTH_SIZE; i++)
        n |= (uint64_t)(uint8_t)file[i] << (8 * i);
    return n;
}

struct parts parts_of(const struct buf *file)
{
    const size_t n = (size_t)length_of(file->data);
    struct parts p = { .n_data = file->len - LENGTH_SIZE - n };
    json_error_t why;

    p.header = json_loadb(file->data + LENGTH_SIZE, n, 0, &why);
    cr_assert_not_null(p.header, "%s", why.text);
    p.data = malloc(p.n_data);
    cr_assert_not_null(p.data);
    memcpy(p.data, file->data + LENGTH_SIZE + n, p.n_data);
    return p;
}

struct parts small_parts(void)
{
    struct buf file = small_file();
    struct parts p = parts_of(&file);

    buf_release(&file);
    return p;
}

void put_text(struct buf *file, const char *text)
{
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        buf_put(file, &(char){ (char)(uint8_t)(strlen(text) >> (8 * i)) }, 1);
    buf_puts(file, text);
}

struct buf joined_text(const char *text, const void *data, size_t n)
{
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);

    put_text(&file, text);
    if (n > 0)
        buf_put(&file, data, n);
    return file;
}

struct buf joined(const struct parts *p)
{
    char *text = json_dumps(p->header, JSON_COMPACT);
    struct buf file;

    cr_assert_not_null(text);
    file = joined_text(text, p->data, p->n_data);
    free(text);
    return file;
}

void parts_release(struct parts *p)
{
    json_decref(p->header);
    free(p->data);
}

void check_parts_refused(const char *what, struct parts *p, enum status expected, const char *word)
{
    struct buf file = joined(p);

    check_refused(what, file.data, file.len, expected, word);
    buf_release(&file);
    parts_release(p);
}

json_t *entry_of(const struct parts *p, const char *tensor)
{
    json_t *entry = json_object_get(p->header, tensor);

    cr_assert_not_null(entry, "there is no '%s'", tensor);
    return entry;
}

json_int_t offset_of(const struct parts *p, const char *tensor, size_t which)
{
    return json_integer_value(json_array_get(json_object_get(entry_of(p, tensor), "data_offsets"), which));
}

void set_offsets(struct parts *p, const char *tensor, json_int_t begin, json_int_t end)
{
    json_object_set_new(entry_of(p, tensor), "data_offsets", json_pack("[I,I]", begin, end));
}

void set_metadata(struct parts *p, const char *key, const char *value)
{
    json_object_set_new(json_object_get(p->header, "__metadata__"), key, json_string(value));
}
