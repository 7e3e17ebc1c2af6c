/* tests/unit/test_registry.c - which models there are and which one answers: a model is believed only when everything
 * about it was checked, and one that is being used stays whole however often another becomes active. */
#include "cxrd/log.h"
#include "cxrd/registry.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "cxrd/weights.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a registry in a scratch folder ---- */

static char *state;
static struct store *store;
static struct registry *registry;

static char deleted[64]; /* the model that was told to be deleted last */

static void on_deleted(void *arg, const char *model)
{
    (void)arg;
    snprintf(deleted, sizeof deleted, "%s", model);
}

static void closed(void)
{
    registry_close(registry);
    store_close(store);
    registry = NULL;
    store = NULL;
}

static enum status opened(struct error *err)
{
    enum status st = store_open(path_in(state, "jobs.db"), &store, err);

    return st == ST_OK
               ? registry_open(store, state,
                               &(struct registry_options){ PRECISION_FLOAT32, 2, .deleted = on_deleted },
                               &registry, err)
               : st;
}

static void reopen(void)
{
    struct error err = { 0 };

    closed();
    cr_assert_eq(opened(&err), ST_OK, "%s", err.text);
}

static void begin(void)
{
    log_set_level(LOG_OFF);
    state = scratch_folder();
    reopen();
}

static void end(void)
{
    closed();
    scratch_remove(state);
    check_no_leaks();
}

TestSuite(registry, .init = begin, .fini = end);

/* ---- models ---- */

struct id {
    char text[ID_SIZE];
};

/* A job that runs, to make a model. */
static struct claim job_begun(void)
{
    json_t *config = json_object(), *taken = NULL;
    const struct new_job job = { .type = "train", .config = config, .request_sha256 = "00", .max_queued = 9 };
    struct claim claim = { .token = 0 };
    struct error err = { 0 };

    cr_assert_eq(store_job_add(store, &job, claim.job, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_job_begin(store, &claim, (char[JOB_TYPE_SIZE]){ 0 }, &taken, &err), ST_OK, "%s",
                 err.text);
    json_decref(taken);
    json_decref(config);
    return claim;
}

static json_t *card_of(const void *bytes, size_t n, const struct claim *by)
{
    json_t *card = NULL;
    struct error err = { 0 };

    cr_assert_eq(registry_add(registry, bytes, n, by, &card, &err), ST_OK, "%s", err.text);
    return card;
}

static struct id added(uint64_t seed)
{
    struct buf file = tiny_weights(seed, 1, NULL);
    json_t *card = card_of(file.data, file.len, NULL);
    struct id id;

    snprintf(id.text, sizeof id.text, "%s", json_string_value(json_object_get(card, "id")));
    json_decref(card);
    buf_release(&file);
    return id;
}

static void activated(struct id id)
{
    struct error err = { 0 };

    cr_assert_eq(registry_activate(registry, id.text, NULL, &err), ST_OK, "%s", err.text);
}

static void check_active(const char *id)
{
    struct loaded_model *m = registry_active(registry);

    if (*id)
        cr_assert_str_eq(m->id, id);
    else
        cr_assert_null(m);
    loaded_model_release(m);
}

static const char *file_of(struct id id) { return path_in(state, "models/%s.safetensors", id.text); }

/* A model's scores of one picture, which is always the same. */
static enum status asked(const struct model *m, float logits[N_NIH_LABELS])
{
    static const size_t PLANE = 64 * 64;
    float *x = malloc(PLANE * sizeof *x);
    struct session *session = NULL;
    struct rng rng;
    enum status st = session_new(&session);

