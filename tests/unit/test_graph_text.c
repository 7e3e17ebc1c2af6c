/* tests/unit/test_graph_text.c - a network as text: what is written reads back as the same network, and a stranger's text is refused
 * in words that name the node. */
#include "cxrd/buf.h"
#include "cxrd/network.h"
#include "leaks.h"
#include "random_graph.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64, N_LABELS_HERE = 3 };

static void check_same(const struct network *a, const struct network *b, const char *what)
{
    cr_assert(network_alike(a, b), "%s: other nodes", what);
    cr_assert_eq(a->n_tensors, b->n_tensors, "%s", what);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const struct tensor *t = &a->tensors[i], *u = &b->tensors[i];

        cr_assert_str_eq(t->name, u->name, "%s", what);
        cr_assert(t->offset == u->offset && t->count == u->count && t->state == u->state, "%s: '%s'", what,
                  t->name);
    }
}

/* There and back, and there again: the same text. */
static void check_text(const struct network *net, size_t image_size, const char *what)
{
    char *text = network_text(net), *again;
    const struct network *back = NULL;
    struct error err = { 0 };

    cr_assert_not_null(text);
    cr_assert_eq(network_parse(text, image_size, net->n_labels, net->n_inputs, &back, &err), ST_OK, "%s: %s",
                 what, err.text);
    check_same(net, back, what);
    cr_assert_str_eq(back->architecture, "graph");
    again = network_text(back);
    cr_assert_str_eq(text, again);
    free(again);
    free(text);
    network_unref(back);
}

TEST_WITHOUT_LEAKS(graph_text, says_all_of_every_architecture)
{
    static const char *const NAMES[] = { "cnn4",     "mlp",          "densenet121",       "resnet18",
                                         "resnet50", "mobilenet_v2", "shufflenet_v2_x1_0" };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        for (size_t k = 0; k < 3; k++) {
            const struct network_spec spec = { NAMES[i], SIZE,           N_LABELS_HERE, 2,
                                               HEAD_OWN, k == 1 ? 1 : 3, k == 2 };
            const struct network *net;

            cr_assert_eq(network_new(&spec, &net, NULL), ST_OK);
            check_text(net, SIZE, NAMES[i]);
            network_unref(net);
        }
}

/* Random ones have every kind that there is: windows of all sorts, several inputs. They are smaller than a picture that a model
 * may have, so they are read by the same calls without that check. */
TEST_WITHOUT_LEAKS(graph_text, says_all_of_random_graphs)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        const struct network *net =
            random_graph(seed, random_graph_nodes(seed), 32 + seed % 5, RANDOM_BLOCKS);
        char what[32];

        snprintf(what, sizeof what, "seed %d", (int)seed);
        check_text(net, 32 + seed % 5, what);
        network_unref(net);
    }
}

/* ---- hostile texts ---- */

#define NODES(nodes) "{\"version\":1,\"channels\":1,\"nodes\":[" nodes "]}"
#define HEAD(from)   "{\"op\":\"dense\",\"name\":\"head\",\"from\":[" from "],\"channels\":3,\"bias\":true}"
#define CONV(rest)   "{\"op\":\"conv\",\"name\":\"a\",\"from\":[0],\"channels\":4,\"kernel\":[3,3]" rest "}"
#define POOL(rest)   "{\"op\":\"max_pool\",\"from\":[0]" rest "}"

