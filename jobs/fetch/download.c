/* jobs/fetch/download.c - one file, however often the connection breaks.
 *
 * "<name>.part" holds what has come, "<name>.etag" which version of the file it is of, written before its first byte. The
 * rest is asked for with Range and If-Range: a server that has another version by now sends all of it, and so does one
 * that knows no ranges; then the part begins anew. Without a strong ETag there is nothing to tell versions apart by, and every
 * try begins anew too. */
#include "parts.h"

#include "cxrd/clock.h"
#include "cxrd/file.h"
#include "cxrd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ETAG_SIZE = 256, SLOW_SECONDS = 30, FIRST_PAUSE_MS = 500, MAX_PAUSE_MS = 60000, NAP_MS = 100 };

/* The SHA-256 of no bytes. S3 wants it said, and libcurl 7.88 does not say it by itself. */
#define S3_NO_BODY "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct attempt {
    const struct download *d;
    int fd;
    int64_t have, total; /* bytes in the file; -1: nobody said */
    const char *etag;    /* of what is in the file; "" unknown */
    bool ranged;         /* asked for a rest */
    enum status st;      /* why a callback had enough */
    struct error *err;
};

/* ---- names beside the file ---- */

static void beside(const struct download *d, const char *end, char ret[32])
{
    snprintf(ret, 32, "%s%s", d->name, end);
}

static void etag_read(const struct download *d, char ret[ETAG_SIZE])
{
    char name[32];
    ssize_t n = 0;
    int fd;

    beside(d, ".etag", name);
    fd = openat(d->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        n = read(fd, ret, ETAG_SIZE - 1);
        close(fd);
    }
    ret[n > 0 ? n : 0] = '\0';
}

/* Only a strong one, which stands for the bytes. One that is not wholly written is another one: nothing is lost but time. */
static enum status etag_write(const struct download *d, const char *etag, struct error *err)
{
    const size_t n = strlen(etag);
    char name[32];
    bool ok;
    int fd;

