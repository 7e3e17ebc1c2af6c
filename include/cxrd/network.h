/* include/cxrd/network.h - a network as a graph: nodes in order, and the tensors that they ask for.
 *
 * A network is geometry only: no weights, no activations. It never changes once it is made and is counted by reference, so any
 * number of threads may share it. All values of a network are one flat block of float32, which is what the weights file and a
 * checkpoint see: first the parameters, which the optimiser moves, then the state, which it does not (the running statistics
 * of normalisations). The tensors say what lies where. From a network to what runs: docs/internals/graph.md. */
#ifndef CXRD_NETWORK_H
#define CXRD_NETWORK_H

#include "cxrd/labels.h"
#include "cxrd/rng.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct shape {
    size_t c, h, w; /* channels, rows, columns of one sample; a batch adds [n] in front */
};

static inline size_t shape_size(struct shape s) { return s.c * s.h * s.w; }

/* The window of a convolution or a pool: h x w cells, `dilation` apart, every `stride` of them, over a picture within a border of
 * so many rows and columns of zeros. */
struct window {
    size_t h, w;
    size_t stride_h, stride_w;
    size_t top, left, bottom, right;
    size_t dilation_h, dilation_w; /* 1: its cells lie side by side */
    bool count_include_pad;        /* of a mean: the border's cells count as zeros; else they do not count */
};

/* The usual one, as an initialiser: the same stride along both sides, the same border on opposite ones. */
#define WINDOW(H, W, STRIDE, PAD_H, PAD_W)                                                               \
    {                                                                                                    \
        .h = (H), .w = (W), .stride_h = (STRIDE), .stride_w = (STRIDE), .top = (PAD_H), .left = (PAD_W), \
        .bottom = (PAD_H), .right = (PAD_W), .dilation_h = 1, .dilation_w = 1                            \
    }

struct layer_ops;

enum { NODE_MAX_INPUTS = 2 };

/* One step from activations to activations. The author of a network states the first part, graph_add() works out the second. */
struct node {
    const struct layer_ops *ops;
    size_t from[NODE_MAX_INPUTS]; /* earlier nodes whose results it reads, as many as its kind takes */
    size_t channels;              /* of the result, where the kind lets one choose */
    size_t first;                 /* of slice: the first channel that it takes */
    struct window window;         /* of convolutions and pools */
    size_t
        groups; /* of a convolution: input channels by which a result's channels are apart; of shuffle; 0: 1 */
    bool bias;  /* of a convolution or a dense layer */
    double epsilon;   /* of a normalisation: added to the variance */
    double low, high; /* of clip: its bounds */
    double slope;     /* of leaky_relu: below 0 */

    struct shape in[NODE_MAX_INPUTS], out;
    size_t params, n_params; /* first float in the block, floats */
    size_t state, n_state;   /* the same of its state */
    size_t
        tape_bytes; /* a sample: what forward leaves for backward; of normalisations a batch, see layer.h */
};

enum { TENSOR_NAME_BYTES = 80 };

/* A named part of the block. */
struct tensor {
    char name[TENSOR_NAME_BYTES]; /* "conv1.weight"; torchvision's, where the architecture is one of theirs */
    size_t rank, dims[4];
    size_t offset, count;   /* floats from the start of the block, floats */
    size_t fan_in, fan_out; /* of weights that initialisation draws; 0 for all others */
    float initial;          /* of the others */
    bool state;
    bool variance; /* none of its values may be below 0 */
};

enum { NETWORK_MAX_NODES = 1024, NETWORK_MAX_TENSORS = 2048, NETWORK_MAX_INPUTS = 5 + 4 * MAX_LABELS };

/* The most parameters and state of a network: its weights file must not be larger than WEIGHTS_MAX_BYTES. */
enum { NETWORK_MAX_VALUES = (126 << 20) / 4 };

