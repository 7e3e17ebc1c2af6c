/* tests/unit/test_store_kills.c - the process that writes to a PostgreSQL database is killed before each message of a claim, a renewal, a
 * checkpoint, an end and an activation: at every point the job takes effect once, and an epoch is made once.
 *
 *     tests/support/postgresql build/release/tests/test_store_kills
 */
#include "cxrd/store_files.h"
#include "far_store.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(kills, .init = far_begin, .fini = far_end);

#define CHECKPOINT "checkpoint"
static const char BEFORE[] = "the bytes before", AFTER[] = "and the bytes after them";

static struct id job;      /* or a model, in an activation */
static struct claim claim; /* of the job */

/* ---- the operations: what is prepared here, and what the process does that is killed ---- */

static void a_job_waits(void) { job = added("{}"); }

static void a_job_runs(void)
{
    struct error err = { 0 };

    a_job_waits();
    cr_assert_str_eq(begun().text, job.text);
    claim = claim_of(job);
    cr_assert_eq(store_job_file_put(store, &claim, CHECKPOINT, BEFORE, sizeof BEFORE, &err), ST_OK, "%s",
                 err.text);
}

static void two_models(void)
{
    static int n;
    char other[ID_SIZE];

    snprintf(other, sizeof other, "before%d", n);
    snprintf(job.text, sizeof job.text, "model%d", n++);
    model_added(other);
    model_added(job.text);
    activated(other);
}

static enum status op_claim(struct error *err)
{
    (void)err;
    return begun_in(far).text[0] ? ST_OK : ST_NOTFOUND;
}

static enum status op_renew(struct error *err)
{
    enum asked asked;

    return store_job_renew(far, &claim, &asked, err);
}

static enum status op_checkpoint(struct error *err)
{
    return store_job_file_put(far, &claim, CHECKPOINT, AFTER, sizeof AFTER, err);
}

static enum status op_finish(struct error *err)
{
    json_t *record = json_pack("{s:s}", "error", "here");
    const enum status st = store_job_move(far, &claim, JOB_SUCCEEDED, record, err);

    json_decref(record);
    return st;
}

static enum status activate_in(struct store *s, int64_t *ret_epoch, struct error *err)
{
    const struct activation a = { .key = job.text };

    return store_activate(s, job.text, &a, ret_epoch, err);
}

static enum status op_activate(struct error *err) { return activate_in(far, NULL, err); }

/* ---- afterwards ---- */

static void check_ended_once(const char *where)
{
    cr_assert_str_eq(asked("SELECT state FROM jobs"), "succeeded", "%s", where);
    cr_assert_eq(number("SELECT count(*) FROM events WHERE data LIKE '%succeeded%'"), 1, "%s", where);
    cr_assert_str_eq(begun().text, "", "%s: it is claimed once more", where);
}

/* All of the old checkpoint, or all of the new one. */
static void check_checkpoint(const char *where)
{
    struct buf bytes = BUF_INIT(1000);
    struct error err = { 0 };
    bool same;

    cr_assert_eq(store_job_file_get(store, job.text, CHECKPOINT, "", &bytes, &same, &err), ST_OK, "%s: %s",
                 where, err.text);
    cr_assert((bytes.len == sizeof BEFORE && memcmp(bytes.data, BEFORE, sizeof BEFORE) == 0) ||
                  (bytes.len == sizeof AFTER && memcmp(bytes.data, AFTER, sizeof AFTER) == 0),
              "%s: a checkpoint of %zu bytes", where, bytes.len);
    buf_release(&bytes);
}

/* Another claims it when the lease has run out, with the next token, and ends it. */
static void check_job(const char *where)
{
    const int token = number("SELECT coalesce(max(token), 0) FROM leases");

    if (strcmp(asked("SELECT state FROM jobs"), "succeeded") == 0) {
        cr_assert_eq(number("SELECT count(*) FROM jobs WHERE record LIKE '%here%'"), 1, "%s", where);
        check_ended_once(where);
        return;
    }
    if (claim.token > 0)
        check_checkpoint(where);
    lease_ran_out();
    cr_assert_str_eq(begun().text, job.text, "%s: nobody can claim it", where);
    cr_assert_eq(claim_of(job).token, token + 1, "%s", where);
    moved(job, JOB_SUCCEEDED);
    check_ended_once(where);
}

