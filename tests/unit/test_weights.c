/* tests/unit/test_weights.c - what is written reads back the same, by us and by the safetensors rule book (a reader of
 * its own below); and nothing that is wrong with a stranger's file gets past weights_read(), nor without a sentence
 * that says what it is. */
#include "cxrd/file.h"
#include "cxrd/rng.h"
#include "cxrd/weights.h"
#include "guard.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 64, LENGTH_SIZE = 8 }; /* the smallest network keeps these tests quick */

/* ---- a model and its file ---- */

static struct model *model_make(size_t size, struct preprocess pre, json_t *notes)
{
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *params;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", size, N_NIH_LABELS, 0 }, &net, &err), ST_OK,
                 "%s", err.text);
    params = malloc(net->n_params * sizeof *params);
    cr_assert_not_null(params);
    rng_seed(&rng, size, 0);
    for (size_t i = 0; i < net->n_params; i++)
        params[i] = rng_uniform(&rng, -1, 1);
    pre.size = size;
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, notes, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(params);
    return m;
}

/* Any architecture, of values as its training begins with. */
static struct model *initial_model(const char *architecture)
{
    const struct preprocess pre = { .size = SIZE, .mean = 128, .std = 64 };
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *values;

    cr_assert_eq(network_new(&(struct network_spec){ architecture, SIZE, N_NIH_LABELS, 0 }, &net, &err),
                 ST_OK, "%s", err.text);
    values = malloc((net->n_params + net->n_state) * sizeof *values);
    cr_assert_not_null(values);
    rng_seed(&rng, 1, 0);
    network_initialise(net, INIT_HE, &rng, values);
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, values, NULL, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(values);
    return m;
}

static struct model *small_model(void)
{
    const struct preprocess pre = { .resize = RESIZE_AREA, .mean = 119.3f, .std = 57.7f };

    return model_make(SIZE, pre, json_pack("{s:s,s:s}", "job", "j-1", "metrics", "{\"macro_auroc\":0.6}"));
}

static struct buf written(const struct model *m)
{
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct error err = { 0 };

    cr_assert_eq(weights_write(m, &out, &err), ST_OK, "%s", err.text);
    return out;
}

static struct buf small_file(void)
{
    struct model *m = small_model();
    struct buf file = written(m);

    model_unref(m);
    return file;
}

static struct model *read_ok(const struct buf *file)
{
    struct model *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(buf_status(file), ST_OK);
    cr_assert_eq(weights_read(file->data, file->len, &m, &err), ST_OK, "%s", err.text);
    return m;
}

static void check_refused(const char *what, const void *bytes, size_t n, enum status expected,
                          const char *word)
{
    struct model *m = NULL;
    struct error err = { 0 };

    check_refusal(what, weights_read(bytes, n, &m, &err), expected, &err, word);
    cr_assert_null(m, "%s: there is a model", what);
}

/* ---- files with one thing wrong ---- */

/* A file taken apart: change the header or the data, and put it together again. */
struct parts {
    json_t *header; /* owned */
    char *data;     /* owned */
    size_t n_data;
};

static uint64_t length_of(const char *file)
{
    uint64_t n = 0;

    for (size_t i = 0; i < LENGTH_SIZE; i++)
        n |= (uint64_t)(uint8_t)file[i] << (8 * i);
    return n;
}

static struct parts parts_of(const struct buf *file)
{
    const size_t n = (size_t)length_of(file->data);
    struct parts p = { .n_data = file->len - LENGTH_SIZE - n };
    json_error_t why;

    p.header = json_loadb(file->data + LENGTH_SIZE, n, 0, &why);
    cr_assert_not_null(p.header, "%s", why.text);
    p.data = malloc(p.n_data);
    cr_assert_not_null(p.data);
    memcpy(p.data, file->data + LENGTH_SIZE + n, p.n_data);
    return p;
}

static struct parts small_parts(void)
{
    struct buf file = small_file();
    struct parts p = parts_of(&file);

    buf_release(&file);
    return p;
}

static void put_text(struct buf *file, const char *text)
{
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        buf_put(file, &(char){ (char)(uint8_t)(strlen(text) >> (8 * i)) }, 1);
    buf_puts(file, text);
}

/* The file that has this header text, whatever it says, before the data. */
static struct buf joined_text(const char *text, const void *data, size_t n)
{
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);

    put_text(&file, text);
    if (n > 0)
        buf_put(&file, data, n);
    return file;
}

static struct buf joined(const struct parts *p)
{
    char *text = json_dumps(p->header, JSON_COMPACT);
    struct buf file;

    cr_assert_not_null(text);
    file = joined_text(text, p->data, p->n_data);
    free(text);
    return file;
}

static void parts_release(struct parts *p)
{
    json_decref(p->header);
    free(p->data);
}

static void check_parts_refused(const char *what, struct parts *p, enum status expected, const char *word)
{
    struct buf file = joined(p);

    check_refused(what, file.data, file.len, expected, word);
    buf_release(&file);
    parts_release(p);
}

static json_t *entry_of(const struct parts *p, const char *tensor)
{
    json_t *entry = json_object_get(p->header, tensor);

    cr_assert_not_null(entry, "there is no '%s'", tensor);
    return entry;
}

static json_int_t offset_of(const struct parts *p, const char *tensor, size_t which)
{
    return json_integer_value(json_array_get(json_object_get(entry_of(p, tensor), "data_offsets"), which));
}

static void set_offsets(struct parts *p, const char *tensor, json_int_t begin, json_int_t end)
{
    json_object_set_new(entry_of(p, tensor), "data_offsets", json_pack("[I,I]", begin, end));
}

static void set_metadata(struct parts *p, const char *key, const char *value)
{
    json_object_set_new(json_object_get(p->header, "__metadata__"), key, json_string(value));
}

/* ---- there and back ---- */