/* How the last features become what the head, a dense layer, reads. */
enum head_kind {
    HEAD_OWN,     /* the architecture's: "gap" where torchvision has it so, "flatten" of the others */
    HEAD_FLATTEN, /* all of them */
    HEAD_GAP, /* the mean of every channel: global average pooling (Lin et al., "Network in Network", ICLR 2014) */
    HEAD_4X4, /* the means of a grid of 4 x 4 parts of every channel */
    N_HEADS
};
extern const char *const HEAD_NAMES[N_HEADS]; /* "auto", "flatten", "gap", "4x4" */

/* Channels of an image, at most. A chest film is grey: its channels are the same picture, scaled each by its own numbers. */
enum { MAX_CHANNELS = 3 };

struct network {
    const char *architecture; /* "cnn4"; GRAPH_ARCHITECTURE */
    enum head_kind head;      /* not HEAD_OWN */
    size_t channels;          /* that the first convolution sees: 1, or MAX_CHANNELS */
    size_t
        image_size; /* node 0 is the image, [1 or channels][image_size][image_size]; 0: it sees no picture */
    size_t n_nodes; /* 0 where it sees no picture; otherwise the last is the head, a dense layer */
    size_t n_tensors;
    size_t n_params, n_state; /* floats; the block is [n_params + n_state] */
    size_t n_labels;          /* findings: logits of a picture */
    size_t n_inputs;          /* numbers beside the image that the head adds up; 0: none */
    size_t head_bias;         /* where the head's bias [n_labels] begins in the block */
    size_t head_weights;      /* its weights [n_labels][features]; unused where it sees no picture */
    size_t
        head_inputs; /* what it multiplies those numbers with [n_labels][n_inputs]; unused without inputs */
    struct node *nodes;
    struct tensor *tensors;
};

/* The shape that a network is to have, for square grey images.
 *   architecture  "cnn4": grey in three channels, four times (convolution 3x3 "same" -> ReLU -> max-pool 2) with
 *                 32, 64, 128, 256 channels, dense to the logits; 1,305,934 parameters at image size 256 with 14 labels
 *                 "logistic": no node and no picture, a bias for each label, and what inputs add: logistic regressions
 *                 "mlp", "densenet121", "resnet18", "resnet50", "mobilenet_v2", "shufflenet_v2_x0_5" and x1_0, x1_5, x2_0: see
 *                 model/net/arch
 *   image_size    pixels a side: of "cnn4" a multiple of 16 in 64..1024, of "mlp" one of 64 in 64..1024, of the others 32..1024; of
 *                 no account where there is no picture
 *   head          "mlp" has its own alone; 4 x 4 parts must divide the last features: an image size that 64 divides in "cnn4", 128
 *                 in the others. Not read where there is no picture
 *   n_labels      1..MAX_LABELS logits
 *   n_inputs      0..NETWORK_MAX_INPUTS numbers that the head sees beside the image, by "head.inputs.weight" [n_labels,n], the last of
 *                 all parameters: logits += weight * inputs. Initially 0
 *   channels      that the first convolution sees: 1, or MAX_CHANNELS, 0 being the same. Not read in "mlp" and GRAPH_ARCHITECTURE
 *   by_channel    the image has MAX_CHANNELS channels, not one that is used as often. Not read in GRAPH_ARCHITECTURE
 *   graph         of GRAPH_ARCHITECTURE: its text */
struct network_spec {
    const char *architecture;
    size_t image_size, n_labels, n_inputs;
    enum head_kind head;
    size_t channels;
    bool by_channel;
    const char *graph;
};

/* A network that is no architecture of ours: its text, JSON of at most GRAPH_MAX_TEXT bytes, says all of it. See docs/weights.md. */
#define GRAPH_ARCHITECTURE "graph"
enum { GRAPH_MAX_TEXT = 512 << 10 };

/* Whether there is such a network. Errors: ST_INVALID (unknown architecture, a size or a head that it cannot take). */
MUST_USE enum status network_check(const struct network_spec *spec, struct error *err);

