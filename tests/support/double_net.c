/* tests/support/double_net.c - see double_net.h. Planes are kept with a border of zeros, so that no loop asks where
 * the picture ends; this file is compiled with optimisation and without sanitizers in every build, since it is the
 * measure, not what is measured, and does a hundred thousand million operations. */
#include "double_net.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The values that one convolution, ReLU and pool leave behind. All owned. */
struct stage {
    size_t in, out, size; /* channels, channels, pixels a side before the pool */
    double *padded;       /* input [in][size + 2][size + 2] */
    double *sums;         /* before ReLU [out][size][size] */
    double *pooled;       /* [out][size / 2][size / 2] */
};

struct trace {
    struct stage stages[DOUBLE_NET_MAX_CONVS];
};

static double *zeros(size_t n)
{
    double *p = calloc(n, sizeof *p);

    assert(p);
    return p;
}

struct double_net double_net_cnn4(size_t size)
{
    return (struct double_net){ size, 4, 14, { 3, 32, 64, 128, 256 } };
}

static size_t head_inputs(const struct double_net *net)
{
    const size_t side = net->size >> net->n_convs;

    return net->channels[net->n_convs] * side * side;
}

size_t double_net_params(const struct double_net *net)
{
    size_t n = net->n_outputs * (head_inputs(net) + 1);

    for (size_t k = 0; k < net->n_convs; k++)
        n += net->channels[k + 1] * (net->channels[k] * 9 + 1);
    return n;
}

static void trace_init(struct trace *t, const struct double_net *net)
{
    for (size_t k = 0; k < net->n_convs; k++) {
        struct stage *s = &t->stages[k];
        const size_t size = net->size >> k;

        s->in = net->channels[k];
        s->out = net->channels[k + 1];
        s->size = size;
        s->padded = zeros(s->in * (size + 2) * (size + 2));
        s->sums = zeros(s->out * size * size);
        s->pooled = zeros(s->out * (size / 2) * (size / 2));
    }
}

static void trace_release(struct trace *t, const struct double_net *net)
{
    for (size_t k = 0; k < net->n_convs; k++) {
        free(t->stages[k].padded);
        free(t->stages[k].sums);
        free(t->stages[k].pooled);
    }
}

/* planes [n][size][size] -> the inside of padded [n][size + 2][size + 2] */
static void pad(size_t n, size_t size, const double *planes, double *padded)
{
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < size; i++)
            memcpy(padded + (c * (size + 2) + i + 1) * (size + 2) + 1, planes + (c * size + i) * size,
                   size * sizeof *padded);
}

/* out [size] += one row of the cross-correlation of three padded rows with w [3][3] */
static void correlate_row(size_t size, const double *rows, const double *w, double *out)
{
    const double *above = rows, *here = rows + size + 2, *below = here + size + 2;

    for (size_t j = 0; j < size; j++)
        out[j] += w[0] * above[j] + w[1] * above[j + 1] + w[2] * above[j + 2] + w[3] * here[j] +
                  w[4] * here[j + 1] + w[5] * here[j + 2] + w[6] * below[j] + w[7] * below[j + 1] +
                  w[8] * below[j + 2];
}

/* out [n_out][size][size] += cross-correlation of padded [n_in][..] with w [n_out][n_in][3][3] */
static void correlate(size_t n_in, size_t n_out, size_t size, const double *padded, const double *w,
                      double *out)
{
    for (size_t o = 0; o < n_out; o++)
        for (size_t c = 0; c < n_in; c++)
            for (size_t i = 0; i < size; i++)
                correlate_row(size, padded + (c * (size + 2) + i) * (size + 2), w + (o * n_in + c) * 9,
                              out + (o * size + i) * size);
}

static double max4(const double *q, size_t width)
{
    return fmax(fmax(q[0], q[1]), fmax(q[width], q[width + 1]));
}

