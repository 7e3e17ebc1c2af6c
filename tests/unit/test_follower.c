/* tests/unit/test_follower.c - a server that keeps in step with others: it holds its lease whatever else it has to do.
 *
 *     tests/support/postgresql build/release/tests/test_follower
 */
#include "cxrd/log.h"
#include "far_store.h"
#include "jobs/registry/follower.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct store *ours;
static struct follower *follower;
static _Atomic int64_t epoch;
static atomic_bool trusted;

static void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL); }

static int64_t answers_by(void *arg, char fault[sizeof((struct error *)0)->text])
{
    (void)arg;
    fault[0] = '\0';
    return atomic_load(&epoch);
}

static atomic_bool following, held; /* the newest epoch is being followed, for as long as it is held */

static enum status follow(void *arg, const struct epoch *e, struct error *err)
{
    (void)arg, (void)err;
    atomic_store(&following, true);
    while (atomic_load(&held))
        nap();
    atomic_store(&epoch, e->number);
    return ST_OK;
}

static void trust(void *arg, double until)
{
    (void)arg;
    atomic_store(&trusted, until > 0);
}

static void begin(void)
{
    struct follower_options options = { .epoch = answers_by, .follow = follow, .trust = trust };
    struct error err = { 0 };
    char place[5000];

    store_case_begin();
    needs_server();
    log_set_level(LOG_OFF);
    snprintf(place, sizeof place, "%s&application_name=follower%d", store_path, (int)getpid());
    cr_assert_eq(store_open(place, &ours, &err), ST_OK, "%s", err.text);
    model_added("first");
    model_added("second");
    activated("first");
    options.store = ours;
    cr_assert_eq(follower_start(&options, &follower, &err), ST_OK, "%s", err.text);
}

static void end(void)
{
    if (!store_is_file()) {
        follower_stop(follower);
        store_close(ours);
    }
    store_case_end();
}

TestSuite(follower, .init = begin, .fini = end, .timeout = 60);

/* ---- */

static atomic_bool taking, taken;

static enum status slow(void *arg, struct error *err)
{
    (void)arg, (void)err;
    atomic_store(&taking, true);
    while (!atomic_load(&taken))
        nap();
    return ST_OK;
}

Test(follower, follows_while_a_change_is_slowly_taken_up)
{
    const int64_t before = atomic_load(&epoch);

    follower_watch(follower, SHARED_CANARY, slow, NULL);
    while (!atomic_load(&taking))
        nap();
    activated("second");
    while (atomic_load(&epoch) == before)
        nap();
    cr_assert(atomic_load(&trusted));
    atomic_store(&taken, true);
}

/* ---- */

static int listening(void)
{
    char sql[200];

    snprintf(sql, sizeof sql,
             "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE application_name = 'follower%d'"
             " AND query = 'LISTEN cxrd'",
             (int)getpid());
    return number(sql);
}

Test(follower, listens_again_though_it_is_not_in_step)
{
    char sql[80];
    int before, now;

    while (!(before = listening()))
        nap();
    changed("DELETE FROM epochs");
    while (atomic_load(&trusted))
        nap();
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", before);
    cr_assert_str_eq(asked(sql), "t");
    while ((now = listening()) == 0 || now == before)
        nap();
}

/* ---- */

static _Atomic int64_t
    taken_in; /* the epoch by which this server answered when it took the trial up; 0: not yet */

static enum status note(void *arg, struct error *err)
{
    (void)arg, (void)err;
    atomic_store(&taken_in, atomic_load(&epoch));
    return ST_OK;
}

/* It would be called off for want of its epoch. Another change is taken up slowly before it, so that the next look begins while the epoch is being followed. */
Test(follower, takes_no_trial_up_before_the_epoch_in_which_it_began)
{
    int64_t before;

    follower_watch(follower, SHARED_CANARY, note, NULL);
    while (!(before = atomic_load(&taken_in)))
        nap();
    follower_watch(follower, SHARED_MODELS, slow, NULL);
    while (!atomic_load(&taking))
        nap();
    for (int i = 0; i < 1250; i++) /* 2.5 s: it looks by itself, and finds nothing new */
        nap();
    atomic_store(&taken_in, 0);
    atomic_store(&held, true);
    atomic_store(&following, false);
    activated("second");
    while (!atomic_load(&following))
        nap();
    changed(
        "INSERT INTO generations(name, number) VALUES('canary', 1) ON CONFLICT(name) DO UPDATE SET number ="
        " generations.number + 1");
    atomic_store(&taken, true);
    for (int i = 0; i < 250; i++)
        nap();
    cr_assert_eq(atomic_load(&taken_in), 0, "it was taken up in epoch %d", (int)atomic_load(&taken_in));
    atomic_store(&held, false);
    while (!atomic_load(&taken_in))
        nap();
    cr_assert_eq(atomic_load(&taken_in), before + 1);
}
