/* jobs/site/document.c - a profile as a JSON document; see cxrd/site_profile.h.
 *
 *   {"format": "cxrd-profile/1", "model_sha256": of the model's file,
 *    "created_at", "expires_at": "2026-01-31T23:59:59.123Z",
 *    "operating_point": {"kind": "youden" | "sensitivity" | "specificity", "at": the least part; null of Youden's},
 *    "error_rate": of verdicts, or null, "population": a text, or null,
 *    "validation": {"job", "dataset": texts or null, "scores_sha256": of the file that it was fitted to, "rows", "patients"},
 *    "findings": [one of each of the model's, in their order: {"label", and the members of struct site_finding; "operating_point"
 *                 only where it is another than the document's}]}
 *
 * Canonical bytes: UTF-8; the members of an object in the order of their names' bytes; no blank between anything; of
 * characters in strings only " and \ and those below U+0020 are escaped, \" \\ \b \f \n \r \t or \u00XX; whole numbers as digits;
 * others as C's "%.9g" prints them, ".0" behind those that would look whole. Written so, read and written again they are the same
 * bytes. A document is read from its canonical bytes alone: what is in force is what was signed. */
#include "cxrd/json.h"
#include "cxrd/site_profile.h"
#include "cxrd/trainer.h"
#include "cxrd/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define FORMAT "cxrd-profile/1"
enum { TEXT_MAX = 2000, COUNT_MAX = 1000000000 };

/* The members that are parts of one, null where not known. */
static const struct {
    const char *name;
    size_t at;
} RATES[] = {
    { "sensitivity", offsetof(struct operating_quality, sensitivity) },
    { "sensitivity_low", offsetof(struct operating_quality, sensitivity_low) },
    { "sensitivity_high", offsetof(struct operating_quality, sensitivity_high) },
    { "specificity", offsetof(struct operating_quality, specificity) },
    { "specificity_low", offsetof(struct operating_quality, specificity_low) },
    { "specificity_high", offsetof(struct operating_quality, specificity_high) },
};
enum { N_RATES = sizeof RATES / sizeof RATES[0] };

static const struct {
    const char *name;
    size_t at;
} COUNTS[] = {
    { "positives", offsetof(struct site_finding, positives) },
    { "negatives", offsetof(struct site_finding, negatives) },
    { "positive_patients", offsetof(struct site_finding, positive_patients) },
    { "negative_patients", offsetof(struct site_finding, negative_patients) },
};
enum { N_COUNTS = sizeof COUNTS / sizeof COUNTS[0] };

static const struct {
    const char *name;
    size_t at;
    double least, most;
    bool nullable;
} NUMBERS[] = {
    { "scale", offsetof(struct site_finding, scale), 0.01, 100, false },
    { "shift", offsetof(struct site_finding, shift), -1000, 1000, false },
    { "threshold", offsetof(struct site_finding, threshold), 0, 1, true },
    { "present_from", offsetof(struct site_finding, present_from), 0, 1, true },
    { "absent_to", offsetof(struct site_finding, absent_to), 0, 1, true },
};
enum { N_NUMBERS = sizeof NUMBERS / sizeof NUMBERS[0] };

/* ---- to write ---- */

static json_t *point_json(const struct site_point *point)
{
    return json_pack("{s:s,s:o}", "kind", SITE_POINTS[point->kind], "at",
                     point->kind == OPERATE_YOUDEN ? json_null() : json_real(point->at));
}

static json_t *finding_json(const char *label, const struct site_finding *f, const struct site_point *general)
{
    json_t *finding = json_pack("{s:s,s:b}", "label", label, "here", f->here);

    if (!site_point_equal(&f->point, general))
        json_object_set_new(finding, "operating_point", point_json(&f->point));

    for (size_t i = 0; i < N_NUMBERS; i++)
        json_object_set_new(
            finding, NUMBERS[i].name,
            number_or_null((double)*(const float *)(const void *)((const char *)f + NUMBERS[i].at)));
    for (size_t i = 0; i < N_RATES; i++)
        json_object_set_new(
            finding, RATES[i].name,
            number_or_null(*(const double *)(const void *)((const char *)&f->rates + RATES[i].at)));
    for (size_t i = 0; i < N_COUNTS; i++)
        json_object_set_new(
            finding, COUNTS[i].name,
            json_integer((json_int_t) * (const size_t *)(const void *)((const char *)f + COUNTS[i].at)));
    return finding;
}

json_t *site_profile_json(const struct site_profile *p, const struct site_notes *notes)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < p->labels.n; k++)
        json_array_append_new(findings, finding_json(p->labels.names[k], &p->findings[k], &p->point));
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:s?,s:{s:s?,s:s?,s:s,s:I,s:I},s:o}", "format", FORMAT,
                     "model_sha256", p->model_sha256, "created_at", p->created_at, "expires_at",
                     p->expires_at, "operating_point", point_json(&p->point), "error_rate",
                     number_or_null(p->error_rate), "population", notes->population, "validation", "job",
                     notes->validation, "dataset", notes->dataset, "scores_sha256", notes->scores_sha256,
                     "rows", (json_int_t)notes->rows, "patients", (json_int_t)notes->patients, "findings",
                     findings);
}

