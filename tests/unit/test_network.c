/* tests/unit/test_network.c - the whole network against the same network in float64 (support/double_net.h): what it
 * answers on real radiographs; and what model and session promise in their headers. */
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "double_net.h"
#include "leaks.h"
#include "network_case.h"
#include "plain_network.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the measure itself ---- */

/* A network of 2 and 3 channels on 8 x 8 pixels: every slope by central differences. */
TEST_WITHOUT_LEAKS(double_net, its_own_gradient_is_the_slope)
{
    const struct double_net net = { 8, 2, 3, { 3, 2, 3 } };
    const size_t n = double_net_params(&net);
    double *params = doubles(n), *gradient = doubles(n), *ignored = doubles(n), x[2 * 64], y[6];
    struct rng rng;

    rng_seed(&rng, 2, 0);
    for (size_t i = 0; i < n; i++)
        params[i] = rng_unit(&rng) - 0.5;
    for (size_t i = 0; i < 2 * 64; i++)
        x[i] = 2 * rng_unit(&rng) - 1;
    for (size_t i = 0; i < 6; i++)
        y[i] = (double)(i % 2);
    double_net_gradient(&net, params, 2, x, y, gradient);
    for (size_t i = 0; i < n; i++) {
        const double kept = params[i], h = 1e-6;
        double above, below;

        params[i] = kept + h;
        above = double_net_gradient(&net, params, 2, x, y, ignored);
        params[i] = kept - h;
        below = double_net_gradient(&net, params, 2, x, y, ignored);
        params[i] = kept;
        cr_assert_float_eq(gradient[i], (above - below) / (2 * h), 1e-8, "parameter %zu: %g, the slope is %g",
                           i, gradient[i], (above - below) / (2 * h));
    }
    free(params);
    free(gradient);
    free(ignored);
}

/* ---- answers ---- */

/* Real radiographs, one of them RGBA, scaled and as they are. */
static const struct answer_case {
    const char *file;
    enum init init;
    float mean, std;
    enum resize resize;
} ANSWERS[] = {
    { "00000001_000.png", INIT_HE, 128, 64, RESIZE_AREA },
    { "00000773_001.png", INIT_GLOROT, 128, 64, RESIZE_AREA },
    { "00000047_005.png", INIT_HE, 119, 58, RESIZE_AREA },
    { "00000001_000.png", INIT_GLOROT, 0, 1, RESIZE_NEAREST },
    { "00000773_001.png", INIT_HE, 0, 1, RESIZE_NEAREST },
    { "00000047_005.png", INIT_GLOROT, 0, 1, RESIZE_NEAREST },
};
enum { N_ANSWERS = sizeof ANSWERS / sizeof ANSWERS[0], FULL_SIZE = 256 };

static float *radiograph(const char *file, const struct preprocess *pre)
{
    char relative[100];
    struct file_bytes bytes = FILE_BYTES_INIT;
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    uint8_t *grey = allocated(malloc(pre->size * pre->size));
    float *x = floats(pre->size * pre->size);

    snprintf(relative, sizeof relative, "nih/images_001/images/%s", file);
    cr_assert_eq(file_read(test_data(relative), 1 << 20, &bytes, &err), ST_OK, "%s", err.text);
    cr_assert_eq(image_decode(bytes.data, bytes.size, &IMAGE_READER_PNG, &img, &err), ST_OK, "%s", err.text);
    preprocess_resize(&img, pre, grey);
    preprocess_scale(grey, pre->size * pre->size, pre, x);
    image_release(&img);
    file_bytes_release(&bytes);
    free(grey);
    return x;
}

typedef enum status run_fn(struct session *s, const struct model *m, size_t n, const float *x,
                           float *ret_logits);

/* Logits to 1e-5 of the largest, and probabilities to 1e-5. */
static void check_answer(const char *what, run_fn *run, const struct model *m, const float *x)
{
    const struct double_net net = double_net_cnn4(model_network(m)->image_size);
    double *params = widened(model_params(m), model_network(m)->n_params),
           *wide = widened(x, net.size * net.size);
    double truth[N_NIH_LABELS], largest = 0;
    float logits[N_NIH_LABELS], probabilities[N_NIH_LABELS];
    struct session *s = NULL;

    double_net_forward(&net, params, wide, truth);
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(run(s, m, 1, x, logits), ST_OK);
    model_probabilities(m, 1, logits, probabilities);
    for (size_t i = 0; i < N_NIH_LABELS; i++)
        largest = fmax(largest, fabs(truth[i]));
    for (size_t i = 0; i < N_NIH_LABELS; i++) {
        const double p = 1 / (1 + exp(-truth[i]));

        cr_assert_float_eq((double)logits[i], truth[i], 1e-5 * largest, "%s: logit %zu is %.9g, not %.9g",
                           what, i, (double)logits[i], truth[i]);
        cr_assert_float_eq((double)probabilities[i], p, 1e-5, "%s: probability %zu is %.9g, not %.9g", what,
                           i, (double)probabilities[i], p);
    }
    session_free(s);
    free(params);
    free(wide);
}

