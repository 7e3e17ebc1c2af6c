/* model/import/tensors.c - see tensors.h. */
#include "tensors.h"

#include "../foreign/foreign.h"
#include "../foreign/lists.h"
#include "layouts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_SIZE = 224, CHEXNET_OUTPUTS = 14, XRV_OUTPUTS = 18, NAMED_BESIDE = 3 };

/* A tensor by its name here. */
struct mapped {
    const struct array *array;
    char name[TENSOR_NAME_BYTES];
    bool used;
};

struct importing {
    const struct named_tensors *from;
    const struct import_options *options;
    json_t *report;
    struct error *err;

    const struct layout *layout;
    char prefix[ARRAY_NAME_SIZE];
    struct mapped *mapped; /* [n] */
    size_t n, passed_over;
    const struct array *weight, *bias; /* of the head; NULL: it has none */
    const struct array *op_threshs;    /* torchxrayvision's; NULL: none */
    double thresholds[MAX_LABELS];
    bool xrv; /* it is torchxrayvision's */
    struct outputs outputs;
    struct preprocess pre;
    const struct network *net;
};

/* ---- which tensor is what ---- */

static enum status not_of(const struct importing *im, const struct array *a)
{
    return error_set(im->err, ST_FORMAT, "the tensor '%s' does not belong to '%s'", a->name,
                     im->layout->architecture);
}

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
}

static enum status head_note(struct importing *im, const struct array *a, const struct array **place)
{
    if (*place)
        return error_set(im->err, ST_FORMAT, "the head has more than one layer: '%s' and '%s'",
                         (*place)->name, a->name);
    *place = a;
    return ST_OK;
}

static bool is_counter(const struct array *a) { return ends_in(a->name, ".num_batches_tracked"); }

/* Whether a tensor stands beside the network, with another prefix or as a part of the loss, and not among its layers. */
static bool is_beside(const struct importing *im, const struct array *a)
{
    const size_t n = strlen(im->prefix);

    return n > 0 ? strncmp(a->name, im->prefix, n) != 0 : is_of_loss(a->name);
}

static enum status tensor_note(struct importing *im, const struct array *a)
{
    const char *name = a->name + strlen(im->prefix);
    struct mapped *m = &im->mapped[im->n];
    enum head_part part;

    if (strcmp(name, "op_threshs") == 0)
        return head_note(im, a, &im->op_threshs);
    part = head_part_of(name);
    if (part != HEAD_NEITHER)
        return head_note(im, a, part == HEAD_WEIGHT ? &im->weight : &im->bias);
    *m = (struct mapped){ .array = a };
    if (!layout_name(im->layout, name, m->name))
        return not_of(im, a);
    im->n++;
    return ST_OK;
}

/* A layer beside the network may change what goes in or what comes out: an adapter for grey pictures, a calibration. */
static bool is_of_layer(const struct array *a)
{
    return ends_in(a->name, ".weight") || ends_in(a->name, ".bias") || ends_in(a->name, ".running_mean") ||
           ends_in(a->name, ".running_var");
}

/* Tensors beside the network are not read, and the report names them. Without a head in the network, one of them may be its head or
 * lead to it; and where they are a network themselves, which of the two is meant is not known: both are refused, and so is a layer. */
static enum status beside_check(const struct importing *im, const struct array *beside, size_t n)
{
    char names[NAMED_BESIDE * ARRAY_NAME_SIZE] = "", prefix[ARRAY_NAME_SIZE];
    size_t used = 0;

    if (n == 0)
        return ST_OK;
    if (layout_find(beside, n, prefix))
        return error_set(im->err, ST_FORMAT,
                         "the file has two networks, behind '%s' and '%s': save the one that is meant",
                         im->prefix, prefix);
    for (size_t i = 0; i < n; i++) {
        if (!is_of_loss(beside[i].name) && (!im->weight || is_of_layer(&beside[i])))
            return not_of(im, &beside[i]);
        if (i < NAMED_BESIDE)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", i ? ", " : "", beside[i].name);
    }
    return foreign_warn(im->report, im->err, "tensors beside the network were not read: %s%s", names,
                        n > NAMED_BESIDE ? " and others" : "");
}

/* Each tensor is the network's, beside it, or a counter of batches. */
static enum status each_note(struct importing *im)
{
    struct array *beside = calloc(im->from->n, sizeof *beside);
    size_t n = 0;
    enum status st = beside ? ST_OK : error_nomem(im->err);

    for (size_t i = 0; i < im->from->n && st == ST_OK; i++) {
        const struct array *a = &im->from->arrays[i];

        if (is_counter(a))
            im->passed_over++;
        else if (is_beside(im, a))
            beside[n++] = *a;
        else
            st = tensor_note(im, a);
    }
    if (st == ST_OK)
        st = beside_check(im, beside, n);
    im->passed_over += n;
    free(beside);
    return st;
}

static enum status tensors_note(struct importing *im)
{
    enum status st = ST_OK;

