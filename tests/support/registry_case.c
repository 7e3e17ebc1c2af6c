/* tests/support/registry_case.c - see registry_case.h. */
#include "registry_case.h"

#include "cxrd/log.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "files.h"
#include "leaks.h"
#include "support.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a registry in a scratch folder ---- */

char *state;
struct store *store;
struct registry *registry;

char deleted[64]; /* the model that was told to be deleted last */

static void on_deleted(void *arg, const char *model)
{
    (void)arg;
    snprintf(deleted, sizeof deleted, "%s", model);
}

void registry_closed(void)
{
    registry_close(registry);
    store_close(store);
    registry = NULL;
    store = NULL;
}

enum status registry_opened(struct error *err)
{
    enum status st = store_open(path_in(state, "jobs.db"), &store, err);

    return st == ST_OK
               ? registry_open(store, state,
                               &(struct registry_options){ PRECISION_FLOAT32, 2, .deleted = on_deleted },
                               &registry, err)
               : st;
}

void registry_reopen(void)
{
    struct error err = { 0 };

    registry_closed();
    cr_assert_eq(registry_opened(&err), ST_OK, "%s", err.text);
}

void registry_begin(void)
{
    log_set_level(LOG_OFF);
    state = scratch_folder();
    registry_reopen();
}

void registry_end(void)
{
    registry_closed();
    scratch_remove(state);
    check_no_leaks();
}

/* ---- models ---- */

struct claim job_begun(void)
{
    json_t *config = json_object(), *taken = NULL;
    const struct new_job job = { .type = "train", .config = config, .request_sha256 = "00", .max_queued = 9 };
    struct claim claim = { .token = 0 };
    struct error err = { 0 };

    cr_assert_eq(store_job_add(store, &job, claim.job, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_job_begin(store, NULL, &claim, (char[JOB_TYPE_SIZE]){ 0 }, &taken, &err), ST_OK, "%s",
                 err.text);
    json_decref(taken);
    json_decref(config);
    return claim;
}

json_t *card_of(const void *bytes, size_t n, const struct claim *by)
{
    json_t *card = NULL;
    struct error err = { 0 };

    cr_assert_eq(registry_add(registry, bytes, n, by, &card, &err), ST_OK, "%s", err.text);
    return card;
}

struct id added(uint64_t seed)
{
    struct buf file = tiny_weights(seed, 1, NULL);
    json_t *card = card_of(file.data, file.len, NULL);
    struct id id;

    snprintf(id.text, sizeof id.text, "%s", json_string_value(json_object_get(card, "id")));
    json_decref(card);
    buf_release(&file);
    return id;
}

void activated(struct id id)
{
    struct error err = { 0 };

    cr_assert_eq(registry_activate(registry, id.text, NULL, &err), ST_OK, "%s", err.text);
}

void check_active(const char *id)
{
    struct loaded_model *m = registry_active(registry);

    if (*id)
        cr_assert_str_eq(m->id, id);
    else
        cr_assert_null(m);
    loaded_model_release(m);
}

const char *file_of(struct id id) { return path_in(state, "models/%s.safetensors", id.text); }

enum status asked(const struct model *m, float logits[N_NIH_LABELS])
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

void check_answers_like(const struct model *m, uint64_t seed)
{
    struct model *expected = tiny_model(seed, 1, NULL);
    float a[N_NIH_LABELS], b[N_NIH_LABELS];

    cr_assert_eq(asked(m, a), ST_OK);
    cr_assert_eq(asked(expected, b), ST_OK);
    cr_assert_arr_eq(a, b, sizeof a, "not the model of seed %ju", (uintmax_t)seed);
    model_unref(expected);
}

void flip_last_byte(const char *path)
{
    struct file_bytes f = read_bytes(path);

    ((char *)f.data)[f.size - 1] ^= 1;
    write_bytes(path, f.data, f.size);
    file_bytes_release(&f);
}
