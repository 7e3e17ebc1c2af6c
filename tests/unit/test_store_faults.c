/* tests/unit/test_store_faults.c - bad moments of a store in a PostgreSQL database: the connection is cut at each message of each
 * operation, a COMMIT comes late or its answer is lost, a runner is stopped for longer than its lease, the server is restarted.
 *
 *     tests/support/postgresql build/release/tests/test_store_faults
 */
#include "cxrd/store_replicas.h"
#include "far_store.h"
#include "sentence.h"
#include "store_case.h"
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(faults, .init = far_begin, .fini = far_end);

/* ---- each operation, and how one sees from outside that it was done ---- */

static struct id job;
static struct claim claim;

static void a_job_waits(void) { job = added("{}"); }

static void a_job_runs(void)
{
    a_job_waits();
    cr_assert_str_eq(begun().text, job.text);
    claim = claim_of(job);
}

static void a_lease_runs_out(void)
{
    a_job_runs();
    lease_ran_out();
}

static void a_job_has_ended(void)
{
    a_job_runs();
    moved(job, JOB_SUCCEEDED);
}

static void two_models(void)
{
    static int n;
    char id[ID_SIZE];

    snprintf(id, sizeof id, "model%d", n++);
    model_added(id);
    snprintf(job.text, sizeof job.text, "%s", id);
}

static enum status op_add(struct error *err)
{
    json_t *config = json_object();
    const struct new_job new_job = { .type = JOB_TRAIN, .config = config, .max_queued = 1000 };
    char id[ID_SIZE];
    const enum status st = store_job_add(far, &new_job, id, err);

    json_decref(config);
    return st;
}

static enum status op_claim(struct error *err)
{
    struct claim got;
    json_t *config = NULL;
    const enum status st = store_job_begin(far, NULL, &got, (char[JOB_TYPE_SIZE]){ 0 }, &config, err);

    json_decref(config);
    return st;
}

static enum status op_renew(struct error *err)
{
    enum asked asked;

    return store_job_renew(far, &claim, &asked, err);
}

static enum status op_record(struct error *err)
{
    json_t *record = json_pack("{s:s}", "error", "here");
    const enum status st = store_job_record(far, &claim, record, err);

    json_decref(record);
    return st;
}

static enum status op_tell(struct error *err)
{
    json_t *data = json_object();
    const enum status st = store_job_tell(far, &claim, "epoch", data, NULL, err);

    json_decref(data);
    return st;
}

static enum status op_end(struct error *err)
{
    json_t *record = json_pack("{s:s}", "error", "here");
    const enum status st = store_job_move(far, &claim, JOB_SUCCEEDED, record, err);

    json_decref(record);
    return st;
}

static enum status op_delete(struct error *err) { return store_job_delete(far, job.text, err); }

static void a_replica(void)
{
    const struct replica me = { .host = "here" };
    struct epoch newest;
    struct error err = { 0 };
    bool leads;

    cr_assert_eq(store_replica_renew(far, &me, &newest, &leads, &err), ST_OK, "%s", err.text);
}

/* It reads nothing: all of it is one flight. */
static enum status op_leave(struct error *err) { return store_replica_leave(far, err); }

static enum status op_activate(struct error *err) { return store_activate(far, job.text, NULL, NULL, err); }

#define THE_JOB "(SELECT max(seq) FROM jobs)"

/*   effects  by SQL, how often it was done, or a number that grows by one each time */
static const struct operation {
    const char *name;
    void (*prepare)(void);
    enum status (*run)(struct error *err);
    const char *effects;
} OPERATIONS[] = {
    { "add", a_job_waits, op_add, "SELECT count(*) FROM jobs" },
    { "claim", a_job_waits, op_claim, "SELECT count(*) FROM leases" },
    { "take over", a_lease_runs_out, op_claim, "SELECT sum(token) FROM leases" },
    { "renew", a_lease_runs_out, op_renew, "SELECT count(*) FROM leases WHERE until > 1" },
    { "record", a_job_runs, op_record, "SELECT count(*) FROM jobs WHERE record LIKE '%here%'" },
    { "tell", a_job_runs, op_tell, "SELECT count(*) FROM events" },
    { "end", a_job_runs, op_end,
      "SELECT count(*) FROM jobs WHERE state = 'succeeded' AND record LIKE '%here%'" },
    { "leave", a_replica, op_leave, "SELECT -count(*) FROM replicas" },
    { "delete", a_job_has_ended, op_delete, "SELECT -count(*) FROM jobs" },
    { "activate", two_models, op_activate,
      "SELECT count(*) FROM settings WHERE name = 'active_model' AND value = (SELECT id FROM models ORDER BY "
      "seq DESC LIMIT 1)" },
};
enum { CLAIM = 1, TELL = 5, END = 6, LEAVE = 7, N_OPERATIONS = sizeof OPERATIONS / sizeof OPERATIONS[0] };

