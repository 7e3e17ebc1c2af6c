/* server/audit.c - see audit.h. */
#include "audit.h"

#include "cxrd/clock.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINE = 64 << 10 };

#define FIRST "0000000000000000000000000000000000000000000000000000000000000000"

/* Where lines go. One that was put aside is there until the syncs of what stands in it are over. */
struct file {
    int fd;

    /* guarded by the log's lock */
    size_t holders; /* the log itself, and callers whose line is in it */
    size_t size;
    uint64_t written; /* lines since it was opened */

    /* guarded by sync_lock */
    uint64_t settled; /* lines whose sync is over, */
    uint64_t lost;    /* and the last of them for which it failed */
};

struct audit {
    const char *path;
    size_t max_bytes;

    pthread_mutex_t sync_lock; /* held for a sync, and taken before `lock` */

    pthread_mutex_t lock; /* never held for a sync; guards everything below */
    struct file *file;
    double room, at;     /* for what strangers cause: so many lines, at that time */
    json_int_t left_out; /* of them, which the next line is to say */
    bool stale;          /* a write failed and left what it left: the tail is to be read before the next */
    char prev[DIGEST_TEXT_SIZE]; /* of the last line */
};

static enum status file_open(const char *path, struct file **ret_file, struct error *err)
{
    const int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct file *file = NULL;
    struct stat info;
    enum status st = ST_OK;

    if (fd < 0)
        return error_errno(err, ST_IO, "cannot open the audit log '%.160s'", path);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        st = error_set(err, ST_IO, "'%.160s' is not a regular file", path);
    else if (!(file = calloc(1, sizeof *file)))
        st = error_nomem(err);
    if (st != ST_OK) {
        close(fd);
        return st;
    }
    *file = (struct file){ .fd = fd, .holders = 1, .size = (size_t)info.st_size };
    *ret_file = file;
    return ST_OK;
}

/* With the lock held. */
static void file_release(struct file *file)
{
    if (--file->holders > 0)
        return;
    close(file->fd);
    free(file);
}

/* The digest of the last line, to go on from; until it is known the one before stays. A line that was cut short, by a crash
 * or by a disk that could not even give back what it had taken, is ended here, and counts as it is. */
static enum status read_tail(struct audit *a, struct error *err)
{
    const off_t size = lseek(a->file->fd, 0, SEEK_END);
    const size_t n = size < 0 ? 0 : size < MAX_LINE ? (size_t)size : MAX_LINE;
    char *text = malloc(n + 1);
    char prev[DIGEST_TEXT_SIZE] = FIRST;
    const char *line;
    enum status st = ST_OK;
    size_t end = n;

    if (!text)
        return error_nomem(err);
    if (size < 0 || pread(a->file->fd, text, n, size - (off_t)n) != (ssize_t)n)
        st = error_errno(err, ST_IO, "cannot read the audit log '%.160s'", a->path);
    if (st == ST_OK && n > 0) {
        if (text[n - 1] == '\n')
            end--;
        else if (!write_all(a->file->fd, "\n", 1))
            st = error_errno(err, ST_IO, "cannot write the audit log");
        line = memrchr(text, '\n', end);
        line = line ? line + 1 : text;
        if (st == ST_OK)
            st = digest_bytes(line, (size_t)(text + end - line), prev);
    }
    free(text);
    a->stale = st != ST_OK;
    if (st == ST_OK)
        memcpy(a->prev, prev, sizeof prev);
    return st;
}

enum status audit_open(const char *path, size_t max_bytes, struct audit **ret_audit, struct error *err)
{
    struct audit *a = calloc(1, sizeof *a);
    enum status st;

    if (!a)
        return error_nomem(err);
    a->path = path;
    a->max_bytes = max_bytes;
    a->room = AUDIT_STRANGERS;
    a->at = clock_seconds();
    pthread_mutex_init(&a->sync_lock, NULL);
    pthread_mutex_init(&a->lock, NULL);
    st = file_open(path, &a->file, err);
    if (st == ST_OK)
        st = read_tail(a, err);
    if (st != ST_OK) {
        audit_close(a);
        return st;
    }
    *ret_audit = a;
    return ST_OK;
}

