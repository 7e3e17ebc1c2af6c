/* jobs/notices.c - see cxrd/notices.h, and standardwebhooks.com for the headers. */
#include "cxrd/notices.h"

#include "cxrd/buf.h"
#include "cxrd/clock.h"
#include "cxrd/encoding.h"
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/plain_text.h"
#include "cxrd/sign.h"
#include "cxrd/thread.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_SECRETS = 4,
    MIN_SECRET = 16, /* bytes */
    MAX_SECRET = 64,
    MAX_PAUSE = 12 * 3600,      /* seconds */
    MAX_WAITED = 3 * 24 * 3600, /* the pauses of a notice together; after that it is given up */
    SEND_SECONDS = 10,
};

struct secret {
    unsigned char bytes[MAX_SECRET];
    size_t n;
};

struct notices {
    struct notices_options options;
    struct store *store;
    const struct outgoing *outgoing;
    struct secret secrets[MAX_SECRETS];
    size_t n_secrets;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards `added` */
    pthread_cond_t wake;  /* it was, or stop */
    bool added;           /* since the thread last looked */
    atomic_bool stop;
};

/* ---- secrets ---- */

static enum status read_secret(struct secret *s, const char *line, size_t n, struct error *err)
{
    static const char PREFIX[] = "whsec_";
    char text[sizeof PREFIX + 2 * sizeof s->bytes];
    bool ok = n < sizeof text && strncmp(line, PREFIX, strlen(PREFIX)) == 0;

    if (ok) {
        memcpy(text, line, n);
        text[n] = '\0';
        ok = base64_decode(text + strlen(PREFIX), s->bytes, sizeof s->bytes, &s->n) == ST_OK &&
             s->n >= MIN_SECRET;
        explicit_bzero(text, sizeof text);
    }
    return ok ? ST_OK
              : error_set(err, ST_INVALID,
                          "--webhook-secret: a line must be whsec_ and %d to %d bytes in base64", MIN_SECRET,
                          MAX_SECRET);
}

static enum status read_secrets(struct notices *n, struct plain_text text, struct error *err)
{
    enum status st = ST_OK;
    const char *line;
    size_t length;

    while (st == ST_OK && plain_text_line(&text, &line, &length)) {
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
            length--;
        if (length > 0 && n->n_secrets == MAX_SECRETS)
            return error_set(err, ST_INVALID, "--webhook-secret: more than %d secrets", MAX_SECRETS);
        if (length > 0)
            st = read_secret(&n->secrets[n->n_secrets++], line, length, err);
    }
    if (st == ST_OK && n->n_secrets == 0)
        st = error_set(err, ST_INVALID, "--webhook-secret: the file is empty");
    return st;
}

static enum status load_secrets(struct notices *n, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_read(n->options.secret, 4096, &file, err);

    if (st == ST_OK)
        st = read_secrets(n, plain_text_of(file.data, file.size), err);
    if (file.data)
        explicit_bzero(file.data, file.size);
    file_bytes_release(&file);
    return st;
}

/* ---- one notice ---- */

static bool on_stopped(void *arg) { return atomic_load(&((struct notices *)arg)->stop); }

/* "webhook-signature: v1,<base64> v1,<base64>" over "<id>.<seconds>.<body>" */
static enum status sign(const struct notices *n, const struct notice *what, int64_t at, struct buf *ret)
{
    struct buf text = BUF_INIT(65536);
    char code[SIGN_TEXT_SIZE];
    enum status st;

    buf_printf(&text, "%s.%" PRId64 ".%s", what->id, at, what->body);
    st = buf_status(&text);
    buf_puts(ret, "webhook-signature:");
    for (size_t i = 0; i < n->n_secrets && st == ST_OK; i++) {
        st = sign_hmac(n->secrets[i].bytes, n->secrets[i].n, text.data, text.len, code);
        buf_printf(ret, " v1,%s", code);
    }
    buf_release(&text);
    return st == ST_OK ? buf_status(ret) : st;
}

/* Errors: outgoing_send()'s; ST_IO for a reply that is no 2xx. */
static enum status send_notice(struct notices *n, const struct notice *what, struct error *err)
{
    char id[64], timestamp[48];
    struct buf signature = BUF_INIT(512);
    const int64_t now = time(NULL);
    long status = 0;
    enum status st = sign(n, what, now, &signature);

    snprintf(id, sizeof id, "webhook-id: %s", what->id);
    snprintf(timestamp, sizeof timestamp, "webhook-timestamp: %" PRId64, now);
    if (st == ST_OK) {
        const char *const headers[] = { "Content-Type: application/json", id, timestamp, signature.data,
                                        NULL };
        const struct outgoing_request request = { .use = OUTGOING_NOTICE,
                                                  .url = what->url ? what->url : n->options.url,
                                                  .headers = headers,
                                                  .body = what->body,
                                                  .body_len = strlen(what->body),
                                                  .seconds = SEND_SECONDS,
                                                  .stopped = on_stopped,
                                                  .arg = n };

        st = outgoing_send(n->outgoing, &request, &status, err);
        if (st == ST_OK && (status < 200 || status > 299))
            st = status == 410 ? error_set(err, ST_NOTFOUND, "the receiver answered 410: it is gone")
                               : error_set(err, ST_IO, "the receiver answered %ld", status);
    } else {
        error_nomem(err);
    }
    buf_release(&signature);
    return st;
}

