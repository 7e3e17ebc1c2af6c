/* tests/support/onnx_network.c - see onnx_network.h. */
#include "onnx_network.h"

#include "guard.h"
#include "sentence.h"

#include <criterion/criterion.h>

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

/* `from` [n,4,*,*] -> the mean -> dense -> "out". */
void head(struct craft *c, const char *from)
{
    Onnx__NodeProto *node;

    craft_weights(c, "fc.weight", DIMS(LABELS, 4));
    craft_weights(c, "fc.bias", DIMS(LABELS));
    craft_node(c, "GlobalAveragePool", from, "mean");
    craft_node(c, "Flatten", "mean", "flat");
    node = craft_node(c, "Gemm", "flat fc.weight fc.bias", "out");
    craft_int(c, node, "transB", 1);
}

void plain(struct craft *c)
{
    begin(c);
    body(c);
    craft_node(c, "Relu", "conv", "relu");
    head(c, "relu");
}
