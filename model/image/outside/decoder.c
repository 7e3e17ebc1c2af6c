/* model/image/outside/decoder.c - see cxrd/decoder.h: slots, and the thread that keeps their processes.
 *
 * A process that dies with its parent (PR_SET_PDEATHSIG) dies with the thread that started it, so one thread starts them all, and
 * lives as long as they. It also ends them: a request whose helper does not answer need not wait for that. */
#include "cxrd/decoder.h"

#include "helper.h"
#include "reply.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLACK_S = 5,      /* the helper gives a picture up by itself; this much later it is given up */
    RETRY_S = 1,      /* after a process that could not begin */
    MOST_UNASKED = 8, /* helpers in a row that had ended before they could be asked */
};

const char *const DECODER_LOSS_NAMES[N_DECODER_LOSSES] = {
#define X(name, text) [DECODER_##name] = (text),
    DECODER_LOSSES(X)
#undef X
};

const char *const DECODER_END_NAMES[N_DECODER_ENDS] = {
#define X(name, text) [DECODER_END_##name] = (text),
    DECODER_ENDS(X)
#undef X
};

enum slot_state {
    SLOT_EMPTY,
    SLOT_WANTED, /* the manager begins it */
    SLOT_IDLE,
    SLOT_BUSY, /* its helper belongs to the thread that took it */
    SLOT_LOST, /* the manager ends it, and begins it anew */
};

struct slot {
    enum slot_state state;
    struct helper helper;
    size_t last_pixels; /* of the last picture that it gave; 0: there was none, or its file had fewer bytes */
    struct shared
        output; /* memory for the next picture, made ready by the manager while the slot is idle; or closed */
    size_t n_ready;       /* bytes of it that are there */
    double awaited_since; /* clock_seconds() of its last picture's end, or when the next one was announced */
};

struct decoder {
    struct decoder_options options;
    char *program; /* owned; NULL: beside this program */
    pthread_t manager;

    pthread_mutex_t
        lock; /* guards all below; the helper of a slot that is busy, wanted or lost has one user without it */
    pthread_cond_t work;    /* for the manager: a slot is wanted, lost or idle, or stop */
    pthread_cond_t changed; /* for all who wait for a slot: one is idle, or did not begin */
    struct slot slots[DECODER_MOST_HELPERS];
    bool stop;
    struct error failure; /* of the last process that could not begin */
    double failed_at;     /* clock_seconds(); -INFINITY: the last one could */
    int landlock;
    uint64_t lost[N_DECODER_LOSSES], ended[N_DECODER_ENDS];
};

struct decoder_options decoder_options_default(void)
{
    return (struct decoder_options){ .helpers = 2,
                                     .most_bytes = 64 << 20,
                                     .most_pixels = IMAGE_LIMITS.max_pixels,
                                     .timeout_s = 30,
                                     .tries = 2,
                                     .wait_s = 30,
                                     .keep_s = 10,
                                     .class = POOL_NORMAL };
}

/* ---- the manager ---- */

static struct slot *slot_in(struct decoder *d, enum slot_state state)
{
    for (size_t i = 0; i < d->options.helpers; i++)
        if (d->slots[i].state == state)
            return &d->slots[i];
    return NULL;
}

/* Begin a slot's process; the lock is not held. */
static enum status slot_begin(const struct decoder *d, struct slot *slot, struct error *err)
{
    helper_end(&slot->helper);
    return helper_begin(d->program, &slot->helper, err);
}

/* With the lock held, which is given up meanwhile. */
static void slot_keep(struct decoder *d, struct slot *slot)
{
    struct error why = { 0 };
    enum status st;

    pthread_mutex_unlock(&d->lock);
    st = slot_begin(d, slot, &why);
    if (st != ST_OK)
        log_error(LOG_ERROR, "JPEG and DICOM cannot be decoded", &why);
    pthread_mutex_lock(&d->lock);
    slot->state = st == ST_OK ? SLOT_IDLE : SLOT_EMPTY;
    if (st == ST_OK)
        d->landlock = slot->helper.landlock;
    else
        d->failure = why;
    d->failed_at = st == ST_OK ? -INFINITY : clock_seconds();
    pthread_cond_broadcast(&d->changed);
}

