/* server/audit.c - see audit.h. */
#include "audit.h"
#include "audit_chain.h"

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
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_LINE = 64 << 10,
    MOST_TORN = 1000, /* bytes of a torn line that are kept */
};

/* The last line of a file. Numbers count all lines since the log was opened, whatever file they are in. */
struct mark {
    uint64_t line;
    char digest[DIGEST_TEXT_SIZE];
    off_t at; /* where it begins */
};

/* Where lines go. One that was put aside is there until the syncs of what stands in it are over. */
struct file {
    int fd;

    /* guarded by the log's lock */
    size_t holders; /* the log itself, and callers whose line is in it */
    size_t size;
    struct mark last;

    /* guarded by sync_lock */
    bool named;       /* its name is on the disk, too */
    uint64_t settled; /* the last line whose sync is over, */
    uint64_t lost;    /* and the last for which it failed */
};

struct audit {
    char path[PATH_MAX];
    size_t max_bytes;
    int chain_fd; /* the record of `chain`, see audit_chain.h */

    pthread_mutex_t sync_lock; /* held for a sync, and taken before `lock` */

    pthread_mutex_t lock; /* never held for a sync of lines; guards everything below */
    struct file *file;
    size_t rotate_at;    /* bytes of it */
    double room, at;     /* for what strangers cause: so many lines, at that time */
    json_int_t left_out; /* of them, which the next line is to say */
    bool stale;          /* a write failed and left what it left: the tail is to be read before the next */
    size_t torn;         /* bytes of a torn line that was cut off, which the next line is to say, */
    char torn_text[MOST_TORN + 1];
    enum chain_end end; /* how the log was found: what is missing the next line is to say, too */
    uint64_t lines;     /* that were written, */
    uint64_t synced;    /* and the last of them that is on the disk */
    struct chain chain;
};

/* ---- files ---- */

/* Open or make it for this process alone. */
static enum status file_open(const char *path, int flags, struct file **ret_file, struct error *err)
{
    const int fd =
        open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
    struct file *file = NULL;
    struct stat info;
    enum status st = ST_OK;