void audit_close(struct audit *a)
{
    if (!a)
        return;
    if (a->file)
        file_release(a->file);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->sync_lock);
    free(a);
}

/* With the lock held: begin a new file when this one is full. Failing that, the old one grows on. */
static void rotate(struct audit *a)
{
    char aside[PATH_MAX], now[CLOCK_TEXT_SIZE];
    struct file *file = NULL;

    if (a->max_bytes == 0 || a->file->size < a->max_bytes)
        return;
    if (snprintf(aside, sizeof aside, "%s.%s", a->path, clock_utc(now)) >= (int)sizeof aside ||
        access(aside, F_OK) == 0 || rename(a->path, aside) != 0 || file_open(a->path, &file, NULL) != ST_OK) {
        log_text(LOG_ERROR, "the audit log cannot be rotated", "%s", strerror(errno));
        return;
    }
    file_release(a->file);
    a->file = file;
}

/* With the lock held: all of a line, or nothing of it. */
static enum status append(struct audit *a, const char *line, size_t n, struct error *err)
{
    const off_t before = lseek(a->file->fd, 0, SEEK_END);
    enum status st;

    if (before < 0)
        return error_errno(err, ST_IO, "cannot read the audit log '%.160s'", a->path);
    if (!write_all(a->file->fd, line, n)) {
        st = error_errno(err, ST_IO, "cannot write the audit log");
        a->stale = ftruncate(a->file->fd, before) != 0;
        return st;
    }
    a->file->size = (size_t)before + n;
    return ST_OK;
}