static const struct {
    const char *text, *words;
} WRONG[] = {
    { "", "no JSON" },
    { "[]", "version" },
    { "{\"version\":1,\"version\":1,\"channels\":1,\"nodes\":[]}", "no JSON" },
    { "{\"version\":2,\"channels\":1,\"nodes\":[]}", "'version' is not 1" },
    { "{\"version\":\"1\",\"channels\":1,\"nodes\":[]}", "'version'" },
    { "{\"version\":1,\"channels\":2,\"nodes\":[]}", "'channels' must be 1 or 3" },
    { "{\"version\":1,\"channels\":-1,\"nodes\":[]}", "'channels'" },
    { "{\"version\":1,\"channels\":1e0,\"nodes\":[]}", "'channels'" },
    { "{\"version\":1,\"channels\":18446744073709551617,\"nodes\":[]}", "no JSON" },
    { "{\"version\":1,\"channels\":1}", "'nodes'" },
    { "{\"version\":1,\"channels\":1,\"nodes\":{}}", "'nodes'" },
    { "{\"version\":1,\"channels\":1,\"nodes\":[],\"more\":1}", "nothing else" },
    { NODES(""), "last node" },
    { NODES("1"), "node 1 of the graph is not an object" },
    { NODES("{}"), "node 1 of the graph: the op '' is not known" },
    { NODES("{\"op\":\"image\",\"from\":[]}"), "the op 'image' is not known" },
    { NODES("{\"op\":\"softmax\",\"from\":[0]}"), "the op 'softmax' is not known" },
    { NODES("{\"op\":7,\"from\":[0]}"), "the op ''" },
    { NODES("{\"op\":\"relu\"}"), "node 1 of the graph: 'from' must be a list of one whole number" },
    { NODES("{\"op\":\"relu\",\"from\":0}"), "'from'" },
    { NODES("{\"op\":\"relu\",\"from\":[]}"), "'from'" },
    { NODES("{\"op\":\"relu\",\"from\":[0,0]}"), "'from'" },
    { NODES("{\"op\":\"add\",\"from\":[0]}"), "two whole numbers" },
    { NODES("{\"op\":\"relu\",\"from\":[1]}"), "of earlier nodes" },
    { NODES("{\"op\":\"relu\",\"from\":[-1]}"), "'from'" },
    { NODES("{\"op\":\"relu\",\"from\":[0.0]}"), "'from'" },
    { NODES("{\"op\":\"relu\",\"from\":[9223372036854775807]}"), "'from'" },
    { NODES("{\"op\":\"relu\",\"from\":[0],\"name\":\"x\"}"), "a member that its op does not take" },
    { NODES("{\"op\":\"relu\",\"from\":[0],\"kernel\":[3,3]}"), "a member that its op does not take" },
    { NODES(POOL("")), "'kernel'" },
    { NODES(POOL(",\"kernel\":[3]")), "'kernel' must be a list of two" },
    { NODES(POOL(",\"kernel\":[3,-3]")), "'kernel'" },
    { NODES(POOL(",\"kernel\":[3,3],\"pad\":[1,1]")), "'pad' must be a list of four" },
    { NODES(POOL(",\"kernel\":[3,3],\"stride\":null")), "'stride'" },
    { NODES(POOL(",\"kernel\":[1048577,3]")), "'kernel'" },
    { NODES(POOL(",\"kernel\":[1048576,3]")), "node 1 (max_pool): the window is too large" },
    { NODES(POOL(",\"kernel\":[3,3],\"dilation\":[0,1]")), "the dilation is 0" },
    { NODES(POOL(",\"kernel\":[3,3],\"count_include_pad\":true")), "does not take" },
    { NODES("{\"op\":\"mean_pool\",\"from\":[0],\"kernel\":[3,3],\"count_include_pad\":1}"),
      "true or false" },
    { NODES(CONV(",\"bias\":0")), "'bias' must be true or false" },
    { NODES(CONV(",\"groups\":-1")), "'groups'" },
    { NODES(CONV(",\"groups\":3")), "node 1 (conv a): the groups do not divide the channels" },
    { NODES("{\"op\":\"conv\",\"name\":\"a\",\"from\":[0],\"kernel\":[3,3]}"), "'channels'" },
    { NODES("{\"op\":\"conv\",\"from\":[0],\"channels\":4,\"kernel\":[3,3]}"), "'name'" },
    { NODES("{\"op\":\"conv\",\"name\":\"\",\"from\":[0],\"channels\":4,\"kernel\":[3,3]}"), "'name'" },
    { NODES("{\"op\":\"conv\",\"name\":\"a\\u0000b\",\"from\":[0],\"channels\":4,\"kernel\":[3,3]}"),
      "no JSON" },
    { NODES("{\"op\":\"conv\",\"name\":\"a b\",\"from\":[0],\"channels\":4,\"kernel\":[3,3]}"),
      "no name may have" },
    { NODES("{\"op\":\"conv\",\"name\":\"a\\n\",\"from\":[0],\"channels\":4,\"kernel\":[3,3]}"),
      "no name may have" },
    { NODES("{\"op\":\"conv\",\"name\":\"\xc3\xa4\",\"from\":[0],\"channels\":4,\"kernel\":[3,3]}"),
      "no name may have" },
    { NODES(CONV("") "," CONV("")), "two tensors of the name 'a.weight'" },
    { NODES("{\"op\":\"norm\",\"name\":\"n\",\"from\":[0]}"), "'epsilon' must be a number" },
    { NODES("{\"op\":\"norm\",\"name\":\"n\",\"from\":[0],\"epsilon\":\"1\"}"), "'epsilon'" },
    { NODES("{\"op\":\"norm\",\"name\":\"n\",\"from\":[0],\"epsilon\":1e300}"), "'epsilon'" },
    { NODES("{\"op\":\"norm\",\"name\":\"n\",\"from\":[0],\"epsilon\":-1}"), "epsilon must lie" },
    { NODES("{\"op\":\"clip\",\"from\":[0],\"min\":0}"), "'max' must be a number" },
    { NODES("{\"op\":\"clip\",\"from\":[0],\"min\":1,\"max\":1}"), "bound" },
    { NODES("{\"op\":\"clip\",\"from\":[0],\"min\":-1e31,\"max\":1}"), "'min'" },
    { NODES("{\"op\":\"leaky_relu\",\"from\":[0]}"), "'slope'" },
    { NODES("{\"op\":\"leaky_relu\",\"from\":[0],\"slope\":2}"), "slope must lie" },
    { NODES("{\"op\":\"slice\",\"from\":[0],\"channels\":1}"), "'first' must be" },
    { NODES("{\"op\":\"slice\",\"from\":[0],\"first\":1,\"channels\":9}"), "not all there" },
    { NODES("{\"op\":\"scale\",\"from\":[0]}"), "'name'" },
    { NODES(HEAD("0") "," HEAD("0")), "two tensors" },
    { NODES(HEAD("0") ",{\"op\":\"relu\",\"from\":[1]}"), "last node" },
    { NODES("{\"op\":\"dense\",\"name\":\"head\",\"from\":[0],\"channels\":4,\"bias\":true}"), "3 logits" },
    { NODES("{\"op\":\"dense\",\"name\":\"head\",\"from\":[0],\"channels\":3,\"bias\":false}"), "bias" },
    { NODES("{\"op\":\"dense\",\"name\":\"a\",\"from\":[0],\"channels\":65536,\"bias\":false}"),
      "larger than" },
    { NODES("{\"op\":\"replicate\",\"from\":[0],\"channels\":65537}"), "too many channels" },
};