    rng_seed(&rng, 7, 7);
    for (size_t i = 0; i < PLANE; i++)
        x[i] = rng_uniform(&rng, -1, 1);
    if (st == ST_OK)
        st = session_run(session, m, 1, x, logits);
    session_free(session);
    free(x);
    return st;
}

/* The same as the model of that seed, which never was in a registry. */
static void check_answers_like(const struct model *m, uint64_t seed)
{
    struct model *expected = tiny_model(seed, 1, NULL);
    float a[N_NIH_LABELS], b[N_NIH_LABELS];

    cr_assert_eq(asked(m, a), ST_OK);
    cr_assert_eq(asked(expected, b), ST_OK);
    cr_assert_arr_eq(a, b, sizeof a, "not the model of seed %ju", (uintmax_t)seed);
    model_unref(expected);
}

/* ---- adding and activating ---- */

Test(registry, has_no_active_model_until_one_is_activated)
{
    check_active("");
    added(1);
    check_active("");
}

Test(registry, answers_with_the_model_that_was_activated_last)
{
    struct id a = added(1), b = added(2);
    struct loaded_model *m;

    activated(a);
    m = registry_active(registry);
    cr_assert_str_eq(m->id, a.text);
    check_answers_like(m->model, 1);
    loaded_model_release(m);
    activated(b);
    m = registry_active(registry);
    cr_assert_str_eq(m->id, b.text);
    check_answers_like(m->model, 2);
    loaded_model_release(m);
}

Test(registry, has_its_models_and_the_active_one_again_after_a_restart)
{
    struct id a = added(1), b = added(2);
    struct loaded_model *m;

    activated(a);
    reopen();
    m = registry_active(registry);
    cr_assert_str_eq(m->id, a.text);
    check_answers_like(m->model, 1);
    loaded_model_release(m);
    activated(b);
    check_active(b.text);
}

Test(registry, card_says_what_the_file_is)
{
    struct buf file = tiny_weights(
        3, 1, json_pack("{s:s,s:s}", "population", "findings-only", "metrics", "{\"macro_auroc\":0.5}"));
    const struct claim by = job_begun();
    json_t *card = card_of(file.data, file.len, &by), *imported = card_of(file.data, file.len, NULL);
    char sha256[DIGEST_TEXT_SIZE];

    cr_assert_eq(digest_bytes(file.data, file.len, sha256), ST_OK);
    cr_assert_str_eq(json_string_value(json_object_get(card, "sha256")), sha256);
    cr_assert_eq((size_t)json_integer_value(json_object_get(card, "bytes")), file.len);
    cr_assert_str_eq(json_string_value(json_object_get(card, "architecture")), "cnn4");
    cr_assert_eq(json_integer_value(json_object_get(card, "image_size")), 64);
    cr_assert_str_eq(json_string_value(json_object_get(card, "resize")), "area");
    cr_assert_str_eq(json_string_value(json_object_get(card, "job")), by.job);
    cr_assert_str_eq(json_string_value(json_object_get(card, "population")), "findings-only");
    cr_assert_eq(json_real_value(json_object_get(json_object_get(card, "metrics"), "macro_auroc")), 0.5);
    cr_assert_eq(json_array_size(json_object_get(json_object_get(card, "tensors"), "conv1.weight")), 4);
    cr_assert(json_is_false(json_object_get(card, "imported")));
    cr_assert(json_is_true(json_object_get(imported, "imported")));
    cr_assert(json_is_null(json_object_get(imported, "job")));
    cr_assert_str_neq(json_string_value(json_object_get(imported, "id")),
                      json_string_value(json_object_get(card, "id")), "every import is a new model");
    json_decref(imported);
    json_decref(card);
    buf_release(&file);
}

Test(registry, served_model_names_its_job_digest_and_population)
{
    struct buf file = tiny_weights(3, 1, json_pack("{s:s}", "population", "all"));
    const struct claim by = job_begun();
    json_t *card = card_of(file.data, file.len, &by);
    struct id id;
    struct loaded_model *m;

    snprintf(id.text, sizeof id.text, "%s", json_string_value(json_object_get(card, "id")));
    activated(id);
    m = registry_active(registry);
    cr_assert_str_eq(m->job, by.job);
    cr_assert_str_eq(m->sha256, json_string_value(json_object_get(card, "sha256")));
    cr_assert_str_eq(m->population, "all");
    loaded_model_release(m);
    json_decref(card);
    buf_release(&file);
}

/* An imported file may say anything there; a piece of it would not even be UTF-8. */
Test(registry, population_that_is_too_long_to_serve_is_unknown)
{
    struct buf file = tiny_weights(3, 1,
                                   json_pack("{s:s}", "population",
                                             "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                                             "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                                             "\xc3\xa9\xc3\xa9"));
    json_t *card = card_of(file.data, file.len, NULL);
    struct id id;
    struct loaded_model *m;

    snprintf(id.text, sizeof id.text, "%s", json_string_value(json_object_get(card, "id")));
    activated(id);
    m = registry_active(registry);
    cr_assert_str_eq(m->population, "");
    loaded_model_release(m);
    json_decref(card);
    buf_release(&file);
}

Test(registry, file_is_handed_out_byte_for_byte)
{
    struct buf file = tiny_weights(3, 1, NULL);
    json_t *card = card_of(file.data, file.len, NULL);
    struct file_bytes found = FILE_BYTES_INIT;
    struct error err = { 0 };
    size_t size;
    int fd;

    cr_assert_eq(registry_file(registry, json_string_value(json_object_get(card, "id")), &fd, &size, &err),
                 ST_OK, "%s", err.text);
    cr_assert_eq(size, file.len);
    cr_assert_eq(file_read_fd(fd, "model", WEIGHTS_MAX_BYTES, &found, &err), ST_OK, "%s", err.text);
    cr_assert_eq(memcmp(found.data, file.data, file.len), 0);
    close(fd);
    file_bytes_release(&found);
    json_decref(card);
    buf_release(&file);
}

Test(registry, onnx_file_is_made_once_and_goes_with_its_model)
{
    struct id id = added(3);
    const char *path = path_in(state, "models/%s.onnx", id.text);
    struct error err = { 0 };
    size_t size;
    int fd;

    for (int i = 0; i < 2; i++) {
        cr_assert_eq(registry_onnx(registry, id.text, &fd, &size, &err), ST_OK, "%s", err.text);
        cr_assert_gt(size, 1000);
        close(fd);
    }
    cr_assert_eq(access(path, F_OK), 0);
    cr_assert_eq(registry_delete(registry, id.text, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(deleted, id.text);
    cr_assert_neq(access(path, F_OK), 0);
    check_refusal("a model that is gone", registry_onnx(registry, id.text, &fd, &size, &err), ST_NOTFOUND,
                  &err, "no model");
}

static void *asked_for_onnx(void *id)
{
    struct error err = { 0 };
    size_t size;
    int fd;
    const enum status st = registry_onnx(registry, id, &fd, &size, &err);

    if (st == ST_OK)
        close(fd);
    cr_assert(st == ST_OK || st == ST_NOTFOUND, "%s", err.text);
    return NULL;
}

/* The first to ask makes it, and no file is left of a model that goes meanwhile. */
Test(registry, onnx_file_is_asked_for_by_many_while_its_model_goes)
{
    enum { ASKING = 4, ROUNDS = 5 };

    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct id id = added(round);
        struct error err = { 0 };
        pthread_t threads[ASKING];

        for (size_t i = 0; i < ASKING; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, asked_for_onnx, id.text), 0);
        cr_assert_eq(registry_delete(registry, id.text, &err), ST_OK, "%s", err.text);
        for (size_t i = 0; i < ASKING; i++)
            pthread_join(threads[i], NULL);
        cr_assert_neq(access(path_in(state, "models/%s.onnx", id.text), F_OK), 0);
        cr_assert_neq(access(path_in(state, "models/%s.onnx.part", id.text), F_OK), 0);
    }
}

/* ---- models that are named ---- */

static struct loaded_model *named(struct id id)
{
    struct error err = { 0 };
    struct loaded_model *m = NULL;

