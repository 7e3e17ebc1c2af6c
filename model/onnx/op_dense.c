/* model/onnx/op_dense.c - dense layers and normalisations, see reader.h. */
#include "reader.h"

#include "cxrd/decimal.h"

#include <string.h>

/* The matrix as [results][numbers read], in the order in which our nodes keep what is read; of ONNX it may be the other way
 * round, and made for channels last. */
static const float *matrix_of(struct reader *r, const struct constant *m, bool transposed,
                              const struct view *in, float scale)
{
    const size_t I = m->dims.at[transposed ? 1 : 0], O = m->dims.at[transposed ? 0 : 1];
    const struct shape s = view_shape(r, in);
    float *made;

    if (transposed && !in->channels_last && scale == 1)
        return m->floats;
    made = reader_alloc(r, I * O, sizeof *made);
    for (size_t i = 0; i < I && made; i++) {
        const size_t to = in->channels_last ? i % s.c * (s.h * s.w) + i / s.c : i;

        for (size_t o = 0; o < O; o++)
            made[o * I + to] = m->floats[transposed ? o * I + i : i * O + o] * scale;
    }
    return made;
}

static const float *scaled_bias(struct reader *r, const struct constant *c, size_t n, float scale)
{
    float *made = reader_alloc(r, n, sizeof *made);

    for (size_t i = 0; i < n && made; i++)
        made[i] = c->floats[c->count > 1 ? i : 0] * scale;
    return made;
}

/* x [batch, I] times a matrix, and a bias. */
static void give_dense(struct reader *r, const struct constant *m, bool transposed, float alpha,
                       const struct constant *bias, float beta)
{
    struct view v = input_view(r, 0);
    const struct dims d = m ? m->dims : (struct dims){ 0 };
    struct lazy l = { .kind = LAZY_LINEAR };
    size_t I, O;

    if (r->st == ST_OK && m && (d.rank != 2 || v.dims.rank != 2))
        reader_refuse(r, "it multiplies something else than a row of numbers by a matrix");
    if (!m || r->st != ST_OK)
        return;
    I = d.at[transposed ? 1 : 0];
    O = d.at[transposed ? 0 : 1];
    if (v.dims.at[1] != I || O == 0 || O > LAYER_MAX_CHANNELS)
        reader_refuse(r, "its matrix of %zu by %zu does not fit %zu numbers", d.at[0], d.at[1], v.dims.at[1]);
    if (r->st == ST_OK &&
        shape_size(view_shape(r, &v)) != I) /* else a part of the weights would come from nowhere */
        reader_refuse(r, "its input has %zu numbers where it is made, and %zu here",
                      shape_size(view_shape(r, &v)), I);
    if (bias && bias->count != O && bias->count != 1)
        reader_refuse(r, "its bias has %zu numbers, not %zu", bias->count, O);
    if (r->st != ST_OK)
        return;
    l.linear = (struct node){ .ops = &LAYER_DENSE, .channels = O };
    l.name = r->node->input[1];
    l.weights = matrix_of(r, m, transposed, &v, alpha);
    l.weights_a_result = I;
    l.bias = bias ? scaled_bias(r, bias, O, beta) : NULL;
    v.dims = (struct dims){ 2, { r->batch, O } };
    v.channels_last = false;
    give_lazy(r, &v, &l);
}

void build_gemm(struct reader *r)
{
    const struct constant *m = input_weights(r, 1, "its matrix");
    const struct constant *bias = node_input(r, 2) ? input_weights(r, 2, "its bias") : NULL;

    if (attribute_integer(r, "transA", 0))
        reader_refuse(r, "it transposes the activations");
    give_dense(r, m, attribute_integer(r, "transB", 0) != 0, attribute_float(r, "alpha", 1), bias,
               attribute_float(r, "beta", 1));
}

void build_matmul(struct reader *r) { give_dense(r, input_weights(r, 1, "its matrix"), false, 1, NULL, 1); }

/* Before operator set 14 it is in training where it gives the statistics, too. */
static bool is_in_training(struct reader *r)
{
    size_t results = 0;

    for (size_t i = 0; i < r->node->n_output; i++)
        results += r->node->output[i][0] != '\0';
    return attribute_integer(r, "training_mode", 0) || (r->opset < 14 && results > 1);
}

void build_norm(struct reader *r)
{
    static const char *const WHAT[] = { "its scale", "its shift", "its mean", "its variance" };
    struct view v = view_by_channel(r, input_view(r, 0));
    const size_t channels = view_shape(r, &v).c;
    const struct constant *c[4];
    struct node node = { .ops = &LAYER_NORM, .epsilon = decimal_of(attribute_float(r, "epsilon", 1e-5f)) };

    if (is_in_training(r) || !attribute_integer(r, "spatial", 1))
        reader_refuse(r, "it is in training, or not of channels");
    if (v.channels_last)
        reader_refuse(r, "its input has the channels last");
    for (size_t i = 0; i < 4; i++) {
        c[i] = input_weights(r, i + 1, WHAT[i]);
        if (c[i] && c[i]->count != channels)
            reader_refuse(r, "%s has %zu numbers for %zu channels", WHAT[i], c[i]->count, channels);
    }
    if (r->st != ST_OK)
        return;
    node.from[0] = v.node;
    v.node =
        reader_add(r, &node, r->node->input[1],
                   &(struct fill){ .params = { { c[0]->floats, channels }, { c[1]->floats, channels } },
                                   .state = { { c[2]->floats, channels }, { c[3]->floats, channels } } });
    give_view(r, &v);
}
