/* server/api/events.c - GET /jobs/<id>/events: a job as it goes on.
 *
 * Changes of state, phases and epochs come from the job's journal in the store, so that a reader who comes back, even
 * after a restart, misses none. Steps are the newest numbers at the time: a reader who was slow has missed some. An id
 * is the number of a journal's event times ID_STRIDE; a step of a training adds its number within the epoch, one of
 * fetching how many have been told since that event.
 *
 * The stream is text/event-stream: "id: <id>", "event: <name>", "data: <compact JSON>" and an empty line an event; a comment where nothing
 * happens for --event-ping seconds. A reader that comes back says its last id in Last-Event-ID, and is told all of the journal behind
 * that id / ID_STRIDE; the numbers of a journal are 1, 2, 3 without a gap (jobs/store/journal.c). ID_STRIDE is part of what clients keep: with
 * another one an id from before an upgrade would name another event. The stream ends with the job. */
#include "handlers.h"
#include "work.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ID_STRIDE = 10000000, HELPING = 64 /* events at a time */ };

static const double STEP_SECONDS = 0.25; /* at least, between two steps */

struct watch {
    const struct work *work;
    char job[PATH_ID_SIZE];
    int64_t seq;      /* of the last journal event that was told */
    uint64_t changes; /* of the journals, when it was last read to its end */
    bool read_once;
    bool over; /* the job has ended, by the last event that told its state, or by the store before any did */
    size_t epochs; /* that have ended, as far as the journal says */
    struct train_progress told;
    struct fetch_progress fetched; /* told */
    int64_t fetched_steps;         /* told since the journal's last event */
    double told_at;
};

static void put_event(struct buf *out, int64_t id, const char *event, const json_t *data)
{
    char *text = json_text(data, JSON_COMPACT | JSON_REAL_PRECISION(9));

    if (text)
        buf_printf(out, "id: %" PRId64 "\nevent: %s\ndata: %s\n\n", id, event, text);
    else
        out->failed = ST_NOMEM;
    free(text);
}

/* Whether a job that says so, or an event of its state, goes on no more. */
static bool is_end(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "state"));
    enum job_state state;

    return name && job_state_parse(name, &state) && job_has_ended(state);
}

/* The next helping of the journal; *ret_n: how many events it had. */
static enum status tell_journal(struct watch *w, struct buf *out, size_t *ret_n)
{
    const uint64_t changes = store_journal_changes(w->work->store);
    json_t *events = NULL;
    enum status st;

    *ret_n = 0;
    if (w->read_once && changes == w->changes)
        return ST_OK;
    st = store_job_events(w->work->store, w->job, w->seq, HELPING, &events, NULL);
    if (st != ST_OK)
        return st;
    *ret_n = json_array_size(events);
    for (size_t i = 0; i < *ret_n; i++) {
        const json_t *e = json_array_get(events, i), *data = json_object_get(e, "data");
        const char *event = json_string_value(json_object_get(e, "event"));

        w->seq = json_integer_value(json_object_get(e, "seq"));
        w->fetched_steps = 0;
        if (strcmp(event, "state") == 0)
            w->over = is_end(data);
        if (strcmp(event, "epoch") == 0)
            w->epochs = (size_t)json_integer_value(json_object_get(data, "epoch"));
        put_event(out, w->seq * ID_STRIDE, event, data);
    }
    if (*ret_n < HELPING) {
        w->read_once = true;
        w->changes = changes;
    }
    json_decref(events);
    return ST_OK;
}

/* Steps of an epoch whose end has been told are old: their ids would be ahead of the next epoch's. */
static void tell_step(struct watch *w, const struct train_progress *p, struct buf *out)
{
    const double now = clock_seconds();
    json_t *data;

    if (p->step == 0 || p->epoch <= w->epochs || (p->epoch == w->told.epoch && p->step == w->told.step) ||
        now - w->told_at < STEP_SECONDS)
        return;
    w->told = *p;
    w->told_at = now;
    data = json_pack("{s:I,s:I,s:I,s:o,s:o,s:f,s:o}", "epoch", (json_int_t)p->epoch, "step",
                     (json_int_t)p->step, "steps", (json_int_t)p->steps, "loss", number_or_null(p->loss),
                     "images_per_s", number_or_null(p->images_per_s), "progress", p->progress, "eta_s",
                     p->eta_s < 0 ? json_null() : json_integer((json_int_t)p->eta_s));
    put_event(out, w->seq * ID_STRIDE + (int64_t)p->step, "step", data);
    json_decref(data);
}