/* 5, 10, 20 … seconds; 0: no more, all of them together have become too long. */
static int64_t pause_after(const struct notices *n, int64_t tries)
{
    int64_t pause = (int64_t)n->options.retry_s, waited = 0;

    for (int64_t i = 0; i < tries && waited < MAX_WAITED; i++) {
        waited += pause;
        pause = pause * 2 < MAX_PAUSE ? pause * 2 : MAX_PAUSE;
    }
    return waited + pause <= MAX_WAITED ? pause : 0;
}

/* Wait so many seconds; not any longer than until a notice comes, where those are `welcome`. */
static void wait_for(struct notices *n, double seconds, bool welcome)
{
    const double deadline = clock_seconds() + seconds;

    pthread_mutex_lock(&n->lock);
    while (!atomic_load(&n->stop) && !(welcome && n->added) && condition_wait(&n->wake, &n->lock, deadline))
        ;
    n->added = false;
    pthread_mutex_unlock(&n->lock);
}

/* Write what became of a notice: it is sent again after `pause`, or, with 0, never. While the disk takes nothing, no notice is
 * sent: it would come again and again. */
static void fate_write(struct notices *n, const struct notice *what, int64_t pause)
{
    const int64_t now = time(NULL);
    struct error why;

    for (bool told = false;; told = true) {
        const enum status st = pause > 0 ? store_notice_again(n->store, what->seq, now, pause, &why)
                                         : store_notice_done(n->store, what->seq, &why);

        if (st == ST_OK)
            return;
        if (!told)
            log_error(LOG_ERROR, "a notice's fate is not written", &why);
        wait_for(n, (double)n->options.retry_s, false);
        if (atomic_load(&n->stop))
            return;
    }
}

static void tell(struct notices *n, const struct notice *what)
{
    struct error err = { 0 };
    const int64_t pause = pause_after(n, what->tries);
    const enum status st = send_notice(n, what, &err);

    if (atomic_load(&n->stop) && st == ST_CANCELLED)
        return;
    if (st == ST_OK || st == ST_INVALID || st == ST_NOTFOUND || pause == 0) {
        log_event(st == ST_OK ? LOG_INFO : LOG_ERROR, st == ST_OK ? "notice delivered" : "notice given up",
                  json_pack("{s:s,s:I,s:s}", "notice", what->id, "tries", (json_int_t)what->tries + 1,
                            "detail", err.text));
        fate_write(n, what, 0);
    } else {
        log_event(LOG_WARN, "notice not delivered, will try again",
                  json_pack("{s:s,s:I,s:I,s:s}", "notice", what->id, "tries", (json_int_t)what->tries + 1,
                            "pause_s", (json_int_t)pause, "detail", err.text));
        fate_write(n, what, pause);
    }
}

/* ---- the thread ---- */

static void *notices_main(void *arg)
{
    struct notices *n = arg;
    struct error err;

    while (!atomic_load(&n->stop)) {
        struct notice what = { 0 };
        const int64_t now = time(NULL);
        const enum status st = store_notice_first(n->store, now, &what, &err);
        const int64_t left = st == ST_OK ? what.due - now : (int64_t)n->options.retry_s;

        if (st == ST_OK && left <= 0)
            tell(n, &what);
        else
            wait_for(n, st == ST_NOTFOUND ? INFINITY : (double)left, true);
        notice_release(&what);
    }
    return NULL;
}

static void on_added(void *arg)
{
    struct notices *n = arg;

    pthread_mutex_lock(&n->lock);
    n->added = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
}

enum status notices_start(const struct notices_options *options, struct store *store,
                          const struct outgoing *outgoing, struct notices **ret_notices, struct error *err)
{
    struct notices *n = calloc(1, sizeof *n);
    enum status st;

    if (!n)
        return error_nomem(err);
    n->options = *options;
    n->store = store;
    n->outgoing = outgoing;
    pthread_mutex_init(&n->lock, NULL);
    condition_init(&n->wake);
    st = load_secrets(n, err);
    if (st == ST_OK)
        st = store_notices_begin(store, options->url != NULL, on_added, n, err);
    if (st == ST_OK)
        st = thread_start(&n->thread, notices_main, n, "the thread that sends notices", err);
    n->started = st == ST_OK;
    if (st != ST_OK) {
        notices_stop(n);
        return st;
    }
    *ret_notices = n;
    return ST_OK;
}

void notices_stop(struct notices *n)
{
    if (!n)
        return;
    store_notices_end(n->store);
    pthread_mutex_lock(&n->lock);
    atomic_store(&n->stop, true);
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
    if (n->started)
        pthread_join(n->thread, NULL);
    pthread_cond_destroy(&n->wake);
    pthread_mutex_destroy(&n->lock);
    explicit_bzero(n->secrets, sizeof n->secrets);
    free(n);
}