static void relu_and_pool(struct stage *s)
{
    const size_t half = s->size / 2;

    for (size_t o = 0; o < s->out; o++)
        for (size_t i = 0; i < half; i++)
            for (size_t j = 0; j < half; j++)
                s->pooled[(o * half + i) * half + j] =
                    fmax(0, max4(s->sums + (o * s->size + 2 * i) * s->size + 2 * j, s->size));
}

static void stage_forward(struct stage *s, const double *w, const double *b, const double *input)
{
    pad(s->in, s->size, input, s->padded);
    for (size_t o = 0; o < s->out; o++)
        for (size_t i = 0; i < s->size * s->size; i++)
            s->sums[o * s->size * s->size + i] = b[o];
    correlate(s->in, s->out, s->size, s->padded, w, s->sums);
    relu_and_pool(s);
}

static double *replicated(const struct double_net *net, const double *grey)
{
    const size_t plane = net->size * net->size;
    double *input = zeros(net->channels[0] * plane);

    for (size_t c = 0; c < net->channels[0]; c++)
        memcpy(input + c * plane, grey, plane * sizeof *input);
    return input;
}

static void forward(const struct double_net *net, struct trace *t, const double *params, const double *grey,
                    double *logits)
{
    const size_t n_inputs = head_inputs(net);
    double *first = replicated(net, grey);
    const double *input = first;

    for (size_t k = 0; k < net->n_convs; k++) {
        struct stage *s = &t->stages[k];
        const size_t n_weights = s->out * s->in * 9;

        stage_forward(s, params, params + n_weights, input);
        params += n_weights + s->out;
        input = s->pooled;
    }
    for (size_t o = 0; o < net->n_outputs; o++) {
        logits[o] = params[net->n_outputs * n_inputs + o];
        for (size_t i = 0; i < n_inputs; i++)
            logits[o] += params[o * n_inputs + i] * input[i];
    }
    free(first);
}

void double_net_forward(const struct double_net *net, const double *params, const double *grey,
                        double *logits)
{
    struct trace t;

    trace_init(&t, net);
    forward(net, &t, params, grey, logits);
    trace_release(&t, net);
}

/* The slope by the pooled cells goes to the pixel that won each, if ReLU let it through. */
static void unpool(const struct stage *s, const double *dpooled, double *dsums)
{
    const size_t half = s->size / 2;

    for (size_t o = 0; o < s->out; o++)
        for (size_t i = 0; i < half; i++)
            for (size_t j = 0; j < half; j++) {
                const size_t corner = (o * s->size + 2 * i) * s->size + 2 * j,
                             cell = (o * half + i) * half + j;
                const size_t four[4] = { corner, corner + 1, corner + s->size, corner + s->size + 1 };

                for (size_t k = 0; k < 4 && s->pooled[cell] > 0; k++)
                    if (s->sums[four[k]] == s->pooled[cell]) {
                        dsums[four[k]] = dpooled[cell];
                        break;
                    }
            }
}

/* dw [3][3] += for each tap the sum over pixels of slope times the input pixel that the tap saw */
static void taps_add(size_t size, const double *padded, const double *dsums, double *dw)
{
    double sum[9] = { 0 };

    for (size_t i = 0; i < size; i++) {
        const double *row = padded + i * (size + 2), *slope = dsums + i * size;

        for (size_t j = 0; j < size; j++)
            for (size_t k = 0; k < 9; k++)
                sum[k] += slope[j] * row[k / 3 * (size + 2) + j + k % 3];
    }
    for (size_t k = 0; k < 9; k++)
        dw[k] += sum[k];
}

static void weights_backward(const struct stage *s, const double *dsums, double *dw, double *db)
{
    const size_t plane = s->size * s->size, padded = (s->size + 2) * (s->size + 2);

    for (size_t o = 0; o < s->out; o++) {
        for (size_t c = 0; c < s->in; c++)
            taps_add(s->size, s->padded + c * padded, dsums + o * plane, dw + (o * s->in + c) * 9);
        for (size_t i = 0; i < plane; i++)
            db[o] += dsums[o * plane + i];
    }
}

