/* model/import/layouts.c - see layouts.h. */
#include "layouts.h"

#include <stdio.h>
#include <string.h>

/* Until 2017 torchvision called a dense layer's parts norm.1, conv.1, norm.2 and conv.2; files of then, CheXNet's among them, still
 * do. */
static bool densenet_name(const char *theirs, char ret[TENSOR_NAME_BYTES])
{
    static const char *const OLD[] = { ".norm.1.", ".conv.1.", ".norm.2.", ".conv.2." };
    const char *layer = strstr(theirs, "denselayer");

    for (size_t i = 0; layer && i < sizeof OLD / sizeof OLD[0]; i++) {
        const char *at = strstr(layer, OLD[i]);

        if (at) { /* without its second dot */
            const int n =
                snprintf(ret, TENSOR_NAME_BYTES, "%.*s%.5s%s", (int)(at - theirs), theirs, OLD[i], at + 6);

            return n < TENSOR_NAME_BYTES;
        }
    }
    return snprintf(ret, TENSOR_NAME_BYTES, "%s", theirs) < TENSOR_NAME_BYTES;
}

/* ---- timm's MobileNetV2 ---- */

/* A whole number at *at, which moves behind it and the dot that must follow. */
static bool take_index(const char **at, size_t *ret)
{
    size_t v = 0;
    const char *p = *at;

    while (*p >= '0' && *p <= '9' && v < 1000)
        v = 10 * v + (size_t)(*p++ - '0');
    if (p == *at || *p != '.')
        return false;
    *at = p + 1;
    *ret = v;
    return true;
}

static const char *behind(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : NULL;
}

/* The steps of a block, in timm's words and in torchvision's places. The first block does not widen. */
static const struct step {
    const char *timm, *first, *other;
} STEPS[] = {
    { "conv_dw.", "conv.0.0.", "conv.1.0." }, { "conv_pw.", "conv.1.", "conv.0.0." },
    { "conv_pwl.", NULL, "conv.2." },         { "bn1.", "conv.0.1.", "conv.0.1." },
    { "bn2.", "conv.2.", "conv.1.1." },       { "bn3.", NULL, "conv.3." },
};

static bool timm_block(const char *at, char ret[TENSOR_NAME_BYTES])
{
    static const size_t BLOCKS[] = { 1, 2, 3, 4, 3, 3, 1 };
    size_t family, block, number = 1;

    if (!take_index(&at, &family) || !take_index(&at, &block) || family >= sizeof BLOCKS / sizeof BLOCKS[0] ||
        block >= BLOCKS[family])
        return false;
    for (size_t f = 0; f < family; f++)
        number += BLOCKS[f];
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        const char *rest = behind(at, STEPS[i].timm), *place = family == 0 ? STEPS[i].first : STEPS[i].other;

        if (rest && place)
            return snprintf(ret, TENSOR_NAME_BYTES, "features.%zu.%s%s", number + block, place, rest) <
                   TENSOR_NAME_BYTES;
    }
    return false;
}

static bool timm_name(const char *theirs, char ret[TENSOR_NAME_BYTES])
{
    static const struct {
        const char *theirs, *ours;
    } ENDS[] = { { "conv_stem.", "features.0.0." },
                 { "bn1.", "features.0.1." },
                 { "conv_head.", "features.18.0." },
                 { "bn2.", "features.18.1." } };
    const char *rest = behind(theirs, "blocks.");

    if (rest)
        return timm_block(rest, ret);
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        rest = behind(theirs, ENDS[i].theirs);
        if (rest)
            return snprintf(ret, TENSOR_NAME_BYTES, "%s%s", ENDS[i].ours, rest) < TENSOR_NAME_BYTES;
    }
    return false;
}

/* ---- all of them ---- */

