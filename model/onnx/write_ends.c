/* model/onnx/write_ends.c - see write_ends.h. */
#include "write_ends.h"

/* A constant of `n` numbers that is filled after this; NULL without memory. */
static float *put_row(struct writer *w, const char *name, size_t n)
{
    float *values = writer_alloc(w, n * sizeof *values);

    if (values)
        writer_floats(w, name, values, 1, &n);
    return values;
}

static const char *put_two(struct writer *w, const char *op, const char *output, const char *a, const char *b)
{
    return writer_node(w, op, output, 2, (const char *[]){ a, b });
}

/* A constant with a number for each channel. */
static const char *put_channels(struct writer *w, const char *name, const float values[PREPROCESS_CHANNELS])
{
    return writer_floats(w, name, values, 3, (size_t[]){ PREPROCESS_CHANNELS, 1, 1 });
}

static bool scales(const struct preprocess *p)
{
    for (size_t c = 0; c < PREPROCESS_CHANNELS && p->by_channel; c++)
        if (p->means[c] != 0 || p->stds[c] != 1)
            return true;
    return !p->by_channel && (p->mean != 0 || p->std != 1);
}

const char *write_scaling(struct writer *w, const struct model *m)
{
    const struct preprocess *p = model_preprocess(m);
    const char *x = "image";

    if (p->by_channel) {
        x = writer_node(w, "Concat", "channels", PREPROCESS_CHANNELS, (const char *[]){ x, x, x });
        writer_int(w, "axis", 1);
    }
    if (!scales(p))
        return x;
    x = put_two(w, "Sub", "centred", x,
                p->by_channel ? put_channels(w, "image_mean", p->means) : writer_number(w, p->mean));
    return put_two(w, "Div", "scaled", x,
                   p->by_channel ? put_channels(w, "image_std", p->stds) : writer_number(w, p->std));
}

_Static_assert(PREPROCESS_CHANNELS == 3, "as many as write_scaling() names");

/* ---- inputs ---- */

/* The value of each where it is not known: its mean, or what it is on the average beside the other half of a history. */
static const char *put_expected(struct writer *w, const struct inputs *in)
{
    int64_t *others = writer_alloc(w, in->n * sizeof *others);
    float *seen = writer_alloc(w, in->n * sizeof *seen), *unseen = writer_alloc(w, in->n * sizeof *unseen);
    const char *other_half, *expected;
    bool halves = false;

    for (size_t i = 0; i < in->n && others && seen && unseen; i++) {
        struct input_half half = { .other = i };

        halves |= inputs_half(in, i, &half);
        others[i] = (int64_t)half.other;
        seen[i] = (float)half.if_seen;
        unseen[i] = (float)half.if_not;
    }
    if (!halves)
        return "inputs_mean";
    other_half =
        put_two(w, "Gather", "other_half", "inputs", writer_int64s(w, "inputs_other", others, 1, &in->n));
    writer_int(w, "axis", 1);
    expected = writer_node(
        w, "Where", "beside_other_half", 3,
        (const char *[]){ put_two(w, "Greater", "other_half_seen", other_half, writer_number(w, 0)),
                          writer_floats(w, "inputs_if_seen", seen, 1, &in->n),
                          writer_floats(w, "inputs_if_not", unseen, 1, &in->n) });
    return writer_node(w, "Where", "expected", 3,
                       (const char *[]){ writer_node(w, "IsNaN", "other_half_unknown", 1, &other_half),
                                         "inputs_mean", expected });
}