static void check_same_model(const struct model *a, const struct model *b)
{
    const struct network *net = model_network(a);

    cr_assert_str_eq(model_network(b)->architecture, net->architecture);
    cr_assert_eq(model_network(b)->image_size, net->image_size);
    cr_assert_eq(model_network(b)->n_params, net->n_params);
    cr_assert_eq(memcmp(model_params(a), model_params(b), (net->n_params + net->n_state) * sizeof(float)), 0);
    cr_assert_eq(model_preprocess(a)->size, model_preprocess(b)->size);
    cr_assert_eq(model_preprocess(a)->resize, model_preprocess(b)->resize);
    cr_assert_eq(model_preprocess(a)->mean, model_preprocess(b)->mean);
    cr_assert_eq(model_preprocess(a)->std, model_preprocess(b)->std);
    cr_assert(json_equal(model_notes(a), model_notes(b)));
}

TEST_WITHOUT_LEAKS(weights, what_is_written_reads_back_the_same)
{
    struct model *m = small_model(), *back;
    struct buf file = written(m);

    back = read_ok(&file);
    check_same_model(m, back);
    cr_assert_str_eq(json_string_value(json_object_get(model_notes(back), "job")), "j-1");
    cr_assert_eq(json_object_size(model_notes(back)), 2, "our own keys are no notes");
    model_unref(m);
    model_unref(back);
    buf_release(&file);
}

/* Means and deviations travel as decimal text and must come back as the same float. */
TEST_WITHOUT_LEAKS(weights, scaling_survives_the_way_through_text)
{
    static const float VALUES[][2] = { { 0, 1 },           { 128, 64 },           { 127.5f, 255 },
                                       { 0.1f, 0.3f },     { 1e-20f, 3e38f },     { -1.5f, 1e-30f },
                                       { 16777215, 1e9f }, { 119.300003f, 57.7f } };

    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        const struct preprocess pre = { .mean = VALUES[i][0], .std = VALUES[i][1] };
        struct model *m = model_make(SIZE, pre, NULL), *back;
        struct buf file = written(m);

        back = read_ok(&file);
        check_same_model(m, back);
        model_unref(m);
        model_unref(back);
        buf_release(&file);
    }
}

TEST_WITHOUT_LEAKS(weights, every_architecture_survives_too)
{
    static const char *const ARCHITECTURES[] = { "mlp",      "densenet121",  "resnet18",
                                                 "resnet50", "mobilenet_v2", "shufflenet_v2_x1_5" };

    for (size_t i = 0; i < sizeof ARCHITECTURES / sizeof ARCHITECTURES[0]; i++) {
        struct model *m = initial_model(ARCHITECTURES[i]), *again;
        struct buf file = written(m);

        again = read_ok(&file);
        check_same_model(m, again);
        model_unref(again);
        model_unref(m);
        buf_release(&file);
    }
}

/* ---- networks of other channels, and of no architecture ---- */

static struct model *model_of(const struct network_spec *spec, struct preprocess pre)
{
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *values;

    cr_assert_eq(network_new(spec, &net, &err), ST_OK, "%s", err.text);
    values = malloc((net->n_params + net->n_state) * sizeof *values);
    cr_assert_not_null(values);
    rng_seed(&rng, 2, 0);
    network_initialise(net, INIT_HE, &rng, values);
    pre.size = spec->image_size;
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, values, NULL, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(values);
    return m;
}

/* ImageNet's, on 0..255. */
static const struct preprocess BY_CHANNEL = { .resize = RESIZE_AREA,
                                              .mean = 123.675f,
                                              .std = 58.395f,
                                              .by_channel = true,
                                              .means = { 123.675f, 116.28f, 103.53f },
                                              .stds = { 58.395f, 57.12f, 57.375f } };
static const struct preprocess PLAIN = { .resize = RESIZE_AREA, .mean = 128, .std = 64 };

static const char *metadata_of(const struct parts *p, const char *key)
{
    return json_string_value(json_object_get(json_object_get(p->header, "__metadata__"), key));
}

/* It is written, read as the same, and written again as the same bytes; returns what was written. */
static struct parts there_and_back(struct model *m)
{
    struct buf file = written(m), again;
    struct model *back = read_ok(&file);
    struct parts p;

    check_same_model(m, back);
    cr_assert(network_alike(model_network(m), model_network(back)));
    cr_assert_eq(memcmp(model_preprocess(m), model_preprocess(back), sizeof(struct preprocess)), 0);
    again = written(back);
    cr_assert(again.len == file.len && memcmp(again.data, file.data, file.len) == 0);
    p = parts_of(&file);
    buf_release(&file);
    buf_release(&again);
    model_unref(back);
    model_unref(m);
    return p;
}

TEST_WITHOUT_LEAKS(weights, channels_and_their_scaling_survive)
{
    struct parts p = there_and_back(
        model_of(&(struct network_spec){ "resnet18", SIZE, N_NIH_LABELS, 0, HEAD_OWN, 1 }, PLAIN));

    cr_assert_str_eq(metadata_of(&p, "channels"), "1");
    cr_assert_str_eq(metadata_of(&p, "input_mean"), "128");
    parts_release(&p);
    p = there_and_back(model_of(
        &(struct network_spec){ "mobilenet_v2", SIZE, N_NIH_LABELS, 0, HEAD_OWN, 3, true }, BY_CHANNEL));
    cr_assert_null(metadata_of(&p, "channels"));
    cr_assert_str_eq(metadata_of(&p, "input_mean"), "123.675,116.28,103.53");
    cr_assert_str_eq(metadata_of(&p, "input_std"), "58.395,57.12,57.375");
    parts_release(&p);
}

static struct model *graph_model(void)
{
    static const char TEXT[] =
        "{\"version\":1,\"channels\":3,\"nodes\":["
        "{\"op\":\"conv\",\"name\":\"stem/"
        "Conv_1\",\"from\":[0],\"channels\":5,\"kernel\":[3,2],\"stride\":[2,1],"
        "\"pad\":[0,0,1,1],\"dilation\":[1,2]},"
        "{\"op\":\"norm\",\"name\":\"bn\",\"from\":[1],\"epsilon\":0.001},"
        "{\"op\":\"silu\",\"from\":[2]},{\"op\":\"global_pool\",\"from\":[3]},"
        "{\"op\":\"dense\",\"name\":\"fc\",\"from\":[4],\"channels\":14,\"bias\":true}]}";

