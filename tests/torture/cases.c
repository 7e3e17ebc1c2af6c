/* tests/torture/cases.c - see cases.h. */
#include "cases.h"

#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/image_cache.h"
#include "cxrd/import.h"
#include "cxrd/json.h"
#include "cxrd/onnx.h"
#include "cxrd/phantom.h"
#include "cxrd/registry.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "cxrd/store.h"
#include "cxrd/trainer.h"
#include "cxrd/weights.h"
#include "model/torch/torch.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 64, N_PICTURES = 24, MANY = 64 << 20 };

static const struct preprocess PREPROCESS = { SIDE, RESIZE_AREA, 128, 64 };

/* The files that torture_prepare() made. */
static char folder[PATH_MAX - 64];
static struct file_bytes table, grey_png, weights, onnx;
static struct buf colour_png = BUF_INIT(MANY);
static struct file_bytes torch_pickles;
static struct model *model;

static const char *path(const char *name)
{
    static char text[PATH_MAX];

    snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

/* ---- pictures ---- */

static enum status decode(const void *bytes, size_t n, struct error *err)
{
    struct image img = IMAGE_INIT;
    const enum status st = image_decode(bytes, n, &IMAGE_READER_PNG, &img, err);

    assert(st != ST_OK || (img.width == SIDE && img.height == SIDE));
    image_release(&img);
    return st;
}

static enum status decode_grey(struct error *err) { return decode(grey_png.data, grey_png.size, err); }

static enum status decode_colour(struct error *err) { return decode(colour_png.data, colour_png.len, err); }

static enum status encode(struct error *err)
{
    static const uint8_t pixels[SIDE * SIDE];
    struct buf out = BUF_INIT(MANY);
    const enum status st = image_encode_png(pixels, SIDE, SIDE, 1, &out, err);

    buf_release(&out);
    return st;
}

/* ---- a data set ---- */

static enum status split(const struct table *t, enum split_by by, struct error *err)
{
    static const char LIST[] = "00000001_000.png\n00000002_000.png\n",
                      OTHER[] = "00000003_000.png\n00000004_000.png\n";
    const struct split_options o = { .by = by,
                                     .test_fraction = 0.2,
                                     .val_fraction = 0.3,
                                     .seed = 1,
                                     .test_list = LIST,
                                     .test_list_size = sizeof LIST - 1,
                                     .train_val_list = OTHER,
                                     .train_val_list_size = sizeof OTHER - 1 };
    struct dataset_report report = { 0 };
    struct rows used = ROWS_INIT, normal = ROWS_INIT;
    struct split s = SPLIT_INIT;
    enum status st = table_filter(t, 120, false, false, &used, &normal, &report, err);

    if (st == ST_OK)
        st = split_make(t, &used, &o, &s, &report, err);
    rows_release(&used);
    rows_release(&normal);
    split_release(&s);
    return st;
}

static enum status read_table(struct error *err)
{
    struct table t = TABLE_INIT;
    enum status st = table_read(table.data, table.size, "table", &NIH_LABELS, &t, err);

    assert(st != ST_OK || t.n_rows == N_PICTURES);
    for (int by = SPLIT_IMAGE; by <= SPLIT_LIST && st == ST_OK; by++)
        st = split(&t, (enum split_by)by, err);
    table_release(&t);
    return st;
}

static enum status find_pictures(struct error *err)
{
    const int root = open(path("data/phantom"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct picture_files *files = NULL;
    const enum status st = discover(root,
                                    "images_*"
                                    "/images/*.png",
                                    1, &files, err);

    assert(st != ST_OK || picture_count(files) == N_PICTURES);
    picture_files_free(files);
    close(root);
    return st;
}

/* ---- a job's JSON ---- */

/* A text of one long token, which jansson's lexer collects in a buffer that grows: without room it loses a byte. */
static enum status parse_token(const char *before, const char *piece, const char *after, struct error *err)
{
    enum { LONGEST = 200 };
    struct buf text = BUF_INIT(1 << 12);
    json_t *value = NULL;
    enum status st;

    buf_puts(&text, before);
    while (text.len < LONGEST && buf_status(&text) == ST_OK)
        buf_puts(&text, piece);
    buf_puts(&text, after);
    st = buf_status(&text);
    if (st == ST_OK)
        st = json_read(text.data, text.len, 0, &value, NULL);
    assert(st == ST_OK || st == ST_NOMEM);
    json_decref(value);
    buf_release(&text);
    return st == ST_OK ? st : error_nomem(err);
}

/* Whatever byte it is that is lost. */
static enum status parse_tokens(struct error *err)
{
    static const char *const BEFORE[] = { "[\"", "[\"x", "[\"xx", "[\"xxx", "[\"xxxx", "[\"xxxxx" };
    enum status st = ST_OK;

    for (size_t i = 0; i < sizeof BEFORE / sizeof BEFORE[0] && st == ST_OK; i++) {
        st = parse_token(BEFORE[i], "\\\"", "\"]", err);
        if (st == ST_OK)
            st = parse_token(BEFORE[i], "\\u00e9", "\"]", err);
    }
    return st == ST_OK ? parse_token("[1e", "0", "1]", err) : st;
}

/* Without memory jansson gives nothing back, or an errors array that is not whole: ST_NOMEM or ST_INVALID, but a job is
 * never another than the one that was asked for. */
static enum status parse_config(struct error *err)
{
    json_t *job = json_pack("{s:s,s:i,s:f,s:s,s:b}", "dataset", "phantom", "epochs", 3, "learning_rate", 1e-3,
                            "recipe", "notebook", "shuffle", 0);
    json_t *errors = json_array(), *printed = NULL;
    struct train_config c;
    enum status st = job && errors ? train_config_parse(job, &c, errors) : error_nomem(err);

    if (st == ST_OK) {
        assert(c.epochs == 3 && c.recipe == RECIPE_NOTEBOOK && !c.shuffle &&
               strcmp(c.dataset, "phantom") == 0);
        printed = train_config_json(&c);
        st = printed ? ST_OK : error_nomem(err);
    }
    json_decref(printed);
    json_decref(errors);
    json_decref(job);
    return st;
}

/* ---- models ---- */

static enum status read_weights(struct error *err)
{
    struct model *m = NULL;
    const enum status st = weights_read(weights.data, weights.size, &m, err);

    model_unref(m);
    return st;
}

static enum status write_weights(struct error *err)
{
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    const enum status st = weights_write(model, &out, err);

    assert(st != ST_OK || (out.len == weights.size && memcmp(out.data, weights.data, out.len) == 0));
    buf_release(&out);
    return st;
}

static enum status write_onnx(struct error *err)
{
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    const enum status st = onnx_write(model, &out, err);

    assert(st != ST_OK || (out.len == onnx.size && memcmp(out.data, onnx.data, out.len) == 0));
    buf_release(&out);
    return st;
}

static enum status import_onnx(struct error *err)
{
    json_t *report = json_object();
    struct model *m = NULL;
    const enum status st = report ? model_import(onnx.data, onnx.size,
                                                 &(struct import_options){ .labels = NULL }, &m, report, err)
                                  : error_nomem(err);

    model_unref(m);
    json_decref(report);
    return st;
}

static enum status read_torch_pickles(struct error *err)
{
    struct torch_file f = { 0 };
    const enum status st = torch_read(torch_pickles.data, torch_pickles.size, &f, err);

    assert(st != ST_OK || (f.n == 2 && ((const float *)f.arrays[1].data)[1] == 4));
    torch_file_release(&f);
    return st;
}

static enum status save_weights(struct error *err)
{
    const enum status st = weights_save(model, path("saved.safetensors"), err);

    unlink(path("saved.safetensors"));
    return st;
}

static enum status predict(struct error *err)
{
    static float x[SIDE * SIDE], logits[N_NIH_LABELS];
    struct image img = IMAGE_INIT;
    uint8_t square[SIDE * SIDE];
    struct session *s = NULL;
    enum status st = image_decode(grey_png.data, grey_png.size, &IMAGE_READER_PNG, &img, err);

    if (st == ST_OK) {
        preprocess_resize(&img, &PREPROCESS, square);
        preprocess_scale(square, sizeof square, &PREPROCESS, x);
        st = session_new(&s);
    }
    if (st == ST_OK)
        st = session_run(s, model, 1, x, logits);
    if (st != ST_OK && err && !err->text[0])
        error_nomem(err);
    session_free(s);
    image_release(&img);
    return st;
}

/* ---- what lasts ---- */

static enum status use_store(struct store *store, struct error *err)
{
    char id[ID_SIZE];
    struct claim begun;
    json_t *config = json_pack("{s:i}", "epochs", 1), *job = NULL, *list = NULL, *taken = NULL;
    const struct new_job new = {
        .type = "train", .config = config, .request_sha256 = "x", .max_queued = 1000000
    };
    const struct page page = { .limit = 5 };
    int64_t next;
    enum status st = config ? store_job_add(store, &new, id, err) : error_nomem(err);

    if (st == ST_OK)
        st = store_job_begin(store, NULL, &begun, (char[JOB_TYPE_SIZE]){ 0 }, &taken, err);
    if (st == ST_OK)
        st = store_job_move(store, &begun, JOB_SUCCEEDED, NULL, err);
    if (st == ST_OK)
        st = store_job_get(store, begun.job, &job, err);
    if (st == ST_OK)
        st = store_jobs(store, &page, &list, &next, err);
    json_decref(config);
    json_decref(taken);
    json_decref(job);
    json_decref(list);
    return st;
}

static void remove_state(void)
{
    static const char *const NAMES[] = { "state/x.db", "state/x.db-journal", "state/x.db-wal",
                                         "state/x.db-shm" };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        unlink(path(NAMES[i]));
}

static enum status use_a_new_store(struct error *err)
{
    struct store *store = NULL;
    enum status st = folder_make(path("state"), err);

    if (st == ST_OK)
        st = store_open(path("state/x.db"), &store, err);
    if (st == ST_OK)
        st = use_store(store, err);
    store_close(store);
    remove_state();
    return st;
}

static enum status use_registry(struct error *err)
{
    struct store *store = NULL;
    struct registry *registry = NULL;
    struct loaded_model *served = NULL;
    json_t *card = NULL;
    enum status st = folder_make(path("state"), err);

    if (st == ST_OK)
        st = store_open(path("state/x.db"), &store, err);
    if (st == ST_OK)
        st = registry_open(store, path("state"), &(struct registry_options){ PRECISION_FLOAT32, 2 },
                           &registry, err);
    if (st == ST_OK)
        st = registry_add(registry, weights.data, weights.size, NULL, &card, err);
    if (st == ST_OK) {
        const char *id = json_string_value(json_object_get(card, "id"));

        assert(id && id_ok(id, strlen(id)));
        st = registry_activate(registry, id, NULL, err);
    }
    if (st == ST_OK) {
        served = registry_active(registry);
        assert(served != NULL);
    }
    loaded_model_release(served);
    json_decref(card);
    registry_close(registry);
    store_close(store);
    remove_state();
    return st;
}

/* ---- the whole pipeline ---- */

static enum status train(struct error *err)
{
    struct train_config c;
    json_t *job = json_pack("{s:s,s:i,s:i,s:i,s:i}", "dataset", "phantom", "image_size", SIDE, "epochs", 1,
                            "batch_size", 8, "steps_per_epoch", 1);
    json_t *errors = json_array();
    const struct train_observer nobody = { 0 };
    struct train_result result = { 0 };
    struct train_request request = { .config = &c, .threads = 2, .class = POOL_NORMAL };
    char data[PATH_MAX], cache[PATH_MAX];
    enum status st = job && errors ? train_config_parse(job, &c, errors) : error_nomem(err);

    snprintf(data, sizeof data, "%s", path("data"));
    snprintf(cache, sizeof cache, "%s", path("cache"));
    request.datasets = data;
    request.cache_folder = cache;
    request.cache_bytes = MANY;
    if (st == ST_OK)
        st = train_run(&request, &nobody, &result, err);
    assert(st != ST_OK || (result.model && result.n_epochs == 1 && result.unreadable == 0));
    train_result_release(&result);
    json_decref(errors);
    json_decref(job);
    return st;
}

const struct torture_case TORTURE_CASES[] = {
    { "a grey PNG is decoded", decode_grey },
    { "a colour PNG is decoded", decode_colour },
    { "a PNG is written", encode },
    { "a table is read, filtered and split", read_table },
    { "pictures are found", find_pictures },
    { "a job is parsed", parse_config },
    { "tokens are parsed", parse_tokens },
    { "weights are read", read_weights },
    { "weights are written", write_weights },
    { "weights are saved", save_weights },
    { "an ONNX file is written", write_onnx },
    { "an ONNX file is imported", import_onnx },
    { "pickles of PyTorch are read", read_torch_pickles },
    { "a picture is predicted", predict },
    { "jobs are stored", use_a_new_store },
    { "a model is registered and activated", use_registry },
    { "a model is trained", train },
};
const size_t N_TORTURE_CASES = sizeof TORTURE_CASES / sizeof TORTURE_CASES[0];

/* ---- their files ---- */

/* A buffer as a file's bytes. */
static struct file_bytes bytes_of(struct buf *b)
{
    const size_t n = b->len;

    return (struct file_bytes){ buf_take(b), n };
}

/* A file of torch.save(), until PyTorch 1.5, with two tensors of one storage, of which one does not lie in a row. A zip is no case:
 * libzip 1.7 loses a few bytes where some of its allocations fail. */
#define TORCH_PICKLE                                                                       \
    "\x80\2}(U\1actorch._utils\n_rebuild_tensor_v2\n((U\7storagectorch\nFloatStorage\nU\1" \
    "0U\3cpuK\6tQq\1K\0K\2K\3\x86K\3K\1\x86\x89"                                           \
    "ccollections\nOrderedDict\n)RtRU\1b"                                                  \
    "ctorch._utils\n_rebuild_tensor_v2\n(h\1K\0K\3K\2\x86K\1K\3\x86\x89"                   \
    "ccollections\nOrderedDict\n)RtRu."
#define TORCH_BEFORE \
    "\x80\2\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}U\x0dlittle_endian\x88s."
#define TORCH_KEYS \
    "\x80\2]U\1"   \
    "0a.\6\0\0\0\0\0\0\0"

static bool torch_make(void)
{
    static const float numbers[6] = { 1, 2, 3, 4, 5, 6 };
    struct buf pickles = BUF_INIT(MANY);

    buf_put(&pickles, TORCH_BEFORE, sizeof TORCH_BEFORE - 1);
    buf_put(&pickles, TORCH_PICKLE, sizeof TORCH_PICKLE - 1);
    buf_put(&pickles, TORCH_KEYS, sizeof TORCH_KEYS - 1);
    buf_put(&pickles, numbers, sizeof numbers);
    if (buf_status(&pickles) != ST_OK)
        return false;
    torch_pickles = bytes_of(&pickles);
    return true;
}

static bool model_make(void)
{
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES), exported = BUF_INIT(WEIGHTS_MAX_BYTES);
    const struct network *net;
    struct rng rng;
    float *params;
    bool ok;

    if (network_new(&(struct network_spec){ "cnn4", PREPROCESS.size, N_NIH_LABELS, 0 }, &net, NULL) != ST_OK)
        return false;
    params = malloc(net->n_params * sizeof *params);
    if (!params)
        return false;
    rng_seed(&rng, 1, 1);
    network_initialise(net, INIT_GLOROT, &rng, params);
    ok = model_new(net, &NIH_LABELS, &PREPROCESS, params, NULL, &model, NULL) == ST_OK &&
         weights_write(model, &file, NULL) == ST_OK && onnx_write(model, &exported, NULL) == ST_OK;
    network_unref(net);
    free(params);
    weights = bytes_of(&file);
    onnx = bytes_of(&exported);
    return ok;
}

bool torture_prepare(const char *into)
{
    static uint8_t colour[SIDE * SIDE * 3];
    const struct phantom_options options = { .images = N_PICTURES, .size = SIDE, .seed = 1 };
    struct phantom_options o = options;
    char out[PATH_MAX];

    snprintf(folder, sizeof folder, "%s", into);
    snprintf(out, sizeof out, "%s", path("data/phantom"));
    o.out = out;
    return folder_make(path("data"), NULL) == ST_OK && phantom_make(&o, NULL, NULL, NULL, NULL) == ST_OK &&
           file_read(path("data/phantom/Data_Entry_2017.csv"), MANY, &table, NULL) == ST_OK &&
           file_read(path("data/phantom/images_001/images/00000001_000.png"), MANY, &grey_png, NULL) ==
               ST_OK &&
           image_encode_png(colour, SIDE, SIDE, 3, &colour_png, NULL) == ST_OK && model_make() &&
           torch_make();
}
