/* tests/unit/test_onnx.c - models as ONNX files: every kind of layer has its operators, no weight is another than it was. Other
 * people's programs read such files in tests/http/test_onnx.py. */
#include "cxrd/onnx.h"
#include "cxrd/weights.h"
#include "leaks.h"
#include "model/onnx/write_layers.h"
#include "sentence.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <onnx.pb-c.h>
#include <string.h>

TestSuite(onnx_write, .fini = check_no_leaks);

static struct buf written(const struct model *m)
{
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct error err = { 0 };

    cr_assert_eq(onnx_write(m, &out, &err), ST_OK, "%s", err.text);
    return out;
}

Test(onnx_write, every_kind_has_operators)
{
    for (size_t i = 0; i < N_LAYER_KINDS; i++)
        cr_assert(write_knows(LAYER_KINDS[i]), "%s", LAYER_KINDS[i]->kind);
    cr_assert_not(write_knows(&LAYER_IMAGE));
}

static const Onnx__TensorProto *constant(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(g->initializer[i]->name, name) == 0)
            return g->initializer[i];
    return NULL;
}

Test(onnx_write, keeps_every_weight)
{
    struct model *m = tiny_model_with_norms(3);
    const struct network *net = model_network(m);
    struct buf file = written(m);
    Onnx__ModelProto *read = onnx__model_proto__unpack(NULL, file.len, (const uint8_t *)file.data);

    cr_assert_not_null(read);
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        const Onnx__TensorProto *found = constant(read->graph, t->name);

        cr_assert_not_null(found, "%s", t->name);
        cr_assert_eq(found->n_dims, t->rank);
        for (size_t d = 0; d < t->rank; d++)
            cr_assert_eq(found->dims[d], (int64_t)t->dims[d]);
        cr_assert_eq(found->raw_data.len, t->count * sizeof(float));
        cr_assert_eq(memcmp(found->raw_data.data, model_params(m) + t->offset, t->count * sizeof(float)), 0,
                     "%s", t->name);
    }
    onnx__model_proto__free_unpacked(read, NULL);
    buf_release(&file);
    model_unref(m);
}

Test(onnx_write, appends_the_same_bytes_each_time)
{
    struct model *m = tiny_model(1, 1, NULL);
    struct buf twice = written(m), once = written(m);
    struct error err = { 0 };

    cr_assert_eq(onnx_write(m, &twice, &err), ST_OK);
    cr_assert_eq(twice.len, 2 * once.len);
    cr_assert_eq(memcmp(twice.data, once.data, once.len), 0);
    cr_assert_eq(memcmp(twice.data + once.len, once.data, once.len), 0);
    buf_release(&once);
    buf_release(&twice);
    model_unref(m);
}

Test(onnx_write, refuses_what_does_not_fit)
{
    struct model *m = tiny_model(1, 1, NULL);
    struct buf file = written(m), small = BUF_INIT(file.len - 1);
    struct error err = { 0 };

    check_refusal("a buffer that is a byte short", onnx_write(m, &small, &err), ST_LIMIT, &err, "fit");
    cr_assert_eq(small.len, 0);
    buf_release(&small);
    buf_release(&file);
    model_unref(m);
}