    return model_of(
        &(struct network_spec){
            .architecture = "graph", .image_size = SIZE, .n_labels = N_NIH_LABELS, .graph = TEXT },
        BY_CHANNEL);
}

TEST_WITHOUT_LEAKS(weights, a_network_of_no_architecture_survives)
{
    struct parts p = there_and_back(graph_model());

    cr_assert_str_eq(metadata_of(&p, "architecture"), "graph");
    cr_assert_not_null(strstr(metadata_of(&p, "graph"), "stem/Conv_1"));
    cr_assert_not_null(json_object_get(p.header, "stem/Conv_1.weight"));
    parts_release(&p);
}

/* One scaling is all channels'. */
TEST_WITHOUT_LEAKS(import, takes_one_scaling_for_all_channels_of_a_graph)
{
    struct model *m = graph_model();
    struct buf file = written(m);
    struct parts p = parts_of(&file);
    struct buf other;

    model_unref(m);
    set_metadata(&p, "input_mean", "7");
    other = joined(&p);
    m = read_ok(&other);
    cr_assert(model_preprocess(m)->by_channel);
    cr_assert_eq(model_preprocess(m)->means[2], 7);
    cr_assert_eq(model_preprocess(m)->stds[2], 57.375f);
    model_unref(m);
    parts_release(&p);
    buf_release(&file);
    buf_release(&other);
}

static struct parts parts_with(struct model *m, const char *key, const char *value)
{
    struct buf file = written(m);
    struct parts p = parts_of(&file);

    model_unref(m);
    buf_release(&file);
    set_metadata(&p, key, value);
    return p;
}

TEST_WITHOUT_LEAKS(import, refuses_channels_that_do_not_fit)
{
    static const struct {
        const char *key, *value, *words;
    } WRONG[] = { { "channels", "2", "'channels' must be 1 or 3" },
                  { "channels", "1,1,1", "'channels' is not a number" },
                  { "channels", "x", "'channels'" },
                  { "channels", "1", "wrong shape" },
                  { "input_mean", "1,2", "'input_mean'" },
                  { "input_mean", "1,2,3,4", "'input_mean'" },
                  { "input_mean", "1,2,", "'input_mean'" },
                  { "input_mean", ",1,2", "'input_mean'" },
                  { "input_mean", "1,nan,2", "'input_mean'" },
                  { "input_mean", "1,1e39,2", "'input_mean'" },
                  { "input_std", "1,0,2", "'input_std' must be above 0" },
                  { "input_std", "1,1e-38,2", "make no numbers" },
                  { "architecture", "graph", "the graph is missing" },
                  { "graph", "{}", "the architecture is 'resnet18'" } };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct parts p = parts_with(initial_model("resnet18"), WRONG[i].key, WRONG[i].value);

        check_parts_refused(WRONG[i].value, &p, ST_FORMAT, WRONG[i].words);
    }
    struct parts p = parts_with(graph_model(), "graph",
                                "{\"version\":1,\"channels\":1,\"nodes\":[{\"op\":\"dense\",\"name\":\"fc\","
                                "\"from\":[0],\"channels\":14,\"bias\":true}]}");

    check_parts_refused("three scalings of one channel", &p, ST_FORMAT, "are of 3 channels");
    p = parts_with(graph_model(), "graph", "{\"version\":1}");
    check_parts_refused("half a graph", &p, ST_FORMAT, "'channels'");
}

/* 256 channels of a million pixels, twice at the same time. */
TEST_WITHOUT_LEAKS(import, refuses_what_would_take_all_memory)
{
    static const char TEXT[] =
        "{\"version\":1,\"channels\":1,\"nodes\":["
        "{\"op\":\"conv\",\"name\":\"a\",\"from\":[0],\"channels\":256,\"kernel\":[1,1]},"
        "{\"op\":\"mul\",\"from\":[1,1]},{\"op\":\"global_pool\",\"from\":[2]},"
        "{\"op\":\"dense\",\"name\":\"fc\",\"from\":[3],\"channels\":14,\"bias\":true}]}";
    const struct network *net;
    const struct preprocess pre = { .size = 1024, .std = 1 };
    struct model *m = NULL;
    struct error err = { 0 };
    float *values;

    cr_assert_eq(network_parse(TEXT, pre.size, N_NIH_LABELS, 0, &net, &err), ST_OK, "%s", err.text);
    values = calloc(net->n_params, sizeof *values);
    cr_assert_not_null(values);
    check_refusal("a picture", model_new(net, &NIH_LABELS, &pre, values, NULL, &m, &err), ST_FORMAT, &err,
                  "more than 1024 MiB");
    network_unref(net);
    free(values);
}

/* PyTorch counts the batches beside each running statistic, and nothing is computed with that. */
static struct parts with_a_count(struct model *m, const char *name)
{
    struct buf file = written(m);
    struct parts p = parts_of(&file);
    const json_int_t n = (json_int_t)p.n_data;

    p.data = realloc(p.data, p.n_data + 8);
    cr_assert_not_null(p.data);
    memset(p.data + p.n_data, 7, 8);
    p.n_data += 8;
    cr_assert_eq(json_object_set_new(
                     p.header, name,
                     json_pack("{s:s,s:[],s:[I,I]}", "dtype", "I64", "shape", "data_offsets", n, n + 8)),
                 0);
    buf_release(&file);
    model_unref(m);
    return p;
}

TEST_WITHOUT_LEAKS(import, passes_over_the_counts_of_batches)
{
    struct parts p = with_a_count(initial_model("resnet18"), "bn1.num_batches_tracked");
    struct buf file = joined(&p);
    struct model *m = read_ok(&file);

    model_unref(m);
    buf_release(&file);
    parts_release(&p);
    p = with_a_count(initial_model("resnet18"), "bn1.count");
    check_parts_refused("another name", &p, ST_FORMAT, "'bn1.count'");
    p = with_a_count(initial_model("resnet18"), "bn7.num_batches_tracked");
    check_parts_refused("of no statistic", &p, ST_FORMAT, "'bn7.num_batches_tracked'");
    p = with_a_count(initial_model("mlp"), "bn1.num_batches_tracked");
    check_parts_refused("no running statistics", &p, ST_FORMAT, "'bn1.num_batches_tracked'");
}

