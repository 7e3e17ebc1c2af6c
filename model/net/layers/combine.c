/* model/net/layers/combine.c - two results into one:
 *   add     a + b, of equal shapes
 *   mul     a * b, of equal shapes, or b [c][1][1] with every cell of its channel of a, as squeeze-and-excitation has it
 *   concat  the channels of a, then those of b; equal rows and columns
 * a and b may be the same node: there are two slopes by it then, which the caller adds. */
#include "check.h"

#include <stdbool.h>
#include <string.h>

static bool equal(struct shape a, struct shape b) { return a.c == b.c && a.h == b.h && a.w == b.w; }

static const char *add_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = l->in[0];
    if (!equal(l->in[0], l->in[1]))
        return "the two inputs differ in shape";
    return check_in_and_out(l);
}

static void add_forward(const struct node *l, size_t n, const float *params, const float *state,
                        const float *const x[], float *y, void *tape)
{
    (void)params, (void)state, (void)tape;
    for (size_t i = 0; i < n * shape_size(l->out); i++)
        y[i] = x[0][i] + x[1][i];
}

static void add_backward(const struct node *l, size_t n, const float *params, const float *state,
                         const float *const x[], const void *tape, const float *dy, float *const dx[],
                         float *dparams)
{
    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    for (size_t k = 0; k < 2; k++)
        if (dx[k])
            memcpy(dx[k], dy, n * shape_size(l->out) * sizeof *dy);
}

static const char *mul_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = l->in[0];
    if (!equal(l->in[0], l->in[1]) && !equal(l->in[1], (struct shape){ l->in[0].c, 1, 1 }))
        return "the second input is neither of the first one's shape nor one number a channel";
    return check_in_and_out(l);
}

/* Cells of a for each number of b: 1, or a plane. */
static size_t cells_a_factor(const struct node *l) { return shape_size(l->in[0]) / shape_size(l->in[1]); }

static void mul_forward(const struct node *l, size_t n, const float *params, const float *state,
                        const float *const x[], float *y, void *tape)
{
    const size_t cells = cells_a_factor(l);

    (void)params, (void)state, (void)tape;
    for (size_t i = 0; i < n * shape_size(l->out); i++)
        y[i] = x[0][i] * x[1][i / cells];
}

static void mul_backward(const struct node *l, size_t n, const float *params, const float *state,
                         const float *const x[], const void *tape, const float *dy, float *const dx[],
                         float *dparams)
{
    const size_t cells = cells_a_factor(l);

    (void)params, (void)state, (void)tape, (void)dparams;
    for (size_t i = 0; i < n * shape_size(l->out) && dx[0]; i++)
        dx[0][i] = dy[i] * x[1][i / cells];
    for (size_t i = 0; i < n * shape_size(l->in[1]) && dx[1]; i++) {
        double sum = 0;

        for (size_t k = i * cells; k < (i + 1) * cells; k++)
            sum += (double)dy[k] * (double)x[0][k];
        dx[1][i] = (float)sum;
    }
}

static const char *concat_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS],
                                size_t *n_tensors)
{
    const struct shape a = l->in[0], b = l->in[1];
    const char *wrong = check_shape(b);

    (void)tensors;
    *n_tensors = 0;
    if (wrong)
        return wrong;
    if (a.h != b.h || a.w != b.w)
        return "the two inputs differ in rows or columns";
    l->out = (struct shape){ a.c + b.c, a.h, a.w };
    return check_in_and_out(l);
}

static void concat_forward(const struct node *l, size_t n, const float *params, const float *state,
                           const float *const x[], float *y, void *tape)
{
    (void)params, (void)state, (void)tape;
    for (size_t s = 0; s < n; s++)
        for (size_t k = 0; k < 2; k++) {
            const size_t size = shape_size(l->in[k]);

            memcpy(y, x[k] + s * size, size * sizeof *y);
            y += size;
        }
}

static void concat_backward(const struct node *l, size_t n, const float *params, const float *state,
                            const float *const x[], const void *tape, const float *dy, float *const dx[],
                            float *dparams)
{
    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    for (size_t s = 0; s < n; s++)
        for (size_t k = 0; k < 2; k++) {
            const size_t size = shape_size(l->in[k]);

            if (dx[k])
                memcpy(dx[k] + s * size, dy, size * sizeof *dy);
            dy += size;
        }
}

const struct layer_ops LAYER_ADD = { "add", 2, add_shape, add_forward, add_backward };
const struct layer_ops LAYER_MUL = { "mul", 2, mul_shape, mul_forward, mul_backward };
const struct layer_ops LAYER_CONCAT = { "concat", 2, concat_shape, concat_forward, concat_backward };