/* The active model is that of the newest epoch; the same request, sent again, makes one epoch of it, and no more. */
static void check_activation(const char *where)
{
    static const char ACTIVE[] = "SELECT count(*) FROM settings WHERE name = 'active_model' AND value ="
                                 " (SELECT model FROM epochs ORDER BY epoch DESC LIMIT 1)";
    struct error err = { 0 };
    int64_t epoch = 0, again = 0;

    cr_assert_eq(number(ACTIVE), 1, "%s", where);
    cr_assert_eq(activate_in(store, &epoch, &err), ST_OK, "%s: %s", where, err.text);
    cr_assert_eq(activate_in(store, &again, &err), ST_OK, "%s: %s", where, err.text);
    cr_assert_eq(epoch, again, "%s", where);
    cr_assert_eq(number("SELECT max(epoch) FROM epochs"), epoch, "%s", where);
    cr_assert_eq(number("SELECT max(epoch) - count(*) FROM epochs"), 0, "%s: an epoch too many or too few",
                 where);
    cr_assert_eq(number(ACTIVE), 1, "%s", where);
}

static const struct operation {
    const char *name;
    void (*prepare)(void);
    enum status (*run)(struct error *err);
    void (*check)(const char *where);
} OPERATIONS[] = {
    { "claim", a_job_waits, op_claim, check_job },
    { "renew", a_job_runs, op_renew, check_job },
    { "checkpoint", a_job_runs, op_checkpoint, check_job },
    { "finish", a_job_runs, op_finish, check_job },
    { "activate", two_models, op_activate, check_activation },
};

/* ---- the process that is killed ---- */

/* It opens its store, says so, and does it when it is told to. */
static void writer_process(const struct operation *o, int go, int say)
{
    struct error err = { 0 };
    char letter;

    far_open();
    if (write(say, "", 1) != 1 || read(go, &letter, 1) != 1)
        _exit(2);
    _exit(o->run(&err) == ST_OK ? 0 : 1);
}

/* Whether it was killed before that message; otherwise the operation has fewer, and was done. */
static bool is_killed(const struct operation *o, int message)
{
    int go[2], said[2], status;
    bool killed;
    char letter;
    pid_t pid;

    cr_assert(pipe(go) == 0 && pipe(said) == 0);
    pid = fork();
    if (pid == 0)
        writer_process(o, go[0], said[1]);
    close(go[0]), close(said[1]); /* so that a writer that dies is noticed */
    cr_assert_eq(read(said[0], &letter, 1), 1);
    proxy_process(pid);
    proxy_arm(PROXY_KILL, message);
    cr_assert_eq(write(go[1], "w", 1), 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    while (killed && !proxy_acted())
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    proxy_disarm();
    close(go[1]), close(said[0]);
    cr_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "%s: it failed undisturbed",
              o->name);
    return killed;
}

static void check_kills(const struct operation *o)
{
    bool killed = true;
    int message = 0;

    for (; killed; message++) {
        char where[80];

        changed("DELETE FROM jobs");
        claim = (struct claim){ .token = 0 };
        o->prepare();
        killed = is_killed(o, message);
        snprintf(where, sizeof where, "%s, killed before message %d", o->name, message);
        o->check(where);
    }
    cr_assert_gt(message - 1, 6, "%s has %d messages", o->name, message - 1);
    fprintf(stderr, "# %s: %d points\n", o->name, message - 1);
}

Test(kills, before_each_message_of_each_operation_leave_a_job_that_takes_effect_once)
{
    needs_server();
    far_close(); /* which the writer's process would share */
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof OPERATIONS[0]; i++)
        check_kills(&OPERATIONS[i]);
}
