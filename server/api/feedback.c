/* server/api/feedback.c - what readers say of predictions, over HTTP. */
#include "handlers.h"
#include "input.h"
#include "serving.h"
#include "work.h"

#include "cxrd/feedback.h"
#include "cxrd/json.h"
#include "cxrd/score_writer.h"
#include "cxrd/train_config.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* ---- what a reader says ---- */

static bool says_parse(const char *word, enum reading_says *ret)
{
    for (int i = 0; word && i < N_SAYS; i++)
        if (strcmp(word, SAYS_NAMES[i]) == 0) {
            *ret = (enum reading_says)i;
            return true;
        }
    return false;
}

static void take_reader(const json_t *value, struct feedback *ret, json_t *errors)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *text = json_string_value(value);
    const size_t n = text ? strlen(text) : 0;

    if (n > 0 && n < READER_SIZE && !strchr("._-", text[0]) && strspn(text, LETTERS) == n &&
        json_string_length(value) == n)
        ret->reader = text;
    else
        config_error(errors, "reader",
                     "must be 1 to %d of A-Z a-z 0-9 . _ - and begin with a letter or a digit",
                     READER_SIZE - 1);
}

/* One finding by its name, or another word for it. `seen`: bits of those that were said. */
static void take_finding(const char *key, const json_t *said, const struct labels *labels, uint64_t *seen,
                         struct feedback *ret, json_t *errors)
{
    char field[LABEL_SIZE + 16];
    struct error why;
    int k = 0;

    snprintf(field, sizeof field, "findings.%.*s", LABEL_SIZE, key);
    if (labels_choose(labels, key, "a finding", &k, &why) != ST_OK)
        config_error(errors, field, "%s", why.text);
    else if (*seen >> k & 1)
        config_error(errors, field, "%s is there twice", labels->names[k]);
    else if (!says_parse(json_string_value(said), &ret->says[ret->n]))
        config_error(errors, field, "must be present, absent or unsure");
    else {
        *seen |= (uint64_t)1 << k;
        ret->findings[ret->n++] = labels->names[k];
    }
}

static void take_findings(const json_t *value, const struct labels *labels, struct feedback *ret,
                          json_t *errors)
{
    uint64_t seen = 0;
    const char *key;
    json_t *said;

    if (!json_is_object(value) || json_object_size(value) == 0)
        config_error(errors, "findings",
                     "must be an object that says present, absent or unsure of one finding at least");
    json_object_foreach ((json_t *)value, key, said)
        take_finding(key, said, labels, &seen, ret, errors);
}

/*   ret  borrows from `body` and `labels` */
static enum status take_feedback(const json_t *body, const struct labels *labels, struct feedback *ret,
                                 json_t *errors, struct error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(body))
        return error_set(err, ST_INVALID, "the body must be a JSON object");
    json_watch();
    take_reader(json_object_get(body, "reader"), ret, errors);
    take_findings(json_object_get(body, "findings"), labels, ret, errors);
    json_object_foreach ((json_t *)body, key, value)
        if (strcmp(key, "reader") != 0 && strcmp(key, "findings") != 0)
            config_error(errors, key, "there is no such field: only reader and findings");
    if (json_ran_out())
        return error_nomem(err);
    return json_array_size(errors) > 0
               ? error_set(err, ST_INVALID, "the request has a field that cannot be used")
               : ST_OK;
}

/* The model that made a prediction; one that was answered a moment ago may still wait to be written. */
static enum status find_prediction(struct app *app, const char *id, char ret_model[ID_SIZE],
                                   struct labels *ret_labels, struct error *err)
{
    struct store *store = app_work(app)->store;
    enum status st = store_scores_model(store, id, time(NULL), ret_model, err);

    if (st == ST_NOTFOUND) {
        score_writer_flush(app_serving(app)->score_writer);
        st = store_scores_model(store, id, time(NULL), ret_model, err);
    }
    return st == ST_OK ? store_scores_labels(store, ret_model, ret_labels, err) : st;
}

static json_t *replaced_json(const struct feedback *f, uint64_t replaced)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->n; i++)
        if (replaced >> i & 1)
            json_array_append_new(list, json_string(f->findings[i]));
    return list;
}

