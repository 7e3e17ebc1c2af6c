/* tests/support/onnx_cases.c - models for tests/http/test_onnx.py: onnx_cases FOLDER
 *
 * A weights file for each architecture and head, with inputs and without, calibrated and not, of random weights whose logits
 * spread as those of trained ones do. And a hundred networks that nobody would draw, of all kinds of layers: NAME.onnx as
 * onnx_write() has them, NAME.raw with two pictures [2][S][S] of grey values, and the logits and the probabilities [2][labels] that
 * cxrd gives, float32. */
#include "cxrd/onnx.h"

#include "cxrd/file.h"
#include "cxrd/session.h"
#include "cxrd/weights.h"
#include "random_graph.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 128 /* pixels, of the real pictures */, GRAPHS = 100, SIDE = 20, PICTURES = 2 };

static const char *folder;

static void check(enum status st, const struct error *err)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "onnx_cases: %s\n", err->text);
    exit(EXIT_FAILURE);
}

static const char *path_of(const char *name, const char *ending)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s%s", folder, name, ending);
    return path;
}

static uint8_t *grey_values(size_t n, uint64_t seed)
{
    uint8_t *grey = malloc(n);
    struct rng rng;

    assert(grey);
    rng_seed(&rng, seed, 3);
    for (size_t i = 0; i < n; i++)
        grey[i] = (uint8_t)rng_below(&rng, 256);
    return grey;
}

/* Logits of pictures. */
static enum status logits_of(const struct model *m, size_t n, const uint8_t *grey, float *ret_logits)
{
    const struct preprocess *p = model_preprocess(m);
    const size_t pixels = p->size * p->size;
    float *x = malloc(n * preprocess_floats(p) * sizeof *x);
    struct session *s = NULL;
    enum status st = session_new(&s);

    assert(x && st == ST_OK);
    for (size_t i = 0; i < n; i++)
        preprocess_scale(grey + i * pixels, pixels, p, x + i * preprocess_floats(p));
    st = session_run(s, m, n, x, ret_logits);
    session_free(s);
    free(x);
    return st;
}

/* ---- architectures ---- */

enum { KNOWS_PATIENT = 1, KNOWS_HISTORY = 2, UNSCALED = 4, ONE_CHANNEL = 8, BY_CHANNEL = 16 };

static const struct {
    const char *name, *architecture;
    enum head_kind head;
    enum calibration_method calibration;
    int what;
    const char *labels; /* NULL: those of ChestX-ray14 */
} MODELS[] = {
    { "cnn4", "cnn4", HEAD_OWN, CALIBRATION_NONE, 0, NULL },
    { "cnn4-gap", "cnn4", HEAD_GAP, CALIBRATION_TEMPERATURE, KNOWS_PATIENT, NULL },
    { "cnn4-4x4", "cnn4", HEAD_4X4, CALIBRATION_PLATT, KNOWS_PATIENT | KNOWS_HISTORY,
      "Mass,Effusion,Dense bone" },
    { "mlp", "mlp", HEAD_OWN, CALIBRATION_NONE, UNSCALED, NULL },
    { "logistic", "logistic", HEAD_OWN, CALIBRATION_PLATT, KNOWS_PATIENT | KNOWS_HISTORY, NULL },
    { "logistic-alone", "logistic", HEAD_OWN, CALIBRATION_NONE, 0, "Mass" },
    { "densenet121", "densenet121", HEAD_OWN, CALIBRATION_PLATT, 0, NULL },
    { "resnet18", "resnet18", HEAD_OWN, CALIBRATION_NONE, KNOWS_HISTORY, NULL },
    { "resnet18-flatten", "resnet18", HEAD_FLATTEN, CALIBRATION_THRESHOLDS, 0, NULL },
    { "resnet50", "resnet50", HEAD_OWN, CALIBRATION_TEMPERATURE, 0, NULL },
    { "mobilenet_v2", "mobilenet_v2", HEAD_OWN, CALIBRATION_NONE, 0, NULL },
    { "resnet18-colours", "resnet18", HEAD_OWN, CALIBRATION_NONE, BY_CHANNEL, NULL },
    { "cnn4-one-channel", "cnn4", HEAD_GAP, CALIBRATION_NONE, ONE_CHANNEL, NULL },
    { "shufflenet_v2", "shufflenet_v2_x0_5", HEAD_OWN, CALIBRATION_NONE, 0, NULL },
    { "mobilenet_v2-4x4", "mobilenet_v2", HEAD_4X4, CALIBRATION_PLATT, KNOWS_PATIENT, NULL },
};