static void check_radiograph(const struct answer_case *c, size_t size, run_fn *run)
{
    const struct preprocess pre = { .size = size, .resize = c->resize, .mean = c->mean, .std = c->std };
    const struct network *net = cnn4(size);
    float *params = initial(net, c->init, 17), *x = radiograph(c->file, &pre);
    struct model *m = model_of(net, params);

    check_answer(c->file, run, m, x);
    model_unref(m);
    free(params);
    free(x);
    network_unref(net);
}

ParameterizedTestParameters(answer, is_that_of_float64_on_real_radiographs)
{
    return cr_make_param_array(size_t, index_upto(N_ANSWERS), N_ANSWERS, index_free);
}

ParameterizedTest(size_t *index, answer, is_that_of_float64_on_real_radiographs)
{
    check_radiograph(&ANSWERS[*index], FULL_SIZE, session_run);
}

static enum status run_reference(struct session *unused, const struct model *m, size_t n, const float *x,
                                 float *ret_logits)
{
    (void)unused;
    return plain_forward(model_network(m), model_params(m), n, x, ret_logits);
}

TEST_WITHOUT_LEAKS(answer, of_the_reference_pass_is_that_of_float64_too)
{
    check_radiograph(&ANSWERS[0], FULL_SIZE, run_reference);
    for (size_t i = 1; i < N_ANSWERS; i++)
        check_radiograph(&ANSWERS[i], 64, run_reference);
}

/* ---- models ---- */

TEST_WITHOUT_LEAKS(model, makes_probabilities_of_any_logit)
{
    const float logits[N_NIH_LABELS] = { 0, 1e4f, -1e4f, 88,    -88,    104, -104,
                                         1, -1,   1e-8f, 3e38f, -3e38f, 20,  -20 };
    struct model *m = random_model(64);
    float p[N_NIH_LABELS];

    model_probabilities(m, 1, logits, p);
    for (size_t i = 0; i < N_NIH_LABELS; i++)
        cr_assert_float_eq((double)p[i], 1 / (1 + exp(-(double)logits[i])), 1e-7, "logit %g",
                           (double)logits[i]);
    cr_assert(p[0] == 0.5f && p[1] == 1 && p[2] == 0);
    model_unref(m);
}

TEST_WITHOUT_LEAKS(model, lives_as_long_as_anyone_holds_it)
{
    struct model *m = random_model(64), *held = model_ref(m);

    model_unref(m);
    cr_assert_eq(model_network(held)->image_size, 64);
    cr_assert(isfinite(model_params(held)[0]));
    model_unref(held);
    model_unref(NULL);
}

TEST_WITHOUT_LEAKS(model, copies_what_it_is_made_of)
{
    const struct network *net = cnn4(64);
    const struct preprocess pre = { .size = 64, .resize = RESIZE_AREA, .mean = 1, .std = 2 };
    float *params = initial(net, INIT_HE, 1);
    const float first = params[0];
    struct model *m = NULL;

    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, json_pack("{s:s}", "job", "j1"), &m, NULL), ST_OK);
    params[0] = 99;
    cr_assert_eq(model_params(m)[0], first);
    cr_assert_str_eq(json_string_value(json_object_get(model_notes(m), "job")), "j1");
    cr_assert(model_preprocess(m)->mean == 1 && model_preprocess(m)->std == 2);
    model_unref(m);
    free(params);
    network_unref(net);
}

TEST_WITHOUT_LEAKS(model, of_weights_that_are_no_numbers_is_refused_by_tensor)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };
    const struct network *net = cnn4(64);
    const struct preprocess pre = { .size = 64, .std = 1 };
    float *params = initial(net, INIT_HE, 1);

    for (size_t i = 0; i < net->n_tensors; i++) {
        const size_t last = net->tensors[i].offset + net->tensors[i].count - 1;
        const float kept = params[last];
        struct model *m = NULL;
        struct error err = { 0 };

        params[last] = BAD[i % 3];
        check_refusal("a bad weight", model_new(net, &NIH_LABELS, &pre, params, json_object(), &m, &err),
                      ST_NUMERIC, &err, net->tensors[i].name);
        cr_assert_null(m);
        params[last] = kept;
    }
    free(params);
    network_unref(net);
}