    if (fd < 0)
        return error_errno(err, ST_IO, "cannot open the audit log '%.160s'", path);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        st = error_set(err, ST_IO, "'%.160s' is not a regular file", path);
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        st = error_set(err, ST_CONFLICT, "another server writes the audit log '%.160s'", path);
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

/* Whether the path still names the file that is written. */
static bool file_is_at(const struct file *file, const char *path)
{
    struct stat ours, there;

    return fstat(file->fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

/* ---- the chain ---- */

/* Open its record for this process alone: two logs cannot follow one. */
static enum status chain_open(struct audit *a, struct error *err)
{
    char path[PATH_MAX];

    if (!chain_path(a->path, path))
        return error_set(err, ST_INVALID, "the audit log's path is too long");
    a->chain_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (a->chain_fd < 0)
        return error_errno(err, ST_IO, "cannot open '%.160s' beside the audit log", path);
    if (flock(a->chain_fd, LOCK_EX | LOCK_NB) != 0)
        return error_set(err, ST_CONFLICT, "another server writes the audit log '%.160s'", a->path);
    chain_init(&a->chain);
    chain_read(a->chain_fd, &a->chain);
    return ST_OK;
}

/* With the lock held. Should it fail, nothing is lost unless the log is moved away before the next. */
static void chain_keep(const struct audit *a)
{
    if (!chain_write(a->chain_fd, &a->chain))
        log_text(LOG_WARN, "the end of the audit log's chain is not written", "%s", strerror(errno));
}

/* With the lock held, before the first line of a file, whoever emptied it or made it: the lines before are in another, and not
 * missing. That is on the disk before the line can be. */
static void chain_begin(struct audit *a)
{
    memcpy(a->chain.begins, a->chain.last, sizeof a->chain.begins);
    chain_keep(a);
    if (fsync(a->chain_fd) != 0)
        log_text(LOG_WARN, "the end of the audit log's chain is not synced", "%s", strerror(errno));
}

/* A line is on the disk, and so are all before it. */
static void chain_synced(struct audit *a, const struct file *file, const struct mark *mark)
{
    pthread_mutex_lock(&a->lock);
    if (mark->line > a->synced) { /* a file that was put aside may be synced after the one that followed it */
        a->synced = mark->line;
        memcpy(a->chain.synced, mark->digest, sizeof a->chain.synced);
        a->chain.synced_at = mark->at;
        if (file == a->file)
            a->chain.begins[0] = '\0';
        chain_keep(a);
    }
    pthread_mutex_unlock(&a->lock);
}

/* Wait until a file's lines, up to this one, are on the disk. The first thread to come syncs for all that wait by then. A sync
 * that failed is not tried again: the kernel may have let go of what it could not write, and the next would say that all is
 * well. A thread that asks late about an earlier line hears of the failure too: better a line that nobody counts on. */
static enum status settle(struct audit *a, struct file *file, uint64_t line, struct error *err)
{
    enum status st = ST_OK;
    struct mark covered;

    pthread_mutex_lock(&a->sync_lock);
    if (file->settled < line) {
        pthread_mutex_lock(&a->lock);
        covered = file->last;
        pthread_mutex_unlock(&a->lock);
        if (fdatasync(file->fd) != 0) {
            log_text(LOG_ERROR, "the audit log cannot be synced", "%s", strerror(errno));
            file->lost = covered.line;
        } else {
            chain_synced(a, file, &covered);
        }
        file->settled = covered.line;
    }
    if (!file->named) /* a folder that may not be read cannot be synced */
        file->named = folder_sync_of(a->path, err) == ST_OK || errno == EACCES;
    if (!file->named)
        st = ST_IO;
    else if (line <= file->lost)
        st = error_set(err, ST_IO, "cannot sync the audit log");
    pthread_mutex_unlock(&a->sync_lock);
    return st;
}

/* ---- the tail ---- */

static bool is_event(const char *line, size_t n)
{
    json_t *json = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    const bool event = json_is_string(json_object_get(json, "prev"));

    json_decref(json);
    return event;
}

/* The last event in `n` bytes of whole lines, or, where there is none, the last line. */
static const char *last_line(const char *text, size_t n, size_t *ret_n)
{
    const char *last = NULL;

    for (size_t end = n; end > 0;) {
        const char *before = memrchr(text, '\n', end - 1);
        const char *line = before ? before + 1 : text;
        const size_t length = (size_t)(text + end - line) - 1;

        if (!last || is_event(line, length)) {
            last = line;
            *ret_n = length;
        }
        if (is_event(line, length))
            break;
        end = (size_t)(line - text);
    }
    return last;
}

/* Take back what a crash or a full disk left of a line, whose event nobody counts on: it was not on the disk. Where even that
 * cannot be done it is ended, and stays. */
static enum status cut(struct audit *a, off_t whole, const char *torn, size_t n, struct error *err)
{
    if (n == 0)
        return ST_OK;
    if (ftruncate(a->file->fd, whole) == 0)
        a->file->size = (size_t)whole;
    else if (!write_all(a->file->fd, "\n", 1))
        return error_errno(err, ST_IO, "cannot write the audit log");
    a->torn = n;
    snprintf(a->torn_text, sizeof a->torn_text, "%.*s", (int)(n < MOST_TORN ? n : MOST_TORN), torn);
    return ST_OK;
}

/* Hold the log, of whole lines only, against the record of its chain. */
static enum status compare(struct audit *a, enum chain_end *ret, struct error *err)
{
    const int fd = fcntl(a->file->fd, F_DUPFD_CLOEXEC, 0);
    FILE *log = fd < 0 ? NULL : fdopen(fd, "r");
    enum status st;

    if (!log) {
        st = error_errno(err, ST_IO, "cannot read the audit log '%.160s'", a->path);
        if (fd >= 0)
            close(fd);
        return st;
    }
    st = chain_compare(log, &a->chain, ret, err);
    fclose(log);
    return st;
}

/* The next line is to say that lines are missing, and what it follows shows it for ever. */
static void tell_missing(struct audit *a, enum chain_end end)
{
    if (end == CHAIN_WHOLE)
        return;
    log_text(end == CHAIN_CUT ? LOG_ERROR : LOG_WARN, "lines are missing at the end of the audit log",
             "'%s': %s", a->path,
             end == CHAIN_CUT ? "they had been on the disk; or lines were changed"
                              : "they had not been synced, so a power cut may have taken them");
    if (a->end != CHAIN_CUT)
        a->end = end;
}

/* The digest of the last line, to go on from; until it is known the one before stays, and so it does where there is none, or
 * where it is not the last that was written. */
static enum status read_tail(struct audit *a, struct error *err)
{
    const off_t size = lseek(a->file->fd, 0, SEEK_END);
    const size_t most = MAX_LINE * (size_t)2, n = size < 0 ? 0 : (size_t)size < most ? (size_t)size : most;
    char *text = malloc(n + 1);
    char prev[DIGEST_TEXT_SIZE];
    size_t whole = 0, length = 0;
    const char *end, *line;
    enum chain_end found = CHAIN_WHOLE;
    enum status st = ST_OK;

    if (!text)
        return error_nomem(err);
    memcpy(prev, a->chain.last, sizeof prev);
    if (size < 0 || pread(a->file->fd, text, n, size - (off_t)n) != (ssize_t)n)
        st = error_errno(err, ST_IO, "cannot read the audit log '%.160s'", a->path);
    if (st == ST_OK) {
        end = memrchr(text, '\n', n);
        whole = end ? (size_t)(end - text) + 1 : 0;
        st = n - whole > MAX_LINE ? error_set(err, ST_FORMAT, "'%.160s' is no audit log", a->path)
                                  : cut(a, size - (off_t)(n - whole), text + whole, n - whole, err);
    }
    line = st == ST_OK ? last_line(text, whole, &length) : NULL;
    if (line)
        st = digest_bytes(line, length, prev);
    free(text);
    if (st == ST_OK)
        st = compare(a, &found, err);
    a->stale = st != ST_OK;
    if (st == ST_OK)
        tell_missing(a, found);
    if (st == ST_OK && found != CHAIN_CUT)
        memcpy(a->chain.last, prev, sizeof prev);
    return st;
}

enum status audit_open(const char *path, size_t max_bytes, struct audit **ret_audit, struct error *err)
{
    struct audit *a = calloc(1, sizeof *a);
    enum status st = ST_OK;

    if (!a)
        return error_nomem(err);
    a->chain_fd = -1;
    a->max_bytes = max_bytes;
    a->rotate_at = max_bytes;
    a->room = AUDIT_UNTRUSTED;
    a->at = clock_seconds();
    pthread_mutex_init(&a->sync_lock, NULL);
    pthread_mutex_init(&a->lock, NULL);
    if (snprintf(a->path, sizeof a->path, "%s", path) >= (int)sizeof a->path)
        st = error_set(err, ST_INVALID, "the audit log's path is too long");
    if (st == ST_OK)
        st = chain_open(a, err);
    if (st == ST_OK)
        st = file_open(path, 0, &a->file, err);
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
    if (a->file) {
        if (a->file->settled < a->file->last.line)
            (void)!settle(a, a->file, a->file->last.line, NULL); /* the log has it */
        file_release(a->file);
    }
    if (a->chain_fd >= 0)
        close(a->chain_fd);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->sync_lock);
    free(a);
}

/* ---- rotation ---- */

/* With the lock held: the new file is there before the old one is moved, and that one is moved back where the new one cannot
 * have its name, so that there is a file at the path, whatever fails. */
static enum status rotate_to(struct audit *a, const char *aside, const char *next, struct error *err)
{
    struct file *file = NULL;
    enum status st;

    if (unlink(next) != 0 && errno != ENOENT)
        return error_errno(err, ST_IO, "cannot remove '%.160s'", next);
    st = file_open(next, O_EXCL, &file, err);
    if (st != ST_OK)
        return st;
    if (file_is_at(a->file, a->path) && rename(a->path, aside) != 0) {
        st = error_errno(err, ST_IO, "cannot rename '%.160s'", a->path);
    } else if (rename(next, a->path) != 0) {
        st = error_errno(err, ST_IO, "cannot rename '%.160s'", next);
        (void)!rename(aside, a->path);
    }
    if (st != ST_OK) {
        unlink(next);
        file_release(file);
        return st;
    }
    file_release(a->file);
    a->file = file;
    return ST_OK;
}

/* With the lock held: begin a new file when this one is full. Failing that, the old one grows on, and it is tried again when it
 * has grown by a sixteenth. */
static void rotate(struct audit *a)
{
    char aside[PATH_MAX], next[PATH_MAX], now[CLOCK_TEXT_SIZE];
    struct error err = { 0 };
    struct stat there;

    if (a->max_bytes == 0 || a->file->size < a->rotate_at)
        return;
    if (snprintf(aside, sizeof aside, "%s.%s", a->path, clock_utc(now)) >= (int)sizeof aside ||
        snprintf(next, sizeof next, "%s.next", a->path) >= (int)sizeof next)
        error_set(&err, ST_INVALID, "its path is too long");
    else if (lstat(aside, &there) == 0)
        return; /* a file of this very millisecond: the next line finds another name */
    else if (rotate_to(a, aside, next, &err) == ST_OK) {
        a->rotate_at = a->max_bytes;
        return;
    }
    a->rotate_at = a->file->size + (a->max_bytes + 15) / 16;
    log_text(LOG_ERROR, "the audit log cannot be rotated, but will be tried again", "%s", err.text);
}

/* ---- lines ---- */

/* With the lock held: all of a line, or nothing of it. */
static enum status append(struct audit *a, const char *line, size_t n, off_t *ret_at, struct error *err)
{
    const off_t before = lseek(a->file->fd, 0, SEEK_END);
    enum status st;

    if (before < 0)
        return error_errno(err, ST_IO, "cannot read the audit log '%.160s'", a->path);
    if (before == 0)
        chain_begin(a);
    if (!write_all(a->file->fd, line, n)) {
        st = error_errno(err, ST_IO, "cannot write the audit log");
        a->stale = ftruncate(a->file->fd, before) != 0;
        return st;
    }
    a->file->size = (size_t)before + n;
    *ret_at = before;
    return ST_OK;
}

/* With the lock held. */
static enum status write_event(struct audit *a, const char *event, json_t *members, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    struct mark mark = { .line = a->lines + 1 };
    json_t *line = json_pack("{s:s,s:s,s:s}", "time", clock_utc(now), "event", event, "prev", a->chain.last);
    char *text = NULL;
    enum status st = ST_NOMEM;

    if (line && json_object_update_missing(line, members) == 0)
        text = json_text(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(line);
    if (text) {
        const size_t n = strlen(text);

        st = digest_bytes(text, n, mark.digest);
        text[n] = '\n'; /* over the NUL: the line leaves in one write */
        if (st == ST_OK)
            st = append(a, text, n + 1, &mark.at, err);
    }
    free(text);
    if (st == ST_OK) {
        a->lines = mark.line;
        a->file->last = mark;
        memcpy(a->chain.last, mark.digest, sizeof a->chain.last);
        chain_keep(a);
    }
    return st == ST_NOMEM ? error_nomem(err) : st;
}

/* With the lock held: what is to be said before the next line: a torn one that was found, lines that were not,
 * and what was left out. */
static enum status write_remarks(struct audit *a, struct error *err)
{
    enum status st = ST_OK;

    if (a->torn > 0) {
        json_t *torn =
            json_pack("{s:I,s:o}", "bytes", (json_int_t)a->torn, "text", json_any_text(a->torn_text));

        st = write_event(a, "torn", torn, err);
        json_decref(torn);
        if (st == ST_OK)
            a->torn = 0;
    }
    if (st == ST_OK && a->end != CHAIN_WHOLE) {
        json_t *missing = json_pack("{s:b}", "synced", a->end == CHAIN_CUT);

        st = write_event(a, "missing", missing, err);
        json_decref(missing);
        if (st == ST_OK)
            a->end = CHAIN_WHOLE;
    }
    if (st == ST_OK && a->left_out > 0) {
        json_t *n = json_pack("{s:I}", "refused", a->left_out);

        st = write_event(a, "left_out", n, err);
        json_decref(n);
        if (st == ST_OK)
            a->left_out = 0;
    }
    return st;
}

/* With the lock held. */
static enum status put(struct audit *a, const char *event, json_t *members, struct error *err)
{
    enum status st = a->stale ? read_tail(a, err) : ST_OK;

    if (st == ST_OK)
        rotate(a);
    if (st == ST_OK)
        st = write_remarks(a, err);
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
        line = file->last.line;
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

    a->room = fmin(AUDIT_UNTRUSTED, a->room + now - a->at);
    a->at = now;
    if (a->room < 1) {
        a->left_out++;
        return false;
    }
    a->room -= 1;
    return true;
}

enum status audit_untrusted(struct audit *a, json_t *members, struct error *err)
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
    enum status st = ST_OK;

    if (!a)
        return ST_OK;
    pthread_mutex_lock(&a->lock);
    if (!file_is_at(a->file, a->path)) {
        st = file_open(a->path, 0, &file, err);
        if (st == ST_OK) {
            file_release(a->file);
            a->file = file;
            a->rotate_at = a->max_bytes;
            a->stale = file->size > 0; /* an empty one follows the last whole line */
        }
    }
    pthread_mutex_unlock(&a->lock);
    return st;
}