TEST_WITHOUT_LEAKS(weights, a_larger_network_and_nearest_survive_too)
{
    const struct preprocess pre = { .resize = RESIZE_NEAREST, .std = 1 };
    struct model *m = model_make(256, pre, NULL), *back;
    struct buf file = written(m);

    back = read_ok(&file);
    check_same_model(m, back);
    model_unref(m);
    model_unref(back);
    buf_release(&file);
}

/* ---- by the rule book ---- */

/* huggingface/safetensors, "Format": N as 8 bytes little-endian, N bytes of JSON that begin with '{' and may end with
 * spaces, then the data; "__metadata__" maps strings to strings; every other entry has dtype, shape and data_offsets
 * relative to the data; together they cover it without a hole. */
static size_t check_entry(const char *name, const json_t *entry, size_t n_data)
{
    const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    const json_int_t begin = json_integer_value(json_array_get(offsets, 0));
    const json_int_t end = json_integer_value(json_array_get(offsets, 1));
    json_int_t count = 1;

    cr_assert_eq(json_object_size(entry), 3, "'%s'", name);
    cr_assert_str_eq(json_string_value(json_object_get(entry, "dtype")), "F32");
    cr_assert(json_array_size(shape) > 0 && json_array_size(offsets) == 2, "'%s'", name);
    for (size_t d = 0; d < json_array_size(shape); d++)
        count *= json_integer_value(json_array_get(shape, d));
    cr_assert(begin >= 0 && end - begin == 4 * count && (size_t)end <= n_data, "'%s' lies at %lld to %lld",
              name, (long long)begin, (long long)end);
    cr_assert_eq(begin % 4, 0, "'%s' is not aligned", name);
    return (size_t)(end - begin);
}

TEST_WITHOUT_LEAKS(rule_book, a_file_of_ours_keeps_to_it)
{
    struct buf file = small_file();
    const size_t n = (size_t)length_of(file.data);
    struct parts p = parts_of(&file);
    size_t covered = 0;
    const char *key;
    json_t *value;

    cr_assert_eq(file.data[LENGTH_SIZE], '{');
    cr_assert_eq((LENGTH_SIZE + n) % 8, 0, "the data is not aligned");
    json_object_foreach (p.header, key, value)
        if (strcmp(key, "__metadata__") != 0)
            covered += check_entry(key, value, p.n_data);
    cr_assert_eq(covered, p.n_data);
    cr_assert_eq(json_object_size(p.header), 11, "10 tensors and the metadata");
    parts_release(&p);
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(rule_book, the_metadata_are_the_strings_of_the_contract)
{
    static const char *const EXPECTED[][2] = { { "format", "cxrd" },
                                               { "architecture", "cnn4" },
                                               { "image_size", "64" },
                                               { "resize", "area" },
                                               { "input_mean", "119.3" },
                                               { "input_std", "57.7" },
                                               { "job", "j-1" },
                                               { "labels",
                                                 "Atelectasis,Cardiomegaly,Consolidation,Edema,Effusion,"
                                                 "Emphysema,Fibrosis,Hernia,Infiltration,Mass,Nodule,"
                                                 "Pleural_Thickening,Pneumonia,Pneumothorax" } };
    struct parts p = small_parts();
    const json_t *metadata = json_object_get(p.header, "__metadata__");

    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++) {
        const char *value = json_string_value(json_object_get(metadata, EXPECTED[i][0]));

        cr_assert(value && strcmp(value, EXPECTED[i][1]) == 0, "'%s' is '%s'", EXPECTED[i][0],
                  value ? value : "missing");
    }
    parts_release(&p);
}

/* The first float of a tensor, by the file's own header, is that of the model. */
TEST_WITHOUT_LEAKS(rule_book, every_tensor_lies_where_the_header_says)
{
    struct model *m = small_model();
    struct buf file = written(m);
    struct parts p = parts_of(&file);
    const struct network *net = model_network(m);

    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];

        cr_assert_eq(
            memcmp(p.data + offset_of(&p, t->name, 0), model_params(m) + t->offset, t->count * sizeof(float)),
            0, "'%s' lies elsewhere", t->name);
    }
    parts_release(&p);
    buf_release(&file);
    model_unref(m);
}

/* ---- other people's files ---- */

/* Tensors alone: the contract's defaults. Ours are 256 pixels then. */
TEST_WITHOUT_LEAKS(import, without_metadata_gets_the_defaults)
{
    static const struct preprocess ANY = { .resize = RESIZE_AREA, .mean = 5, .std = 6 };
    struct model *m = model_make(256, ANY, NULL), *back;
    struct buf file = written(m), bare;
    struct parts p = parts_of(&file);

    json_object_del(p.header, "__metadata__");
    bare = joined(&p);
    back = read_ok(&bare);
    cr_assert_str_eq(model_network(back)->architecture, "cnn4");
    cr_assert_eq(model_network(back)->image_size, 256);
    cr_assert_eq(model_preprocess(back)->size, 256);
    cr_assert_eq(model_preprocess(back)->resize, RESIZE_NEAREST);
    cr_assert(model_preprocess(back)->mean == 0 && model_preprocess(back)->std == 1);
    cr_assert_eq(json_object_size(model_notes(back)), 0);
    cr_assert_eq(memcmp(model_params(m), model_params(back), model_network(m)->n_params * sizeof(float)), 0);
    model_unref(m);
    model_unref(back);
    parts_release(&p);
    buf_release(&file);
    buf_release(&bare);
}

