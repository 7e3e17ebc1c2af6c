/* tests/torture/malloc_torture.c - every allocation of every case fails: once, and then with all that come after it.
 *
 *     malloc_torture [--most=N] [--tap=FILE] [WORDS]
 *
 * Whatever fails, the program lives, says ST_NOMEM (or does without), and keeps nothing. --most tries N allocations of a
 * case, spread evenly, instead of all; WORDS selects the cases whose name contains them. */
#include "cases.h"
#include "failing_malloc.h"

#include "cxrd/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WARM_UPS = 3, LIMIT_SECONDS = 120, MOST_FAULTS = 20 };

/* The child's news for the parent, also when it dies. */
struct report {
    long total, k; /* allocations of the case, the one that is failing */
    size_t tried, absorbed, faults;
};

static FILE *tap;
static long most; /* 0: all */

static void fault(struct report *r, const struct torture_case *c, bool forever, const char *what)
{
    if (r->faults++ < MOST_FAULTS)
        fprintf(stderr, "%s, allocation %ld of %ld %s: %s\n", c->name, r->k, r->total,
                forever ? "and all after it" : "once", what);
}

static enum status fail_at(const struct torture_case *c, long k, bool forever, struct error *err)
{
    enum status st;

    *err = (struct error){ ST_OK, "" };
    failing_begin(k, forever);
    st = c->run(err);
    failing_end();
    return st;
}

/* A library may keep something for good the first time; what leaks is lost every time. */
static bool leaks(const struct torture_case *c, long k, bool forever)
{
    struct error err;

    for (int i = 0; i < 3; i++) {
        const long before = failing_live();

        fail_at(c, k, forever, &err);
        if (failing_live() <= before)
            return false;
    }
    return true;
}

static void check(struct report *r, const struct torture_case *c, bool forever)
{
    const long before = failing_live();
    struct error err;
    const enum status st = fail_at(c, r->k, forever, &err);
    char text[sizeof err.text + 64];

    r->tried++;
    r->absorbed += st == ST_OK;
    if (st != ST_OK && st != ST_NOMEM) {
        snprintf(text, sizeof text, "%s, \"%s\"", status_name(st), err.text);
        fault(r, c, forever, text);
    } else if (st == ST_NOMEM && !err.text[0]) {
        fault(r, c, forever, "not a word about it");
    }
    if (failing_live() > before && leaks(c, r->k, forever))
        fault(r, c, forever, "memory is lost");
}

/* In the child: from allocation r->k on. */
static void run_from(struct report *r, const struct torture_case *c, bool forever)
{
    struct error err;
    long step;

    for (int i = 0; i < WARM_UPS; i++)
        if (fail_at(c, 0, false, &err) != ST_OK) {
            fprintf(stderr, "%s: fails with all memory there is: %s\n", c->name, err.text);
            exit(1);
        }
    failing_begin(0, false);
    c->run(&err);
    r->total = failing_end();
    step = most > 0 && r->total > most ? (r->total + most - 1) / most : 1;
    for (r->k = r->k ? r->k + step : 1; r->k <= r->total; r->k += step) {
        alarm(LIMIT_SECONDS);
        check(r, c, forever);
    }
}

/* A case in one of the two ways; a child that dies is one fault, and another goes on behind it. */
static bool torture(const struct torture_case *c, bool forever, struct report *r)
{
    *r = (struct report){ 0 };
    for (;;) {
        const pid_t child = fork();
        int status = 0;

        if (child == 0) {
            run_from(r, c, forever);
            _exit(0);
        }
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        if (child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) != 0))
            return false;
        if (WIFEXITED(status))
            break;
        fault(r, c, forever, strsignal(WTERMSIG(status)));
        if (r->faults >= MOST_FAULTS)
            break;
    }
    fprintf(tap, "%s - %s, %s: %zu of %ld allocations failed, %zu did not matter\n",
            r->faults ? "not ok" : "ok", c->name, forever ? "for good" : "once", r->tried, r->total,
            r->absorbed);
    fflush(tap);
    return r->faults == 0;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/cxrd-torture-XXXXXX";
    struct report *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *words = "";
    bool ok = true;
    size_t n = 0;
    pid_t cleaner;

    tap = stdout;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--most=", 7) == 0)
            most = strtol(argv[i] + 7, NULL, 10);
        else if (strncmp(argv[i], "--tap=", 6) == 0)
            tap = fopen(argv[i] + 6, "w");
        else
            words = argv[i];
    }
    log_set_level(LOG_OFF);
    if (r == MAP_FAILED || !tap || !mkdtemp(folder) || !torture_prepare(folder)) {
        fprintf(stderr, "malloc_torture: cannot begin\n");
        return 1;
    }
    for (size_t i = 0; i < N_TORTURE_CASES; i++) {
        if (!strstr(TORTURE_CASES[i].name, words))
            continue;
        ok = torture(&TORTURE_CASES[i], false, r) && ok;
        ok = torture(&TORTURE_CASES[i], true, r) && ok;
        n += 2;
    }
    fprintf(tap, "1..%zu\n", n);
    fflush(tap);
    cleaner = fork();
    if (cleaner == 0)
        execlp("rm", "rm", "-rf", folder, (char *)NULL);
    waitpid(cleaner, NULL, 0);
    return ok && n > 0 ? 0 : 1;
}