/* With the lock held. */
static enum status write_event(struct audit *a, const char *event, json_t *members, struct error *err)
{
    char now[CLOCK_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
    json_t *line = json_pack("{s:s,s:s,s:s}", "time", clock_utc(now), "event", event, "prev", a->prev);
    char *text = NULL;
    enum status st = ST_NOMEM;

    if (line && json_object_update_missing(line, members) == 0)
        text = json_text(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(line);
    if (text) {
        const size_t n = strlen(text);

        st = digest_bytes(text, n, digest);
        text[n] = '\n'; /* over the NUL: the line leaves in one write */
        if (st == ST_OK)
            st = append(a, text, n + 1, err);
    }
    free(text);
    if (st == ST_OK) {
        memcpy(a->prev, digest, sizeof digest);
        a->file->written++;
    }
    return st == ST_NOMEM ? error_nomem(err) : st;
}

/* Wait until a file's lines, up to this one, are on the disk. Whoever comes first syncs for all that wait by then. A sync
 * that failed is not tried again: the kernel may have let go of what it could not write, and the next would say that all is
 * well. Whoever asks late about an earlier line hears of the failure too: better a line that nobody counts on. */
static enum status settle(struct audit *a, struct file *file, uint64_t line, struct error *err)
{
    enum status st = ST_OK;
    uint64_t covered;

    pthread_mutex_lock(&a->sync_lock);
    if (file->settled < line) {
        pthread_mutex_lock(&a->lock);
        covered = file->written;
        pthread_mutex_unlock(&a->lock);
        if (fdatasync(file->fd) != 0) {
            log_text(LOG_ERROR, "the audit log cannot be synced", "%s", strerror(errno));
            file->lost = covered;
        }
        file->settled = covered;
    }
    if (line <= file->lost)
        st = error_set(err, ST_IO, "cannot sync the audit log");
    pthread_mutex_unlock(&a->sync_lock);
    return st;
}

/* With the lock held: an event, after what was left out before it. */
static enum status put(struct audit *a, const char *event, json_t *members, struct error *err)
{
    enum status st = a->stale ? read_tail(a, err) : ST_OK;

    if (st == ST_OK)
        rotate(a);
    if (st == ST_OK && a->left_out > 0) {
        json_t *n = json_pack("{s:I}", "refused", a->left_out);

        st = write_event(a, "left_out", n, err);
        json_decref(n);
        if (st == ST_OK)
            a->left_out = 0;
    }
    return st == ST_OK ? write_event(a, event, members, err) : st;
}

enum status audit_write(struct audit *a, const char *event, json_t *members, bool durable, struct error *err)
{
    struct file *file = NULL;
    uint64_t line = 0;
    enum status st;

    if (!a) {
        json_decref(members);
        return ST_OK;
    }
    pthread_mutex_lock(&a->lock);
    st = put(a, event, members, err);
    if (st == ST_OK && durable) {
        file = a->file;
        file->holders++;
        line = file->written;
    }
    pthread_mutex_unlock(&a->lock);
    json_decref(members);
    if (!file)
        return st;
    st = settle(a, file, line, err);
    pthread_mutex_lock(&a->lock);
    file_release(file);
    pthread_mutex_unlock(&a->lock);
    return st;
}

/* With the lock held: whether one more line that a stranger causes may be written. */
static bool has_room(struct audit *a)
{
    const double now = clock_seconds();

    a->room = fmin(AUDIT_STRANGERS, a->room + now - a->at);
    a->at = now;
    if (a->room < 1) {
        a->left_out++;
        return false;
    }
    a->room -= 1;
    return true;
}

enum status audit_stranger(struct audit *a, json_t *members, struct error *err)
{
    enum status st = ST_OK;

    if (a) {
        pthread_mutex_lock(&a->lock);
        if (has_room(a))
            st = put(a, "refused", members, err);
        pthread_mutex_unlock(&a->lock);
    }
    json_decref(members);
    return st;
}

enum status audit_reopen(struct audit *a, struct error *err)
{
    struct file *file = NULL;
    enum status st;

    if (!a)
        return ST_OK;
    st = file_open(a->path, &file, err);
    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&a->lock);
    file_release(a->file);
    a->file = file;
    a->stale = a->stale && file->size > 0; /* an empty one follows the last whole line */
    pthread_mutex_unlock(&a->lock);
    return ST_OK;
}

/* ---- checking ---- */

/* A file's lines after what came before; `prev` is "" at the very beginning, which may be anywhere in a chain. */
static enum status check_file(FILE *file, const char *path, char prev[DIGEST_TEXT_SIZE], size_t *lines,
                              struct error *err)
{
    enum status st = ST_OK;
    size_t capacity = 0, number = 0;
    char *text = NULL;
    ssize_t n;

    while (st == ST_OK && (n = getline(&text, &capacity, file)) > 0) {
        json_t *line = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
        const char *said = json_string_value(json_object_get(line, "prev"));

        number++;
        if (!said)
            st = error_set(err, ST_FORMAT, "'%.160s', line %zu: this is no event", path, number);
        else if (prev[0] && strcmp(said, prev) != 0)
            st = error_set(
                err, ST_FORMAT,
                "'%.160s', line %zu: it does not follow the line before: one of them was changed, or "
                "some are missing",
                path, number);
        json_decref(line);
        if (text[n - 1] == '\n')
            n--;
        if (st == ST_OK && digest_bytes(text, (size_t)n, prev) != ST_OK)
            st = error_nomem(err);
    }
    free(text);
    *lines += number;
    return st;
}

enum status audit_check(const char *const *paths, size_t n_paths, size_t *ret_lines, struct error *err)
{
    char prev[DIGEST_TEXT_SIZE] = "";
    enum status st = ST_OK;

    *ret_lines = 0;
    for (size_t i = 0; i < n_paths && st == ST_OK; i++) {
        FILE *file = fopen(paths[i], "re");

        if (!file)
            return error_errno(err, ST_IO, "cannot open '%.160s'", paths[i]);
        st = check_file(file, paths[i], prev, ret_lines, err);
        fclose(file);
    }
    return st;
}
