/* tests/support/onnx_network.c - see onnx_network.h. */
#include "onnx_network.h"

#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "guard.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

const struct import_options ONNX_OPTIONS = { .labels = "Mass,Nodule,Edema", .scaling = "0..1" };

enum status craft_read(const struct craft *c, const struct import_options *o, struct model **ret,
                       json_t *report, struct error *err)
{
    struct buf file = craft_file(c);
    struct guarded g = guarded_copy(file.data, file.len);
    const enum status st = onnx_read(g.bytes, file.len, o, ret, report, err);

    guarded_release(&g);
    buf_release(&file);
    return st;
}

void check_refused(struct craft *c, const char *word)
{
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    const enum status st = craft_read(c, &ONNX_OPTIONS, &m, report, &err);

    check_refusal(word, st, ST_FORMAT, &err, word);
    cr_expect_null(m);
    json_decref(report);
    craft_release(c);
}

void logits_of(const struct craft *c, const struct import_options *o, float *ret_logits)
{
    struct model *m = NULL;
    struct session *s = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    uint8_t grey[SIZE * SIZE];
    float *x;
    struct rng rng;

    cr_assert_eq(craft_read(c, o, &m, report, &err), ST_OK, "%s", err.text);
    x = calloc((size_t)3 * SIZE * SIZE, sizeof *x);
    rng_seed(&rng, 7, 0);
    for (size_t i = 0; i < sizeof grey; i++)
        grey[i] = (uint8_t)rng_below(&rng, 256);
    preprocess_scale(grey, sizeof grey, model_preprocess(m), x);
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, ret_logits), ST_OK);
    session_free(s);
    free(x);
    model_unref(m);
    json_decref(report);
}

void check_same(struct craft *a, struct craft *b)
{
    float x[LABELS], y[LABELS];

    logits_of(a, &ONNX_OPTIONS, x);
    logits_of(b, &ONNX_OPTIONS, y);
    for (size_t i = 0; i < LABELS; i++)
        cr_expect(fabsf(x[i] - y[i]) < 1e-4f * (1 + fabsf(x[i])), "logit %zu: %g and %g", i, (double)x[i],
                  (double)y[i]);
    cr_expect(x[0] != x[1] && fabsf(x[0]) > 1e-3f, "the logits say nothing: %g", (double)x[0]);
    craft_release(a);
    craft_release(b);
}

/* image [n,1,64,64] -> convolution 3x3 by 2 -> `image` becomes "conv" [n,4,31,31]. */
void begin(struct craft *c) { craft_begin(c, DIMS(0, 1, SIZE, SIZE)); }

Onnx__NodeProto *conv(struct craft *c, const char *inputs, const char *output)
{
    Onnx__NodeProto *node = craft_node(c, "Conv", inputs, output);

    craft_ints(c, node, "strides", DIMS(2, 2));
    return node;
}

void body(struct craft *c)
{
    craft_weights(c, "c1.weight", DIMS(4, 1, 3, 3));
    craft_weights(c, "c1.bias", DIMS(4));
    conv(c, "image c1.weight c1.bias", "conv");
}

void head(struct craft *c, const char *from) { head_called(c, from, "out"); }

void head_called(struct craft *c, const char *from, const char *output)
{
    Onnx__NodeProto *node;

    craft_weights(c, "fc.weight", DIMS(LABELS, 4));
    craft_weights(c, "fc.bias", DIMS(LABELS));
    craft_node(c, "GlobalAveragePool", from, "mean");
    craft_node(c, "Flatten", "mean", "flat");
    node = craft_node(c, "Gemm", "flat fc.weight fc.bias", output);
    craft_int(c, node, "transB", 1);
}

void plain(struct craft *c)
{
    begin(c);
    body(c);
    craft_node(c, "Relu", "conv", "relu");
    head(c, "relu");
}