/* Where no byte has come no step is made. */
static void tell_fetched(struct watch *w, const struct fetch_progress *p, struct buf *out)
{
    const double now = clock_seconds();
    json_t *data;

    if (p->bytes == 0 || (p->file == w->fetched.file && p->bytes == w->fetched.bytes) ||
        now - w->told_at < STEP_SECONDS || w->fetched_steps + 1 >= ID_STRIDE)
        return;
    w->fetched = *p;
    w->fetched_steps++;
    w->told_at = now;
    data = json_pack("{s:I,s:I,s:I,s:o,s:f,s:n}", "file", (json_int_t)p->file, "files", (json_int_t)p->files,
                     "bytes", (json_int_t)p->bytes, "bytes_total",
                     p->total < 0 ? json_null() : json_integer((json_int_t)p->total), "progress", p->progress,
                     "eta_s");
    put_event(out, w->seq * ID_STRIDE + w->fetched_steps, "step", data);
    json_decref(data);
}

static enum status watch_more(void *arg, struct buf *out, bool *ret_ended)
{
    struct watch *w = arg;
    struct train_progress now;
    struct fetch_progress fetched;
    /* before the journal: never ahead of it */
    const bool is_running = runner_progress(w->work->runner, w->job, &now);
    const bool is_fetching = is_running && runner_fetch_progress(w->work->runner, w->job, &fetched);
    size_t n;
    enum status st = tell_journal(w, out, &n);

    if (st != ST_OK)
        return st;
    if (is_fetching && n == 0)
        tell_fetched(w, &fetched, out);
    else if (is_running && n == 0)
        tell_step(w, &now, out);
    *ret_ended = w->over && n < HELPING;
    return ST_OK;
}

/* The number of the journal's event that a client had last, and of the step after it: 0 for none. */
static enum status parse_last(const struct http_request *req, int64_t *ret_seq, int64_t *ret_steps,
                              struct error *err)
{
    char *end;
    long long id;

    *ret_seq = *ret_steps = 0;
    if (!req->last_event_id[0])
        return ST_OK;
    errno = 0;
    id = strtoll(req->last_event_id, &end, 10);
    if (*end || errno || id < 0 || strspn(req->last_event_id, "0123456789") == 0)
        return error_set(err, ST_FORMAT, "the Last-Event-ID is not one of ours");
    *ret_seq = id / ID_STRIDE;
    *ret_steps = id % ID_STRIDE;
    return ST_OK;
}

/* Whether there is nothing to tell and will not be: a client that gets no content does not come back. */
static enum status check_over(struct watch *w, bool *ret_over, struct error *err)
{
    json_t *job = NULL, *later = NULL;
    enum status st = store_job_get(w->work->store, w->job, &job, err);

    if (st == ST_OK)
        st = store_job_events(w->work->store, w->job, w->seq, 1, &later, err);
    w->epochs = json_array_size(json_object_get(job, "epochs"));
    w->over = is_end(job);
    *ret_over = st == ST_OK && json_array_size(later) == 0 && w->over;
    json_decref(later);
    json_decref(job);
    return st;
}

enum status job_events_get(struct app *app, const struct http_request *req, struct http_response *res,
                           struct error *err)
{
    struct watch *w = calloc(1, sizeof *w);
    bool over = false;
    enum status st = w ? parse_last(req, &w->seq, &w->fetched_steps, err) : error_nomem(err);

    if (w && st == ST_OK) {
        w->work = app_work(app);
        snprintf(w->job, sizeof w->job, "%s", req->id);
        st = check_over(w, &over, err);
    }
    if (st != ST_OK || over) {
        res->status = over ? 204 : 0;
        free(w);
        return st;
    }
    res->content_type = "text/event-stream";
    http_header_add(res, "Cache-Control", "no-cache");
    http_header_add(res, "X-Accel-Buffering", "no");
    res->stream = (struct http_stream){ watch_more, free, w };
    return ST_OK;
}