/* timm's ResNets and DenseNets have torchvision's names. */
static const struct layout LAYOUTS[] = {
    { "torchvision", "densenet121", "features.denseblock4.denselayer16.conv2.weight", NULL, 0,
      "features.conv0.weight", densenet_name },
    { "torchvision", "densenet121", "features.denseblock4.denselayer16.conv.2.weight", NULL, 0,
      "features.conv0.weight", densenet_name },
    { "torchvision", "resnet50", "layer4.2.conv3.weight", NULL, 0, "conv1.weight", NULL },
    { "torchvision", "resnet18", "layer4.1.conv2.weight", "layer4.2.conv2.weight", 0, "conv1.weight", NULL },
    { "torchvision", "mobilenet_v2", "features.17.conv.3.weight", NULL, 0, "features.0.0.weight", NULL },
    { "torchvision", "shufflenet_v2_x0_5", "stage2.0.branch1.2.weight", NULL, 24, "conv1.0.weight", NULL },
    { "torchvision", "shufflenet_v2_x1_0", "stage2.0.branch1.2.weight", NULL, 58, "conv1.0.weight", NULL },
    { "torchvision", "shufflenet_v2_x1_5", "stage2.0.branch1.2.weight", NULL, 88, "conv1.0.weight", NULL },
    { "torchvision", "shufflenet_v2_x2_0", "stage2.0.branch1.2.weight", NULL, 122, "conv1.0.weight", NULL },
    { "timm", "mobilenet_v2", "blocks.6.0.conv_pwl.weight", NULL, 0, "features.0.0.weight", timm_name },
};

/* The length of the part before a name's end; SIZE_MAX: it does not end so, or inside of a word. */
static size_t before(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);

    if (n < m || strcmp(name + n - m, end) != 0 || (n > m && name[n - m - 1] != '.'))
        return SIZE_MAX;
    return n - m;
}

static const struct array *with_end(const struct array *arrays, size_t n, const char *end)
{
    for (size_t i = 0; i < n && end; i++)
        if (before(arrays[i].name, end) != SIZE_MAX)
            return &arrays[i];
    return NULL;
}

/* The tensor that a layout is known by, or NULL. */
static const struct array *marked(const struct array *arrays, size_t n, const struct layout *l)
{
    const struct array *a = with_end(arrays, n, l->mark);

    return a && (l->results == 0 || (a->rank > 0 && a->dims[0] == l->results)) ? a : NULL;
}

const struct layout *layout_find(const struct array *arrays, size_t n, char ret_prefix[ARRAY_NAME_SIZE])
{
    for (size_t l = 0; l < sizeof LAYOUTS / sizeof LAYOUTS[0]; l++) {
        const struct array *a = marked(arrays, n, &LAYOUTS[l]);

        if (a && !with_end(arrays, n, LAYOUTS[l].never)) {
            snprintf(ret_prefix, ARRAY_NAME_SIZE, "%.*s", (int)before(a->name, LAYOUTS[l].mark), a->name);
            return &LAYOUTS[l];
        }
    }
    return NULL;
}

bool layout_name(const struct layout *l, const char *theirs, char ret[TENSOR_NAME_BYTES])
{
    if (l->ours)
        return l->ours(theirs, ret);
    return snprintf(ret, TENSOR_NAME_BYTES, "%s", theirs) < TENSOR_NAME_BYTES;
}

enum head_part head_part_of(const char *name)
{
    static const char *const LAYERS[] = { "classifier.", "fc.", "head.", "last_linear." };
    const char *at = NULL;
    size_t place;

    for (size_t i = 0; i < sizeof LAYERS / sizeof LAYERS[0] && !at; i++)
        at = behind(name, LAYERS[i]);
    while (at && take_index(&at, &place)) /* within a Sequential */
        ;
    if (at && strcmp(at, "weight") == 0)
        return HEAD_WEIGHT;
    return at && strcmp(at, "bias") == 0 ? HEAD_BIAS : HEAD_NEITHER;
}

bool is_of_loss(const char *name)
{
    static const char *const LOSSES[] = { "criterion.", "loss.", "loss_fn.", "loss_func.", "loss_function." };

    for (size_t i = 0; i < sizeof LOSSES / sizeof LOSSES[0]; i++)
        if (behind(name, LOSSES[i]))
            return true;
    return false;
}