    im->layout = layout_find(im->from->arrays, im->from->n, im->prefix);
    if (!im->layout)
        return error_set(im->err, ST_FORMAT,
                         "the tensors are of no architecture that is known here: '%s' and %zu others",
                         im->from->n ? im->from->arrays[0].name : "", im->from->n ? im->from->n - 1 : 0);
    if (im->options->architecture && strcmp(im->options->architecture, im->layout->architecture) != 0)
        return error_set(im->err, ST_INVALID, "'architecture' is '%.32s', the tensors are those of '%s'",
                         im->options->architecture, im->layout->architecture);
    im->mapped = calloc(im->from->n, sizeof *im->mapped);
    if (!im->mapped)
        return error_nomem(im->err);
    st = each_note(im);
    if (st == ST_OK && !im->weight != !im->bias && !im->weight)
        st = not_of(im, im->bias);
    return st;
}

static struct mapped *mapped_find(const struct importing *im, const char *name)
{
    for (size_t i = 0; i < im->n; i++)
        if (strcmp(im->mapped[i].name, name) == 0)
            return &im->mapped[i];
    return NULL;
}

/* ---- what the outputs are ---- */

/* The head's shapes; *ret_n: its outputs. */
static enum status head_check(const struct importing *im, size_t *ret_n)
{
    const struct array *w = im->weight, *b = im->bias;

    *ret_n = w && w->rank == 2 ? w->dims[0] : 0;
    if (w && (w->rank != 2 || w->dims[0] == 0))
        return error_set(im->err, ST_FORMAT, "the tensor '%s' is no dense layer", w->name);
    if (b && (b->rank != 1 || b->dims[0] != *ret_n))
        return error_set(im->err, ST_FORMAT, "the tensor '%s' has not one value for each of the %zu outputs",
                         b->name, *ret_n);
    return ST_OK;
}

/* The thresholds that the file has, as a tensor or beside them. */
static enum status thresholds_read(struct importing *im, size_t n, struct output_sayings *s)
{
    const struct array *a = im->op_threshs;
    float values[MAX_LABELS];

    if (!a) {
        s->thresholds =
            im->from->n_thresholds > 0 && im->from->n_thresholds == n ? im->from->thresholds : NULL;
        return ST_OK;
    }
    if (n > MAX_LABELS || array_values(a) != n || !array_floats(a, values))
        return error_set(im->err, ST_FORMAT,
                         "the tensor '%s' has not one threshold for each of the %zu outputs", a->name, n);
    for (size_t k = 0; k < n; k++)
        im->thresholds[k] = (double)values[k];
    s->thresholds = im->thresholds;
    return ST_OK;
}

/* Channels that the first convolution sees; 0: it is no convolution; its shape is refused later. */
static size_t channels_of(const struct importing *im)
{
    const struct mapped *first = mapped_find(im, im->layout->first);

    return first && first->array->rank == 4 ? first->array->dims[1] : 0;
}

/* torchxrayvision's: 18 outputs of one channel, or it says so by what else it has. */
static bool is_xrv(const struct importing *im, size_t n, const struct output_sayings *s)
{
    return strcmp(im->layout->architecture, "densenet121") == 0 && n == XRV_OUTPUTS &&
           (s->thresholds || im->from->labels || channels_of(im) == 1);
}

/* CheXNet's imitators end in a Sequential of a dense layer and a sigmoid. */
static bool is_chexnet(const struct importing *im, size_t n)
{
    return n == CHEXNET_OUTPUTS && strcmp(im->layout->architecture, "densenet121") == 0 &&
           ends_in(im->weight->name, "classifier.0.weight");
}

static enum status chexnet_told(struct importing *im)
{
    return foreign_warn(
        im->report, im->err,
        "the names of the outputs are assumed, in the order of ChestX-ray14 as CheXNet has it: networks for "
        "CheXpert of the same shape have another order, 'labels' chexpert");
}

static enum status outputs_settle(struct importing *im)
{
    struct output_sayings s = { .names = im->from->labels, .from = "file" };
    enum status st = head_check(im, &s.n);

    if (st == ST_OK)
        st = thresholds_read(im, s.n, &s);
    if (st != ST_OK)
        return st;
    im->xrv = is_xrv(im, s.n, &s);
    if (im->xrv && !s.names) {
        s.names = labels_list("xrv");
        s.from = "recognised";
    } else if (!s.names && is_chexnet(im, s.n)) {
        s.names = labels_list("chexnet");
        s.from = "assumed";
        st = im->options->labels ? ST_OK : chexnet_told(im);
    }
    if (st == ST_OK)
        st = foreign_outputs(im->options, &s, &im->outputs, im->report, im->err);
    return st;
}

/* The file does not tell the scaling of its training pictures. torchvision's, timm's and CheXNet's are given ImageNet's mean and deviation. */
static enum status input_settle(struct importing *im)
{
    const size_t channels = channels_of(im);
    const char *usual = im->xrv ? "xrv" : channels == 1 ? NULL : "imagenet";
    enum status st;