/* ---- memory for the next picture ---- */

/* Successive pictures often have the same size: so memory of the last one's size is made ready. */
struct making {
    struct decoder *d;
    struct slot *slot;
};

static bool waits_for_it(const struct slot *slot)
{
    return slot->state == SLOT_IDLE && slot->last_pixels > 0 && slot->output.fd < 0;
}

static bool is_waited_for(void *arg)
{
    const struct making *m = arg;
    bool waits;

    pthread_mutex_lock(&m->d->lock);
    waits = waits_for_it(m->slot) && !m->d->stop && !slot_in(m->d, SLOT_LOST) && !slot_in(m->d, SLOT_WANTED);
    pthread_mutex_unlock(&m->d->lock);
    return waits;
}

/* With the lock held, which is given up meanwhile: pages are given back. */
static void output_close(struct decoder *d, struct shared output)
{
    pthread_mutex_unlock(&d->lock);
    shared_close(&output);
    pthread_mutex_lock(&d->lock);
}

/* With the lock held, which is given up meanwhile. If the slot becomes busy before it is ready, it is thrown away. */
static void output_make(struct decoder *d, struct slot *slot)
{
    const size_t n = DECODE_OUTPUT_SIZE(slot->last_pixels);
    struct making m = { d, slot };
    struct shared output = SHARED_INIT;
    size_t n_ready = 0;

    pthread_mutex_unlock(&d->lock);
    if (shared_open(&output, "cxrd-output", DECODE_OUTPUT_SIZE(d->options.most_pixels)))
        n_ready = shared_clear(&output, n, is_waited_for, &m);
    pthread_mutex_lock(&d->lock);
    if (waits_for_it(slot)) {
        slot->output = output;
        slot->n_ready = n_ready;
    } else
        output_close(d, output);
}

/* With the lock held: let go of what was made ready and has waited for too long; make it where it is to be. False: nothing was done.
 *   ret_next  when there is something to be done again; INFINITY: not before something happens */
static bool outputs_keep(struct decoder *d, double *ret_next)
{
    const double now = clock_seconds();

    *ret_next = INFINITY;
    for (size_t i = 0; i < d->options.helpers; i++) {
        struct slot *slot = &d->slots[i];
        const double until = slot->awaited_since + d->options.keep_s;

        if (slot->state != SLOT_IDLE)
            continue;
        if (now < until && waits_for_it(slot)) {
            output_make(d, slot);
            return true;
        }
        if (now >= until && slot->output.fd >= 0) {
            const struct shared output = slot->output;

            slot->output = (struct shared)SHARED_INIT;
            output_close(d, output);
            return true;
        }
        if (slot->output.fd >= 0)
            *ret_next = fmin(*ret_next, until);
    }
    return false;
}

static void *keep(void *arg)
{
    struct decoder *d = arg;

    thread_set_class(d->options.class);
    pthread_mutex_lock(&d->lock);
    while (!d->stop) {
        struct slot *slot = slot_in(d, SLOT_LOST);
        double next;

        if (!slot)
            slot = slot_in(d, SLOT_WANTED);
        if (slot)
            slot_keep(d, slot);
        else if (!outputs_keep(d, &next))
            condition_wait(&d->work, &d->lock, next);
    }
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->options.helpers; i++) {
        helper_end(&d->slots[i].helper);
        shared_close(&d->slots[i].output);
    }
    return NULL;
}

enum status decoder_open(const struct decoder_options *options, struct decoder **ret, struct error *err)
{
    struct decoder *d = calloc(1, sizeof *d);
    enum status st;

    if (!d)
        return error_nomem(err);
    d->options = *options;
    d->failed_at = -INFINITY;
    for (size_t i = 0; i < options->helpers; i++)
        d->slots[i] = (struct slot){ .helper = HELPER_INIT, .output = SHARED_INIT };
    pthread_mutex_init(&d->lock, NULL);
    condition_init(&d->work);
    condition_init(&d->changed);
    d->program = options->program ? strdup(options->program) : NULL;
    st = options->program && !d->program ? error_nomem(err) : ST_OK;
    if (st == ST_OK)
        st = thread_start(&d->manager, keep, d, "the thread that manages decoders", err);
    if (st == ST_OK) {
        *ret = d;
        return ST_OK;
    }
    free(d->program);
    free(d);
    return st;
}

