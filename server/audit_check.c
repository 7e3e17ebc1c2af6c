/* server/audit_check.c - has anybody changed an audit log, or taken lines out? See audit.h. */
#include "audit.h"
#include "audit_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How far the last file should go, and what of that was found. */
struct end {
    struct chain chain;
    bool synced_seen, last_seen;
};

/* The note beside a log; empty where there is none. */
static enum status chain_beside(const char *log, struct chain *c, struct error *err)
{
    char path[PATH_MAX];
    int fd;

    chain_init(c);
    if (!chain_path(log, path))
        return ST_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? ST_OK : error_errno(err, ST_IO, "cannot open '%.160s'", path);
    chain_read(fd, c);
    close(fd);
    return ST_OK;
}

static bool is_at(FILE *file, const char *path)
{
    struct stat ours, there;

    return fstat(fileno(file), &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

/* The last file, and what was noted beside it while it was at its path: a server may put it aside at any moment. */
static enum status open_last(const char *path, FILE **ret, struct chain *c, struct error *err)
{
    for (;;) {
        FILE *file = fopen(path, "re");
        enum status st;

        if (!file)
            return error_errno(err, ST_IO, "cannot open '%.160s'", path);
        st = chain_beside(path, c, err);
        if (st == ST_OK && is_at(file, path)) {
            *ret = file;
            return ST_OK;
        }
        fclose(file);
        if (st != ST_OK)
            return st;
    }
}

static void see(struct end *end, const char *digest)
{
    end->synced_seen |= strcmp(digest, end->chain.synced) == 0;
    end->last_seen |= strcmp(digest, end->chain.last) == 0;
}

/* An event of any file. The first of the last file may be what shows that it follows the one that was synced last. */
static void see_event(struct end *end, const struct before *before, bool begins_last)
{
    see(end, before->digest);
    if (!begins_last)
        return;
    see(end, before->prev);
    end->synced_seen |= strcmp(before->prev, end->chain.begins) == 0;
}

/* One file, whose events are seen for the `end`. */
static enum status check_file(FILE *file, const char *path, bool is_last, struct before *before,
                              struct end *end, struct audit_found *found, struct error *err)
{
    enum status st = ST_OK;
    size_t capacity = 0, number = 0, events = 0;
    char *text = NULL, where[192];
    ssize_t n;

    while (st == ST_OK && (n = getline(&text, &capacity, file)) > 0) {
        bool torn;

        snprintf(where, sizeof where, "'%.160s', line %zu", path, ++number);
        if (text[n - 1] == '\n')
            n--;
        st = chain_line(text, (size_t)n, before, &torn, where, err);
        found->lines++;
        found->torn += torn;
        if (st == ST_OK && !torn) {
            if (found->lines - found->torn == 1)
                found->begins_inside = strspn(before->prev, "0") < strlen(before->prev);
            see_event(end, before, is_last && events++ == 0);
        }
        if (st == ST_OK && torn && found->on_torn)
            found->on_torn(where);
    }
    free(text);
    return st;
}

static enum status check_end(const char *path, const struct end *end, struct audit_found *found,
                             struct error *err)
{
    const bool events = found->lines > found->torn;

    found->end_known = events && end->chain.synced[0];
    found->unsynced_missing = found->end_known && !end->last_seen;
    if (found->end_known && !end->synced_seen)
        return error_set(err, ST_FORMAT,
                         "'%.160s': lines are missing at its end, or were changed: the last that the server "
                         "synced is not there",
                         path);
    return ST_OK;
}

enum status audit_check(const char *const *paths, size_t n_paths, struct audit_found *found,
                        struct error *err)
{
    struct before before = { "", "", "" };
    struct end end = { .synced_seen = false };
    FILE *last = NULL;
    enum status st = open_last(paths[n_paths - 1], &last, &end.chain, err);

    for (size_t i = 0; i < n_paths && st == ST_OK; i++) {
        const bool is_last = i == n_paths - 1;
        FILE *file = is_last ? last : fopen(paths[i], "re");

        if (!file) {
            st = error_errno(err, ST_IO, "cannot open '%.160s'", paths[i]);
            break;
        }
        st = check_file(file, paths[i], is_last, &before, &end, found, err);
        if (!is_last)
            fclose(file);
    }
    if (last)
        fclose(last);
    return st == ST_OK ? check_end(paths[n_paths - 1], &end, found, err) : st;
}