TEST_WITHOUT_LEAKS(graph_text, of_a_stranger_is_refused_in_words)
{
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        const struct network *net = NULL;
        struct error err = { 0 };

        check_refusal(WRONG[i].text, network_parse(WRONG[i].text, SIZE, N_LABELS_HERE, 0, &net, &err),
                      ST_INVALID, &err, WRONG[i].words);
        cr_assert_null(net);
    }
}

TEST_WITHOUT_LEAKS(graph_text, may_leave_out_what_is_usual)
{
    static const char TEXT[] = NODES(CONV("") "," HEAD("1"));
    const struct network *net;
    const struct window usual = WINDOW(3, 3, 1, 0, 0);

    cr_assert_eq(network_parse(TEXT, SIZE, N_LABELS_HERE, 0, &net, NULL), ST_OK);
    cr_assert_eq(memcmp(&net->nodes[1].window.h, &usual.h, 10 * sizeof(size_t)), 0);
    cr_assert_not(net->nodes[1].bias);
    cr_assert_eq(net->nodes[1].out.h, SIZE - 2);
    network_unref(net);
}

/* Every text that is cut off, or has another byte in one place, is read or refused; what is read is written again. */
TEST_WITHOUT_LEAKS(graph_text, that_is_damaged_anywhere_is_no_trouble)
{
    static const char TEXT[] =
        NODES(CONV(",\"stride\":[2,1],\"pad\":[0,1,2,3]") ",{\"op\":\"relu\",\"from\":[1]}," HEAD("2"));
    static const char BYTES[] = { '0', '9', '-', ',', '"', '}', ']', 'e', '\0', '\x80' };

    for (size_t i = 0; i < sizeof TEXT - 1; i++)
        for (size_t k = 0; k <= sizeof BYTES; k++) {
            char damaged[sizeof TEXT];
            const struct network *net = NULL;
            struct error err = { 0 };
            enum status st;

            memcpy(damaged, TEXT, sizeof TEXT);
            damaged[i] = k < sizeof BYTES ? BYTES[k] : (char)(TEXT[i] + 1);
            st = network_parse(damaged, SIZE, N_LABELS_HERE, 0, &net, &err);
            if (st == ST_OK)
                check_text(net, SIZE, damaged);
            else
                cr_assert(st == ST_INVALID && err.text[0], "%s", damaged);
            network_unref(net);
        }
}

/* A long text of `n` times the same node. */
static char *repeated(const char *node, size_t n)
{
    struct buf text = BUF_INIT(1 << 24);

    buf_puts(&text, "{\"version\":1,\"channels\":1,\"nodes\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s%s", i ? "," : "", node);
    buf_puts(&text, "]}");
    cr_assert_eq(buf_status(&text), ST_OK);
    return buf_take(&text);
}

TEST_WITHOUT_LEAKS(graph_text, that_is_too_long_is_refused)
{
    static const struct {
        const char *node;
        size_t n;
        const char *words;
    } CASES[] = { { "{\"op\":\"relu\",\"from\":[0]}", NETWORK_MAX_NODES, "more than 1024 nodes" },
                  { "{\"op\":\"relu\",\"from\":[0]}", 40000, "bytes" },
                  { "[[[[[[[[[[", 400, "no JSON" } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct network *net = NULL;
        struct error err = { 0 };
        char *text = repeated(CASES[i].node, CASES[i].n);

        check_refusal(CASES[i].words, network_parse(text, SIZE, N_LABELS_HERE, 0, &net, &err), ST_INVALID,
                      &err, CASES[i].words);
        free(text);
    }
}
