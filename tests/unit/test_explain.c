/* tests/unit/test_explain.c - bias + inputs + the grid is the logit, for every finding of real radiographs and for every
 * architecture that adds up cells; a cell speaks of the part of the picture that it lies over; and what covers a part is told as
 * an occlusion. */
#include "cxrd/explain.h"

#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/rng.h"
#include "leaks.h"
#include "model/net/layer.h"
#include "random_graph.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 256, SIDE = 16, PLANE = SIZE * SIZE };

static struct model *model_of(enum init init, struct preprocess pre, float bias)
{
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    const struct tensor *head;
    struct rng rng;
    float *params;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", pre.size, N_NIH_LABELS, 0 }, &net, &err), ST_OK,
                 "%s", err.text);
    params = malloc(net->n_params * sizeof *params);
    cr_assert_not_null(params);
    rng_seed(&rng, 5, 0);
    network_initialise(net, init, &rng, params);
    head = network_tensor(net, "head.bias");
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        params[head->offset + k] = bias * (float)(k + 1);
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, NULL, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(params);
    return m;
}

static struct model *standard_model(void)
{
    return model_of(INIT_HE, (struct preprocess){ SIZE, RESIZE_AREA, 128, 64 }, -0.25f);
}

static struct model *notebook_model(void)
{
    return model_of(INIT_GLOROT, (struct preprocess){ SIZE, RESIZE_NEAREST, 0, 1 }, 0.5f);
}

/* The sum of the parts against the logit: the difference relative to max(1, |logit|). */
static double gap(const struct explanation *e)
{
    double sum = e->bias + e->inputs;

    for (size_t i = 0; i < e->rows * e->columns; i++)
        sum += e->grid[i];
    return fabs(sum - e->logit) / fmax(1, fabs(e->logit));
}

/* The largest gap over the findings of a picture. */
static double explain_all(struct session *s, const struct model *m, const float *x)
{
    float logits[N_NIH_LABELS];
    double worst = 0;

    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        struct explanation e;

        cr_assert_eq(session_explain(s, m, x, k, logits[k], &e), ST_OK);
        cr_assert(e.label == k && e.rows == SIDE && e.columns == SIDE && e.method == EXPLAIN_CONTRIBUTIONS);
        cr_assert_eq(e.logit, (double)logits[k]);
        worst = fmax(worst, gap(&e));
    }
    return worst;
}

static void read_picture(const char *path, const struct model *m, float *x)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    uint8_t *grey = malloc(PLANE);

    cr_assert_eq(file_read(path, 1 << 24, &file, &err), ST_OK, "%s", err.text);
    cr_assert_eq(image_decode(file.data, file.size, &IMAGE_READER_PNG, &img, &err), ST_OK, "%s", err.text);
    preprocess_resize(&img, model_preprocess(m), grey);
    preprocess_scale(grey, PLANE, model_preprocess(m), x);
    free(grey);
    image_release(&img);
    file_bytes_release(&file);
}