void decoder_close(struct decoder *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->manager, NULL);
    pthread_cond_destroy(&d->changed);
    pthread_cond_destroy(&d->work);
    pthread_mutex_destroy(&d->lock);
    free(d->program);
    free(d);
}

/* ---- taking a slot, and giving it back ---- */

/* With the lock held. */
static void slot_lose(struct decoder *d, struct slot *slot, enum decoder_loss why)
{
    slot->state = SLOT_LOST;
    d->lost[why]++;
    pthread_cond_signal(&d->work);
}

/* With the lock held: an idle slot whose process is there; NULL: none is. */
static struct slot *slot_idle(struct decoder *d)
{
    struct slot *slot;

    while ((slot = slot_in(d, SLOT_IDLE)) != NULL && !helper_is_there(&slot->helper))
        slot_lose(d, slot, DECODER_ENDED);
    return slot;
}

/* With the lock held, and nothing idle: see to it that a slot comes. False: none will. */
static bool slot_comes(struct decoder *d)
{
    struct slot *empty = slot_in(d, SLOT_EMPTY);

    if (slot_in(d, SLOT_LOST) || slot_in(d, SLOT_WANTED))
        return true;
    if (empty && clock_seconds() - d->failed_at >= RETRY_S) {
        empty->state = SLOT_WANTED;
        pthread_cond_signal(&d->work);
        return true;
    }
    return slot_in(d, SLOT_BUSY) != NULL;
}

static enum status slot_take(struct decoder *d, struct slot **ret, struct error *err)
{
    const double deadline = clock_seconds() + d->options.wait_s;
    struct slot *slot;
    enum status st = ST_OK;

    pthread_mutex_lock(&d->lock);
    while ((slot = slot_idle(d)) == NULL && st == ST_OK) {
        if (!slot_comes(d)) {
            st = error_set(err, ST_BUSY, "%s", d->failure.text);
            error_inner(err, st, d->failure.inner);
        } else if (!condition_wait(&d->changed, &d->lock, deadline)) {
            st = error_set(err, ST_BUSY, "the decoders of JPEG and DICOM are all at other pictures");
        }
    }
    if (slot)
        slot->state = SLOT_BUSY;
    *ret = slot;
    pthread_mutex_unlock(&d->lock);
    return slot ? ST_OK : st;
}

/* Its helper is as good as before. */
static void slot_give(struct decoder *d, struct slot *slot)
{
    pthread_mutex_lock(&d->lock);
    slot->state = SLOT_IDLE;
    slot->awaited_since = clock_seconds();
    pthread_cond_broadcast(&d->changed);
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
}

static void slot_drop(struct decoder *d, struct slot *slot, enum decoder_loss why)
{
    pthread_mutex_lock(&d->lock);
    slot_lose(d, slot, why);
    pthread_mutex_unlock(&d->lock);
}

/* With the lock held: the first idle slot without memory for its next picture, or with it; NULL: none is. */
static struct slot *slot_unready(struct decoder *d)
{
    struct slot *first = slot_in(d, SLOT_IDLE);

    for (size_t i = 0; i < d->options.helpers; i++)
        if (waits_for_it(&d->slots[i]))
            return &d->slots[i];
    return first;
}

void decoder_expect(struct decoder *d)
{
    struct slot *slot;

    pthread_mutex_lock(&d->lock);
    slot = slot_unready(d);
    if (slot) {
        slot->awaited_since = clock_seconds();
        pthread_cond_signal(&d->work);
    }
    pthread_mutex_unlock(&d->lock);
}

enum status decoder_begin(struct decoder *d, struct error *err)
{
    struct slot *slot;
    const enum status st = slot_take(d, &slot, err);

    if (st == ST_OK)
        slot_give(d, slot);
    return st;
}

/* ---- a picture ---- */