/* The head that an architecture has where nothing is said; HEAD_OWN of one that sees no picture or is not known. */
enum head_kind network_own_head(const char *architecture);

/* Lay it out.
 *   ret_net  a reference; network_unref() it
 * Errors: those of network_check(), ST_INVALID (more than NETWORK_MAX_VALUES), ST_NOMEM. */
MUST_USE enum status network_new(const struct network_spec *spec, const struct network **ret_net,
                                 struct error *err);

/* A network's nodes as such a text, of any network that sees a picture; for free(). NULL: no memory. */
char *network_text(const struct network *net);

/* network_new() of such a text, a stranger's. */
MUST_USE enum status network_parse(const char *text, size_t image_size, size_t n_labels, size_t n_inputs,
                                   const struct network **ret_net, struct error *err);

/* The image sizes that an architecture takes: each multiple in least..most. All 0 of one that sees no picture or is not known. */
struct image_sizes {
    size_t multiple, least, most;
};
struct image_sizes network_sizes(const char *architecture);

/* "a multiple of 16 in 64..1024", "in 32..1024". Returns ret_text. */
enum { IMAGE_SIZES_TEXT = 96 };
const char *image_sizes_text(const struct image_sizes *s, char ret_text[IMAGE_SIZES_TEXT]);

/* Whether it has normalisations, and so a state, or may have; false of one that is not known. */
bool network_normalises(const char *architecture);

const struct network *network_ref(const struct network *net);
void network_unref(const struct network *net); /* NULL is fine */

/* Whether it looks at a picture, or only at the numbers beside one. */
static inline bool network_sees(const struct network *net) { return net->n_nodes > 0; }

/* How the cells of a channel become one feature, or two. */
enum pooling { POOLING_MEAN, POOLING_MAX, POOLING_MEAN_AND_MAX, N_POOLINGS };
extern const char *const POOLING_NAMES[N_POOLINGS]; /* "mean", "max", "mean_and_max" */

/* Where a network is cut, to go on with a head of its own.
 *   layer    CUT_END: what the head reads, before it is pooled. Or a name, "layer3" of a ResNet: the last node of that name, or of one
 *            that begins with it and a dot, and the activations, sums and concatenations behind it that have no name of their
 *            own. A node's name is that of its tensors, without ".weight"
 *   pooling  not read where a channel is one number already */
#define CUT_END "end"
struct cut {
    const char *layer;
    enum pooling pooling;
};

/* The network up to there, pooled, with a head for `n_labels` and `n_inputs` (struct network_spec): what transfer learning begins
 * with. The same architecture again where nothing but the head is another, otherwise a graph.
 * Errors: ST_INVALID (no such layer, and the sentence names some that there are; `net` sees no picture), ST_NOMEM. */
MUST_USE enum status network_cut(const struct network *net, const struct cut *cut, size_t n_labels,
                                 size_t n_inputs, const struct network **ret_net, struct error *err);

/* Into the values of `net` those of `from`, wherever both have a tensor of one name and shape; the head's stay as they are. */
void network_take(const struct network *net, float *values, const struct network *from,
                  const float *from_values);

/* Whether they are the same graph: nodes of the same geometry, whatever the names. */
bool network_alike(const struct network *a, const struct network *b);

/* The tensor of that name, or NULL. */
const struct tensor *network_tensor(const struct network *net, const char *name);

enum init { INIT_GLOROT, INIT_HE };

/* Fill `values` [n_params + n_state] with what training begins with. Weights are drawn in order from `rng`; biases become 0,
 * normalisations pass on what they get.
 *   INIT_GLOROT  uniform in ±sqrt(6 / (fan_in + fan_out))   (Glorot & Bengio, AISTATS 2010; Keras' default)
 *   INIT_HE      uniform in ±sqrt(6 / fan_in)               (He et al., ICCV 2015) */
void network_initialise(const struct network *net, enum init init, struct rng *rng, float *values);

#endif