static enum status write_feedback(struct app *app, const char *model, const struct feedback *f,
                                  struct http_response *res, struct error *err)
{
    uint64_t replaced;
    size_t readers;
    const enum status st =
        store_feedback_write(app_work(app)->store, f, time(NULL), &replaced, &readers, err);

    if (st != ST_OK)
        return storage_status(st, res);
    res->status = replaced ? 200 : 201;
    return http_json(res, json_pack("{s:s,s:s,s:s,s:I,s:o,s:I}", "prediction_id", f->id, "model", model,
                                    "reader", f->reader, "findings", (json_int_t)f->n, "replaced",
                                    replaced_json(f, replaced), "readers", (json_int_t)readers));
}

enum status feedback_post(struct app *app, const struct http_request *req, struct http_response *res,
                          struct error *err)
{
    struct feedback f = { .id = req->id };
    struct labels labels;
    char model[ID_SIZE];
    json_t *body = NULL;
    enum status st;

    if (score_writer_days(app_serving(app)->score_writer) == 0)
        return error_set(err, ST_CONFLICT,
                         "this server keeps no scores that feedback could be joined to: it was started "
                         "without --keep-scores DAYS");
    st = body_json(req, res, &body, err);
    if (st == ST_OK)
        st = storage_status(find_prediction(app, req->id, model, &labels, err), res);
    if (st == ST_OK) {
        res->errors = json_array();
        st = take_feedback(body, &labels, &f, res->errors, err);
    }
    if (st == ST_OK)
        st = write_feedback(app, model, &f, res, err);
    if (st == ST_OK)
        res->notes = json_pack("{s:s}", "model", model);
    json_decref(body);
    return st;
}

/* ---- what it comes to ---- */

static enum status summary_json(const struct feedback_groups *groups, json_t **ret, struct error *err)
{
    json_t *list = json_array();

    for (size_t i = 0; i < groups->n; i++) {
        json_t *group = NULL;

        if (groups->groups[i].n == 0)
            continue;
        if (feedback_json(&groups->groups[i], &group) != ST_OK) {
            json_decref(list);
            return error_nomem(err);
        }
        json_array_append_new(list, group);
    }
    *ret = list;
    return ST_OK;
}

/* The query's ?model=, NULL where it names none. Errors: ST_INVALID. */
static enum status parse_model(const struct http_request *req, char text[PARAMETER_TEXT], const char **ret,
                               struct error *err)
{
    *ret = model_named(req, text) ? text : NULL;
    if (*ret && !id_ok(text, strlen(text)))
        return error_set(err, ST_INVALID, "'model' must be a model's id");
    return ST_OK;
}

enum status feedback_summary_get(struct app *app, const struct http_request *req, struct http_response *res,
                                 struct error *err)
{
    struct feedback_groups groups = { NULL, 0 };
    struct scores_kept kept = { 0 };
    char text[PARAMETER_TEXT];
    const char *model;
    json_t *list = NULL;
    enum status st = parse_model(req, text, &model, err);

    if (st == ST_OK)
        st = feedback_collect(app_work(app)->store, model, NULL, 0, &groups, err);
    if (st == ST_OK)
        st = store_scores_count(app_work(app)->store, &kept, err);
    if (st == ST_OK)
        st = summary_json(&groups, &list, err);
    feedback_groups_release(&groups);
    if (st != ST_OK)
        return storage_status(st, res);
    return http_json(res, json_pack("{s:I,s:I,s:I,s:I,s:o}", "keep_days",
                                    (json_int_t)score_writer_days(app_serving(app)->score_writer),
                                    "predictions_kept", (json_int_t)kept.predictions, "predictions_read",
                                    (json_int_t)kept.with_feedback, "readings", (json_int_t)kept.readings,
                                    "models", list));
}

/* ---- as CSV ---- */

static const char CSV_HEAD[] =
    "prediction_id,answered_at,model,operating_point,patient,finding,reader,feedback,given_at,probability,"
    "positive\n";

struct csv {
    struct buf text;
    struct feedback_groups groups; /* for the findings of their models */
};

