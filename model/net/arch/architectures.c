/* model/net/arch/architectures.c - the architectures there are, by name: network_new() of cxrd/network.h. */
#include "arch.h"
#include "cxrd/preprocess.h"

#include <string.h>

static const struct architecture {
    const char *name;
    void (*author)(struct graph *g); /* NULL: it sees no picture */
    struct image_sizes sizes;
    bool normalises;
} ARCHITECTURES[] = {
    { "cnn4", arch_cnn4, { 16, PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE }, false },
    { "logistic", NULL, { 0, 0, 0 }, false },
    { "mlp", arch_mlp, { 64, PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE }, false },
    { "densenet121", arch_densenet121, { 1, 32, PREPROCESS_MAX_SIZE }, true },
    { "resnet18", arch_resnet18, { 1, 32, PREPROCESS_MAX_SIZE }, true },
    { "resnet50", arch_resnet50, { 1, 32, PREPROCESS_MAX_SIZE }, true },
    { "mobilenet_v2", arch_mobilenet_v2, { 1, 32, PREPROCESS_MAX_SIZE }, true },
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

enum status network_new(const struct network_spec *spec, const struct network **ret_net, struct error *err)
{
    const struct architecture *a = find(spec->architecture);
    const size_t size = spec->image_size;
    struct graph g;

    if (!a)
        return error_set(err, ST_INVALID, "the architecture '%.32s' is not known here", spec->architecture);
    if (a->author && (size % a->sizes.multiple != 0 || size < a->sizes.least || size > a->sizes.most))
        return error_set(err, ST_INVALID, "the image size is %zu, it must be a multiple of %zu in %zu..%zu",
                         size, a->sizes.multiple, a->sizes.least, a->sizes.most);
    graph_begin(&g, a->name, a->author ? size : 0, spec->n_labels, err);
    if (a->author)
        a->author(&g);
    return graph_finish(&g, spec->n_inputs, ret_net);
}