/* Data and header in the reverse order, as another writer might sort them. */
TEST_WITHOUT_LEAKS(import, takes_tensors_in_any_order)
{
    struct model *m = small_model(), *back;
    struct buf file = written(m), turned;
    struct parts p = parts_of(&file),
                 q = { .header = json_object(), .data = malloc(p.n_data), .n_data = p.n_data };
    const struct network *net = model_network(m);
    size_t at = 0;

    cr_assert_not_null(q.data);
    for (size_t i = net->n_tensors; i-- > 0;) {
        const char *name = net->tensors[i].name;
        const size_t size = net->tensors[i].count * sizeof(float);

        memcpy(q.data + at, p.data + offset_of(&p, name, 0), size);
        json_object_set(q.header, name, entry_of(&p, name));
        set_offsets(&q, name, (json_int_t)at, (json_int_t)(at + size));
        at += size;
    }
    json_object_set(q.header, "__metadata__", json_object_get(p.header, "__metadata__"));
    turned = joined(&q);
    back = read_ok(&turned);
    check_same_model(m, back);
    model_unref(m);
    model_unref(back);
    parts_release(&p);
    parts_release(&q);
    buf_release(&file);
    buf_release(&turned);
}

TEST_WITHOUT_LEAKS(import, keeps_foreign_metadata_as_notes)
{
    struct parts p = small_parts();
    struct buf file;
    struct model *m;

    set_metadata(&p, "trained_by", "someone");
    set_metadata(&p, "format", "pt");
    file = joined(&p);
    m = read_ok(&file);
    cr_assert_str_eq(json_string_value(json_object_get(model_notes(m), "trained_by")), "someone");
    cr_assert_null(json_object_get(model_notes(m), "format"));
    model_unref(m);
    parts_release(&p);
    buf_release(&file);
}

/* ---- refusals ---- */

static void check_prefix_refused(const struct buf *file, size_t n)
{
    struct guarded prefix = guarded_copy(file->data, n);
    char what[40];

    snprintf(what, sizeof what, "the first %zu bytes", n);
    check_refused(what, prefix.bytes, n, ST_FORMAT, "");
    guarded_release(&prefix);
}

TEST_WITHOUT_LEAKS(refusal, of_a_file_cut_anywhere)
{
    struct buf file = small_file();
    const size_t begin = LENGTH_SIZE + (size_t)length_of(file.data);

    for (size_t n = 0; n < begin + 16; n++)
        check_prefix_refused(&file, n);
    for (size_t n = begin + 16; n < file.len; n += (file.len - begin) / 50)
        check_prefix_refused(&file, n);
    check_prefix_refused(&file, file.len - 1);
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_a_file_that_ends_before_its_tensors)
{
    struct buf file = small_file();
    const size_t header = LENGTH_SIZE + (size_t)length_of(file.data);

    check_refused("100 bytes of data", file.data, header + 100, ST_FORMAT, "does not fit in the file");
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_bytes_after_the_data)
{
    struct buf file = small_file();

    buf_puts(&file, "x");
    check_refused("one byte too many", file.data, file.len, ST_FORMAT, "bytes of data");
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_a_header_length_that_cannot_be)
{
    static const uint64_t LENGTHS[] = { UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, (uint64_t)1 << 32,
                                        1 << 26 };
    struct buf file = small_file();

    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        char claim[32];

        for (size_t k = 0; k < LENGTH_SIZE; k++)
            file.data[k] = (char)(LENGTHS[i] >> (8 * k));
        snprintf(claim, sizeof claim, "claims %ju bytes", (uintmax_t)LENGTHS[i]);
        check_refused(claim, file.data, file.len, ST_FORMAT, claim);
    }
    memset(file.data, 0, LENGTH_SIZE);
    check_refused("no header", file.data, file.len, ST_FORMAT, "header");
    buf_release(&file);
}

TEST_WITHOUT_LEAKS(refusal, of_a_header_that_is_no_object)
{
    static const char *const TEXTS[] = {
        "",    " ",        "[]",         "null",        "3",      "\"text\"",        "{",
        "{}x", "{\"a\":}", "{\"a\":1,}", "{\"a\":1}{}", "\xff{}", "{\"a\":\"\xff\"}"
    };

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct buf file = joined_text(TEXTS[i], "", 0);

        check_refused(TEXTS[i], file.data, file.len, ST_FORMAT, "not a JSON object");
        buf_release(&file);
    }
}

TEST_WITHOUT_LEAKS(refusal, of_a_name_that_is_there_twice)
{
    struct buf file = joined_text("{\"head.bias\":{},\"head.bias\":{}}", "", 0);

    check_refused("a duplicate", file.data, file.len, ST_FORMAT, "header");
    buf_release(&file);
}

/* jansson gives up at 2,048 levels; a deeper header must not run the stack out. */
TEST_WITHOUT_LEAKS(refusal, of_a_header_of_brackets)
{
    struct buf text = BUF_INIT(1 << 20), file;

    buf_puts(&text, "{\"a\":");
    for (size_t i = 0; i < 100000; i++)
        buf_puts(&text, "[");
    file = joined_text(text.data, "", 0);
    check_refused("100,000 brackets", file.data, file.len, ST_FORMAT, "not a JSON object");
    buf_release(&text);
    buf_release(&file);
}

static const char *const NAMES[] = { "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                     "conv3.weight", "conv3.bias", "conv4.weight", "conv4.bias",
                                     "head.weight",  "head.bias" };
enum { N_NAMES = sizeof NAMES / sizeof NAMES[0] };

TEST_WITHOUT_LEAKS(refusal, of_a_missing_tensor_by_its_name)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        struct parts p = small_parts();

        json_object_del(p.header, NAMES[i]);
        check_parts_refused("a missing tensor", &p, ST_FORMAT, NAMES[i]);
    }
}

TEST_WITHOUT_LEAKS(refusal, of_a_tensor_that_does_not_belong)
{
    static const char *const STRANGERS[] = { "conv5.weight", "", "__metadata", "Conv1.weight" };

    for (size_t i = 0; i < 4; i++) {
        struct parts p = small_parts();

        json_object_set(p.header, STRANGERS[i], entry_of(&p, "head.bias"));
        check_parts_refused("a stranger", &p, ST_FORMAT, STRANGERS[i]);
    }
}

