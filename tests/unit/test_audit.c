/* tests/unit/test_audit.c - the audit log on disks that fail: what was cut short does not break the chain, and what is
 * not on the disk was not recorded. */
#include "server/audit.h"

#include "cxrd/log.h"
#include "files.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *folder;
static struct audit *audit;
static atomic_bool keeps; /* the disk gives nothing back */

/* In place of the C library's. */
int ftruncate(int fd, off_t size)
{
    if (!atomic_load(&keeps))
        return (int)syscall(SYS_ftruncate, fd, size);
    errno = EIO;
    return -1;
}

static const char *path(void) { return path_in(folder, "log"); }

static struct audit *opened(const char *at, size_t max_bytes)
{
    struct audit *a = NULL;
    struct error err = { 0 };

    cr_assert_eq(audit_open(at, max_bytes, &a, &err), ST_OK, "%s", err.text);
    return a;
}

static void begin(void)
{
    log_set_level(LOG_OFF);
    signal(SIGXFSZ, SIG_IGN);
    atomic_store(&keeps, false);
    folder = scratch_folder();
}

static void end(void)
{
    audit_close(audit);
    audit = NULL;
    scratch_remove(folder);
    check_no_leaks();
}

TestSuite(audit, .init = begin, .fini = end);

static enum status say(int n, bool durable)
{
    struct error err = { 0 };

    return audit_write(audit, "test", json_pack("{s:i}", "n", n), durable, &err);
}

static size_t size_of(const char *file)
{
    struct file_bytes all = read_bytes(file);
    const size_t n = all.size;

    file_bytes_release(&all);
    return n;
}

/* Files may not grow beyond this; RLIM_INFINITY: as they like. */
static void limit_files(rlim_t most)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = most;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void check(size_t expected)
{
    const char *file = path();
    struct error err = { 0 };
    size_t n = 0;

    cr_assert_eq(audit_check(&file, 1, &n, &err), ST_OK, "%s", err.text);
    cr_assert_eq(n, expected, "%zu", n);
}

/* ---- a full disk ---- */

Test(audit, a_line_for_which_there_is_no_room_leaves_nothing)
{
    size_t before;

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    before = size_of(path());
    limit_files(before + 40);
    cr_assert_eq(say(2, true), ST_IO);
    cr_assert_eq(say(3, false), ST_IO);
    limit_files(RLIM_INFINITY);
    cr_assert_eq(size_of(path()), before);
    cr_assert_eq(say(4, true), ST_OK);
    check(2);
}

/* It cannot be taken back either: the fragment stays, as a line of its own that the check names, and what is said after it
 * is whole. */
Test(audit, what_cannot_be_taken_back_is_ended_before_the_next_line)
{
    const char *file;
    struct error err = { 0 };
    struct file_bytes all;
    size_t before, n;

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    before = size_of(path());
    limit_files(before + 40);
    atomic_store(&keeps, true);
    cr_assert_eq(say(2, true), ST_IO);
    cr_assert_eq(say(3, true), ST_IO); /* not even the end of the fragment can be written */
    limit_files(RLIM_INFINITY);
    cr_assert_eq(say(4, true), ST_OK);
    all = read_bytes(file = path());
    cr_assert_eq(((const char *)all.data)[before + 40], '\n');
    cr_assert_not_null(memmem(all.data, all.size, "\n{\"time\"", 8));
    cr_assert_not_null(memmem((const char *)all.data + before + 40, all.size - before - 40, "\"n\":4}\n", 7));
    cr_assert_null(memmem(all.data, all.size, "\"n\":3", 5));
    file_bytes_release(&all);
    cr_assert_eq(audit_check(&file, 1, &n, &err), ST_FORMAT);
    cr_assert_not_null(strstr(err.text, "line 2: this is no event"), "%s", err.text);
}