/* The first `n` pictures of a folder of real data, explained; returns the largest gap. */
static double explain_folder(const char *folder, size_t n, const struct model *m, struct session *s, float *x)
{
    char pattern[512];
    double worst = 0;
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/images_*/images/*.png", test_data(folder));
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
    cr_assert_geq(found.gl_pathc, n);
    for (size_t i = 0; i < n; i++) {
        read_picture(found.gl_pathv[i], m, x);
        worst = fmax(worst, explain_all(s, m, x));
    }
    globfree(&found);
    return worst;
}

static void check_real_pictures(struct model *m)
{
    struct session *s = NULL;
    float *x = malloc(PLANE * sizeof *x);
    double worst;

    cr_assert_eq(session_new(&s), ST_OK);
    worst = explain_folder("nih", 25, m, s, x);
    worst = fmax(worst, explain_folder("nih256", 25, m, s, x));
    printf("largest gap between a logit and its parts: %.2e of max(1, |logit|)\n", worst);
    cr_assert_leq(worst, 1e-4);
    free(x);
    session_free(s);
    model_unref(m);
}

TEST_WITHOUT_LEAKS(explain, parts_add_up_to_every_logit_of_50_real_pictures)
{
    check_real_pictures(standard_model());
}

TEST_WITHOUT_LEAKS(explain, parts_add_up_where_the_input_is_not_scaled)
{
    check_real_pictures(notebook_model());
}

/* Without a bias in the convolutions a picture of the mean grey has no features at all; a patch makes some in the
 * cells that see it, and in no other. */
TEST_WITHOUT_LEAKS(explain, a_cell_speaks_of_its_own_part_of_the_picture)
{
    const size_t top = 96, left = 208, patch = 16; /* row 6, column 13 of the grid */
    struct model *m = standard_model();
    struct session *s = NULL;
    float *x = calloc(PLANE, sizeof *x), logits[N_NIH_LABELS];
    struct explanation e;

    for (size_t y = top; y < top + patch; y++)
        for (size_t c = left; c < left + patch; c++)
            x[y * SIZE + c] = (y + c) % 3 ? 1.5f : -1;
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        cr_assert_eq(session_explain(s, m, x, k, logits[k], &e), ST_OK);
        cr_assert_eq(e.bias, (double)(-0.25f * (float)(k + 1)));
        cr_assert_eq(e.inputs, 0);
        cr_assert_neq(e.grid[6 * SIDE + 13], 0);
        for (size_t i = 0; i < SIDE * SIDE; i++)
            if (i / SIDE < 4 || i / SIDE > 8 || i % SIDE < 11)
                cr_assert_eq(e.grid[i], 0, "cell %zu, %zu", i / SIDE, i % SIDE);
    }
    free(x);
    session_free(s);
    model_unref(m);
}

TEST_WITHOUT_LEAKS(explain, a_shared_run_leaves_the_same_features)
{
    struct model *m = notebook_model();
    struct session *alone = NULL, *shared = NULL;
    struct pool *pool = NULL;
    float *x = malloc(PLANE * sizeof *x), logits[2][N_NIH_LABELS];
    struct explanation e[2];
    struct rng rng;

    rng_seed(&rng, 9, 0);
    for (size_t i = 0; i < PLANE; i++)
        x[i] = rng_uniform(&rng, 0, 255);
    cr_assert_eq(session_new(&alone), ST_OK);
    cr_assert_eq(session_new(&shared), ST_OK);
    cr_assert_eq(pool_new(2, POOL_NORMAL, &pool, NULL), ST_OK);
    cr_assert_eq(session_run(alone, m, 1, x, logits[0]), ST_OK);
    cr_assert_eq(session_run_shared(shared, m, pool, x, logits[1]), ST_OK);
    cr_assert_eq(session_explain(alone, m, x, 3, logits[0][3], &e[0]), ST_OK);
    cr_assert_eq(session_explain(shared, m, x, 3, logits[1][3], &e[1]), ST_OK);
    cr_assert_eq(e[0].logit, e[1].logit);
    cr_assert_arr_eq(e[0].grid, e[1].grid, SIDE * SIDE * sizeof e[0].grid[0]);
    pool_free(pool);
    session_free(alone);
    session_free(shared);
    free(x);
    model_unref(m);
}

/* ---- every architecture ---- */

static const struct {
    const char *name;
    size_t size, side; /* of the picture, of the grid */
    enum explanation_method method;
    enum head_kind head;
} ARCHITECTURES[] = { { "cnn4", 64, 4, EXPLAIN_CONTRIBUTIONS },
                      { "densenet121", 64, 2, EXPLAIN_CONTRIBUTIONS },
                      { "resnet18", 65, 3, EXPLAIN_CONTRIBUTIONS },
                      { "resnet50", 64, 2, EXPLAIN_CONTRIBUTIONS },
                      { "mobilenet_v2", 96, 3, EXPLAIN_CONTRIBUTIONS },
                      { "shufflenet_v2_x0_5", 96, 3, EXPLAIN_CONTRIBUTIONS },
                      { "mlp", 64, OCCLUSION_SIDE, EXPLAIN_OCCLUSION },
                      { "mlp", 128, OCCLUSION_SIDE, EXPLAIN_OCCLUSION },
                      { "cnn4", 80, 5, EXPLAIN_CONTRIBUTIONS, HEAD_GAP },
                      { "cnn4", 128, 4, EXPLAIN_CONTRIBUTIONS, HEAD_4X4 },
                      { "resnet18", 128, 4, EXPLAIN_CONTRIBUTIONS, HEAD_4X4 },
                      { "densenet121", 96, 3, EXPLAIN_CONTRIBUTIONS, HEAD_FLATTEN } };