/* Sex and view where they are asked for, then age; both halves of a history of the first two findings, of the third the first half
 * alone, and something of a course. */
static struct inputs inputs_for(int what, size_t n_labels)
{
    struct inputs in = { 0 };
    size_t numbers[N_INPUT_NUMBERS], n = 0;

    if (what & KNOWS_PATIENT) {
        numbers[n++] = INPUT_SEX;
        numbers[n++] = INPUT_VIEW;
        numbers[n++] = INPUT_AGE;
    }
    for (size_t k = 0; what & KNOWS_HISTORY && k < 2 && k < n_labels; k++) {
        numbers[n++] = INPUT_LAST + k;
        numbers[n++] = INPUT_EVER + k;
    }
    if (what & KNOWS_HISTORY) {
        numbers[n++] = INPUT_EVER + 2;
        numbers[n++] = INPUT_FILMS;
        numbers[n++] = INPUT_EARLIER;
        numbers[n++] = INPUT_OFTEN + 2;
        numbers[n++] = INPUT_LATELY + 1;
    }
    for (; in.n < n; in.n++) {
        const bool age = numbers[in.n] == INPUT_AGE,
                   ever = numbers[in.n] >= INPUT_EVER && numbers[in.n] < INPUT_LAST;

        in.of[in.n].number = numbers[in.n];
        in.of[in.n].mean = age ? 46.9 : ever ? 0.35 : 0.22;
        in.of[in.n].std = age ? 16.8 : 0.4;
    }
    return in;
}

static struct calibration calibration_for(enum calibration_method method)
{
    struct calibration c = CALIBRATION_IDENTITY;

    c.method = method;
    for (size_t k = 0; k < MAX_LABELS && method != CALIBRATION_NONE; k++) {
        c.scale[k] = method == CALIBRATION_PLATT ? 0.6f + 0.07f * (float)(k % 14) : 0.8f;
        c.shift[k] = 0.3f - 0.09f * (float)(k % 14);
        c.threshold[k] = 0.05f + 0.06f * (float)(k % 14);
    }
    return c;
}

static json_t *notes_for(size_t i, const struct inputs *in, const struct labels *labels)
{
    const struct calibration c = calibration_for(MODELS[i].calibration);
    char *calibration = calibration_text(&c, labels->n), *inputs = inputs_text(in, labels);
    json_t *notes = json_pack("{s:s}", "calibration", calibration);

    if (in->n > 0)
        json_object_set_new(notes, "inputs", json_string(inputs));
    free(calibration);
    free(inputs);
    return notes;
}

/* Running statistics of nobody's data, and biases that are not 0. */
static float *values_for(const struct network *net)
{
    float *values = malloc((net->n_params + net->n_state) * sizeof *values);
    struct rng rng;

    assert(values);
    rng_seed(&rng, 5, 5);
    network_initialise(net, INIT_HE, &rng, values);
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];

        for (size_t j = t->offset; j < t->offset + t->count && t->rank == 1; j++)
            values[j] += t->variance ? rng_uniform(&rng, 0, 1) : rng_uniform(&rng, -0.2f, 0.2f);
    }
    for (size_t i = 0; i < net->n_inputs * net->n_labels; i++)
        values[net->head_inputs + i] = rng_uniform(&rng, -0.5f, 0.5f);
    return values;
}

/* Between them all kinds of scaling. */
static struct preprocess preprocess_for(int what)
{
    if (what & UNSCALED)
        return (struct preprocess){ SIZE, RESIZE_NEAREST, 0, 1 };
    if (what & BY_CHANNEL)
        return (struct preprocess){ SIZE,
                                    RESIZE_AREA,
                                    123.675f,
                                    58.395f,
                                    true, /* ImageNet's */
                                    { 123.675f, 116.28f, 103.53f },
                                    { 58.395f, 57.12f, 57.375f } };
    return (struct preprocess){ SIZE, RESIZE_AREA, 128.5f, 63 };
}

static struct model *model_of(size_t i, const struct network *net, const struct labels *labels,
                              const struct inputs *in, const float *values)
{
    const struct preprocess pre =
        network_sees(net) ? preprocess_for(MODELS[i].what) : (struct preprocess){ 0 };
    struct model *m = NULL;
    struct error err = { 0 };

    check(model_new(net, labels, &pre, values, notes_for(i, in, labels), &m, &err), &err);
    return m;
}