    if (!usual && !im->options->scaling)
        return error_set(im->err, ST_INVALID,
                         "the file does not say what its network was trained on: 'scaling' must say it");
    st = foreign_preprocess(im->options, usual, USUAL_SIZE, im->xrv ? "recognised" : "assumed", &im->pre,
                            im->report, im->err);
    if (st == ST_OK && im->pre.by_channel && channels == 1)
        st = error_set(im->err, ST_INVALID, "'scaling' imagenet is of three channels, the network sees one");
    return st;
}

/* ---- the numbers ---- */

static enum status shape_check(const struct importing *im, const struct array *a, const struct tensor *t)
{
    if (a->rank == t->rank && memcmp(a->dims, t->dims, t->rank * sizeof t->dims[0]) == 0)
        return ST_OK;
    return error_set(im->err, ST_FORMAT, "the tensor '%s' has the wrong shape for '%s'", a->name,
                     im->layout->architecture);
}

static enum status values_copy(const struct importing *im, const struct array *a, float *to)
{
    return array_floats(a, to)
               ? ST_OK
               : error_set(im->err, ST_FORMAT, "the tensor '%s' is of whole numbers", a->name);
}

/* The rows of the outputs that are findings.
 *   a  NULL: none, and all are 0 */
static enum status head_copy(const struct importing *im, const struct array *a, const struct tensor *t,
                             float *to)
{
    const size_t row = t->count / im->outputs.labels.n;
    float *all;
    enum status st;

    memset(to, 0, t->count * sizeof *to);
    if (!a || im->outputs.fresh)
        return ST_OK;
    if (array_values(a) / a->dims[0] != row)
        return shape_check(im, a, t);
    all = malloc(array_values(a) * sizeof *all);
    st = all ? values_copy(im, a, all) : error_nomem(im->err);
    for (size_t k = 0; k < im->outputs.labels.n && st == ST_OK; k++)
        memcpy(to + k * row, all + im->outputs.from[k] * row, row * sizeof *to);
    free(all);
    return st;
}

static enum status tensor_copy(const struct importing *im, const struct tensor *t, float *params)
{
    struct mapped *m;
    enum status st;

    if (t->offset == im->net->head_weights)
        return head_copy(im, im->weight, t, params + t->offset);
    if (t->offset == im->net->head_bias)
        return head_copy(im, im->bias, t, params + t->offset);
    m = mapped_find(im, t->name);
    if (!m)
        return error_set(im->err, ST_FORMAT, "the tensor '%s' of '%s' is missing", t->name,
                         im->layout->architecture);
    m->used = true;
    st = shape_check(im, m->array, t);
    return st == ST_OK ? values_copy(im, m->array, params + t->offset) : st;
}

static enum status numbers_copy(const struct importing *im, float *params)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < im->net->n_tensors && st == ST_OK; i++)
        st = tensor_copy(im, &im->net->tensors[i], params);
    for (size_t i = 0; i < im->n && st == ST_OK; i++)
        if (!im->mapped[i].used) /* nor one that is there twice */
            st = not_of(im, im->mapped[i].array);
    return st;
}

/* ---- all of it ---- */

static enum status report_tensors(const struct importing *im)
{
    const size_t read = im->n + (im->weight && !im->outputs.fresh) + (im->bias && !im->outputs.fresh);
    json_t *tensors =
        json_pack("{s:I,s:I}", "read", (json_int_t)read, "passed_over", (json_int_t)im->passed_over);

    if (json_object_set_new(im->report, "tensors", tensors) != 0 ||
        json_object_set_new(im->report, "layout", json_string(im->layout->whose)) != 0 ||
        json_object_set_new(im->report, "architecture", json_string(im->layout->architecture)) != 0 ||
        json_object_set_new(im->report, "prefix", json_string(im->prefix)) != 0)
        return error_nomem(im->err);
    return ST_OK;
}

static enum status model_make(struct importing *im, struct model **ret_model)
{
    const struct network_spec spec = { .architecture = im->layout->architecture,
                                       .image_size = im->pre.size,
                                       .n_labels = im->outputs.labels.n,
                                       .channels = channels_of(im) == 1 ? 1 : MAX_CHANNELS,
                                       .by_channel = im->pre.by_channel };
    float *params = NULL;
    enum status st = network_new(&spec, &im->net, im->err);

    if (st != ST_OK)
        return st;
    params = malloc((im->net->n_params + im->net->n_state) * sizeof *params);
    st = params ? numbers_copy(im, params) : error_nomem(im->err);
    if (st == ST_OK)
        st = report_tensors(im);
    if (st == ST_OK)
        st = foreign_model(im->net, &im->outputs, &im->pre, params, im->report, ret_model, im->err);
    free(params);
    return st;
}

enum status tensors_import(const struct named_tensors *t, const struct import_options *o,
                           struct model **ret_model, json_t *report, struct error *err)
{
    struct importing im = { .from = t, .options = o, .report = report, .err = err };
    enum status st = tensors_note(&im);

    if (st == ST_OK)
        st = outputs_settle(&im);
    if (st == ST_OK)
        st = input_settle(&im);
    if (st == ST_OK)
        st = model_make(&im, ret_model);
    network_unref(im.net);
    free(im.mapped);
    return st;
}
