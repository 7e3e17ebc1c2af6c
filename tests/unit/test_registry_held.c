/* tests/unit/test_registry_held.c - a registry that is opened again, whatever happened to its files; a model that is being used stays
 * whole however often another becomes active. */
#include "files.h"
#include "registry_case.h"
#include "sentence.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

TestSuite(registry_held, .init = registry_begin, .fini = registry_end);

/* ---- opening ---- */

/* Open it again: none answers, since the model that was chosen cannot be loaded, for a reason with `word` in it. */
static void check_fault(struct id chosen, const char *word)
{
    struct registry_fault fault;
    struct loaded_model *m = NULL;
    struct error err = { 0 };

    registry_reopen();
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
    registry_reopen();
    check_active(active.text);
}

Test(registry_held, without_the_active_models_file_opens_and_is_mended_by_another)
{
    struct id a = added(1), b = added(2);

    activated(a);
    cr_assert_eq(unlink(file_of(a)), 0);
    check_fault(a, "missing");
    activated(b);
    check_mended(b);
}

Test(registry_held, whose_active_model_changed_on_disk_opens_and_rolls_back)
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

Test(registry_held, does_an_activation_and_a_rollback_of_one_key_once_each)
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

Test(registry_held, whose_active_model_cannot_be_loaded_gives_its_place_to_no_other_unasked)
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

Test(registry_held, opens_without_the_files_of_models_that_are_not_active)
{
    struct id a = added(1), b = added(2);

    activated(a);
    cr_assert_eq(unlink(file_of(b)), 0);
    registry_reopen();
    check_active(a.text);
}

Test(registry_held, needs_a_folder_that_it_can_make)
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

Test(registry_held, model_in_use_stays_whole_when_others_become_active)
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

Test(registry_held, model_in_use_outlives_the_registry)
{
    struct loaded_model *held;

    activated(added(1));
    held = registry_active(registry);
    registry_closed();
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

Test(registry_held, answers_name_their_model_while_another_thread_swaps_it)
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