/* A long name is cut in the sentence, but not in the middle of a letter. */
TEST_WITHOUT_LEAKS(refusal, stays_utf8_whatever_the_name)
{
    for (size_t shift = 0; shift < 4; shift++) {
        struct parts p = small_parts();
        struct buf name = BUF_INIT(1000);

        buf_puts(&name, &"aaa"[3 - shift]);
        for (size_t i = 0; i < 200; i++)
            buf_puts(&name, "\xf0\x9f\xa9\xba"); /* a stethoscope */
        json_object_set(p.header, name.data, entry_of(&p, "head.bias"));
        check_parts_refused("a long name", &p, ST_FORMAT, "\xf0\x9f\xa9\xba");
        buf_release(&name);
    }
}

TEST_WITHOUT_LEAKS(refusal, stays_one_line_whatever_the_name)
{
    struct parts p = small_parts();

    json_object_set(p.header, "a\nb\r\x1b[31m\x7f", entry_of(&p, "head.bias"));
    check_parts_refused("line ends in a name", &p, ST_FORMAT, "'a?b??[31m?'");
}

TEST_WITHOUT_LEAKS(refusal, of_a_wrong_shape_by_name)
{
    static const struct {
        const char *tensor, *shape;
    } WRONG[] = { { "conv1.weight", "[32,3,9]" },
                  { "conv1.weight", "[3,32,3,3]" },
                  { "conv2.bias", "[64,1]" },
                  { "conv2.bias", "[]" },
                  { "conv2.bias", "64" },
                  { "head.weight", "[14,256,16,16]" },
                  { "head.weight", "[14,4096]" },
                  { "head.bias", "[14.0]" },
                  { "head.bias", "[\"14\"]" },
                  { "head.bias", "[-14]" },
                  { "head.bias", "[14,1,1,1,1,1,1]" },
                  { "head.bias", "null" } };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(entry_of(&p, WRONG[i].tensor), "shape",
                            json_loads(WRONG[i].shape, JSON_DECODE_ANY, NULL));
        check_parts_refused(WRONG[i].shape, &p, ST_FORMAT, WRONG[i].tensor);
    }
}

TEST_WITHOUT_LEAKS(refusal, of_a_wrong_type_by_name)
{
    static const char *const TYPES[] = { "\"F8_E4M3\"", "\"C64\"", "\"f32\"", "\"\"", "32", "null" };

    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(entry_of(&p, "conv3.weight"), "dtype",
                            json_loads(TYPES[i], JSON_DECODE_ANY, NULL));
        check_parts_refused(TYPES[i], &p, ST_FORMAT, "'conv3.weight' is not of type F32");
    }
}

