/* tests/unit/test_store_copy.c - a store of a folder is copied into a PostgreSQL database, and its process is killed before messages of that:
 * there is no row after it, or there are all, and the next try makes it whole.
 *
 *     tests/support/postgresql build/release/tests/test_store_copy
 */
#include "cxrd/file.h"
#include "cxrd/state_copy.h"
#include "cxrd/state_lock.h"
#include "far_store.h"
#include "files.h"
#include "support.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *state; /* the source */

#define MODEL "0123456789abcdef"
enum { JOBS = 3, SPREAD = 10, LAST = 8 }; /* points over all of it, and at its end, where the COMMIT is */

static void fill(void)
{
    static char bytes[100000];
    json_t *card = json_pack("{s:s}", "id", MODEL), *config = json_object();
    const struct new_job job = { .type = JOB_TRAIN, .config = config, .max_queued = 10 };
    struct store *s;
    char id[ID_SIZE];
    struct error err = { 0 };

    state = scratch_folder();
    cr_assert_eq(store_open(path_in(state, STATE_DATABASE), &s, &err), ST_OK, "%s", err.text);
    for (int i = 0; i < JOBS; i++)
        cr_assert_eq(store_job_add(s, &job, id, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_model_add(s, MODEL, card, NULL, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_activate(s, MODEL, NULL, NULL, &err), ST_OK, "%s", err.text);
    store_close(s);
    cr_assert_eq(folder_make(path_in(state, "models"), &err), ST_OK, "%s", err.text);
    memset(bytes, 7, sizeof bytes);
    cr_assert_eq(file_replace(path_in(state, "models/" MODEL ".safetensors"),
                              &(struct iovec){ bytes, sizeof bytes }, 1, &err),
                 ST_OK, "%s", err.text);
    json_decref(card);
    json_decref(config);
}

static void copy_begin(void)
{
    far_begin();
    if (store_is_file())
        return;
    far_close(); /* the copy opens its own */
    fill();
}

static void copy_end(void)
{
    if (state)
        scratch_remove(state);
    state = NULL;
    far_end();
}

TestSuite(copying, .init = copy_begin, .fini = copy_end);

static const char ALL_ROWS[] =
    "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM events) + (SELECT count(*) FROM models)"
    " + (SELECT count(*) FROM model_files) + (SELECT count(*) FROM epochs) + (SELECT count(*) FROM settings)";

static void emptied(void)
{
    changed("SET client_min_messages = error; TRUNCATE jobs, models, epochs, settings CASCADE");
}

/* In a process of its own, which is killed before that message. */
static bool is_killed(int message)
{
    int go[2], status;
    char letter;
    bool killed;
    pid_t pid;

    cr_assert(pipe(go) == 0);
    pid = fork();
    if (pid == 0) {
        struct state_copied copied;

        if (read(go[0], &letter, 1) != 1)
            _exit(2);
        _exit(state_copy(state, far_place(), &copied, NULL) == ST_OK ? 0 : 1);
    }
    proxy_process(pid);
    proxy_arm(PROXY_KILL, message);
    cr_assert_eq(write(go[1], "g", 1), 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    while (killed && !proxy_acted())
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    proxy_disarm();
    close(go[0]), close(go[1]);
    cr_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "it failed undisturbed");
    return killed;
}

static void copied_whole(const char *where, int all)
{
    struct state_copied copied;
    struct error err = { 0 };

    cr_assert_eq(state_copy(state, far_place(), &copied, &err), ST_OK, "%s: %s (%s)", where, err.text,
                 err.inner);
    cr_assert_str_eq(copied.kinds[0].name, "jobs");
    cr_assert_eq(copied.kinds[0].n, JOBS);
    cr_assert_eq(copied.kinds[COPIED_KINDS - 1].n, 1);
    cr_assert_eq(copied.file_bytes, 100000);
    if (all)
        cr_assert_eq(number(ALL_ROWS), all, "%s", where);
}

/* Whether all of it is there, and not nothing of it. */
static bool check_point(int message, int all)
{
    char where[60];
    const bool killed = is_killed(message);
    const int there = number(ALL_ROWS);

    snprintf(where, sizeof where, "killed before message %d", message);
    cr_assert((killed && there == 0) || there == all, "%s: %d rows of %d", where, there, all);
    if (there == 0)
        copied_whole(where, all);
    emptied();
    return there == all;
}

Test(copying, killed_at_a_message_leaves_nothing_or_all_of_it)
{
    int messages, all, whole = 0;

    needs_server();
    proxy_arm(PROXY_CUT, INT_MAX); /* to count them */
    copied_whole("undisturbed", 0);
    messages = proxy_disarm();
    cr_assert_gt(messages, SPREAD + LAST);
    all = number(ALL_ROWS);
    cr_assert_gt(all, JOBS * 2 + 3);
    emptied();
    for (int i = 0; i < SPREAD; i++)
        whole += check_point(i * (messages - LAST) / SPREAD, all);
    cr_assert_eq(whole, 0, "it was there before the end");
    for (int i = messages - LAST; i < messages; i++)
        whole += check_point(i, all);
    cr_assert_lt(whole, LAST / 2, "it was there before the COMMIT");
    fprintf(stderr, "# %d messages, %d of the last %d points left all of it\n", messages, whole, LAST);
}