char *site_profile_canonical(const json_t *document)
{
    return json_text(document, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(9));
}

/* ---- to read ---- */

/* Exactly these members: names, and NULL. */
static enum status members_check(const json_t *object, const char *where, struct error *err, ...)
{
    const char *name;
    size_t n = 0;
    va_list names;
    enum status st = ST_OK;

    va_start(names, err);
    while ((name = va_arg(names, const char *)) && st == ST_OK) {
        n++;
        if (!json_object_get(object, name))
            st = error_set(err, ST_INVALID, "the profile's %s has no '%s'", where, name);
    }
    va_end(names);
    if (st == ST_OK && json_object_size(object) != n)
        st = error_set(err, ST_INVALID, "the profile's %s has members that are not known", where);
    return st;
}

static enum status number_read(const json_t *object, const char *name, double least, double most,
                               bool nullable, double *ret, struct error *err)
{
    const json_t *value = json_object_get(object, name);
    const double v = json_number_value(value);

    if (json_is_null(value) && nullable)
        *ret = NAN;
    else if (json_is_number(value) && v >= least && v <= most)
        *ret = v;
    else
        return error_set(err, ST_INVALID, "the profile's '%s' is not a number from %g to %g%s", name, least,
                         most, nullable ? " or null" : "");
    return ST_OK;
}

static enum status null_check(const json_t *object, const char *name, struct error *err)
{
    if (json_is_null(json_object_get(object, name)))
        return ST_OK;
    return error_set(err, ST_INVALID, "the profile's '%s' is not null, which it is of Youden's point", name);
}

static enum status count_read(const json_t *object, const char *name, size_t *ret, struct error *err)
{
    const json_t *value = json_object_get(object, name);
    const json_int_t v = json_integer_value(value);

    if (!json_is_integer(value) || v < 0 || v > COUNT_MAX)
        return error_set(err, ST_INVALID, "the profile's '%s' is not a number of rows or patients", name);
    *ret = (size_t)v;
    return ST_OK;
}

static enum status time_read(const json_t *document, const char *name, char ret[CLOCK_TEXT_SIZE],
                             double *ret_at, struct error *err)
{
    const char *text = json_string_value(json_object_get(document, name));

    if (!clock_parse(text, ret_at))
        return error_set(err, ST_INVALID, "the profile's '%s' is not as 2026-01-31T23:59:59.123Z", name);
    memcpy(ret, text, CLOCK_TEXT_SIZE);
    return ST_OK;
}

static enum status times_read(const json_t *document, struct site_profile *p, struct error *err)
{
    double created, expires;
    enum status st = time_read(document, "created_at", p->created_at, &created, err);

    if (st == ST_OK)
        st = time_read(document, "expires_at", p->expires_at, &expires, err);
    if (st == ST_OK && expires < created)
        st = error_set(err, ST_INVALID, "the profile's 'expires_at' is before its 'created_at'");
    if (st == ST_OK && expires - created > SITE_DAYS_MOST * 24.0 * 3600)
        st = error_set(err, ST_INVALID, "the profile's 'expires_at' is more than %d days after 'created_at'",
                       SITE_DAYS_MOST);
    return st;
}

static enum status text_check(const json_t *object, const char *name, struct error *err)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    const size_t n = json_string_length(value);

    if (json_is_null(value))
        return ST_OK;
    if (!text || n > TEXT_MAX)
        return error_set(err, ST_INVALID, "the profile's '%s' is not a text of up to %d bytes", name,
                         TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        if (utf8_steering(text + i, n - i))
            return error_set(err, ST_INVALID, "the profile's '%s' has characters that steer what shows it",
                             name);
    return ST_OK;
}

static enum status point_read(const json_t *object, struct site_point *ret, struct error *err)
{
    const json_t *point = json_object_get(object, "operating_point");
    const char *kind = json_string_value(json_object_get(point, "kind"));
    enum status st = members_check(point, "operating_point", err, "kind", "at", (const char *)NULL);

    if (st != ST_OK)
        return st;
    for (int i = 0; i < N_OPERATING; i++)
        if (kind && strcmp(kind, SITE_POINTS[i]) == 0) {
            *ret = (struct site_point){ (enum operating_kind)i, NAN };
            return i == OPERATE_YOUDEN ? null_check(point, "at", err)
                                       : number_read(point, "at", 0.5, 0.999, false, &ret->at, err);
        }
    return error_set(err, ST_INVALID,
                     "the profile's operating point is not youden, sensitivity or specificity");
}

/* A rate lies in its interval, but for rounding; NaN: the rate is not known. */
static enum status interval_check(const char *name, double low, double value, double high, struct error *err)
{
    const double rounding = 1e-6;

    if (low > value + rounding || value > high + rounding || low > high + rounding)
        return error_set(err, ST_INVALID, "the profile's '%s' is not in its own interval", name);
    return ST_OK;
}