/* A type that files may have, but not weights: twice as many bytes go with its shape. */
TEST_WITHOUT_LEAKS(refusal, of_another_width_by_name)
{
    static const char *const TYPES[] = { "\"F64\"", "\"U8\"", "\"U32\"" };

    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(entry_of(&p, "conv3.weight"), "dtype",
                            json_loads(TYPES[i], JSON_DECODE_ANY, NULL));
        check_parts_refused(TYPES[i], &p, ST_FORMAT, "'conv3.weight'");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_an_entry_that_is_no_description)
{
    static const char *const ENTRIES[] = { "null", "3", "[]", "\"x\"", "{}" };

    for (size_t i = 0; i < sizeof ENTRIES / sizeof ENTRIES[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(p.header, "conv4.bias", json_loads(ENTRIES[i], JSON_DECODE_ANY, NULL));
        check_parts_refused(ENTRIES[i], &p, ST_FORMAT, "conv4.bias");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_offsets_that_are_none)
{
    static const char *const OFFSETS[] = { "null",        "[]",          "[0]",
                                           "[0,128,256]", "[0.0,128.0]", "[\"0\",\"128\"]",
                                           "{}" };

    for (size_t i = 0; i < sizeof OFFSETS / sizeof OFFSETS[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(entry_of(&p, "conv1.bias"), "data_offsets",
                            json_loads(OFFSETS[i], JSON_DECODE_ANY, NULL));
        check_parts_refused(OFFSETS[i], &p, ST_FORMAT, "'conv1.bias' has no data offsets");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_offsets_outside_the_file)
{
    static const json_int_t SHIFTS[] = { 4, 1 << 30, -4, INT64_MAX - 56, INT64_MIN };

    for (size_t i = 0; i < sizeof SHIFTS / sizeof SHIFTS[0]; i++) {
        struct parts p = small_parts();
        const json_int_t last = (json_int_t)p.n_data - 56; /* head.bias ends the data */
        const json_int_t begin = SHIFTS[i] == 4 || SHIFTS[i] == 1 << 30 ? last + SHIFTS[i] : SHIFTS[i];

        set_offsets(&p, "head.bias", begin, begin + 56);
        check_parts_refused("outside", &p, ST_FORMAT, "'head.bias' lies outside the file");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_offsets_that_do_not_fit_the_shape)
{
    static const json_int_t WRONG[] = { 0, 4, 52, -4 };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct parts p = small_parts();
        const json_int_t begin = offset_of(&p, "head.bias", 0);

        set_offsets(&p, "head.bias", begin, begin + WRONG[i]);
        check_parts_refused("a wrong length", &p, ST_FORMAT, "'head.bias'");
    }
}

TEST_WITHOUT_LEAKS(refusal, of_tensors_that_overlap)
{
    static const json_int_t SHIFTS[] = { 0, 4, -4, 124 };

    for (size_t i = 0; i < sizeof SHIFTS / sizeof SHIFTS[0]; i++) {
        struct parts p = small_parts();
        const json_int_t begin = offset_of(&p, "conv1.bias", 0) + SHIFTS[i];

        set_offsets(&p, "conv2.bias", begin, begin + 256);
        check_parts_refused("overlapping tensors", &p, ST_FORMAT, "overlap");
    }
}

/* Four bytes that no tensor claims, before the last one. */
TEST_WITHOUT_LEAKS(refusal, of_a_hole_in_the_data)
{
    struct parts p = small_parts();
    const json_int_t begin = offset_of(&p, "head.bias", 0);

    p.data = realloc(p.data, p.n_data + 4);
    cr_assert_not_null(p.data);
    memset(p.data + p.n_data, 0, 4);
    p.n_data += 4;
    set_offsets(&p, "head.bias", begin + 4, begin + 60);
    check_parts_refused("a hole", &p, ST_FORMAT, "bytes of data");
}

TEST_WITHOUT_LEAKS(refusal, of_values_that_are_no_numbers_by_tensor)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };

    for (size_t i = 0; i < N_NAMES; i++) {
        struct parts p = small_parts();

        memcpy(p.data + offset_of(&p, NAMES[i], 1) - 4, &BAD[i % 3], 4);
        check_parts_refused("a bad value", &p, ST_NUMERIC, NAMES[i]);
    }
}

/* The root of one is what every picture would be divided by. */
TEST_WITHOUT_LEAKS(refusal, of_a_variance_below_zero)
{
    static const float BELOW = -1e-9f, LEAST = 0;
    struct model *m = initial_model("resnet18");
    struct buf file = written(m);
    struct parts p = parts_of(&file);
    float *variance = (float *)(void *)(p.data + offset_of(&p, "bn1.running_var", 0));

    model_unref(m);
    buf_release(&file);
    memcpy(variance, &LEAST, sizeof LEAST);
    file = joined(&p);
    model_unref(read_ok(&file));
    buf_release(&file);
    memcpy(variance, &BELOW, sizeof BELOW);
    check_parts_refused("a variance below 0", &p, ST_NUMERIC, "'bn1.running_var' holds a variance below 0");
}

TEST_WITHOUT_LEAKS(refusal, of_metadata_that_make_no_sense)
{
    static const struct {
        const char *key, *value, *word;
    } WRONG[] = {
        { "image_size", "255", "255" },         { "image_size", "0", "image_size" },
        { "image_size", "-64", "image_size" },  { "image_size", "64.5", "image_size" },
        { "image_size", "1e9", "image_size" },  { "image_size", "1040", "image_size" },
        { "image_size", "", "image_size" },     { "image_size", "64 pixels", "image_size" },
        { "image_size", "0x40", "image_size" }, { "image_size", " 64", "image_size" },
        { "image_size", "nan", "image_size" },  { "image_size", "80", "'head.weight' has the wrong shape" },
        { "resize", "bilinear", "bilinear" },   { "resize", "", "resize" },
        { "input_std", "0", "above 0" },        { "input_std", "-1", "above 0" },
        { "input_std", "-0", "above 0" },       { "input_std", "1e-60", "above 0" },
        { "input_std", "1e60", "input_std" },   { "input_std", "inf", "input_std" },
        { "input_std", "1e-40", "input_std" },  { "input_std", "wide", "wide" },
        { "input_mean", "nan", "input_mean" },  { "input_mean", "1e39", "input_mean" },
        { "input_mean", "", "input_mean" },     { "labels", "", "labels" },
        { "architecture", "resnet", "resnet" }, { "architecture", "", "architecture" },
    };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        char what[80];
        struct parts p = small_parts();

        snprintf(what, sizeof what, "%s = '%s'", WRONG[i].key, WRONG[i].value);
        set_metadata(&p, WRONG[i].key, WRONG[i].value);
        check_parts_refused(what, &p, ST_FORMAT, WRONG[i].word);
    }
}

TEST_WITHOUT_LEAKS(refusal, of_labels_that_are_no_list)
{
    static const char *const WRONG[] = { "",
                                         "A,,B",
                                         "A,A",
                                         "Pleural Thickening,pleural_thickening",
                                         "A,No Finding",
                                         "A,normal",
                                         "a|b",
                                         "=1+1",
                                         "a<b>",
                                         "A,B,",
                                         "../x",
                                         "\x01" };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct parts p = small_parts();

        set_metadata(&p, "labels", WRONG[i]);
        check_parts_refused(WRONG[i], &p, ST_FORMAT, "'labels'");
    }
}

/* As many tensors' rows as labels. */
TEST_WITHOUT_LEAKS(refusal, of_fewer_labels_than_logits)
{
    struct parts p = small_parts();

    set_metadata(&p, "labels", "Effusion,Mass");
    check_parts_refused("two labels", &p, ST_FORMAT, "wrong shape");
}

TEST_WITHOUT_LEAKS(refusal, of_metadata_that_are_no_strings)
{
    static const char *const METADATA[] = {
        "[]", "3", "\"text\"", "{\"image_size\":64}", "{\"note\":null}", "{\"note\":{\"a\":\"b\"}}"
    };

    for (size_t i = 0; i < sizeof METADATA / sizeof METADATA[0]; i++) {
        struct parts p = small_parts();

        json_object_set_new(p.header, "__metadata__", json_loads(METADATA[i], JSON_DECODE_ANY, NULL));
        check_parts_refused(METADATA[i], &p, ST_FORMAT, i < 3 ? "__metadata__" : "is not a string");
    }
}