static void count_end(struct decoder *d, enum decoder_end end, const struct decode_done *done)
{
    pthread_mutex_lock(&d->lock);
    d->ended[end]++;
    pthread_mutex_unlock(&d->lock);
    if (end != DECODER_END_ANSWERED)
        log_event(LOG_WARN, "the process of a picture gave no answer",
                  json_pack("{s:s,s:i,s:f,s:I}", "end", DECODER_END_NAMES[end], "detail", (int)done->detail,
                            "cpu_ms", (double)done->cpu_us / 1e3, "peak_kib", (json_int_t)done->peak_kib));
}

/* The child has ended: what it left. */
static enum status outcome_read(struct decoder *d, const struct shared *output,
                                const struct decode_request *request, const struct decode_done *done,
                                struct image *ret, struct error *err)
{
    char why[64];
    bool sound;
    enum status st;

    switch (done->outcome) {
    case DECODE_ANSWERED:
        st = reply_read(output, request, ret, &sound, err);
        count_end(d, sound ? DECODER_END_ANSWERED : DECODER_END_UNSOUND, done);
        return st;
    case DECODE_KILLED:
        count_end(d, DECODER_END_KILLED, done);
        return reply_refused(request->format, "its decoder was killed by it", err);
    case DECODE_LATE:
        count_end(d, DECODER_END_LATE, done);
        return reply_refused(request->format, "that takes longer than a picture may take", err);
    case DECODE_STARVED:
        count_end(d, DECODER_END_STARVED, done);
        return error_set(err, ST_BUSY,
                         "the picture's decoder was given too little of the processor: send it again");
    case DECODE_NO_PROCESS:
        count_end(d, DECODER_END_UNFIT, done);
        return error_set(err, ST_BUSY, "no process can be started to decode the picture (%s)",
                         strerror_r(done->detail, why, sizeof why));
    default:
        count_end(d, DECODER_END_FAILED, done);
        return reply_refused(request->format, "its decoder ended over it", err);
    }
}

/* A picture on its way. */
struct passage {
    struct decode_request request;
    struct shared input, copied; /* copied: the input, where it is ours to close */
};

static enum status no_memory(struct error *err)
{
    return error_errno(err, ST_BUSY, "there is no memory to share with the picture's decoder");
}

/* The file, in memory that its decoder can see. */
static enum status input_ready(struct passage *p, const struct decoder_file *file, struct error *err)
{
    if (p->input.fd >= 0)
        return ST_OK;
    if (file->shared) {
        p->input = *file->shared;
        p->request.at = file->shared_at;
        return ST_OK;
    }
    if (!shared_open(&p->copied, "cxrd-input", 0) || !shared_append(&p->copied, file->bytes, file->n) ||
        !shared_seal(&p->copied))
        return no_memory(err);
    p->input = p->copied;
    return ST_OK;
}

/* One try: a slot, and what came of it. */
struct attempt {
    enum helper_news news;
    enum status st; /* where it was HELPER_DONE, or where nothing was asked for want of a slot or of memory */
};

/* A small file does not pay for the large picture before it: neither are as many pages taken for it, nor given back. */
static bool is_like_last(const struct slot *slot, const struct decode_request *r)
{
    return slot->last_pixels > 0 && slot->last_pixels <= r->n_bytes &&
           slot->last_pixels <= r->limits.max_pixels;
}

/* Memory for the picture of a busy slot.
 *   r            is told how much of it is there
 *   ret_missing  how much is likely to be filled that is not there yet; 0: nothing is known, or all is */
static bool output_take(struct slot *slot, struct decode_request *r, struct shared *ret, size_t *ret_missing)
{
    const size_t size = DECODE_OUTPUT_SIZE(r->limits.max_pixels);
    const bool like_last = is_like_last(slot, r);

    *ret_missing = 0;
    if (like_last && slot->output.fd >= 0 && slot->output.size >= size) {
        *ret = slot->output;
        r->n_ready = slot->n_ready;
        slot->output = (struct shared)SHARED_INIT;
        return true;
    }
    if (like_last)
        *ret_missing = DECODE_OUTPUT_SIZE(slot->last_pixels);
    return shared_open(ret, "cxrd-output", size);
}