/*   general  the document's operating point */
static enum status finding_read(const json_t *finding, const struct site_point *general,
                                struct site_finding *f, struct error *err)
{
    const json_t *here = json_object_get(finding, "here");
    const size_t apart = json_object_get(finding, "operating_point") ? 1 : 0;
    enum status st = ST_OK;

    if (json_object_size(finding) != 2 + N_NUMBERS + N_RATES + N_COUNTS + apart || !json_is_boolean(here))
        return error_set(err, ST_INVALID, "the profile's findings do not have the members of one");
    f->here = json_is_true(here);
    f->point = *general;
    if (apart)
        st = point_read(finding, &f->point, err);
    for (size_t i = 0; i < N_NUMBERS && st == ST_OK; i++) {
        double v = NAN;

        st = number_read(finding, NUMBERS[i].name, NUMBERS[i].least, NUMBERS[i].most, NUMBERS[i].nullable, &v,
                         err);
        *(float *)(void *)((char *)f + NUMBERS[i].at) = (float)v;
    }
    for (size_t i = 0; i < N_RATES && st == ST_OK; i++)
        st = number_read(finding, RATES[i].name, 0, 1, true,
                         (double *)(void *)((char *)&f->rates + RATES[i].at), err);
    if (st == ST_OK)
        st = interval_check("sensitivity", f->rates.sensitivity_low, f->rates.sensitivity,
                            f->rates.sensitivity_high, err);
    if (st == ST_OK)
        st = interval_check("specificity", f->rates.specificity_low, f->rates.specificity,
                            f->rates.specificity_high, err);
    for (size_t i = 0; i < N_COUNTS && st == ST_OK; i++)
        st = count_read(finding, COUNTS[i].name, (size_t *)(void *)((char *)f + COUNTS[i].at), err);
    return st;
}

static enum status findings_read(const json_t *document, const struct labels *labels, struct site_profile *p,
                                 struct error *err)
{
    const json_t *findings = json_object_get(document, "findings");
    enum status st = ST_OK;

    if (!json_is_array(findings) || json_array_size(findings) != labels->n)
        return error_set(err, ST_CONFLICT, "the profile does not have the model's %zu findings", labels->n);
    for (size_t k = 0; k < labels->n && st == ST_OK; k++) {
        const json_t *finding = json_array_get(findings, k);
        const char *label = json_string_value(json_object_get(finding, "label"));

        if (!label || strcmp(label, labels->names[k]) != 0)
            return error_set(err, ST_CONFLICT,
                             "the profile has other findings than the model, or another order");
        st = finding_read(finding, &p->point, &p->findings[k], err);
    }
    return st;
}

static enum status validation_check(const json_t *document, struct error *err)
{
    const json_t *v = json_object_get(document, "validation");
    size_t ignored;
    enum status st = members_check(v, "validation", err, "job", "dataset", "scores_sha256", "rows",
                                   "patients", (const char *)NULL);

    if (st == ST_OK)
        st = text_check(v, "job", err);
    if (st == ST_OK)
        st = text_check(v, "dataset", err);
    if (st == ST_OK)
        st = text_check(v, "scores_sha256", err);
    if (st == ST_OK)
        st = count_read(v, "rows", &ignored, err);
    return st == ST_OK ? count_read(v, "patients", &ignored, err) : st;
}

static enum status head_read(const json_t *document, const char *model_sha256, struct site_profile *p,
                             struct error *err)
{
    const char *format = json_string_value(json_object_get(document, "format")),
               *sha256 = json_string_value(json_object_get(document, "model_sha256"));
    enum status st;

    if (!format || strcmp(format, FORMAT) != 0)
        return error_set(err, ST_INVALID, "the profile's 'format' is not " FORMAT);
    st = members_check(document, "document", err, "format", "model_sha256", "created_at", "expires_at",
                       "operating_point", "error_rate", "population", "validation", "findings",
                       (const char *)NULL);
    if (st == ST_OK && (!sha256 || strcmp(sha256, model_sha256) != 0))
        st = error_set(err, ST_CONFLICT, "the profile is of another model's file: its model_sha256 differs");
    if (st == ST_OK) {
        memcpy(p->model_sha256, sha256, DIGEST_TEXT_SIZE);
        st = times_read(document, p, err);
    }
    if (st == ST_OK)
        st = text_check(document, "population", err);
    return st == ST_OK ? number_read(document, "error_rate", 0.01, 0.5, true, &p->error_rate, err) : st;
}

enum status site_profile_parse(const json_t *document, const struct labels *labels, const char *model_sha256,
                               struct site_profile *ret, struct error *err)
{
    struct site_profile p = { .labels = *labels };
    enum status st = head_read(document, model_sha256, &p, err);

    if (st == ST_OK)
        st = point_read(document, &p.point, err);
    if (st == ST_OK)
        st = validation_check(document, err);
    if (st == ST_OK)
        st = findings_read(document, labels, &p, err);
    if (st == ST_OK)
        *ret = p;
    return st;
}