    beside(d, ".etag", name);
    unlinkat(d->folder, name, 0);
    if (etag[0] != '"' || n >= ETAG_SIZE)
        return ST_OK;
    fd = openat(d->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ok = fd >= 0 && write_all(fd, etag, n);
    if (fd >= 0)
        close(fd);
    return ok ? ST_OK : error_errno(err, ST_IO, "cannot write beside a file that is fetched");
}

/* ---- what a request brings ---- */

static bool stop(struct attempt *a, enum status st)
{
    a->st = st;
    return false;
}

static bool begin_anew(struct attempt *a)
{
    a->have = 0;
    if (ftruncate(a->fd, 0) != 0 || lseek(a->fd, 0, SEEK_SET) != 0)
        return stop(a, error_errno(a->err, ST_IO, "cannot write a file that is fetched"));
    return true;
}

/* Whether so many bytes may come behind those that are there. */
static bool fits(struct attempt *a, uint64_t n)
{
    const uint64_t have = (uint64_t)a->have;
    const uint64_t most = a->d->max_bytes < INT64_MAX ? a->d->max_bytes : INT64_MAX;

    return (have <= most && n <= most - have) ||
           stop(a, error_set(a->err, ST_LIMIT,
                             "the files have more than the %" PRIu64 " bytes of --data-bytes left", most));
}

/* Statuses that another try may change. */
static bool is_passing(long status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static bool on_head(void *arg, const struct outgoing_head *head)
{
    struct attempt *a = arg;

    if (head->status == 200) {
        if (!begin_anew(a))
            return false;
        a->st = etag_write(a->d, head->etag, a->err);
        if (a->st != ST_OK)
            return false;
    } else if (a->ranged &&
               (head->status == 416 || (head->status == 206 && strcmp(head->etag, a->etag) != 0))) {
        if (!begin_anew(a))
            return false;
        etag_write(a->d, "", NULL);
        return stop(a, error_set(a->err, ST_BUSY, "the host has no rest of it to send: it begins anew"));
    } else if (head->status != 206 || !a->ranged || head->range_start != a->have) {
        if (is_passing(head->status))
            return stop(a, error_set(a->err, ST_BUSY, "the host answered %ld", head->status));
        return stop(a, error_set(a->err, ST_UNUSABLE, "the host answered %ld%s", head->status,
                                 head->status / 100 == 3 ? ": a redirect, which is not followed" : ""));
    }
    if (head->length >= 0 && !fits(a, (uint64_t)head->length))
        return false;
    a->total = head->length < 0 ? -1 : a->have + head->length;
    return true;
}

static bool on_data(void *arg, const void *bytes, size_t n)
{
    struct attempt *a = arg;

    if (!fits(a, n))
        return false;
    if (!write_all(a->fd, bytes, n))
        return stop(a, error_errno(a->err, ST_IO, "cannot write a file that is fetched"));
    a->have += (int64_t)n;
    a->d->progress(a->d->arg, a->have, a->total);
    return true;
}

static bool on_stopped(void *arg)
{
    struct attempt *a = arg;

    return a->d->cancelled(a->d->arg) && !stop(a, error_set(a->err, ST_CANCELLED, "stopped"));
}

/* One request. Errors: ST_BUSY and ST_IO of outgoing_send() mean that another may bring more. */
static enum status attempt(const struct download *d, int fd, int64_t *have, struct error *err)
{
    char etag[ETAG_SIZE], range[64], if_range[ETAG_SIZE + 16], sigv4[64];
    const char *headers[4] = { NULL };
    size_t n_headers = 0;
    struct attempt a = { .d = d, .fd = fd, .have = *have, .total = -1, .etag = etag, .err = err };
    struct outgoing_request request = { .use = OUTGOING_DATA,
                                        .url = d->source->url,
                                        .headers = headers,
                                        .slow_seconds = SLOW_SECONDS,
                                        .stopped = on_stopped,
                                        .head = on_head,
                                        .data = on_data,
                                        .arg = &a };
    struct error why = { 0 };
    long status;
    enum status st;

    etag_read(d, etag);
    a.ranged = a.have > 0 && etag[0];
    if (a.ranged) {
        snprintf(range, sizeof range, "Range: bytes=%" PRId64 "-", a.have);
        snprintf(if_range, sizeof if_range, "If-Range: %s", etag);
        headers[n_headers++] = range;
        headers[n_headers++] = if_range;
    }
    if (d->source->region[0]) {
        snprintf(sigv4, sizeof sigv4, "aws:amz:%s:s3", d->source->region);
        request.sigv4 = sigv4;
        request.credentials = d->request->credentials;
        headers[n_headers++] = S3_NO_BODY;
    }
    st = outgoing_send(d->request->outgoing, &request, &status, &why);
    *have = a.have;
    if (a.st != ST_OK)
        return a.st; /* and what it says */
    if (st == ST_IO)
        return error_set(err, ST_BUSY, "%s", why.text);
    return st == ST_OK ? ST_OK : error_set(err, st, "%s", why.text);
}

/* ---- tries ---- */

static bool wait_ms(const struct download *d, int ms)
{
    const struct timespec nap = { 0, NAP_MS * 1000000L };
    const double until = clock_seconds() + ms / 1e3;

    while (clock_seconds() < until) {
        if (d->cancelled(d->arg))
            return false;
        nanosleep(&nap, NULL);
    }
    return true;
}

/* An attempt that brings next to nothing for its time, and for the pause before it, is in vain: a host that breaks off after
 * each byte would hold the queue for ever. */
static enum status attempts(const struct download *d, int fd, int64_t have, struct error *err)
{
    int64_t most = have; /* a part that begins anew brings nothing until it has more than it had */
    double since = clock_seconds();
    int pause = FIRST_PAUSE_MS;

    for (size_t in_vain = 0;;) {
        const enum status st = attempt(d, fd, &have, err);
        const double now = clock_seconds();
        const int64_t brought = have - most;

        if (st != ST_BUSY)
            return st;
        if (brought > 0)
            most = have;
        if ((double)brought > OUTGOING_SLOWEST * (now - since)) {
            in_vain = 0;
            pause = FIRST_PAUSE_MS;
        } else if (++in_vain >= d->request->tries) {
            return ST_BUSY;
        }
        since = now;
        log_event(LOG_WARN, "fetching goes on after a pause",
                  json_pack("{s:s,s:s,s:I,s:s}", "job", d->request->job, "file", d->name, "bytes",
                            (json_int_t)have, "detail", err->text));
        if (!wait_ms(d, pause))
            return error_set(err, ST_CANCELLED, "stopped");
        pause = pause * 2 < MAX_PAUSE_MS ? pause * 2 : MAX_PAUSE_MS;
    }
}

enum status download_run(const struct download *d, struct error *err)
{
    char part[32], etag[32];
    struct stat info;
    int64_t have;
    int fd;
    enum status st;

    if (fstatat(d->folder, d->name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        return ST_OK;
    beside(d, ".part", part);
    beside(d, ".etag", etag);
    fd = openat(d->folder, part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    have = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    st = have < 0 ? error_errno(err, ST_IO, "cannot write a file that is fetched")
                  : attempts(d, fd, have, err);
    if (st == ST_OK && fsync(fd) != 0)
        st = error_errno(err, ST_IO, "cannot sync a file that is fetched");
    if (fd >= 0)
        close(fd);
    if (st == ST_OK && renameat(d->folder, part, d->folder, d->name) != 0)
        st = error_errno(err, ST_IO, "cannot rename a file that is fetched");
    if (st == ST_OK)
        unlinkat(d->folder, etag, 0);
    return st;
}
