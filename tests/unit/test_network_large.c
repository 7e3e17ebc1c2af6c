/* tests/unit/test_network_large.c - pictures of 1,024 pixels a side, the largest there are: a network looks at every part of them
 * as at a small picture, and learns from them. */
#include "cxrd/preprocess.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "cxrd/training.h"
#include "leaks.h"
#include "network_case.h"
#include "plain_network.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = PREPROCESS_MAX_SIZE, SMALL = 128, CHANNELS = 256, CELL = 16 };

static const struct network *network(const char *architecture, size_t size, size_t n_labels)
{
    const struct network *net = NULL;
    struct error err = { 0 };

    cr_assert_eq(network_new(&(struct network_spec){ architecture, size, n_labels, 0 }, &net, &err), ST_OK,
                 "%s", err.text);
    return net;
}

static float *noise(size_t n)
{
    float *x = floats(n);
    struct rng rng;

    rng_seed(&rng, 11, 1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(2 * rng_unit(&rng) - 1);
    return x;
}

/* The part of a large picture that begins at (top, left). */
static void cut(const float *x, size_t top, size_t left, float *ret_small)
{
    for (size_t i = 0; i < SMALL; i++)
        memcpy(ret_small + i * SMALL, x + (top + i) * LARGE + left, SMALL * sizeof *x);
}

/* Cells whose surroundings are in the part are those of the part alone. An edge of the part that is one of the picture has
 * nothing behind it in either. */
static void check_part(const float *large, const float *small, size_t top, size_t left)
{
    enum { CELLS = SMALL / CELL, AROUND = 2 };
    const size_t first_row = top == 0 ? 0 : AROUND, first_column = left == 0 ? 0 : AROUND;
    const size_t last_row = top + SMALL == LARGE ? CELLS : CELLS - AROUND,
                 last_column = left + SMALL == LARGE ? CELLS : CELLS - AROUND;

    for (size_t i = first_row; i < last_row; i++)
        for (size_t j = first_column; j < last_column; j++)
            for (size_t c = 0; c < CHANNELS; c++) {
                const float a = small[(i * CELLS + j) * CHANNELS + c],
                            b = large[((top / CELL + i) * (LARGE / CELL) + left / CELL + j) * CHANNELS + c];

                cr_assert(fabsf(a - b) <= 1e-4f * fmaxf(1, fabsf(a)),
                          "part at %zu, %zu, cell %zu, %zu, channel %zu: %g, alone %g", top, left, i, j, c,
                          (double)b, (double)a);
            }
}

TEST_WITHOUT_LEAKS(large, every_part_is_seen_as_a_small_picture_is)
{
    static const size_t PLACES[][2] = {
        { 0, 0 }, { 0, LARGE - SMALL }, { 448, 480 }, { LARGE - SMALL, LARGE - SMALL }
    };
    const struct network *nets[] = { network("cnn4", LARGE, N_NIH_LABELS),
                                     network("cnn4", SMALL, N_NIH_LABELS) };
    float *values[] = { initial(nets[0], INIT_HE, 7), initial(nets[1], INIT_HE, 7) },
          *x = noise((size_t)LARGE * LARGE), *part = floats((size_t)SMALL * SMALL), logits[N_NIH_LABELS];
    struct model *models[] = { model_of(nets[0], values[0]), model_of(nets[1], values[1]) };
    struct session *sessions[2] = { NULL, NULL };

    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(session_new(&sessions[i]), ST_OK);
    cr_assert_eq(session_run(sessions[0], models[0], 1, x, logits), ST_OK);
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        cut(x, PLACES[i][0], PLACES[i][1], part);
        cr_assert_eq(session_run(sessions[1], models[1], 1, part, logits), ST_OK);
        check_part(session_features(sessions[0], models[0]), session_features(sessions[1], models[1]),
                   PLACES[i][0], PLACES[i][1]);
    }
    for (size_t i = 0; i < 2; i++) {
        session_free(sessions[i]);
        model_unref(models[i]);
        network_unref(nets[i]);
        free(values[i]);
    }
    free(x);
    free(part);
}

TEST_WITHOUT_LEAKS(large, an_mlp_answers_as_its_layers_do)
{
    const struct network *net = network("mlp", LARGE, N_NIH_LABELS);
    float *values = initial(net, INIT_HE, 7), *x = noise((size_t)LARGE * LARGE), logits[N_NIH_LABELS],
          truth[N_NIH_LABELS];
    struct model *m = model_of(net, values);
    struct session *s = NULL;

    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    cr_assert_eq(plain_forward(net, values, 1, x, truth), ST_OK);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_float_eq(logits[k], truth[k], 1e-5f, "%zu: %g, not %g", k, (double)logits[k],
                           (double)truth[k]);
    session_free(s);
    model_unref(m);
    network_unref(net);
    free(values);
    free(x);
}

