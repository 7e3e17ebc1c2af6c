/* model/net/arch/architectures.c - the architectures there are, by name: network_new() of cxrd/network.h. */
#include "arch.h"
#include "cxrd/preprocess.h"

#include <stdio.h>
#include <string.h>

const char *const HEAD_NAMES[N_HEADS] = { "auto", "flatten", "gap", "4x4" };

static const struct architecture {
    const char *name;
    void (*author)(struct graph *g); /* NULL: it sees no picture, or a text is its author */
    struct image_sizes sizes;
    bool normalises;
    enum head_kind head;
    size_t
        stride; /* pixels of the image from one of the last features to the next; 0: they have no place in it */
} ARCHITECTURES[] = {
    { "cnn4", arch_cnn4, { 16, PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE }, false, HEAD_FLATTEN, 16 },
    { "logistic", NULL, { 0, 0, 0 }, false, HEAD_OWN, 0 },
    { "mlp", arch_mlp, { 64, PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE }, false, HEAD_FLATTEN, 0 },
    { "densenet121", arch_densenet121, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { "resnet18", arch_resnet18, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { "resnet50", arch_resnet50, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { "mobilenet_v2", arch_mobilenet_v2, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { "shufflenet_v2_x0_5", arch_shufflenet_v2_x0_5, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { "shufflenet_v2_x1_0", arch_shufflenet_v2_x1_0, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { "shufflenet_v2_x1_5", arch_shufflenet_v2_x1_5, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { "shufflenet_v2_x2_0", arch_shufflenet_v2_x2_0, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_GAP, 32 },
    { GRAPH_ARCHITECTURE, NULL, { 1, 32, PREPROCESS_MAX_SIZE }, true, HEAD_OWN, 0 },
};

static const struct architecture *find(const char *name)
{
    for (size_t i = 0; i < sizeof ARCHITECTURES / sizeof ARCHITECTURES[0]; i++)
        if (strcmp(ARCHITECTURES[i].name, name) == 0)
            return &ARCHITECTURES[i];
    return NULL;
}

struct image_sizes network_sizes(const char *architecture)
{
    const struct architecture *a = find(architecture);

    return a ? a->sizes : (struct image_sizes){ 0 };
}

bool network_normalises(const char *architecture)
{
    const struct architecture *a = find(architecture);

    return a && a->normalises;
}

const char *image_sizes_text(const struct image_sizes *s, char ret_text[IMAGE_SIZES_TEXT])
{
    if (s->multiple > 1)
        snprintf(ret_text, IMAGE_SIZES_TEXT, "a multiple of %zu in %zu..%zu", s->multiple, s->least, s->most);
    else
        snprintf(ret_text, IMAGE_SIZES_TEXT, "in %zu..%zu", s->least, s->most);
    return ret_text;
}

static enum status size_refused(const struct architecture *a, size_t size, struct error *err)
{
    char text[IMAGE_SIZES_TEXT];

    return error_set(err, ST_INVALID, "the image size is %zu, it must be %s", size,
                     image_sizes_text(&a->sizes, text));
}

enum head_kind network_own_head(const char *architecture)
{
    const struct architecture *a = find(architecture);

    return a ? a->head : HEAD_OWN;
}

static enum status head_check(const struct architecture *a, const struct network_spec *spec,
                              struct error *err)
{
    if (spec->head == HEAD_OWN || spec->head == a->head)
        return ST_OK;
    if (a->stride == 0)
        return error_set(err, ST_INVALID, "the head of '%s' is \"%s\"", a->name, HEAD_NAMES[a->head]);
    if (spec->head == HEAD_4X4 && spec->image_size % (HEAD_SIDE * a->stride) != 0)
        return error_set(err, ST_INVALID, "the head \"%s\" of '%s' needs an image size that %zu divides",
                         HEAD_NAMES[spec->head], a->name, HEAD_SIDE * a->stride);
    return ST_OK;
}

enum status network_check(const struct network_spec *spec, struct error *err)
{
    const struct architecture *a = find(spec->architecture);
    const size_t size = spec->image_size;

    if (!a)
        return error_set(err, ST_INVALID, "the architecture '%.32s' is not known here", spec->architecture);
    if (a->sizes.multiple == 0)
        return ST_OK;
    if (size % a->sizes.multiple != 0 || size < a->sizes.least || size > a->sizes.most)
        return size_refused(a, size, err);
    if (spec->channels > 1 && spec->channels != MAX_CHANNELS)
        return error_set(err, ST_INVALID, "the channels are %zu, they must be 1 or %d", spec->channels,
                         MAX_CHANNELS);
    if (spec->by_channel && spec->channels == 1)
        return error_set(err, ST_INVALID, "a network of one channel has one scaling");
    if (strcmp(a->name, GRAPH_ARCHITECTURE) == 0 && !spec->graph)
        return error_set(err, ST_INVALID, "the graph is missing");
    return head_check(a, spec, err);
}

enum status network_new(const struct network_spec *spec, const struct network **ret_net, struct error *err)
{
    const struct architecture *a = find(spec->architecture);
    enum status st = network_check(spec, err);
    struct graph g;

    if (st != ST_OK)
        return st;
    if (strcmp(a->name, GRAPH_ARCHITECTURE) == 0)
        return graph_read(spec, ret_net, err);
    graph_begin(&g, a->name, a->author ? spec->image_size : 0, spec->by_channel ? MAX_CHANNELS : 1,
                spec->n_labels, err);
    if (g.st == ST_OK && a->author) {
        g.net->channels = spec->channels ? spec->channels : MAX_CHANNELS;
        g.net->head = spec->head ? spec->head : a->head;
        a->author(&g);
    }
    return graph_finish(&g, spec->n_inputs, ret_net);
}

enum status network_parse(const char *text, size_t image_size, size_t n_labels, size_t n_inputs,
                          const struct network **ret_net, struct error *err)
{
    return network_new(&(struct network_spec){ .architecture = GRAPH_ARCHITECTURE,
                                               .image_size = image_size,
                                               .n_labels = n_labels,
                                               .n_inputs = n_inputs,
                                               .graph = text },
                       ret_net, err);
}