/* Make the head's weights such that the logits of a picture spread by about 1. */
static void head_scale(const struct network *net, const struct model *m, float *values)
{
    uint8_t *grey = grey_values((size_t)SIZE * SIZE, 1);
    float logits[MAX_LABELS];
    const size_t n = net->head_bias - net->head_weights;
    double squares = 0;

    check(logits_of(m, 1, grey, logits), &(struct error){ .text = "a logit is not a finite number" });
    for (size_t k = 0; k < net->n_labels; k++)
        squares += (double)logits[k] * (double)logits[k];
    for (size_t i = 0; i < n; i++)
        values[net->head_weights + i] *= (float)(1 / sqrt(squares / (double)net->n_labels));
    free(grey);
}

static void architecture_leave(size_t i)
{
    struct labels labels = NIH_LABELS;
    struct inputs in;
    struct network_spec spec = { MODELS[i].architecture, SIZE, 0, 0, MODELS[i].head };
    const struct network *net = NULL;
    struct error err = { 0 };
    struct model *m;
    float *values;

    if (MODELS[i].labels)
        check(labels_parse(MODELS[i].labels, &labels, &err), &err);
    in = inputs_for(MODELS[i].what, labels.n);
    spec.n_labels = labels.n;
    spec.n_inputs = in.n;
    spec.channels = MODELS[i].what & ONE_CHANNEL ? 1 : MAX_CHANNELS;
    spec.by_channel = MODELS[i].what & BY_CHANNEL;
    check(network_new(&spec, &net, &err), &err);
    values = values_for(net);
    m = model_of(i, net, &labels, &in, values);
    if (model_sees(m)) {
        head_scale(net, m, values);
        model_unref(m);
        m = model_of(i, net, &labels, &in, values);
    }
    check(weights_save(m, path_of(MODELS[i].name, ".safetensors"), &err), &err);
    model_unref(m);
    network_unref(net);
    free(values);
}

/* ---- random graphs ---- */

static struct model *random_model(uint64_t seed)
{
    const float mean = (float)(seed * 37 % 256), std = 20 + (float)(seed % 90);
    struct preprocess pre = { SIDE, RESIZE_AREA, mean, std, false, { mean, 100, 0 }, { std, 1, 50 } };
    const struct network *net =
        random_graph(seed, random_graph_nodes(seed), SIDE, seed % 4 == 0 ? RANDOM_BLOCKS : 0);
    const struct calibration c = calibration_for(seed % 3 ? CALIBRATION_PLATT : CALIBRATION_NONE);
    float *values = random_graph_values(net, seed);
    struct labels labels = { 0 };
    struct model *m = NULL;
    struct error err = { 0 };
    char *text = calibration_text(&c, net->n_labels);

    pre.by_channel = net->nodes[0].out.c > 1;
    for (size_t k = 0; k < net->n_labels; k++) {
        char name[16];

        check(labels_add(&labels, name, (size_t)snprintf(name, sizeof name, "Finding %zu", k), &err), &err);
    }
    check(model_new(net, &labels, &pre, values, json_pack("{s:s}", "calibration", text), &m, &err), &err);
    network_unref(net);
    free(values);
    free(text);
    return m;
}

static void random_leave(uint64_t seed)
{
    struct model *m = random_model(seed);
    const size_t pixels = (size_t)PICTURES * SIDE * SIDE, n = PICTURES * model_labels(m)->n * sizeof(float);
    uint8_t *grey = grey_values(pixels, seed);
    float image[PICTURES * SIDE * SIDE], logits[PICTURES * MAX_LABELS], probabilities[PICTURES * MAX_LABELS];
    struct buf onnx = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct error err = { 0 };
    char name[32];

    snprintf(name, sizeof name, "random-%03d", (int)seed);
    for (size_t i = 0; i < pixels; i++)
        image[i] = (float)grey[i];
    if (logits_of(m, PICTURES, grey, logits) == ST_OK) { /* otherwise there is nothing to compare */
        model_probabilities(m, PICTURES, logits, probabilities);
        check(onnx_write(m, &onnx, &err), &err);
        check(file_replace(path_of(name, ".onnx"), &(struct iovec){ onnx.data, onnx.len }, 1, &err), &err);
        check(file_replace(path_of(name, ".raw"),
                           (struct iovec[]){ { image, sizeof image }, { logits, n }, { probabilities, n } },
                           3, &err),
              &err);
    }
    buf_release(&onnx);
    free(grey);
    model_unref(m);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return EXIT_FAILURE;
    folder = argv[1];
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++)
        architecture_leave(i);
    for (uint64_t seed = 1; seed <= GRAPHS; seed++)
        random_leave(seed);
    return 0;
}
