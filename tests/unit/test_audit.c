/* tests/unit/test_audit.c - the audit log on disks that fail: what was cut short does not break the chain, and what is
 * not on the disk was not recorded. */
#include "server/api/app.h"
#include "server/api/record.h"
#include "server/audit.h"

#include "cxrd/digest.h"
#include "cxrd/log.h"
#include "files.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
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

/* The disk, which can be made to think for a while, and to fail. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool busy;
    int begun, fails; /* syncs so far; the one that fails, 0: none */
    int file;         /* the descriptor of the last, */
    ino_t inode;      /* and what it was open on in the end */
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

int fdatasync(int fd)
{
    struct stat info = { 0 };
    bool fails;

    pthread_mutex_lock(&disk.lock);
    fails = ++disk.begun == disk.fails;
    disk.file = fd;
    pthread_cond_broadcast(&disk.changed);
    while (disk.busy)
        pthread_cond_wait(&disk.changed, &disk.lock);
    cr_assert_eq(fstat(fd, &info), 0);
    disk.inode = info.st_ino;
    pthread_mutex_unlock(&disk.lock);
    if (fails)
        errno = EIO;
    return fails ? -1 : 0;
}

static atomic_int folder_syncs;

int fsync(int fd)
{
    struct stat info = { 0 };

    cr_assert_eq(fstat(fd, &info), 0);
    atomic_fetch_add(&folder_syncs, S_ISDIR(info.st_mode));
    return 0;
}