/* The slope of the loss by a bias of the head is (p - y) / labels, and a step against the gradient makes the loss smaller. */
static void check_step(const char *architecture)
{
    const struct network *net = network(architecture, LARGE, N_NIH_LABELS);
    float *values = initial(net, INIT_HE, 7), *x = noise((size_t)LARGE * LARGE),
          y[N_NIH_LABELS] = { 0, 1, 1 }, logits[N_NIH_LABELS];
    struct training *t = NULL;
    double loss, after, squares = 0;

    for (size_t i = 0; i < network_tensor(net, "head.weight")->count; i++)
        values[net->head_weights + i] *= 0.01f; /* probabilities that can move */
    cr_assert_eq(training_new(net, 2, 1, NORMS_BATCH, NULL, NULL, &t, NULL), ST_OK);
    memcpy(training_params(t), values, (net->n_params + net->n_state) * sizeof *values);
    cr_assert_eq(training_gradient(t, 1, x, y, logits, &loss), ST_OK);
    for (size_t k = 0; k < net->n_labels; k++) {
        const double p = 1 / (1 + exp(-(double)logits[k])),
                     slope = (p - (double)y[k]) / (double)net->n_labels;

        cr_assert_float_eq((double)training_gradients(t)[net->head_bias + k], slope, 1e-6, "%s, %zu",
                           architecture, k);
    }
    for (size_t i = 0; i < net->n_params; i++)
        squares += pow((double)training_gradients(t)[i], 2);
    for (size_t i = 0; i < net->n_params; i++)
        training_params(t)[i] -= (float)(1e-3 * loss / squares * (double)training_gradients(t)[i]);
    cr_assert_eq(training_gradient(t, 1, x, y, logits, &after), ST_OK);
    cr_assert(fabs(after - loss * (1 - 1e-3)) < 2e-4 * loss, "%s: %.9g, then %.9g", architecture, loss,
              after);
    training_free(t);
    network_unref(net);
    free(values);
    free(x);
}

TEST_WITHOUT_LEAKS(large, a_step_makes_the_loss_smaller_as_its_gradient_says)
{
    check_step("mlp");
    check_step("cnn4");
}

/* A head over a grid has 256 x 64 x 64 weights a finding: what no file has room for is refused before a training begins. */
TEST_WITHOUT_LEAKS(large, findings_that_no_file_has_room_for_are_refused)
{
    const struct network *net = network("cnn4", LARGE, 31);
    struct error err = { 0 };

    network_unref(net);
    net = NULL;
    check_refusal("32 findings", network_new(&(struct network_spec){ "cnn4", LARGE, 32, 0 }, &net, &err),
                  ST_INVALID, &err, "'head.weight' makes the network larger than 33030144 values");
    cr_assert_null(net);
    network_unref(network("cnn4", 512, MAX_LABELS));
    network_unref(network("mlp", LARGE, MAX_LABELS));
}

TEST_WITHOUT_LEAKS(large, sizes_are_those_of_the_architecture)
{
    static const struct {
        const char *architecture, *says;
        size_t taken[3], refused[3];
    } CASES[] = {
        { "cnn4", "a multiple of 16 in 64..1024", { 64, 528, 1024 }, { 48, 1000, 1040 } },
        { "mlp", "a multiple of 64 in 64..1024", { 64, 576, 1024 }, { 32, 1008, 1088 } },
        { "densenet121", "it must be in 32..1024", { 64, 513, 1024 }, { 0, 31, 1025 } },
        { "resnet18", "it must be in 32..1024", { 64, 777, 1024 }, { 0, 31, 1025 } },
        { "resnet50", "it must be in 32..1024", { 64, 1023, 1024 }, { 0, 31, 1025 } },
        { "mobilenet_v2", "it must be in 32..1024", { 64, 1001, 1024 }, { 0, 31, 1025 } },
        { "shufflenet_v2_x0_5", "it must be in 32..1024", { 32, 65, 1024 }, { 0, 31, 1025 } },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        for (size_t j = 0; j < 3; j++) {
            const struct network *net = network(CASES[i].architecture, CASES[i].taken[j], N_NIH_LABELS);
            struct error err = { 0 };

            network_unref(net);
            check_refusal(CASES[i].architecture,
                          network_new(&(struct network_spec){ CASES[i].architecture, CASES[i].refused[j],
                                                              N_NIH_LABELS, 0 },
                                      &net, &err),
                          ST_INVALID, &err, CASES[i].says);
        }
}