static struct attempt ask(struct decoder *d, struct slot *slot, const struct passage *p, struct image *ret,
                          struct error *err)
{
    struct attempt a = { HELPER_DONE, ST_OK };
    struct decode_request request = p->request;
    struct decode_done done = { 0 };
    struct shared output = SHARED_INIT;
    size_t missing;

    if (!output_take(slot, &request, &output, &missing)) {
        a.st = no_memory(err);
        return a;
    }
    a.news = helper_decode(&slot->helper, &p->input, &output, &request, missing,
                           clock_seconds() + request.wall_s + SLACK_S, &done);
    if (a.news == HELPER_DONE)
        a.st = outcome_read(d, &output, &request, &done, ret, err);
    if (a.news == HELPER_DONE && a.st == ST_OK)
        slot->last_pixels = ret->width * ret->height <= request.n_bytes ? ret->width * ret->height : 0;
    shared_close(&output);
    return a;
}

static struct attempt attempt(struct decoder *d, struct passage *p, const struct decoder_file *file,
                              struct image *ret, struct error *err)
{
    static const enum decoder_loss LOSSES[] = { [HELPER_NOT_ASKED] = DECODER_ENDED,
                                                [HELPER_ENDED] = DECODER_ENDED,
                                                [HELPER_LATE] = DECODER_LATE,
                                                [HELPER_BROKEN] = DECODER_BROKEN };
    struct attempt a = { HELPER_DONE, ST_OK };
    struct slot *slot;

    a.st = slot_take(d, &slot, err);
    if (a.st != ST_OK)
        return a;
    a.st = input_ready(p, file, err);
    if (a.st == ST_OK)
        a = ask(d, slot, p, ret, err);
    if (a.news == HELPER_DONE)
        slot_give(d, slot);
    else
        slot_drop(d, slot, LOSSES[a.news]);
    return a;
}

static enum status tries(struct decoder *d, struct passage *p, const struct decoder_file *file,
                         struct image *ret, struct error *err)
{
    for (unsigned tried = 0, unasked = 0; tried < d->options.tries && unasked < MOST_UNASKED;) {
        const struct attempt a = attempt(d, p, file, ret, err);

        if (a.news == HELPER_DONE)
            return a.st;
        if (a.news != HELPER_ENDED && a.news != HELPER_NOT_ASKED)
            break; /* another would cost as much time again */
        *(a.news == HELPER_NOT_ASKED ? &unasked : &tried) += 1;
    }
    return error_set(err, ST_BUSY, "the process that decoded the picture was lost: send it again");
}

enum status decoder_run(struct decoder *d, const struct decoder_file *file, const struct image_limits *limits,
                        struct image *ret, struct error *err)
{
    struct passage p = { .request = { .n_bytes = file->n,
                                      .format = file->format,
                                      .limits = *limits,
                                      .cpu_s = d->options.timeout_s,
                                      .wall_s = d->options.timeout_s },
                         .input = SHARED_INIT,
                         .copied = SHARED_INIT };
    enum status st;

    if (file->n > d->options.most_bytes)
        return reply_too_long(file->n, d->options.most_bytes, err);
    if (p.request.limits.max_pixels > d->options.most_pixels)
        p.request.limits.max_pixels = d->options.most_pixels;
    st = tries(d, &p, file, ret, err);
    shared_close(&p.copied);
    return st;
}

void decoder_facts(struct decoder *d, struct decoder_facts *ret)
{
    *ret = (struct decoder_facts){ 0 };
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    ret->helpers = d->options.helpers;
    for (size_t i = 0; i < ret->helpers; i++) {
        ret->busy += d->slots[i].state == SLOT_BUSY;
        ret->running += d->slots[i].state == SLOT_BUSY || d->slots[i].state == SLOT_IDLE;
    }
    ret->landlock = d->landlock;
    ret->failed = isfinite(d->failed_at) && ret->running == 0;
    if (ret->failed)
        snprintf(ret->why, sizeof ret->why, "%s", d->failure.text);
    memcpy(ret->lost, d->lost, sizeof ret->lost);
    memcpy(ret->ended, d->ended, sizeof ret->ended);
    pthread_mutex_unlock(&d->lock);
}