    cr_assert_eq(registry_named(registry, id.text, &m, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(m->id, id.text);
    return m;
}

Test(registry, named_model_is_loaded_once_and_the_one_that_nobody_asked_for_longest_gives_way)
{
    struct id id[] = { added(1), added(2), added(3) };
    struct loaded_model *first = named(id[0]), *again = named(id[0]), *second;

    cr_assert_eq(first, again, "it was loaded twice");
    loaded_model_release(again);
    loaded_model_release(named(id[1]));
    cr_assert_eq(registry_beside(registry), 2);
    loaded_model_release(named(id[0]));
    loaded_model_release(named(id[2])); /* there is room for two: 1 gives way */
    cr_assert_eq(registry_beside(registry), 2);
    again = named(id[0]);
    cr_assert_eq(first, again, "it was asked for after the other, and is gone");
    loaded_model_release(again);
    second = named(id[1]); /* and now 2, and then 0, which is still held here */
    loaded_model_release(named(id[2]));
    check_answers_like(first->model, 1);
    check_answers_like(second->model, 2);
    loaded_model_release(first);
    loaded_model_release(second);
    check_active("");
}

Test(registry, named_model_that_is_active_or_gone_is_not_kept_beside)
{
    struct id a = added(1), b = added(2);
    struct error err = { 0 };
    struct loaded_model *m;

    loaded_model_release(named(a));
    activated(a);
    cr_assert_eq(registry_beside(registry), 0, "it is there twice");
    loaded_model_release(named(a));
    cr_assert_eq(registry_beside(registry), 0);
    m = named(b);
    cr_assert_eq(registry_delete(registry, b.text, &err), ST_OK, "%s", err.text);
    cr_assert_eq(registry_beside(registry), 0);
    check_answers_like(m->model, 2);
    loaded_model_release(m);
    check_refusal("a model that is gone", registry_named(registry, b.text, &m, &err), ST_NOTFOUND, &err,
                  "no model");
    check_refusal("no id", registry_named(registry, "../x", &m, &err), ST_NOTFOUND, &err, "no model");
}

Test(registry, named_model_whose_file_was_changed_is_refused)
{
    struct id a = added(1);
    struct error err = { 0 };
    struct loaded_model *m;
    const int fd = open(file_of(a), O_WRONLY | O_APPEND);

    cr_assert_eq(write(fd, "x", 1), 1);
    close(fd);
    check_refusal("a changed file", registry_named(registry, a.text, &m, &err), ST_FORMAT, &err, "digest");
    cr_assert_eq(registry_beside(registry), 0);
}

enum { NAMED = 4, NAMING = 4, NAMINGS = 12 };

struct naming {
    struct id id[NAMED];
    atomic_bool gone; /* the last of them was deleted */
};

/* Each answer is of the model that was named, whichever are let go of meanwhile. */
static void *names(void *arg)
{
    struct naming *n = arg;

    for (size_t i = 0; i < NAMINGS; i++)
        for (size_t k = 0; k < NAMED; k++) {
            struct error err = { 0 };
            struct loaded_model *m = NULL;
            const bool gone = atomic_load(&n->gone);
            const enum status st = registry_named(registry, n->id[k].text, &m, &err);

            cr_assert(st == ST_OK || (st == ST_NOTFOUND && k == NAMED - 1) ||
                          (st == ST_FORMAT && k == NAMED - 1), /* its card was read, and its file is gone */
                      "%s", err.text);
            cr_assert(!(gone && k == NAMED - 1 && st == ST_OK), "a model that is gone");
            if (st == ST_OK)
                check_answers_like(m->model, k);
            loaded_model_release(m);
        }
    return NULL;
}

/* Four models, room for two: sessions hold what others push out, activate and delete. */
Test(registry, models_are_named_by_many_while_they_come_and_go)
{
    struct naming n = { .gone = false };
    pthread_t threads[NAMING];
    struct error err = { 0 };

    for (size_t k = 0; k < NAMED; k++)
        n.id[k] = added(k);
    for (size_t i = 0; i < NAMING; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, names, &n), 0);
    for (size_t i = 0; i < NAMINGS; i++)
        activated(n.id[i % 2]);
    cr_assert_eq(registry_delete(registry, n.id[NAMED - 1].text, &err), ST_OK, "%s", err.text);
    atomic_store(&n.gone, true);
    for (size_t i = 0; i < NAMING; i++)
        pthread_join(threads[i], NULL);
    cr_assert_leq(registry_beside(registry), 2);
}

Test(registry, load_gives_a_model_that_is_not_active)
{
    struct id id = added(4);
    struct model *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(registry_load(registry, id.text, &m, &err), ST_OK, "%s", err.text);
    check_answers_like(m, 4);
    check_active("");
    model_unref(m);
}

/* ---- what is not believed ---- */

static void check_not_added(const char *what, const void *bytes, size_t n, enum status expected,
                            const char *word)
{
    const struct page page = { .limit = 100 };
    json_t *card = NULL, *cards = NULL;
    struct error err = { 0 };
    int64_t next;

    check_refusal(what, registry_add(registry, bytes, n, NULL, &card, &err), expected, &err, word);
    cr_assert_null(card);
    cr_assert_eq(count_entries(path_in(state, "models")), 0, "%s: a file was left", what);
    cr_assert_eq(store_models(store, &page, &cards, &next, &err), ST_OK);
    cr_assert_eq(json_array_size(cards), 0, "%s: it is listed", what);
    json_decref(cards);
}

Test(registry, weights_that_are_broken_are_not_added_and_leave_no_file)
{
    struct buf file = tiny_weights(1, 1, NULL);
    const uint32_t nan = 0x7fc00000;

    check_not_added("nothing", "", 0, ST_FORMAT, "");
    check_not_added("no weights", "a PNG, perhaps", 14, ST_FORMAT, "");
    check_not_added("cut", file.data, file.len - 1, ST_FORMAT, "");
    memcpy(file.data + file.len - sizeof nan, &nan, sizeof nan);
    check_not_added("NaN", file.data, file.len, ST_NUMERIC, "");
    buf_release(&file);
}

Test(registry, weights_that_overflow_are_not_added)
{
    struct buf file = tiny_weights(1, 1e30f, NULL);

    check_not_added("overflow", file.data, file.len, ST_NUMERIC, "finite");
    buf_release(&file);
}

/* The picture's part is finite, and what the patient's adds is not, for some patients. */
Test(registry, weights_that_overflow_at_an_end_of_what_may_be_said_are_not_added)
{
    static const struct {
        const char *what;
        struct inputs in;
        float weight;
        bool added;
    } ROWS[] = {
        { "sane", { 2, { { INPUT_AGE, 50, 10 }, { INPUT_VIEW, 0.5, 0.5 } } }, 1, true },
        { "the oldest", { 1, { { INPUT_AGE, 50, 10 } } }, 1e38f, false },
        { "the youngest", { 1, { { INPUT_AGE, 140, 10 } } }, 1e38f, false },
        { "large alone", { 1, { { INPUT_SEX, 0, 1 } } }, 2e38f, true },
        { "large together", { 2, { { INPUT_SEX, 0, 1 }, { INPUT_VIEW, 0, 1 } } }, 2e38f, false },
        { "large where one is not known", /* -2 or -1, 1 or 2, 1 to 2 */
          { 3, { { INPUT_SEX, 2, 1 }, { INPUT_VIEW, -1, 1 }, { INPUT_AGE, -150, 150 } } },
          1.1e38f,
          false },
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct model *m = tiny_model_with_inputs(1, &ROWS[i].in, ROWS[i].weight, 0);
        struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
        json_t *card = NULL;
        struct error err = { 0 };
        const enum status expected = ROWS[i].added ? ST_OK : ST_NUMERIC;

        cr_assert_eq(weights_write(m, &file, &err), ST_OK);
        cr_assert_eq(registry_add(registry, file.data, file.len, NULL, &card, &err), expected, "%s: %s",
                     ROWS[i].what, err.text);
        json_decref(card);
        buf_release(&file);
        model_unref(m);
    }
}

/* From now on the database refuses new rows in that table, and nothing else. */
/* Versions that did not look at it have stored such models, and some of them answer today. */
Test(registry, model_whose_data_cannot_be_shown_is_not_added_but_served_where_it_was)
{
    static const char ID[] = "7b0e0000-0000-4000-8000-000000000001";
    struct buf file = tiny_weights(1, 1, json_pack("{s:s}", "data", "pictures of St. Elsewhere"));
    char sha256[DIGEST_TEXT_SIZE];
    json_t *card;
    struct error err = { 0 };

    check_not_added("free text", file.data, file.len, ST_FORMAT, "'data'");
    write_bytes(path_in(state, "models/%s.safetensors", ID), file.data, file.len);
    cr_assert_eq(digest_bytes(file.data, file.len, sha256), ST_OK);
    card = json_pack("{s:s,s:s}", "id", ID, "sha256", sha256);
    cr_assert_eq(store_model_add(store, ID, card, NULL, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_activate(store, ID, NULL, NULL, &err), ST_OK, "%s", err.text);
    reopen();
    check_active(ID);
    json_decref(card);
    buf_release(&file);
}

static void refuse_rows(const char *table)
{
    char sql[256];
    sqlite3 *db = NULL;

    snprintf(sql, sizeof sql, "CREATE TRIGGER no BEFORE INSERT ON %s BEGIN SELECT RAISE(ABORT, 'full'); END",
             table);
    cr_assert_eq(sqlite3_open(path_in(state, "jobs.db"), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(registry, model_that_cannot_be_recorded_leaves_no_file)
{
    struct buf file = tiny_weights(1, 1, NULL);
    json_t *card = NULL;
    struct error err = { 0 };

    refuse_rows("models");
    check_refusal("not recorded", registry_add(registry, file.data, file.len, NULL, &card, &err), ST_IO, &err,
                  "database");
    cr_assert_null(card);
    cr_assert_eq(count_entries(path_in(state, "models")), 0, "a file was left");
    buf_release(&file);
}

Test(registry, file_that_cannot_be_written_is_an_error_and_not_recorded)
{
    struct buf file = tiny_weights(1, 1, NULL);
    const struct page page = { .limit = 100 };
    json_t *card = NULL, *cards = NULL;
    struct error err = { 0 };
    int64_t next;

    cr_assert_eq(rmdir(path_in(state, "models")), 0);
    check_refusal("no folder", registry_add(registry, file.data, file.len, NULL, &card, &err), ST_IO, &err,
                  "cannot");
    cr_assert_eq(store_models(store, &page, &cards, &next, &err), ST_OK);
    cr_assert_eq(json_array_size(cards), 0);
    json_decref(cards);
    buf_release(&file);
}

static void check_not_activated(const char *what, struct id id, enum status expected, const char *word)
{
    struct loaded_model *before = registry_active(registry), *after;
    json_t *card = NULL;
    struct error err = { 0 };

    check_refusal(what, registry_activate(registry, id.text, &card, &err), expected, &err, word);
    cr_assert_null(card);
    after = registry_active(registry);
    cr_assert_eq(after, before, "%s: another model is active", what);
    loaded_model_release(before);
    loaded_model_release(after);
}

static void flip_last_byte(const char *path)
{
    struct file_bytes f = read_bytes(path);

    ((char *)f.data)[f.size - 1] ^= 1;
    write_bytes(path, f.data, f.size);
    file_bytes_release(&f);
}

Test(registry, file_that_changed_on_disk_is_not_activated_and_the_old_model_stays)
{
    struct id a = added(1), b = added(2), c = added(3);
    struct model *m = NULL;
    struct error err = { 0 };

    activated(a);
    flip_last_byte(file_of(b));
    check_not_activated("a flipped bit", b, ST_FORMAT, "digest");
    check_refusal("load", registry_load(registry, b.text, &m, &err), ST_FORMAT, &err, "digest");
    cr_assert_eq(unlink(file_of(c)), 0);
    check_not_activated("no file", c, ST_FORMAT, "missing");
    cr_assert_eq(rename(file_of(a), file_of(c)), 0);
    check_not_activated("another model's file", c, ST_FORMAT, "digest");
}

Test(registry, choice_that_cannot_be_recorded_is_not_made)
{
    struct id a = added(1), b = added(2);

    activated(a);
    refuse_rows("settings");
    check_not_activated("not recorded", b, ST_IO, "database");
}

Test(registry, unknown_models_are_not_found)
{
    static const char *const UNKNOWN[] = { "00000000-0000-4000-8000-000000000000", "", "x",
                                           "../../etc/passwd", "0123456789abcdef0123456789abcdef01234567" };

    for (size_t i = 0; i < sizeof UNKNOWN / sizeof UNKNOWN[0]; i++) {
        struct model *m = NULL;
        struct error err = { 0 };
        size_t size;
        int fd;

        check_refusal(UNKNOWN[i], registry_activate(registry, UNKNOWN[i], NULL, &err), ST_NOTFOUND, &err,
                      "no model");
        check_refusal(UNKNOWN[i], registry_load(registry, UNKNOWN[i], &m, &err), ST_NOTFOUND, &err,
                      "no model");
        check_refusal(UNKNOWN[i], registry_file(registry, UNKNOWN[i], &fd, &size, &err), ST_NOTFOUND, &err,
                      "model");
    }
}

/* ---- opening ---- */

/* Open it again: none answers, since the model that was chosen cannot be loaded, for a reason with `word` in it. */
static void check_fault(struct id chosen, const char *word)
{
    struct registry_fault fault;
    struct loaded_model *m = NULL;
    struct error err = { 0 };

    reopen();
    cr_assert(registry_fault(registry, &fault));
    cr_assert_str_eq(fault.model, chosen.text);
    cr_assert(strstr(fault.why, word) && !strstr(fault.why, state), "'%s'", fault.why);
    cr_assert_null(registry_active(registry));
    check_refusal("asked", registry_serving(registry, &m, &err), ST_BUSY, &err, word);
}

static void check_mended(struct id active)
{
    struct registry_fault fault;

    cr_assert_not(registry_fault(registry, &fault));
    check_active(active.text);
    reopen();
    check_active(active.text);
}

Test(registry, without_the_active_models_file_opens_and_is_mended_by_another)
{
    struct id a = added(1), b = added(2);

    activated(a);
    cr_assert_eq(unlink(file_of(a)), 0);
    check_fault(a, "missing");
    activated(b);
    check_mended(b);
}

Test(registry, whose_active_model_changed_on_disk_opens_and_rolls_back)
{
    struct id a = added(1), b = added(2);
    struct error err = { 0 };

    activated(a);
    activated(b);
    flip_last_byte(file_of(b));
    check_fault(b, "digest");
    cr_assert_eq(registry_rollback(registry, NULL, &err), ST_OK, "%s", err.text);
    check_mended(a);
    check_refusal("damaged", registry_rollback(registry, NULL, &err), ST_FORMAT, &err, "digest");
    check_active(a.text);
}

Test(registry, does_an_activation_and_a_rollback_of_one_key_once_each)
{
    struct id a = added(1), b = added(2);
    struct registry_choice first, rollback, again;
    struct error err = { 0 };

    activated(a);
    cr_assert_eq(registry_choose(registry, b.text, "key", &first, &err), ST_OK, "%s", err.text);
    cr_assert_eq(registry_choose(registry, NULL, "key", &rollback, &err), ST_OK, "%s", err.text);
    check_active(a.text);
    cr_assert_eq(registry_choose(registry, NULL, "key", &again, &err), ST_OK, "%s", err.text);
    check_active(a.text);
    cr_assert(rollback.epoch == first.epoch + 1 && again.epoch == rollback.epoch);
    json_decref(first.card);
    json_decref(rollback.card);
    json_decref(again.card);
}

Test(registry, whose_active_model_cannot_be_loaded_gives_its_place_to_no_other_unasked)
{
    struct id a = added(1), b = added(2);
    struct error err = { 0 };

    activated(a);
    cr_assert_eq(unlink(file_of(a)), 0);
    check_fault(a, "missing");
    check_refusal("none was active", registry_activate_after(registry, b.text, "", NULL, &err), ST_CONFLICT,
                  &err, "another model");
    cr_assert_eq(registry_activate_after(registry, b.text, a.text, NULL, &err), ST_OK, "%s", err.text);
    check_mended(b);
}

Test(registry, opens_without_the_files_of_models_that_are_not_active)
{
    struct id a = added(1), b = added(2);

    activated(a);
    cr_assert_eq(unlink(file_of(b)), 0);
    reopen();
    check_active(a.text);
}

Test(registry, needs_a_folder_that_it_can_make)
{
    struct registry *other = NULL;
    struct error err = { 0 };
    char long_path[5000];

    write_text(path_in(state, "file"), "");
    check_refusal("below a file",
                  registry_open(store, path_in(state, "file"),
                                &(struct registry_options){ PRECISION_FLOAT32, 2 }, &other, &err),
                  ST_IO, &err, "folder");
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    check_refusal(
        "too long",
        registry_open(store, long_path, &(struct registry_options){ PRECISION_FLOAT32, 2 }, &other, &err),
        ST_IO, &err, "");
    cr_assert_null(other);
}

/* ---- who holds a model keeps it ---- */

Test(registry, model_in_use_stays_whole_when_others_become_active)
{
    struct id a = added(1), b = added(2);
    struct loaded_model *held, *again;

    activated(a);
    held = registry_active(registry);
    again = registry_active(registry);
    cr_assert_eq(held, again, "one snapshot for all who ask");
    for (int i = 0; i < 3; i++) {
        activated(b);
        activated(a);
    }
    loaded_model_release(again);
    check_answers_like(held->model, 1);
    cr_assert_str_eq(held->id, a.text);
    loaded_model_release(held);
}

Test(registry, model_in_use_outlives_the_registry)
{
    struct loaded_model *held;

    activated(added(1));
    held = registry_active(registry);
    closed();
    check_answers_like(held->model, 1);
    loaded_model_release(held);
}

enum { READERS = 4, SWAPS = 12 };

struct reader {
    struct id ids[2];
    float answers[2][N_NIH_LABELS];
    atomic_bool *stop;
    size_t asked, wrong;
};

/* Every answer is that of the model whose name it carries. */
static void *ask_on(void *arg)
{
    struct reader *r = arg;

    while (!atomic_load(r->stop)) {
        struct loaded_model *m = registry_active(registry);
        const size_t which = strcmp(m->id, r->ids[1].text) == 0;
        float logits[N_NIH_LABELS];

        r->wrong += asked(m->model, logits) != ST_OK || strcmp(m->id, r->ids[which].text) != 0 ||
                    memcmp(logits, r->answers[which], sizeof logits) != 0;
        r->asked++;
        loaded_model_release(m);
    }
    return NULL;
}

static void answer_of(uint64_t seed, float logits[N_NIH_LABELS])
{
    struct model *m = tiny_model(seed, 1, NULL);

    cr_assert_eq(asked(m, logits), ST_OK);
    model_unref(m);
}

Test(registry, answers_name_their_model_while_another_thread_swaps_it)
{
    atomic_bool stop = false;
    struct reader readers[READERS] = { { .ids = { added(1), added(2) }, .stop = &stop } };
    pthread_t threads[READERS];

    answer_of(1, readers[0].answers[0]);
    answer_of(2, readers[0].answers[1]);
    activated(readers[0].ids[0]);
    for (size_t i = 1; i < READERS; i++)
        readers[i] = readers[0];
    for (size_t i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, ask_on, &readers[i]), 0);
    for (size_t i = 0; i < SWAPS; i++)
        activated(readers[0].ids[(i + 1) % 2]);
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(readers[i].wrong, 0, "%zu of %zu answers were wrong", readers[i].wrong,
                     readers[i].asked);
    }
}