/* ---- sessions ---- */

static struct session *session(void)
{
    struct session *s = NULL;

    cr_assert_eq(session_new(&s), ST_OK);
    return s;
}

TEST_WITHOUT_LEAKS(session, one_serves_models_of_different_sizes_in_any_order)
{
    static const size_t SIZES[] = { 64, 144, 80, 64 };
    struct session *shared = session();

    for (size_t i = 0; i < 4; i++) {
        struct model *m = random_model(SIZES[i]);
        struct batch b = batch_new(1, SIZES[i], i);
        struct session *fresh = session();
        float a[N_NIH_LABELS], c[N_NIH_LABELS];

        cr_assert_eq(session_run(shared, m, 1, b.x, a), ST_OK);
        cr_assert_eq(session_run(fresh, m, 1, b.x, c), ST_OK);
        cr_assert_eq(memcmp(a, c, sizeof a), 0, "size %zu", SIZES[i]);
        session_free(fresh);
        batch_release(&b);
        model_unref(m);
    }
    session_free(shared);
    session_free(NULL);
}

TEST_WITHOUT_LEAKS(session, a_batch_is_its_pictures_one_by_one)
{
    struct model *m = random_model(64);
    struct batch b = batch_new(3, 64, 1);
    struct session *s = session();
    float together[3 * N_NIH_LABELS], alone[N_NIH_LABELS];

    cr_assert_eq(session_run(s, m, 3, b.x, together), ST_OK);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(session_run(s, m, 1, b.x + i * 64 * 64, alone), ST_OK);
        cr_assert_eq(memcmp(together + i * N_NIH_LABELS, alone, sizeof alone), 0, "picture %zu", i);
    }
    session_free(s);
    batch_release(&b);
    model_unref(m);
}

struct shared_model {
    const struct model *m;
    const float *x;
    struct session *sessions[4];
    float expected[N_NIH_LABELS];
    atomic_int n_same;
};

static void run_shared(void *arg, size_t task, size_t thread)
{
    struct shared_model *shared = arg;
    float logits[N_NIH_LABELS];

    (void)task;
    if (session_run(shared->sessions[thread], shared->m, 1, shared->x, logits) == ST_OK &&
        memcmp(logits, shared->expected, sizeof logits) == 0)
        atomic_fetch_add(&shared->n_same, 1);
}

TEST_WITHOUT_LEAKS(session, many_share_one_model)
{
    struct model *m = random_model(64);
    struct batch b = batch_new(1, 64, 1);
    struct shared_model shared = { .m = m,
                                   .x = b.x,
                                   .sessions = { session(), session(), session(), session() } };
    struct pool *pool = NULL;

    cr_assert_eq(session_run(shared.sessions[0], m, 1, b.x, shared.expected), ST_OK);
    cr_assert_eq(pool_new(4, POOL_NORMAL, &pool, NULL), ST_OK);
    pool_run(pool, 24, run_shared, &shared);
    cr_assert_eq(atomic_load(&shared.n_same), 24);
    pool_free(pool);
    for (size_t i = 0; i < 4; i++)
        session_free(shared.sessions[i]);
    batch_release(&b);
    model_unref(m);
}

static void check_numeric(const char *what, const struct model *m, const float *x)
{
    struct session *s = session();
    float logits[N_NIH_LABELS];

    cr_assert_eq(session_run(s, m, 1, x, logits), ST_NUMERIC, "%s", what);
    session_free(s);
}

TEST_WITHOUT_LEAKS(session, an_input_that_is_no_number_gets_no_answer)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };
    struct model *m = random_model(64);
    struct batch b = batch_new(1, 64, 1);

    for (size_t i = 0; i < 3; i++) {
        const float kept = b.x[65];

        b.x[65] = BAD[i];
        check_numeric("a bad pixel", m, b.x);
        b.x[65] = kept;
    }
    batch_release(&b);
    model_unref(m);
}

/* Finite weights can still be absurd: the sums overflow, wherever they are. */
TEST_WITHOUT_LEAKS(session, weights_that_overflow_get_no_answer)
{
    const struct network *net = cnn4(64);
    struct batch b = batch_new(1, 64, 1);

    for (size_t i = 0; i < net->n_tensors; i += 2) {
        const struct tensor *t = &net->tensors[i];
        float *params = initial(net, INIT_HE, 1);
        struct model *m;

        for (size_t k = 0; k < t->count; k++)
            params[t->offset + k] = copysignf(3e38f, params[t->offset + k]);
        m = model_of(net, params);
        check_numeric(t->name, m, b.x);
        model_unref(m);
        free(params);
    }
    batch_release(&b);
    network_unref(net);
}
