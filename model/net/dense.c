/* model/net/dense.c - y = x W' + b.  x [n][I], W [O][I], b [O], y [n][O]; params = W, then b.
 * The head of a 256 pixel network adds 65,536 products to one logit. One float32 sum of them loses two digits, which
 * shows in a probability's fifth place; so short float32 sums go into a double. */
#include "gemm.h"
#include "layer.h"

#include <string.h>

static enum status dense_shape(struct layer *l, struct tensor tensors[2], size_t *n_tensors)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    if (I == 0 || O == 0)
        return ST_INVALID;
    l->out = (struct shape){ O, 1, 1 };
    tensors[0] =
        (struct tensor){ .rank = 4, .dims = { O, l->in.c, l->in.h, l->in.w }, .fan_in = I, .fan_out = O };
    tensors[1] = (struct tensor){ .rank = 1, .dims = { O } };
    *n_tensors = 2;
    return ST_OK;
}

/* Four sums side by side, which any compiler for x86-64 or ARM keeps in one register. */
typedef float quad __attribute__((vector_size(16)));
enum { STEP = 16, BLOCK = 64 * STEP }; /* floats a turn, floats a float32 sum covers */

static quad load(const float *p)
{
    quad q;

    memcpy(&q, p, sizeof q);
    return q;
}

/* Float32 sums of at most 256 products each, added in double. */
static double dot(const float *a, const float *b, size_t n)
{
    const size_t whole = n / STEP * STEP;
    double total = 0;
    size_t i = 0;

    while (i < whole) {
        const size_t end = i + BLOCK < whole ? i + BLOCK : whole;
        quad s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };

        for (; i < end; i += STEP) {
            s0 += load(a + i) * load(b + i);
            s1 += load(a + i + 4) * load(b + i + 4);
            s2 += load(a + i + 8) * load(b + i + 8);
            s3 += load(a + i + 12) * load(b + i + 12);
        }
        s0 = (s0 + s1) + (s2 + s3);
        total += ((double)s0[0] + (double)s0[1]) + ((double)s0[2] + (double)s0[3]);
    }
    for (; i < n; i++)
        total += (double)a[i] * (double)b[i];
    return total;
}

static void bias_gradient(size_t n, size_t O, const float *dy, float *db)
{
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++)
            db[o] += dy[s * O + o];
}

static void dense_forward(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                          void *tape, float *work)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    (void)tape, (void)work;
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++)
            y[s * O + o] = (float)((double)params[O * I + o] + dot(x + s * I, params + o * I, I));
}

static void dense_backward(const struct layer *l, size_t n, const float *params, const float *x,
                           const void *tape, const float *dy, float *dx, float *dparams, float *work)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    (void)tape, (void)work;
    gemm_tn(O, I, n, dy, x, dparams);
    bias_gradient(n, O, dy, dparams + O * I);
    if (!dx)
        return;
    memset(dx, 0, n * I * sizeof *dx);
    gemm_nn(n, I, O, dy, params, dx);
}

static void reference_forward(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                              void *tape, float *work)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    (void)tape, (void)work;
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++) {
            double sum = (double)params[O * I + o];

            for (size_t i = 0; i < I; i++)
                sum += (double)params[o * I + i] * (double)x[s * I + i];
            y[s * O + o] = (float)sum;
        }
}

static void reference_backward(const struct layer *l, size_t n, const float *params, const float *x,
                               const void *tape, const float *dy, float *dx, float *dparams, float *work)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    (void)tape, (void)work;
    bias_gradient(n, O, dy, dparams + O * I);
    if (dx)
        memset(dx, 0, n * I * sizeof *dx);
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < I; i++) {
                dparams[o * I + i] += dy[s * O + o] * x[s * I + i];
                if (dx)
                    dx[s * I + i] += dy[s * O + o] * params[o * I + i];
            }
}

const struct layer_ops LAYER_DENSE = {
    "dense", dense_shape, { dense_forward, dense_backward }, { reference_forward, reference_backward }
};