enum { N_ARCHITECTURES = sizeof ARCHITECTURES / sizeof ARCHITECTURES[0] };

static struct model *random_model(const char *architecture, size_t size, enum head_kind head)
{
    const struct preprocess pre = { size, RESIZE_AREA, 128, 64 };
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    float *values;

    cr_assert_eq(network_new(&(struct network_spec){ architecture, size, N_NIH_LABELS, 0, head }, &net, &err),
                 ST_OK, "%s", err.text);
    values = random_graph_values(net, 3);
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, values, NULL, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(values);
    return m;
}

static float *random_picture(size_t size)
{
    float *x = malloc(size * size * sizeof *x);
    struct rng rng;

    rng_seed(&rng, size, 2);
    for (size_t i = 0; i < size * size; i++)
        x[i] = rng_uniform(&rng, -2, 2);
    return x;
}

/* The grid of features before the head, [c][h][w], by the layers' plain loops. */
static float *features_by_the_loops(const struct model *m, const float *x, struct shape *ret_shape)
{
    const struct network *net = model_network(m);
    float **results = calloc(net->n_nodes, sizeof *results), *features;
    size_t last = net->nodes[net->n_nodes - 1].from[0];

    while (net->nodes[last].out.h * net->nodes[last].out.w == 1)
        last = net->nodes[last].from[0];
    for (size_t i = 0; i <= last; i++) {
        const struct node *l = &net->nodes[i];
        const float *from[NODE_MAX_INPUTS] = { results[l->from[0]], results[l->from[1]] };

        results[i] = malloc(shape_size(l->out) * sizeof(float));
        if (i == 0)
            memcpy(results[i], x, shape_size(l->out) * sizeof(float));
        else
            l->ops->forward(l, 1, model_params(m) + l->params, model_params(m) + l->state, from, results[i],
                            NULL);
    }
    *ret_shape = net->nodes[last].out;
    features = results[last];
    results[last] = NULL;
    for (size_t i = 0; i <= last; i++)
        free(results[i]);
    free(results);
    return features;
}

/* Every cell is what its channels give, told by other code than that which is tested. */
static void check_cells(const struct model *m, const float *x, const struct explanation *e)
{
    const struct network *net = model_network(m);
    struct shape s;
    float *features = features_by_the_loops(m, x, &s);
    const size_t cells = s.h * s.w, n = shape_size(net->nodes[net->n_nodes - 1].in[0]);
    const float *w = model_params(m) + net->head_weights + e->label * n;

    cr_assert(e->rows == s.h && e->columns == s.w);
    for (size_t i = 0; i < cells; i++) {
        double sum = 0;

        for (size_t c = 0; c < s.c; c++)
            sum += (double)features[c * cells + i] *
                   (n == s.c ? (double)w[c] / (double)cells : (double)w[c * cells + i]);
        cr_assert_float_eq(e->grid[i], sum, 1e-4 * fmax(1, fabs(sum)), "cell %zu: %g, %g", i, e->grid[i],
                           sum);
    }
    free(features);
}

/* Covering a part by hand lets the logit fall as the cell says. */
static void check_covered(struct session *s, const struct model *m, const float *x,
                          const struct explanation *e)
{
    const size_t size = model_network(m)->image_size, part = size / OCCLUSION_SIDE;
    float *covered = malloc(size * size * sizeof *covered), logits[N_NIH_LABELS];
    double mean = 0;

    for (size_t i = 0; i < size * size; i++)
        mean += (double)x[i] / (double)(size * size);
    for (size_t cell = 0; cell < (size_t)OCCLUSION_SIDE * OCCLUSION_SIDE; cell += 13) {
        for (size_t i = 0; i < size * size; i++) {
            const size_t row = i / size / part, column = i % size / part;

            covered[i] = row * OCCLUSION_SIDE + column == cell ? (float)mean : x[i];
        }
        cr_assert_eq(session_run(s, m, 1, covered, logits), ST_OK);
        cr_assert_float_eq(e->grid[cell], e->logit - (double)logits[e->label], 1e-5, "cell %zu", cell);
    }
    cr_assert(e->bias == 0 && e->inputs == 0);
    free(covered);
}