static void put_time(struct buf *out, int64_t at)
{
    const time_t seconds = (time_t)at;
    struct tm tm = { 0 };
    char text[32] = "";

    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    buf_printf(out, "%s,", text);
}

static const struct labels *labels_of(const struct csv *c, const char *model)
{
    for (size_t i = 0; i < c->groups.n; i++)
        if (strcmp(c->groups.groups[i].model, model) == 0)
            return &c->groups.groups[i].labels;
    return NULL;
}

/* No cell has anything in it that a CSV must quote: see labels.h and take_reader(), which refuses
 * what a spreadsheet would compute. */
static enum status put_reading(void *arg, const struct reading *r)
{
    struct csv *c = arg;
    const struct labels *labels = labels_of(c, r->model);
    const int k = labels ? labels_find(labels, r->finding, strlen(r->finding)) : -1;

    if (k < 0 || (size_t)k >= r->n)
        return ST_OK; /* of a model that answered first meanwhile */
    buf_printf(&c->text, "%s,", r->id);
    put_time(&c->text, r->at);
    buf_printf(&c->text, "%s,%s,", r->model, r->operating);
    if (r->patient)
        buf_printf(&c->text, "%016" PRIx64, r->patient);
    buf_printf(&c->text, ",%s,%s,%s,", r->finding, r->reader, SAYS_NAMES[r->says]);
    put_time(&c->text, r->given);
    buf_printf(&c->text, "%.9g,%s\n", (double)r->probability[k],
               !(r->known >> k & 1)   ? ""
               : r->positive >> k & 1 ? "1"
                                      : "0");
    return buf_status(&c->text);
}

static enum status write_whole(int fd, const struct buf *text, size_t *size, struct error *err)
{
    for (size_t at = 0; at < text->len;) {
        const ssize_t n = write(fd, text->data + at, text->len - at);

        if (n <= 0)
            return error_errno(err, ST_NOMEM, "the export could not be written");
        at += (size_t)n;
    }
    *size += text->len;
    return ST_OK;
}

/* The readings of FEEDBACK_MOST predictions into a file that is only memory. */
static enum status write_csv(struct store *store, const char *model, int64_t before, struct csv *c, int fd,
                             size_t *ret_size, int64_t *ret_next, struct error *err)
{
    enum { A_TIME = 1000 };
    struct readings_asked asked = { model, NULL, before, A_TIME };
    int64_t last = 1;
    enum status st = ST_OK;

    buf_puts(&c->text, CSV_HEAD);
    for (size_t n = 0; st == ST_OK && last != 0 && n < FEEDBACK_MOST; n += A_TIME) {
        st = store_readings(store, &asked, put_reading, c, &last, err);
        if (st == ST_OK)
            st = write_whole(fd, &c->text, ret_size, err);
        buf_clear(&c->text);
        asked.before = last;
    }
    *ret_next = last;
    return st;
}

enum status feedback_get(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    enum { A_PART = 64 << 20 }; /* bytes of 1,000 predictions' readings */
    struct csv c = { .text = BUF_INIT(A_PART) };
    struct store *store = app_work(app)->store;
    int64_t before = INT64_MAX, next = 0;
    char text[PARAMETER_TEXT];
    const char *model;
    enum status st = parse_model(req, text, &model, err);

    if (st == ST_OK)
        st = number_parse(req, "cursor", 1, INT64_MAX, &before, err);
    if (st == ST_OK)
        st = feedback_groups_make(store, model, &c.groups, err);
    if (st == ST_OK && (res->fd = memfd_create("feedback", MFD_CLOEXEC)) < 0)
        st = error_errno(err, ST_NOMEM, "the export could not be written");
    if (st == ST_OK)
        st = write_csv(store, model, before, &c, res->fd, &res->fd_size, &next, err);
    if (st == ST_OK && next != 0)
        http_header_add(res, "X-Next-Cursor", "%" PRId64, next);
    res->content_type = "text/csv; charset=utf-8";
    buf_release(&c.text);
    feedback_groups_release(&c.groups);
    return storage_status(st, res);
}