enum { NEVER = 1000 };

/* How many messages it has, once its statements are prepared. The answer is true: it was done where ST_OK is told, and not elsewhere, as
 * the server can be asked. -1: it was cut. */
static int check_told(const struct operation *o, enum proxy_act act, int after)
{
    struct error err = { 0 };
    enum status st;
    int before, effects, passed;

    changed("DELETE FROM jobs");
    o->prepare();
    before = number(o->effects);
    proxy_arm(act, after);
    st = o->run(&err);
    passed = proxy_disarm();
    effects = number(o->effects) - before;
    cr_assert(effects == 0 || effects == 1, "%s, cut after %d messages: it was done %d times", o->name, after,
              effects);
    cr_assert_eq(st == ST_OK, effects == 1, "%s, cut after %d messages: done %d times, and told: %s (%s)",
                 o->name, after, effects, st == ST_OK ? "done" : err.text, err.inner);
    if (st != ST_OK)
        check_refusal(o->name, st, ST_IO, &err, "job database");
    return passed;
}

static void check_cuts(enum proxy_act act, const struct operation *o)
{
    int after = 0;

    while (check_told(o, act, after) < 0)
        after++;
    cr_assert_gt(after, 6, "%s has %d messages", o->name, after);
    fprintf(stderr, "# %s: %d points\n", o->name, after);
}

Test(faults, a_connection_cut_at_any_message_leaves_what_is_told)
{
    needs_server();
    for (size_t i = 0; i < N_OPERATIONS; i++)
        check_cuts(PROXY_CUT, &OPERATIONS[i]);
}

/* The client has given its connection up and asks what became of the change while the server has not even read it. */
Test(faults, messages_that_come_late_leave_what_is_told)
{
    needs_server();
    check_cuts(PROXY_LATE, &OPERATIONS[CLAIM]);
    check_cuts(PROXY_LATE, &OPERATIONS[END]);
    check_cuts(PROXY_LATE, &OPERATIONS[LEAVE]);
}

/* ---- nobody can be asked ---- */

/* COMMIT goes through, and the server is away from then on. */
static void check_not_known(const struct operation *o)
{
    struct error err = { 0 };
    int messages;

    check_told(o, PROXY_CUT, NEVER);
    messages = check_told(o, PROXY_CUT, NEVER);
    changed("DELETE FROM jobs");
    o->prepare();
    proxy_arm(PROXY_GONE, messages - 1); /* the last one only asks for the answers */
    check_refusal(o->name, o->run(&err), ST_IO, &err, "not known");
    cr_assert(proxy_acted());
    proxy_back();
}

Test(faults, an_end_whose_answer_is_lost_is_written_once)
{
    struct error err = { 0 };

    needs_server();
    check_not_known(&OPERATIONS[END]);
    cr_assert_eq(number(OPERATIONS[END].effects), 1);
    cr_assert_eq(op_end(&err), ST_OK, "%s", err.text);
    cr_assert_eq(number("SELECT count(*) FROM events WHERE data LIKE '%succeeded%'"), 1);
}

Test(faults, a_claim_whose_answer_is_lost_runs_out)
{
    struct claim first;

    needs_server();
    check_not_known(&OPERATIONS[CLAIM]);
    cr_assert_eq(number("SELECT token FROM leases"), 1);
    cr_assert_str_eq(begun().text, "");
    lease_ran_out();
    cr_assert_str_eq(begun().text, job.text);
    first = claim_of(job);
    cr_assert_eq(first.token, 2);
}

/* The server's end of the connection is gone without a word, after it was let in. */
Test(faults, a_server_that_never_answers_is_given_up, .timeout = 120)
{
    struct error err = { 0 };

    needs_server();
    far_close();
    proxy_arm(PROXY_SILENT, 0);
    check_refusal("open", far_try(&err), ST_IO, &err, "cannot be reached");
    cr_assert(proxy_acted());
    proxy_back();
    far_open();
}