/* Whatever bit of the header flips, there is either a sentence or a model that differs in its notes at most. */
TEST_WITHOUT_LEAKS(refusal, or_a_model_for_any_flipped_bit_of_the_header)
{
    struct buf file = small_file();
    const size_t n = LENGTH_SIZE + (size_t)length_of(file.data);

    for (size_t bit = 0; bit < 8 * n; bit += 3) {
        struct model *m = NULL;
        struct error err = { 0 };
        enum status st;

        file.data[bit / 8] ^= (char)(1 << bit % 8);
        st = weights_read(file.data, file.len, &m, &err);
        if (st == ST_OK)
            cr_assert_eq(model_network(m)->image_size, SIZE);
        else
            check_refusal("a flipped bit", st, ST_FORMAT, &err, "");
        model_unref(m);
        file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    buf_release(&file);
}

/* ---- writing ---- */

TEST_WITHOUT_LEAKS(writing, keeps_to_the_cap_of_the_buffer)
{
    struct model *m = small_model();
    struct buf whole = written(m), less = BUF_INIT(whole.len - 1), tiny = BUF_INIT(100);
    struct error err = { 0 };

    check_refusal("a byte too few", weights_write(m, &less, &err), ST_LIMIT, &err, "do not fit");
    check_refusal("100 bytes", weights_write(m, &tiny, &err), ST_LIMIT, &err, "do not fit");
    buf_release(&whole);
    buf_release(&less);
    buf_release(&tiny);
    model_unref(m);
}

/* A reader takes headers of up to 1 MiB, so a writer must not make longer ones. */
TEST_WITHOUT_LEAKS(writing, refuses_notes_that_no_reader_would_take)
{
    const struct preprocess pre = { .std = 1 };
    char *text = malloc((1 << 20) + 1), path[512], *folder = scratch_folder();
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct error err = { 0 };
    struct model *m;

    cr_assert_not_null(text);
    memset(text, 'x', 1 << 20);
    text[1 << 20] = '\0';
    m = model_make(SIZE, pre, json_pack("{s:s}", "comment", text));
    snprintf(path, sizeof path, "%s/w", folder);
    check_refusal("into memory", weights_write(m, &out, &err), ST_LIMIT, &err, "do not fit");
    check_refusal("into a file", weights_save(m, path, &err), ST_LIMIT, &err, "do not fit");
    model_unref(m);
    free(text);
    buf_release(&out);
    scratch_remove(folder);
}

/* A folder for files, and the path of one in it. */
struct place {
    char *folder, path[512], beside[520];
};

static struct place place_new(void)
{
    struct place p = { .folder = scratch_folder() };

    snprintf(p.path, sizeof p.path, "%s/weights.safetensors", p.folder);
    snprintf(p.beside, sizeof p.beside, "%s.part", p.path);
    return p;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

TEST_WITHOUT_LEAKS(saving, a_saved_model_loads_and_nothing_is_left_beside_it)
{
    struct place place = place_new();
    struct model *m = small_model(), *back = NULL;
    struct error err = { 0 };

    cr_assert_eq(weights_save(m, place.path, &err), ST_OK, "%s", err.text);
    cr_assert_eq(weights_save(m, place.path, &err), ST_OK, "%s", err.text); /* over the first */
    cr_assert(!exists(place.beside));
    cr_assert_eq(weights_load(place.path, &back, &err), ST_OK, "%s", err.text);
    check_same_model(m, back);
    model_unref(m);
    model_unref(back);
    scratch_remove(place.folder);
}

TEST_WITHOUT_LEAKS(saving, is_the_same_file_as_writing)
{
    struct place place = place_new();
    struct model *m = small_model();
    struct buf memory = written(m);
    struct file_bytes file = FILE_BYTES_INIT;

    cr_assert_eq(weights_save(m, place.path, NULL), ST_OK);
    cr_assert_eq(file_read(place.path, WEIGHTS_MAX_BYTES, &file, NULL), ST_OK);
    cr_assert(file.size == memory.len && memcmp(file.data, memory.data, file.size) == 0);
    file_bytes_release(&file);
    buf_release(&memory);
    model_unref(m);
    scratch_remove(place.folder);
}

/* Saving with room for `limit` bytes, as on a full disk. */
static enum status save_within(rlim_t limit, const struct model *m, const char *path, struct error *err)
{
    struct rlimit before, little;
    enum status st;

    signal(SIGXFSZ, SIG_IGN); /* the write fails instead */
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = limit;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    st = weights_save(m, path, err);
    setrlimit(RLIMIT_FSIZE, &before);
    return st;
}

TEST_WITHOUT_LEAKS(saving, that_fails_half_way_leaves_the_old_file_and_nothing_else)
{
    static const rlim_t LIMITS[] = { 0, 4, 100, 1 << 20 };
    struct place place = place_new();
    struct model *m = small_model(), *back = NULL;

    cr_assert_eq(weights_save(m, place.path, NULL), ST_OK);
    for (size_t i = 0; i < 4; i++) {
        struct error err = { 0 };

        check_refusal("a full disk", save_within(LIMITS[i], m, place.path, &err), ST_IO, &err, place.beside);
        cr_assert(!exists(place.beside), "the part of %zu bytes is left", (size_t)LIMITS[i]);
        cr_assert_eq(weights_load(place.path, &back, &err), ST_OK, "%s", err.text);
        check_same_model(m, back);
        model_unref(back);
    }
    model_unref(m);
    scratch_remove(place.folder);
}

TEST_WITHOUT_LEAKS(saving, into_no_folder_or_over_a_folder_is_refused)
{
    struct place place = place_new();
    struct model *m = small_model();
    struct error err = { 0 };
    char path[600];

    snprintf(path, sizeof path, "%s/no/such/folder", place.folder);
    check_refusal("no folder", weights_save(m, path, &err), ST_IO, &err, "no/such/folder");
    cr_assert_eq(mkdir(place.path, 0700), 0);
    check_refusal("over a folder", weights_save(m, place.path, &err), ST_IO, &err, place.path);
    cr_assert(!exists(place.beside));
    model_unref(m);
    scratch_remove(place.folder);
}

TEST_WITHOUT_LEAKS(loading, refuses_what_is_missing_broken_or_too_large)
{
    struct place place = place_new();
    const struct iovec text = { "not weights at all", 18 };
    struct model *m = NULL;
    struct error err = { 0 };

    check_refusal("missing", weights_load(place.path, &m, &err), ST_NOTFOUND, &err, place.path);
    cr_assert_eq(file_replace(place.path, &text, 1, &err), ST_OK);
    check_refusal("broken", weights_load(place.path, &m, &err), ST_FORMAT, &err, "safetensors");
    cr_assert_eq(truncate(place.path, WEIGHTS_MAX_BYTES + 1), 0);
    check_refusal("too large", weights_load(place.path, &m, &err), ST_LIMIT, &err, "134217729");
    check_refusal("a folder", weights_load(place.folder, &m, &err), ST_IO, &err, "not a regular file");
    cr_assert_null(m);
    scratch_remove(place.folder);
}