ParameterizedTestParameters(explain, every_architecture)
{
    return cr_make_param_array(size_t, index_upto(N_ARCHITECTURES), N_ARCHITECTURES, index_free);
}

ParameterizedTest(size_t *index, explain, every_architecture)
{
    struct model *m =
        random_model(ARCHITECTURES[*index].name, ARCHITECTURES[*index].size, ARCHITECTURES[*index].head);
    const size_t side = ARCHITECTURES[*index].side;
    struct session *s = NULL;
    float *x = random_picture(ARCHITECTURES[*index].size), logits[N_NIH_LABELS];
    struct explanation e, again;

    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    for (size_t k = 0; k < N_NIH_LABELS; k += k ? 12 : 1) {
        cr_assert_eq(session_explain(s, m, x, k, logits[k], &e), ST_OK);
        cr_assert(e.method == ARCHITECTURES[*index].method && e.rows == side && e.columns == side);
        cr_assert_eq(e.logit, (double)logits[k]);
        if (e.method == EXPLAIN_CONTRIBUTIONS)
            cr_assert_leq(gap(&e), 1e-4, "%zu: %g", k, gap(&e));
    }
    if (e.method == EXPLAIN_CONTRIBUTIONS)
        check_cells(m, x, &e);
    else
        check_covered(s, m, x, &e);
    cr_assert_eq(session_explain(s, m, x, e.label, logits[e.label], &again), ST_OK);
    cr_assert(e.method == EXPLAIN_CONTRIBUTIONS || memcmp(&e, &again, sizeof e) == 0);
    session_free(s);
    free(x);
    model_unref(m);
    check_no_leaks();
}

/* One cell of the picture weighs against another: with either covered a float32 overflows. */
TEST_WITHOUT_LEAKS(explain, occlusion_whose_numbers_overflow_is_told)
{
    enum { SIDE_OF_MLP = 64, CELL = SIDE_OF_MLP / OCCLUSION_SIDE };
    const struct preprocess pre = { SIDE_OF_MLP, RESIZE_AREA, 128, 64 };
    const struct network *net;
    struct model *m = NULL;
    struct session *s = NULL;
    float *values, *x = calloc((size_t)SIDE_OF_MLP * SIDE_OF_MLP, sizeof *x), logits[N_NIH_LABELS];
    struct explanation e;

    cr_assert_eq(network_new(&(struct network_spec){ "mlp", SIDE_OF_MLP, N_NIH_LABELS, 0 }, &net, NULL),
                 ST_OK);
    values = calloc(net->n_params, sizeof *values);
    for (size_t i = 0; i < network_tensor(net, "hidden.weight")->count; i++)
        values[network_tensor(net, "hidden.weight")->offset + i] = 1e37f;
    for (size_t i = 0; i < CELL; i++)
        for (size_t row = 0; row < CELL; row += CELL / 2) {
            x[row * SIDE_OF_MLP + i] = 3;
            x[row * SIDE_OF_MLP + CELL + i] = -3;
        }
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, values, NULL, &m, NULL), ST_OK);
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    cr_assert_eq(session_explain(s, m, x, 0, logits[0], &e), ST_NUMERIC);
    session_free(s);
    free(values);
    free(x);
    model_unref(m);
    network_unref(net);
}

/* Whatever can be loaded has room in struct explanation. */
Test(explain, maps_fit_at_every_size)
{
    for (size_t i = 0; i < N_ARCHITECTURES; i++)
        for (size_t size = PREPROCESS_MIN_SIZE; size <= PREPROCESS_MAX_SIZE; size++) {
            const struct network *net;
            size_t last;

            if (network_new(&(struct network_spec){ ARCHITECTURES[i].name, size, N_NIH_LABELS, 0,
                                                    ARCHITECTURES[i].head },
                            &net, NULL) != ST_OK)
                continue;
            for (last = net->n_nodes - 1; last > 0 && net->nodes[last].in[0].h == 1;)
                last = net->nodes[last].from[0];
            cr_assert(ARCHITECTURES[i].method == EXPLAIN_OCCLUSION ||
                          (net->nodes[last].in[0].h <= EXPLANATION_MAX_SIDE &&
                           net->nodes[last].in[0].w <= EXPLANATION_MAX_SIDE),
                      "%s at %zu", ARCHITECTURES[i].name, size);
            network_unref(net);
        }
}
