/* model/net/operating_points.c - see cxrd/operating_points.h. */
#include "cxrd/operating_points.h"

#include "cxrd/json.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const OPERATING_NAMES[N_OPERATING] = { "youden", "sensitivity_90", "specificity_90" };

#define FOUR_TIMES(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
#define SIXTY_FOUR(...)                                 \
    {                                                   \
        FOUR_TIMES(FOUR_TIMES(FOUR_TIMES(__VA_ARGS__))) \
    }
#define NONE     SIXTY_FOUR(NAN)
#define UNSAID   SIXTY_FOUR(KIND_UNSAID)
#define NO_RATES SIXTY_FOUR({ NAN, NAN, NAN, NAN, NAN, NAN })
_Static_assert(MAX_LABELS == 64, "as many as OPERATING_NONE names");
const struct operating_points OPERATING_NONE = {
    { NONE, NONE, NONE }, NONE, NONE, NONE, UNSAID, UNSAID, { NO_RATES, NO_RATES, NO_RATES }
};

enum { MAX_TEXT = 128 * 1024 };

/* The members of "rates", and where they are kept. */
static const struct {
    const char *name;
    size_t at;
} RATES[] = { { "sensitivity", offsetof(struct operating_quality, sensitivity) },
              { "sensitivity_low", offsetof(struct operating_quality, sensitivity_low) },
              { "sensitivity_high", offsetof(struct operating_quality, sensitivity_high) },
              { "specificity", offsetof(struct operating_quality, specificity) },
              { "specificity_low", offsetof(struct operating_quality, specificity_low) },
              { "specificity_high", offsetof(struct operating_quality, specificity_high) } };
enum { N_RATES = sizeof RATES / sizeof RATES[0] };

static double *rate_of(struct operating_quality *r, size_t i)
{
    return (double *)(void *)((char *)r + RATES[i].at);
}

bool operating_kind_parse(const char *name, enum operating_kind *ret)
{
    for (int kind = 0; kind < N_OPERATING; kind++)
        if (strcmp(name, OPERATING_NAMES[kind]) == 0) {
            *ret = (enum operating_kind)kind;
            return true;
        }
    return false;
}

bool operating_has(const struct operating_points *p, const struct labels *labels, enum operating_kind kind)
{
    for (size_t k = 0; k < labels->n; k++)
        if (!isnan(p->threshold[kind][k]))
            return true;
    return false;
}

static bool enough(int64_t rows) { return rows == KIND_UNSAID || rows >= KIND_LEAST; }

bool operating_known(const struct operating_points *p, size_t finding)
{
    return enough(p->positives[finding]) && enough(p->negatives[finding]);
}

static json_t *number_json(double v) { return isnan(v) ? json_null() : json_real(v); }

static json_t *rates_json(const struct operating_points *p, size_t k)
{
    json_t *all = json_object();

    for (int kind = 0; kind < N_OPERATING; kind++) {
        struct operating_quality r = p->rates[kind][k];
        json_t *rates = json_object();

        for (size_t i = 0; i < N_RATES; i++)
            json_object_set_new(rates, RATES[i].name, number_json(*rate_of(&r, i)));
        json_object_set_new(all, OPERATING_NAMES[kind], rates);
    }
    return all;
}

