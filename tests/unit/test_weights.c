/* tests/unit/test_weights.c - a model that is written reads back the same, by us and by the safetensors rule book (a reader of its own
 * below); files of others; writing and saving. */
#include "cxrd/file.h"
#include "cxrd/rng.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "weights_case.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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