static void disk_set_busy(bool busy)
{
    pthread_mutex_lock(&disk.lock);
    disk.busy = busy;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

static void disk_wait(int begun)
{
    pthread_mutex_lock(&disk.lock);
    while (disk.begun < begun)
        pthread_cond_wait(&disk.changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
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

static size_t lines_in(const char *file)
{
    struct file_bytes all = read_bytes(file);
    size_t n = 0;

    for (size_t i = 0; i < all.size; i++)
        n += ((const char *)all.data)[i] == '\n';
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

/* Files that follow each other, with so many events and torn lines. */
static void check_files(const char *const *files, size_t n_files, size_t events, size_t torn)
{
    struct audit_found found = { 0 };
    struct error err = { 0 };

    cr_assert_eq(audit_check(files, n_files, &found, &err), ST_OK, "%s", err.text);
    cr_assert_eq(found.lines - found.torn, events, "%zu", found.lines - found.torn);
    cr_assert_eq(found.torn, torn, "%zu", found.torn);
}

static void check(size_t events) { check_files(&(const char *){ path() }, 1, events, 0); }

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
 * follows what was said before. */
Test(audit, what_cannot_be_taken_back_is_ended_before_the_next_line)
{
    struct file_bytes all;
    size_t before;

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    before = size_of(path());
    limit_files(before + 40);
    atomic_store(&keeps, true);
    cr_assert_eq(say(2, true), ST_IO);
    cr_assert_eq(say(3, true), ST_IO); /* not even the end of the fragment can be written */
    limit_files(RLIM_INFINITY);
    cr_assert_eq(say(4, true), ST_OK);
    all = read_bytes(path());
    cr_assert_eq(((const char *)all.data)[before + 40], '\n');
    cr_assert_not_null(memmem(all.data, all.size, "\n{\"time\"", 8));
    cr_assert_not_null(memmem((const char *)all.data + before + 40, all.size - before - 40, "\"n\":4}\n", 7));
    cr_assert_null(memmem(all.data, all.size, "\"n\":3", 5));
    file_bytes_release(&all);
    check_files(&(const char *){ path() }, 1, 3, 1); /* 1, "torn", 4 */
}

/* ---- what was torn, and what was moved, while nobody wrote ---- */

static void close_log(void)
{
    audit_close(audit);
    audit = NULL;
}

static void append_text(const char *text)
{
    FILE *file = fopen(path(), "ae");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(audit, a_line_that_a_crash_left_is_cut_and_told)
{
    struct file_bytes all;

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    close_log();
    append_text("{\"time\":\"2026");
    audit = opened(path(), 0);
    cr_assert_eq(say(2, true), ST_OK);
    all = read_bytes(path());
    cr_assert_not_null(memmem(all.data, all.size, "\"event\":\"torn\"", 14));
    cr_assert_not_null(memmem(all.data, all.size, "\"bytes\":13,\"text\":\"{\\\"time\\\":\\\"2026\"", 34));
    file_bytes_release(&all);
    check(3);
}

/* As servers before this one left it: ended, and followed as it was. Only what lies behind it can be checked then. */
Test(audit, a_torn_line_that_was_followed_is_named_and_the_rest_is_checked)
{
    struct audit_found found = { 0 };
    const char *file = path();
    char digest[DIGEST_TEXT_SIZE], line[200];

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    close_log();
    append_text("{\"time\":\n");
    cr_assert_eq(digest_bytes("{\"time\":", 8, digest), ST_OK);
    snprintf(line, sizeof line, "{\"event\":\"old\",\"prev\":\"%s\"}\n", digest);
    append_text(line);
    check_files(&file, 1, 2, 1);
    append_text(line); /* which does not follow itself */
    cr_assert_eq(audit_check(&file, 1, &found, NULL), ST_FORMAT);
}

Test(audit, a_torn_line_hides_no_change)
{
    struct audit_found found = { 0 };
    const char *file = path();
    struct file_bytes all;

    audit = opened(path(), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(say(i, true), ST_OK);
    close_log();
    all = read_bytes(file);
    ((char *)all.data)[all.size / 2] = '\x01'; /* in the second: it is no JSON any more */
    write_bytes(file, all.data, all.size);
    file_bytes_release(&all);
    cr_assert_eq(audit_check(&file, 1, &found, NULL), ST_FORMAT);
}

Test(audit, a_file_that_was_moved_away_is_followed)
{
    const char *const files[] = { path_in(folder, "moved"), path_in(folder, "log") };

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    cr_assert_eq(say(2, true), ST_OK);
    close_log();
    cr_assert_eq(rename(path(), files[0]), 0);
    audit = opened(path(), 0);
    cr_assert_eq(say(3, true), ST_OK);
    check_files(files, 2, 3, 0);
}

Test(audit, a_file_that_was_emptied_is_followed)
{
    const char *const files[] = { path_in(folder, "copy"), path_in(folder, "log") };
    struct file_bytes all;

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    close_log();
    all = read_bytes(path());
    write_bytes(files[0], all.data, all.size);
    file_bytes_release(&all);
    write_text(path(), "");
    audit = opened(path(), 0);
    cr_assert_eq(say(2, true), ST_OK);
    check_files(files, 2, 2, 0);
}

/* ---- what is missing at the end ---- */

/* The log, or the record of its chain, without its last `n` lines. */
static void cut_lines(const char *file, size_t n)
{
    struct file_bytes all = read_bytes(file);
    size_t left = all.size;

    for (; n > 0; n--) {
        const char *before = memrchr(all.data, '\n', left - 1);

        left = before ? (size_t)(before + 1 - (const char *)all.data) : 0;
    }
    write_bytes(file, all.data, left);
    file_bytes_release(&all);
}

static void copy_file(const char *from, const char *to)
{
    struct file_bytes all = read_bytes(from);

    write_bytes(to, all.data, all.size);
    file_bytes_release(&all);
}

static const char *record(void) { return path_in(folder, ".log.chain"); }

/* The log and its record as they are now: what a crash leaves. */
static void keep_crash(void)
{
    copy_file(path(), path_in(folder, "crashed"));
    copy_file(record(), path_in(folder, ".crashed.chain"));
}

static void crash(void)
{
    close_log();
    copy_file(path_in(folder, "crashed"), path());
    copy_file(path_in(folder, ".crashed.chain"), record());
}

/* How often the log has this. */
static size_t count_in_log(const char *text)
{
    struct file_bytes all = read_bytes(path());
    const char *at = all.data, *end = at + all.size;
    size_t n = 0;

    while (at && (at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
        at += strlen(text);
        n++;
    }
    file_bytes_release(&all);
    return n;
}

static enum status checked(struct audit_found *found, struct error *err)
{
    *found = (struct audit_found){ 0 };
    return audit_check(&(const char *){ path() }, 1, found, err);
}

/* The end is missing, which is told before the server starts, when it does, and ever after. */
static void check_cut_is_told(const char *what)
{
    struct audit_found found;
    struct error err = { 0 };

    cr_assert_eq(checked(&found, &err), ST_FORMAT, "%s", what);
    cr_assert_not_null(strstr(err.text, "missing at its end"), "%s: %s", what, err.text);
    audit = opened(path(), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(say(7, true), ST_OK);
        close_log();
        audit = opened(path(), 0);
    }
    close_log();
    cr_assert_eq(count_in_log("\"event\":\"missing\",\"prev\":"), 1, "%s", what);
    cr_assert_eq(count_in_log("\"synced\":true"), 1, "%s", what);
    cr_assert_eq(checked(&found, &err), ST_FORMAT, "%s", what);
    cr_assert_not_null(strstr(err.text, "does not follow"), "%s: %s", what, err.text);
}

/* A crash at this very moment leaves nothing that would have to be told, and the chain goes on. */
static void check_nothing_is_told(const char *what, size_t events)
{
    struct audit_found found;
    struct error err = { 0 };

    close_log();
    cr_assert_eq(checked(&found, &err), ST_OK, "%s: %s", what, err.text);
    cr_assert(!found.unsynced_missing, "%s", what);
    audit = opened(path(), 0);
    cr_assert_eq(say(8, true), ST_OK);
    close_log();
    cr_assert_eq(count_in_log("\"missing\""), 0, "%s", what);
    cr_assert_eq(checked(&found, &err), ST_OK, "%s: %s", what, err.text);
    cr_assert_eq(found.lines, events + 1, "%s: %zu", what, found.lines);
    cr_assert(found.end_known && !found.unsynced_missing, "%s", what);
}

static void say_three(void)
{
    audit = opened(path(), 0);
    for (int i = 1; i <= 3; i++)
        cr_assert_eq(say(i, true), ST_OK);
    close_log();
}

Test(audit, lines_that_are_cut_off_are_told)
{
    for (size_t n = 1; n <= 2; n++) {
        char what[40];

        snprintf(what, sizeof what, "%zu of 3 lines cut off", n);
        say_three();
        cut_lines(path(), n);
        check_cut_is_told(what);
        cr_assert_eq(unlink(path()), 0);
        cr_assert_eq(unlink(record()), 0);
    }
}

Test(audit, a_last_line_that_is_another_is_told)
{
    struct file_bytes all;

    say_three();
    all = read_bytes(path());
    ((char *)all.data)[all.size - 4] = '9'; /* "n":3 */
    write_bytes(path(), all.data, all.size);
    file_bytes_release(&all);
    check_cut_is_told("the last line is another");
}

/* An event without a digest before it follows nothing, wherever it stands. */
Test(audit, an_event_that_says_it_follows_nothing_is_none)
{
    static const char NOTHING[] = "{\"event\":\"old\",\"prev\":\"\"}\n";
    struct audit_found found;
    struct error err = { 0 };

    say_three();
    append_text(NOTHING);
    cr_assert_eq(checked(&found, &err), ST_FORMAT);
    cr_assert_not_null(strstr(err.text, "line 4: this is no event"), "%s", err.text);
    write_bytes(path(), NOTHING, sizeof NOTHING - 1);
    cr_assert_eq(checked(&found, &err), ST_FORMAT);
    cr_assert_not_null(strstr(err.text, "line 1: this is no event"), "%s", err.text);
}

Test(audit, a_shorter_copy_that_is_put_in_its_place_is_told)
{
    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    cr_assert_eq(say(2, true), ST_OK);
    cr_assert_eq(rename(path(), path_in(folder, "moved")), 0);
    copy_file(path_in(folder, "moved"), path());
    cut_lines(path(), 1);
    cr_assert_eq(audit_reopen(audit, NULL), ST_OK);
    cr_assert_eq(say(3, true), ST_OK);
    cr_assert_eq(count_in_log("\"synced\":true"), 1);
    cr_assert_eq(checked(&(struct audit_found){ 0 }, NULL), ST_FORMAT);
}

/* Lines that had not been synced may be gone after a power cut: it is told, and breaks nothing. */
Test(audit, lines_that_were_not_synced_may_be_missing)
{
    struct audit_found found;

    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    cr_assert_eq(say(2, false), ST_OK);
    keep_crash();
    crash();
    cut_lines(path(), 1);
    cr_assert_eq(checked(&found, NULL), ST_OK);
    cr_assert(found.unsynced_missing);
    audit = opened(path(), 0);
    cr_assert_eq(say(3, true), ST_OK);
    cr_assert_eq(count_in_log("\"synced\":false"), 1);
    check(3); /* 1, "missing", 3 */
}

Test(audit, lines_that_were_not_synced_are_when_it_is_closed)
{
    audit = opened(path(), 0);
    cr_assert_eq(say(1, false), ST_OK);
    cr_assert_eq(say(2, false), ST_OK);
    close_log();
    cut_lines(path(), 1);
    check_cut_is_told("not durable, but closed");
}

/* A crash between a line and its record, or a power cut that leaves an old record. */
Test(audit, a_log_that_is_ahead_of_its_record_is_whole)
{
    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    keep_crash();
    cr_assert_eq(say(2, true), ST_OK);
    cr_assert_eq(say(3, false), ST_OK);
    copy_file(path(), path_in(folder, "crashed"));
    crash();
    check_nothing_is_told("ahead", 3);
}

/* A crash at any moment of a rotation, or after it, before a line of the new file is synced. */
Test(audit, a_rotation_that_a_crash_cuts_short_is_no_alarm)
{
    audit = opened(path(), 0);
    cr_assert_eq(say(1, true), ST_OK);
    cr_assert_eq(say(2, false),
                 ST_OK); /* the record of it says 1 is synced, which will not be in the new file */
    cr_assert_eq(rename(path(), path_in(folder, "aside")), 0);
    write_text(path(), "");
    cr_assert_eq(audit_reopen(audit, NULL), ST_OK);
    keep_crash();
    cr_assert_eq(say(3, false), ST_OK);
    copy_file(path(), path_in(folder, "later"));
    copy_file(record(), path_in(folder, ".later.chain"));
    crash();
    check_nothing_is_told("an empty file", 0);
    copy_file(path_in(folder, "later"), path());
    copy_file(path_in(folder, ".later.chain"), record());
    check_nothing_is_told("a line that is not synced", 1);
    check_files((const char *[]){ path_in(folder, "aside"), path() }, 2, 4, 0);
}

/* But once a line of the new file is synced, it must be there. */
Test(audit, a_file_after_a_rotation_cannot_be_cut_to_its_first_line)
{
    audit = opened(path(), 150);
    for (int i = 1; i <= 4; i++)
        cr_assert_eq(say(i, true), ST_OK);
    close_log();
    cut_lines(path(), lines_in(path()) - 1);
    cr_assert_eq(lines_in(path()), 1);
    check_cut_is_told("cut to its first line");
}

Test(audit, a_record_that_is_damaged_or_old_says_the_last_line_only)
{
    say_three();
    copy_file(record(), path_in(folder, "good"));
    for (size_t at = 70; at < 280; at += 70) {
        struct file_bytes all = read_bytes(path_in(folder, "good"));

        ((char *)all.data)[at] ^= 1;
        write_bytes(record(), all.data, all.size);
        file_bytes_release(&all);
        check_nothing_is_told("damaged", 3 + at / 70 - 1);
    }
    cut_lines(record(), 3);
    cr_assert_eq(truncate(record(), DIGEST_TEXT_SIZE - 1), 0);
    check_nothing_is_told("of a cxrd before", 6);
}

static void check_refused(void)
{
    struct audit *second = NULL;
    struct error err = { 0 };

    cr_assert_eq(audit_open(path(), 0, &second, &err), ST_CONFLICT);
    cr_assert_not_null(strstr(err.text, "another server writes"), "%s", err.text);
    cr_assert_null(second);
}

Test(audit, only_one_writes_it)
{
    audit = opened(path(), 0);
    check_refused();
    cr_assert_eq(unlink(path_in(folder, ".log.chain")), 0); /* the log itself is held, too */
    check_refused();
    close_log();
    audit = opened(path(), 0);
    cr_assert_eq(rename(path(), path_in(folder, "moved")), 0); /* and so is what will be there again */
    check_refused();
    cr_assert_eq(audit_reopen(audit, NULL), ST_OK);
    cr_assert_eq(audit_reopen(audit, NULL), ST_OK); /* it is there: nothing is done */
    check_refused();
}

/* ---- rotation ---- */

/* The name of the file that was put aside. */
static const char *aside(void)
{
    static char name[PATH_MAX];
    glob_t found;

    cr_assert_eq(glob(path_in(folder, "log.2*"), 0, NULL, &found), 0);
    cr_assert_eq(found.gl_pathc, 1);
    snprintf(name, sizeof name, "%s", found.gl_pathv[0]);
    globfree(&found);
    return name;
}

Test(audit, a_rotation_that_fails_moves_nothing_and_succeeds_later)
{
    struct rlimit files, none;

    audit = opened(path(), 100);
    cr_assert_eq(say(1, false), ST_OK); /* the file is full */
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = files;
    none.rlim_cur = 0; /* no descriptor for a new one */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    cr_assert_eq(say(2, false), ST_OK);
    cr_assert_eq(say(3, false), ST_OK);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    check(3);
    cr_assert_eq(say(4, false), ST_OK);
    check_files((const char *[]){ aside(), path() }, 2, 4, 0);
    check(1);
}

/* The new file cannot be made, though everything else can; and a restart meanwhile goes on with the old one. */
Test(audit, a_rotation_that_is_in_the_way_of_something_goes_on)
{
    const char *next = path_in(folder, "log.next");

    cr_assert_eq(mkdir(next, 0700), 0);
    audit = opened(path(), 100);
    cr_assert_eq(say(1, false), ST_OK);
    cr_assert_eq(say(2, false), ST_OK);
    close_log();
    audit = opened(path(), 100);
    cr_assert_eq(say(3, false), ST_OK);
    check(3);
    cr_assert_eq(rmdir(next), 0);
    cr_assert_eq(say(4, false), ST_OK);
    check_files((const char *[]){ aside(), path() }, 2, 4, 0);
}

/* Its name is on the disk before a line in it counts. */
Test(audit, the_folder_is_synced_for_a_new_file)
{
    audit = opened(path(), 100);
    cr_assert_eq(say(1, true), ST_OK);
    cr_assert_eq(atomic_load(&folder_syncs), 1);
    cr_assert_eq(say(2, true), ST_OK);
    cr_assert_eq(atomic_load(&folder_syncs), 2);
}

/* ---- a slow disk, a broken one ---- */

struct teller {
    pthread_t thread;
    int n;
    bool durable;
    enum status st;
};

static void *tell(void *arg)
{
    struct teller *t = arg;

    t->st = say(t->n, t->durable);
    return NULL;
}

static void teller_start(struct teller *t, int n, bool durable)
{
    *t = (struct teller){ .n = n, .durable = durable };
    cr_assert_eq(pthread_create(&t->thread, NULL, tell, t), 0);
}

/* It has an answer although the disk is busy. */
static void teller_ends(struct teller *t)
{
    struct timespec late;

    clock_gettime(CLOCK_REALTIME, &late);
    late.tv_sec += 60;
    cr_assert_eq(pthread_timedjoin_np(t->thread, NULL, &late), 0, "it waits for the disk");
}

Test(audit, what_need_not_be_durable_does_not_wait_for_a_sync)
{
    struct teller slow, quick;

    audit = opened(path(), 0);
    disk_set_busy(true);
    teller_start(&slow, 1, true);
    disk_wait(1);
    teller_start(&quick, 2, false);
    teller_ends(&quick);
    cr_assert_eq(quick.st, ST_OK);
    cr_assert_eq(lines_in(path()), 2);
    disk_set_busy(false);
    pthread_join(slow.thread, NULL);
    cr_assert_eq(slow.st, ST_OK);
    check(2);
}

/* One event that is being synced, then three that come meanwhile; all are told how it ended. */
static void tell_four(struct teller t[4])
{
    audit = opened(path(), 0);
    disk_set_busy(true);
    teller_start(&t[0], 0, true);
    disk_wait(1);
    for (int i = 1; i < 4; i++)
        teller_start(&t[i], i, true);
    while (lines_in(path()) < 4)
        usleep(1000);
    disk_set_busy(false);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i].thread, NULL);
}

Test(audit, events_that_wait_share_a_sync, .timeout = 120)
{
    struct teller t[4];

    tell_four(t);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(t[i].st, ST_OK);
    cr_assert_eq(disk.begun, 2, "%d", disk.begun);
    check(4);
}

/* Nobody whose line it was for is told that it is on the disk, and nobody asks the kernel again. */
Test(audit, a_sync_that_fails_is_not_tried_again, .timeout = 120)
{
    struct teller t[4];

    disk.fails = 2;
    tell_four(t);
    cr_assert_eq(t[0].st, ST_OK);
    for (int i = 1; i < 4; i++)
        cr_assert_eq(t[i].st, ST_IO);
    cr_assert_eq(disk.begun, 2, "%d", disk.begun);
    cr_assert_eq(say(4, true), ST_OK); /* of what came later it says nothing */
    check(5);
}

/* The file is put aside while a line of it is being synced: it stays open until that is over, and no longer. */
Test(audit, a_file_that_is_put_aside_is_synced_to_its_end)
{
    struct teller slow, quick;
    struct stat before;

    audit = opened(path(), 1);
    disk_set_busy(true);
    teller_start(&slow, 1, true);
    disk_wait(1);
    cr_assert_eq(stat(path(), &before), 0);
    teller_start(&quick, 2, false);
    teller_ends(&quick);
    cr_assert_eq(count_entries(folder), 3); /* and the chain's */
    disk_set_busy(false);
    pthread_join(slow.thread, NULL);
    cr_assert_eq(slow.st, ST_OK);
    cr_assert_eq(disk.inode, before.st_ino);
    cr_assert_eq(fcntl(disk.file, F_GETFD), -1);
}

/* ---- what is said ---- */

Test(audit, a_byte_that_is_no_text_costs_no_event)
{
    struct http_request req = {
        .method = "P\xffST", .path = "/", .request_id = "\xc3", .source = "\xf0\x9f"
    };
    const struct http_done done = { .req = &req, .status = 401 };
    struct app app = { 0 };
    struct error err = { 0 };
    struct file_bytes all;

    app.accounting.audit = audit = opened(path(), 0);
    memcpy(req.who, "a\x80", 3);
    cr_assert_eq(record_before(&app, &done, &err), ST_OK, "%s", err.text);
    all = read_bytes(path());
    cr_assert_not_null(memmem(all.data, all.size, "\"P?ST\"", 6));
    file_bytes_release(&all);
    check(1);
}