/* ---- a runner is stopped for longer than its lease ---- */

enum { WRITES = 2 };

/* The runner: a process of its own, which writes when it is told to, and says what it was answered. */
static void runner_process(int go, int say)
{
    char letter;

    far_open();
    if (write(say, "", 1) != 1)
        _exit(1);
    for (int i = 0; i < WRITES; i++) {
        struct error err = { 0 };
        unsigned char st;

        if (read(go, &letter, 1) != 1)
            _exit(1);
        st = (unsigned char)op_tell(&err);
        if (write(say, &st, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static enum status answer_of(int said)
{
    unsigned char st = 0;

    cr_assert_eq(read(said, &st, 1), 1, "the runner died");
    return (enum status)st;
}

/* The row that a stopped writer has locked is passed over, until the server has thrown the writer out. */
static struct id begun_at_last(void)
{
    struct id id;

    while (!(id = begun()).text[0])
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    return id;
}

static void check_stopped(int after)
{
    int go[2], said[2];
    enum status first, second;
    pid_t pid;
    int written;

    changed("DELETE FROM jobs");
    a_job_runs();
    cr_assert(pipe(go) == 0 && pipe(said) == 0);
    pid = fork();
    if (pid == 0)
        runner_process(go[0], said[1]);
    answer_of(said[0]); /* it has opened its store */
    proxy_process(pid);
    proxy_arm(PROXY_STOP, after);
    cr_assert_eq(write(go[1], "w", 1), 1);
    while (!proxy_acted())
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    lease_ran_out();
    cr_assert_str_eq(begun_at_last().text, job.text);
    written = number("SELECT count(*) FROM events WHERE name = 'epoch'");
    cr_assert_eq(kill(pid, SIGCONT), 0);
    first = answer_of(said[0]);
    cr_assert_eq(write(go[1], "w", 1), 1);
    second = answer_of(said[0]);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert_eq(first == ST_OK, written == 1, "stopped after %d messages: %d written, and told: %s", after,
                 written, status_text(first));
    cr_assert(first == ST_OK || first == ST_IO || first == ST_CONFLICT, "%s", status_text(first));
    cr_assert_eq(second, ST_CONFLICT, "stopped after %d messages, and then: %s", after, status_text(second));
    cr_assert_eq(number("SELECT count(*) FROM events WHERE name = 'epoch'"), written);
    for (int i = 0; i < 2; i++)
        close(go[i]), close(said[i]);
}

Test(faults, a_runner_that_was_stopped_for_longer_than_its_lease_changes_nothing)
{
    int messages;

    needs_server();
    messages = check_told(&OPERATIONS[TELL], PROXY_CUT,
                          NEVER); /* with those that prepare, as the runner's first write */
    far_close();                  /* which the runner's process would share */
    for (int after = 0; after < messages; after += 7)
        check_stopped(after);
    check_stopped(messages - 1);
}

/* The statement that wakes the others stands behind COMMIT, in a transaction of its own that ends with the flight: where the queue of notices is full, it fails
 * there. A constraint that is looked at in the end fails at the same place. */
Test(faults, a_wake_that_fails_at_the_end_of_its_flight_is_no_failure_of_what_is_written)
{
    struct store *s;
    struct error err = { 0 };
    char place[5000], id[ID_SIZE];
    json_t *config = json_object();
    const struct new_job new_job = { .type = JOB_TRAIN, .config = config, .max_queued = 1000 };

    needs_server();
    changed(
        "CREATE TABLE woken(one BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO woken VALUES(1);"
        "CREATE FUNCTION pg_notify(TEXT, TEXT) RETURNS TEXT LANGUAGE SQL AS"
        " 'INSERT INTO woken VALUES(1); SELECT $1'");
    snprintf(place, sizeof place, "%s&options=-csearch_path%%3Dtest_%d%%2Cpg_catalog", store_path,
             (int)getpid());
    cr_assert_eq(store_open(place, &s, &err), ST_OK, "%s", err.text);
    for (int i = 1; i <= 3; i++) {
        cr_assert_eq(store_job_add(s, &new_job, id, &err), ST_OK, "%d: %s (%s)", i, err.text, err.inner);
        cr_assert_eq(number("SELECT count(*) FROM jobs"), i);
    }
    cr_assert_eq(number("SELECT count(*) FROM woken"), 1, "no wake has failed");
    store_close(s);
    json_decref(config);
}