char *operating_points_text(const struct operating_points *p, const struct labels *labels)
{
    json_t *all;
    char *text;

    json_watch();
    all = json_object();
    for (size_t k = 0; k < labels->n; k++) {
        json_t *finding = json_object();

        for (int kind = 0; kind < N_OPERATING; kind++)
            json_object_set_new(finding, OPERATING_NAMES[kind], number_json((double)p->threshold[kind][k]));
        json_object_set_new(finding, "auroc", number_json(p->auroc[k]));
        json_object_set_new(finding, "auroc_low", number_json(p->auroc_low[k]));
        json_object_set_new(finding, "auroc_high", number_json(p->auroc_high[k]));
        if (p->positives[k] != KIND_UNSAID)
            json_object_set_new(finding, "positives", json_integer(p->positives[k]));
        if (p->negatives[k] != KIND_UNSAID)
            json_object_set_new(finding, "negatives", json_integer(p->negatives[k]));
        json_object_set_new(finding, "rates", rates_json(p, k));
        json_object_set_new(all, labels->names[k], finding);
    }
    text = json_built(all, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(all);
    return text;
}

/* A number in 0..1, or NaN for null. */
static enum status part_read(const json_t *finding, const char *label, const char *name, double *ret,
                             struct error *err)
{
    const json_t *value = json_object_get(finding, name);
    const double v = json_number_value(value);

    if (!json_is_null(value) && !(json_is_number(value) && v >= 0 && v <= 1))
        return error_set(err, ST_FORMAT,
                         "the metadata's 'operating_points' have no '%s' in 0..1 or null for %s", name,
                         label);
    *ret = json_is_null(value) ? NAN : v;
    return ST_OK;
}

/* A number of rows, where there is one; then one member more is known. */
static enum status rows_read(const json_t *finding, const char *label, const char *name, int64_t *ret,
                             size_t *ret_members, struct error *err)
{
    const json_t *value = json_object_get(finding, name);

    if (!value)
        return ST_OK;
    if (!(json_is_integer(value) && json_integer_value(value) >= 0))
        return error_set(err, ST_FORMAT,
                         "the metadata's 'operating_points' have no whole number of '%s' for %s", name,
                         label);
    ++*ret_members;
    *ret = json_integer_value(value);
    return ST_OK;
}

/* "rates", where they are there: of each kind all six, and nothing else. */
static enum status rates_read(const json_t *finding, const char *label, size_t k, struct operating_points *p,
                              size_t *ret_members, struct error *err)
{
    const json_t *all = json_object_get(finding, "rates");
    enum status st = ST_OK;

    if (!all)
        return ST_OK;
    ++*ret_members;
    for (int kind = 0; kind < N_OPERATING && st == ST_OK; kind++) {
        const json_t *rates = json_object_get(all, OPERATING_NAMES[kind]);

        if (json_object_size(all) != N_OPERATING || json_object_size(rates) != N_RATES)
            return error_set(err, ST_FORMAT,
                             "the metadata's 'operating_points' do not have the 'rates' of %s", label);
        for (size_t i = 0; i < N_RATES && st == ST_OK; i++)
            st = part_read(rates, label, RATES[i].name, rate_of(&p->rates[kind][k], i), err);
    }
    return st;
}

/* Members that older versions did not write. */
static enum status rest_read(const json_t *finding, const char *label, size_t k, struct operating_points *p,
                             size_t *ret_members, struct error *err)
{
    enum status st;

    *ret_members = 0;
    st = rows_read(finding, label, "positives", &p->positives[k], ret_members, err);
    if (st == ST_OK)
        st = rows_read(finding, label, "negatives", &p->negatives[k], ret_members, err);
    if (st == ST_OK && json_object_get(finding, "auroc_low")) {
        ++*ret_members;
        st = part_read(finding, label, "auroc_low", &p->auroc_low[k], err);
    }
    if (st == ST_OK && json_object_get(finding, "auroc_high")) {
        ++*ret_members;
        st = part_read(finding, label, "auroc_high", &p->auroc_high[k], err);
    }
    return st == ST_OK ? rates_read(finding, label, k, p, ret_members, err) : st;
}

static enum status finding_read(const json_t *all, const struct labels *labels, size_t k,
                                struct operating_points *p, struct error *err)
{
    const char *label = labels->names[k];
    const json_t *finding = json_object_get(all, label);
    size_t more = 0;
    enum status st = rest_read(finding, label, k, p, &more, err);

    if (st == ST_OK && (!json_is_object(finding) || json_object_size(finding) != N_OPERATING + 1 + more))
        return error_set(err, ST_FORMAT, "the metadata's 'operating_points' do not have the members of %s",
                         label);
    for (int kind = 0; kind < N_OPERATING && st == ST_OK; kind++) {
        double threshold = NAN;

        st = part_read(finding, label, OPERATING_NAMES[kind], &threshold, err);
        if (st == ST_OK)
            p->threshold[kind][k] = (float)threshold;
    }
    return st == ST_OK ? part_read(finding, label, "auroc", &p->auroc[k], err) : st;
}

enum status operating_points_parse(const char *text, const struct labels *labels,
                                   struct operating_points *ret, struct error *err)
{
    struct operating_points p = OPERATING_NONE;
    json_t *all = NULL;
    enum status st;

    if (strlen(text) > MAX_TEXT)
        return error_set(err, ST_FORMAT, "the metadata's 'operating_points' are longer than %d bytes",
                         MAX_TEXT);
    st = json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &all, NULL);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (!json_is_object(all) || json_object_size(all) != labels->n)
        st = error_set(err, ST_FORMAT,
                       "the metadata's 'operating_points' are not a JSON object of the %zu findings",
                       labels->n);
    for (size_t k = 0; k < labels->n && st == ST_OK; k++)
        st = finding_read(all, labels, k, &p, err);
    json_decref(all);
    if (st == ST_OK)
        *ret = p;
    return st;
}

/* Levels of objects and arrays: 1 for one without others in it. */
static int depth_of(const json_t *value)
{
    int deepest = 0;
    size_t i;
    const char *key;
    json_t *inner;

    if (!json_is_object(value) && !json_is_array(value))
        return 0;
    json_object_foreach ((json_t *)value, key, inner) {
        const int d = depth_of(inner);

        deepest = d > deepest ? d : deepest;
    }
    json_array_foreach (value, i, inner) {
        const int d = depth_of(inner);

        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

enum status card_note_check(const char *key, const char *text, struct error *err)
{
    enum { MAX_NOTE = 64 * 1024, MAX_DEPTH = 8 };
    json_t *value = NULL;
    enum status st;

    if (strlen(text) > MAX_NOTE)
        return error_set(err, ST_FORMAT, "the metadata's '%s' are longer than %d bytes", key, MAX_NOTE);
    st = json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &value, NULL);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (!json_is_object(value))
        st = error_set(err, ST_FORMAT, "the metadata's '%s' are not a JSON object", key);
    else if (depth_of(value) > MAX_DEPTH)
        st = error_set(err, ST_FORMAT, "the metadata's '%s' are nested more than %d deep", key, MAX_DEPTH);
    json_decref(value);
    return st;
}
