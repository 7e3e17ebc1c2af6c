/* tests/plain/tests.c - runs the tests of plain/criterion/criterion.h. --tap=FILE writes the results as TAP, as Criterion
 * does; other arguments are taken and ignored. */
#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 1, SKIPPED = 77 };

static struct plain_suite *suites;
static struct plain_test *tests, **last = &tests;

void plain_suite_add(struct plain_suite *s)
{
    s->next = suites;
    suites = s;
}

void plain_test_add(struct plain_test *t)
{
    *last = t;
    last = &t->next;
}

void plain_check(bool ok, const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    if (ok)
        return;
    fprintf(stderr, "%s:%d: assertion failed:", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    _exit(FAILED);
}

void plain_skip(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "skipped:");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    _exit(SKIPPED);
}

static const struct plain_suite *suite_of(const struct plain_test *t)
{
    static const struct plain_suite none;

    for (const struct plain_suite *s = suites; s; s = s->next)
        if (strcmp(s->name, t->suite) == 0)
            return s;
    return &none;
}

static void run(const struct plain_test *t, void *param)
{
    const struct plain_suite *s = suite_of(t);

    if (s->init)
        s->init();
    if (t->run)
        t->run();
    else
        t->run_with(param);
    if (s->fini)
        s->fini();
}

/* In a child, so that a crash is one test's; returns its exit status, FAILED for a signal. */
static int run_apart(const struct plain_test *t, void *param)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        run(t, param);
        exit(0); /* with the sanitizer's last word, which may be another status */
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return FAILED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

/* A test with all of its parameters: the worst of their results. */
static int run_all(const struct plain_test *t)
{
    struct criterion_test_params p = t->params ? t->params() : (struct criterion_test_params){ .length = 1 };
    int worst = 0;

    for (size_t i = 0; i < p.length; i++) {
        const int result = run_apart(t, (char *)p.params + i * p.size);

        if (result && (!worst || worst == SKIPPED))
            worst = result;
    }
    if (p.cleanup)
        p.cleanup(&p);
    return worst;
}

static FILE *tap_open(int argc, char **argv)
{
    FILE *tap = NULL;

    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--tap=", 6) == 0)
            tap = fopen(argv[i] + 6, "w");
    return tap ? tap : fopen("/dev/null", "w");
}

int plain_run(int argc, char **argv)
{
    FILE *tap = tap_open(argc, argv);
    size_t n = 0, failed = 0, skipped = 0;

    for (const struct plain_test *t = tests; t; t = t->next)
        n++;
    fprintf(tap, "TAP version 13\n1..%zu\n", n);
    fflush(NULL); /* or every child writes it once more */
    for (const struct plain_test *t = tests; t; t = t->next) {
        const int result = run_all(t);
        const bool ok = result == 0 || result == SKIPPED;

        failed += !ok;
        skipped += result == SKIPPED;
        fprintf(tap, "%s - %s::%s%s\n", ok ? "ok" : "not ok", t->suite, t->name,
                result == SKIPPED ? " # SKIP" : "");
        if (!ok)
            fprintf(stderr, "[FAIL] %s::%s (%d)\n", t->suite, t->name, result);
        fflush(NULL);
    }
    fclose(tap);
    fprintf(stderr, "%zu tests, %zu failed, %zu skipped\n", n, failed, skipped);
    return failed != 0;
}
