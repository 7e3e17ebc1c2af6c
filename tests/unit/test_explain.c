/* tests/unit/test_explain.c - bias + inputs + the grid is the logit, for every finding of real radiographs; and a cell
 * speaks of the part of the picture that it lies over. */
#include "cxrd/explain.h"

#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/rng.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
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

    cr_assert_eq(network_new("cnn4", pre.size, 0, &net, &err), ST_OK, "%s", err.text);
    params = malloc(net->n_params * sizeof *params);
    cr_assert_not_null(params);
    rng_seed(&rng, 5, 0);
    network_initialise(net, init, &rng, params);
    head = network_tensor(net, "head.bias");
    for (size_t k = 0; k < N_LABELS; k++)
        params[head->offset + k] = bias * (float)(k + 1);
    cr_assert_eq(model_new(net, &pre, params, NULL, &m, &err), ST_OK, "%s", err.text);
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

/* What the parts add up to, against the logit: the difference relative to max(1, |logit|). */
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
    float logits[N_LABELS];
    double worst = 0;

    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    for (size_t k = 0; k < N_LABELS; k++) {
        struct explanation e;

        session_explain(s, m, k, logits[k], &e);
        cr_assert(e.label == k && e.rows == SIDE && e.columns == SIDE);
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
    cr_assert_eq(image_decode(file.data, file.size, &IMAGE_LIMITS, &img, &err), ST_OK, "%s", err.text);
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
    float *x = calloc(PLANE, sizeof *x), logits[N_LABELS];
    struct explanation e;

    for (size_t y = top; y < top + patch; y++)
        for (size_t c = left; c < left + patch; c++)
            x[y * SIZE + c] = (y + c) % 3 ? 1.5f : -1;
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    for (size_t k = 0; k < N_LABELS; k++) {
        session_explain(s, m, k, logits[k], &e);
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
    float *x = malloc(PLANE * sizeof *x), logits[2][N_LABELS];
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
    session_explain(alone, m, 3, logits[0][3], &e[0]);
    session_explain(shared, m, 3, logits[1][3], &e[1]);
    cr_assert_eq(e[0].logit, e[1].logit);
    cr_assert_arr_eq(e[0].grid, e[1].grid, SIDE * SIDE * sizeof e[0].grid[0]);
    pool_free(pool);
    session_free(alone);
    session_free(shared);
    free(x);
    model_unref(m);
}
