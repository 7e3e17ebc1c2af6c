/* tests/unit/test_registry.c - which models there are and which one answers. */
#include "cxrd/weights.h"
#include "files.h"
#include "registry_case.h"
#include "sentence.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(registry, .init = registry_begin, .fini = registry_end);

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
    registry_reopen();
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