/* Slope by the input: the cross-correlation with the kernels turned by half a circle, channels swapped. */
static void input_backward(const struct stage *s, const double *w, const double *dsums, double *dinput)
{
    double *turned = zeros(s->in * s->out * 9), *padded = zeros(s->out * (s->size + 2) * (s->size + 2));

    for (size_t o = 0; o < s->out; o++)
        for (size_t c = 0; c < s->in; c++)
            for (size_t k = 0; k < 9; k++)
                turned[(c * s->out + o) * 9 + 8 - k] = w[(o * s->in + c) * 9 + k];
    pad(s->out, s->size, dsums, padded);
    correlate(s->out, s->in, s->size, padded, turned, dinput);
    free(turned);
    free(padded);
}

/* Head: slopes by the logits -> dparams of the head, slopes by its input (owned by the caller). */
static double *head_backward(const struct double_net *net, const double *params, const double *input,
                             const double *dlogits, double *gradient)
{
    const size_t n = head_inputs(net);
    double *dinput = zeros(n);

    for (size_t o = 0; o < net->n_outputs; o++) {
        gradient[net->n_outputs * n + o] += dlogits[o];
        for (size_t i = 0; i < n; i++) {
            gradient[o * n + i] += dlogits[o] * input[i];
            dinput[i] += dlogits[o] * params[o * n + i];
        }
    }
    return dinput;
}

static void backward(const struct double_net *net, const struct trace *t, const double *params,
                     const double *dlogits, double *gradient)
{
    size_t at = double_net_params(net) - net->n_outputs * (head_inputs(net) + 1);
    double *slopes =
        head_backward(net, params + at, t->stages[net->n_convs - 1].pooled, dlogits, gradient + at);

    for (size_t k = net->n_convs; k-- > 0;) {
        const struct stage *s = &t->stages[k];
        const size_t n_weights = s->out * s->in * 9;
        double *dsums = zeros(s->out * s->size * s->size), *below = zeros(s->in * s->size * s->size);

        at -= n_weights + s->out;
        unpool(s, slopes, dsums);
        weights_backward(s, dsums, gradient + at, gradient + at + n_weights);
        if (k > 0)
            input_backward(s, params + at, dsums, below);
        free(dsums);
        free(slopes);
        slopes = below;
    }
    free(slopes);
}

double double_net_gradient(const struct double_net *net, const double *params, size_t n, const double *grey,
                           const double *y, double *gradient)
{
    const double each = 1 / (double)(n * net->n_outputs);
    double *logits = zeros(net->n_outputs), loss = 0;
    struct trace t;

    trace_init(&t, net);
    memset(gradient, 0, double_net_params(net) * sizeof *gradient);
    for (size_t s = 0; s < n; s++, grey += net->size * net->size, y += net->n_outputs) {
        forward(net, &t, params, grey, logits);
        for (size_t o = 0; o < net->n_outputs; o++) {
            const double p = 1 / (1 + exp(-logits[o]));

            loss -= each * (y[o] * log(p) + (1 - y[o]) * log1p(-p));
            logits[o] = (p - y[o]) * each;
        }
        backward(net, &t, params, logits, gradient);
    }
    trace_release(&t, net);
    free(logits);
    return loss;
}

void double_adam(size_t n, double t, double learning_rate, double weight_decay, const double *gradient,
                 double *m, double *v, double *params)
{
    const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7;
    const double step = learning_rate * sqrt(1 - pow(beta2, t)) / (1 - pow(beta1, t));

    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * gradient[i];
        v[i] = beta2 * v[i] + (1 - beta2) * gradient[i] * gradient[i];
        params[i] -= learning_rate * weight_decay * params[i];
        params[i] -= step * m[i] / (sqrt(v[i]) + epsilon);
    }
}
