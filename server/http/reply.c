/* server/http/reply.c - see reply.h. */
#include "reply.h"

#include "mhd.h"

#include "cxrd/secret.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    MAX_REPLY = 128 << 20, /* bytes of a body made in memory */
    STREAM_BLOCK = 4096,
    FILE_BLOCK = 16 << 10,
    SMALL_REPLY = 4096, /* bytes; so much is always sent: there is no more of it than connections */
    REPLY_BYTES_A_SECOND = 32 << 10, /* a client that reads more slowly is cut off */
};

void reply_init(struct reply *r, struct budget *budget)
{
    *r = (struct reply){ .res = { .body = BUF_INIT(MAX_REPLY), .fd = -1 }, .budget = budget };
}

/* ---- what is sent ---- */

/* The next bytes of an event stream. Nothing to say: the connection sleeps, since libmicrohttpd would ask again and
 * again. */
static ssize_t on_stream(void *arg, uint64_t at, char *ret, size_t max)
{
    const ssize_t n = sse_read(arg, ret, max);

    (void)at;
    return n == SSE_ENDED ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

/* The next bytes of a file. */
static ssize_t on_file(void *arg, uint64_t at, char *ret, size_t max)
{
    const ssize_t n = sent_file_read(arg, at, ret, max);

    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_file_end(void *arg) { sent_file_release(arg); }

static struct MHD_Response *file_make(struct reply *r)
{
    struct MHD_Response *made =
        MHD_create_response_from_callback(r->res.fd_size, FILE_BLOCK, on_file, r->file, on_file_end);

    if (made)
        r->file = NULL;
    return made;
}

static struct MHD_Response *lent_make(struct http_lent *lent)
{
    void *bytes = (void *)lent->bytes; /* which the library only reads */
    struct MHD_Response *r =
        lent->give_back ? MHD_create_response_from_buffer_with_free_callback_cls(lent->size, bytes,
                                                                                 lent->give_back, lent->arg)
                        : MHD_create_response_from_buffer(lent->size, bytes, MHD_RESPMEM_PERSISTENT);

    if (r)
        *lent = (struct http_lent){ 0 };
    return r;
}

struct MHD_Response *reply_make(struct reply *r)
{
    struct http_response *res = &r->res;
    struct MHD_Response *made;

    if (r->reader)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, r->reader, NULL);
    if (r->file)
        return file_make(r);
    if (res->lent.bytes)
        return lent_make(&res->lent);
    made = MHD_create_response_from_buffer_with_free_callback(res->body.len, res->body.data,
                                                              res->body.secret ? secret_free : free);
    if (made)
        buf_take(&res->body);
    return made;
}

/* ---- what it takes up ---- */

static size_t bytes_held(const struct http_response *res)
{
    return res->fd >= 0 ? FILE_BLOCK : res->body.capacity; /* lent ones take up nothing */
}

enum status reply_hold(struct reply *r, struct files *files, bool withhold, struct error *err)
{
    const size_t n = bytes_held(&r->res);
    enum status st = ST_OK;

    if (n <= SMALL_REPLY || !withhold)
        budget_force(r->budget, n);
    else if (!budget_take(r->budget, n))
        st = error_set(err, ST_BUSY, "the server holds as many replies as it may");
    if (st == ST_OK)
        r->held = n;
    if (st == ST_OK && r->res.fd >= 0) {
        r->file = files_share(files, r->res.fd);
        r->res.fd = -1;
        if (!r->file)
            st = error_set(err, ST_BUSY, "the server is sending as many files as it may");
    }
    if (st != ST_OK)
        reply_drop(r);
    return st;
}

double reply_seconds(const struct reply *r)
{
    const size_t size = r->file ? r->res.fd_size : r->res.lent.bytes ? r->res.lent.size : r->res.body.len;

    return r->reader ? INFINITY : (double)size / REPLY_BYTES_A_SECOND;
}

/* ---- its end ---- */

void reply_drop(struct reply *r)
{
    struct http_response *res = &r->res;

    budget_give(r->budget, r->held);
    r->held = 0;
    buf_release(&res->body);
    sent_file_release(r->file);
    r->file = NULL;
    if (res->fd >= 0)
        close(res->fd);
    res->fd = -1;
    if (res->lent.bytes && res->lent.give_back)
        res->lent.give_back(res->lent.arg);
    res->lent = (struct http_lent){ 0 };
}

void reply_release(struct reply *r)
{
    sse_close(r->reader);
    reply_drop(r);
    json_decref(r->res.errors);
    json_decref(r->res.notes);
}