/* "inputs" [n][k], raw, NaN where one is not known, as inputs_standardise() has them: [n][k]. Returns the result's name. */
static const char *put_standard_inputs(struct writer *w, const struct inputs *in)
{
    static const char *const INPUTS = "inputs";
    float *mean = put_row(w, "inputs_mean", in->n), *std = put_row(w, "inputs_std", in->n);
    const char *known;

    for (size_t i = 0; i < in->n && mean && std; i++) {
        mean[i] = (float)in->of[i].mean;
        std[i] = (float)in->of[i].std;
    }
    known = put_expected(w, in);
    known = writer_node(w, "Where", "known_inputs", 3,
                        (const char *[]){ writer_node(w, "IsNaN", "unknown", 1, &INPUTS), known, INPUTS });
    return put_two(w, "Div", "standard_inputs", put_two(w, "Sub", "centred_inputs", known, "inputs_mean"),
                   "inputs_std");
}

/* A tensor of the head, under its name. */
static const char *put_tensor(struct writer *w, const struct model *m, const char *name)
{
    const struct tensor *t = network_tensor(model_network(m), name);

    return writer_floats(w, t->name, model_params(m) + t->offset, t->rank, t->dims);
}

/* The part of what is known beside the picture; of a model that sees none the bias stands in the picture's place. */
static void put_inputs(struct writer *w, const struct model *m)
{
    const bool sees = model_sees(m);
    const char *terms[3];

    terms[0] = put_standard_inputs(w, model_inputs(m));
    terms[1] = put_tensor(w, m, "head.inputs.weight");
    if (!sees)
        terms[2] = put_tensor(w, m, "head.bias");
    writer_node(w, "Gemm", sees ? "logits_by_inputs" : LOGITS, sees ? 2 : 3, terms);
    writer_int(w, "transB", 1);
    if (sees)
        put_two(w, "Add", LOGITS, LOGITS_BY_PICTURE, "logits_by_inputs");
}

/* ---- calibration ---- */

/* The probabilities of which the thresholds become 0.5: p < t ? p / (2 t) : 1 - (1 - p) / (2 (1 - t)). */
static void put_thresholds(struct writer *w, const struct calibration *c, size_t n, const char *p)
{
    float *below = put_row(w, "below_threshold", n), *above = put_row(w, "above_threshold", n);
    const char *one = writer_number(w, 1), *terms[3];

    for (size_t k = 0; k < n && below && above; k++) {
        below[k] = 2 * c->threshold[k];
        above[k] = 2 * (1 - c->threshold[k]);
    }
    terms[0] = put_two(w, "Less", "is_below", p, writer_floats(w, "thresholds", c->threshold, 1, &n));
    terms[1] = put_two(w, "Div", "if_below", p, "below_threshold");
    terms[2] = put_two(w, "Div", "of_complement", put_two(w, "Sub", "complement", one, p), "above_threshold");
    terms[2] = put_two(w, "Sub", "if_above", one, terms[2]);
    writer_node(w, "Where", "probabilities", 3, terms);
}

/* logits [n][labels] -> "probabilities". */
static void put_calibration(struct writer *w, const struct calibration *c, size_t n_labels,
                            const char *logits)
{
    const bool thresholds = c->method == CALIBRATION_THRESHOLDS;

    if (c->method != CALIBRATION_NONE) {
        logits = put_two(w, "Mul", "stretched", logits,
                         writer_floats(w, "calibration_scale", c->scale, 1, &n_labels));
        logits = put_two(w, "Add", "shifted", logits,
                         writer_floats(w, "calibration_shift", c->shift, 1, &n_labels));
    }
    logits = writer_node(w, "Sigmoid", thresholds ? "before_thresholds" : "probabilities", 1, &logits);
    if (thresholds)
        put_thresholds(w, c, n_labels, logits);
}

/* ---- all of it ---- */

void write_answer(struct writer *w, const struct model *m)
{
    static const int64_t ROW[] = { 1, -1 /* all */ };

    if (model_inputs(m)->n > 0)
        put_inputs(w, m);
    else if (!model_sees(m))
        put_two(w, "Reshape", LOGITS, put_tensor(w, m, "head.bias"),
                writer_int64s(w, "one_row", ROW, 1, (size_t[]){ 2 }));
    put_calibration(w, model_calibration(m), model_labels(m)->n, LOGITS);
}
