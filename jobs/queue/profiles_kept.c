/* jobs/queue/profiles_kept.c - see profiles_kept.h. */
#include "profiles_kept.h"

#include "../training/scores_read.h"
#include "cxrd/json.h"
#include "cxrd/scoring.h"
#include "cxrd/site_profile.h"

#include <stdlib.h>
#include <string.h>

static const char SPLIT[] = "test"; /* of a validation's rows */

static const char *text_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static enum status active_find(struct store *store, const char *model, char ret_id[ID_SIZE],
                               struct error *err)
{
    json_t *choices = NULL, *choice;
    size_t i;
    const enum status st = store_profile_choices(store, &choices, err);

    ret_id[0] = '\0';
    json_array_foreach (choices, i, choice)
        if (strcmp(text_in(choice, "model"), model) == 0)
            snprintf(ret_id, ID_SIZE, "%s", text_in(choice, "profile"));
    json_decref(choices);
    return st;
}

/* ---- rows that a profile was fitted to ---- */

static bool has_name(const struct read_scores *s, const char *name)
{
    size_t low = 0, high = s->scores.n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, scores_name(s, s->by_name[middle]));

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;

    return (p > q) - (p < q);
}

/* Rows with such a picture or, in the same data set, of such a patient.
 *   patients  in order */
static json_int_t count_common(const struct read_scores *here, const struct read_scores *then,
                               const uint64_t *patients)
{
    json_int_t n = 0;

    for (size_t i = 0; i < here->scores.n; i++) {
        const uint64_t patient = here->scores.patients[i];

        n += has_name(then, scores_name(here, i)) ||
             (patients && patient != PATIENT_NONE &&
              bsearch(&patient, patients, then->scores.n, sizeof patient, by_number));
    }
    return n;
}

/* How many of these rows a profile was fitted to, or to others of their patients; null where that cannot be known any more: its validation
 * is gone, or was elsewhere. */
static json_t *in_common(struct runner *r, const json_t *document, const char *dataset, const char *scores)
{
    const json_t *validation = json_object_get(document, "validation");
    const char *job = text_in(validation, "job"), *fitted_on = text_in(validation, "dataset");
    struct read_scores here = { 0 }, then = { 0 };
    char path[PATH_MAX], name[JOB_FILE_SIZE];
    uint64_t *patients = NULL;
    json_t *found = NULL;
    struct error why;
    enum status st = job && id_ok(job, strlen(job)) ? ST_OK : ST_NOTFOUND;

    job_scores_name(SCORED_ALL, name);
    if (st == ST_OK)
        st = job_file(r, job, name, path, &why);
    if (st == ST_OK)
        st = scores_read(path, SPLIT, &then, &why);
    if (st == ST_OK)
        st = scores_read(scores, SPLIT, &here, &why);
    if (st == ST_OK && fitted_on && strcmp(fitted_on, dataset) == 0) {
        patients = malloc((then.scores.n + 1) * sizeof *patients);
        if (patients) {
            memcpy(patients, then.scores.patients, then.scores.n * sizeof *patients);
            qsort(patients, then.scores.n, sizeof *patients, by_number);
        } else {
            st = ST_NOMEM;
        }
    }
    if (st == ST_OK)
        found = json_integer(count_common(&here, &then, patients));
    else if (st == ST_NOMEM)
        json_lack();
    free(patients);
    read_scores_release(&here);
    read_scores_release(&then);
    return found ? found : json_null();
}

/* ---- the figures that still hold ---- */

static enum status measure(const struct loaded_model *model, const json_t *document, const char *scores,
                           json_t **ret, struct error *err)
{
    struct site_kept *rates = malloc(MAX_LABELS * sizeof *rates);
    struct site_profile *p = malloc(sizeof *p);
    enum status st = rates && p
                         ? site_profile_parse(document, model_labels(model->model), model->sha256, p, err)
                         : error_nomem(err);

    if (st == ST_OK)
        st = site_profile_kept(p, scores, SPLIT, rates, err);
    if (st == ST_OK) {
        *ret = site_kept_json(p, rates);
        json_object_set_new(*ret, "expired", json_boolean(site_profile_expired(p)));
    }
    free(p);
    free(rates);
    return st;
}

static void warn(json_t *record, const char *code, json_t *detail)
{
    json_array_append_new(json_object_get(record, "warnings"),
                          json_pack("{s:s,s:o}", "code", code, "detail", detail));
}

/* The rows and the model that profiles are held against. */
struct holding {
    struct runner *r;
    const struct loaded_model *model;
    const char *dataset, *scores;
    json_t *record;
};

static void tell(const struct holding *h, const json_t *stored, bool active, json_t *kept)
{
    const char *id = text_in(stored, "id");
    json_t *common = in_common(h->r, json_object_get(stored, "profile"), h->dataset, h->scores);
    const json_int_t rows = json_integer_value(common);

    if (rows > 0)
        warn(
            h->record, "profile_rows",
            json_sprintf("%lld of these rows are of patients whom the profile %s was fitted to: what it kept "
                         "looks better on them than it is",
                         (long long)rows, id));
    json_object_set_new(kept, "profile", json_string(id));
    json_object_set(kept, "name", json_object_get(stored, "name"));
    json_object_set_new(kept, "active", json_boolean(active));
    json_object_set_new(kept, "rows_in_common", common);
    json_array_append_new(json_object_get(h->record, "kept"), kept);
}

static enum status hold_against(const struct holding *h, const char *id, bool active, struct error *err)
{
    json_t *stored = NULL, *kept = NULL;
    struct error why;
    enum status st = store_profile_get(h->r->store, id, &stored, &why);

    if (st == ST_OK)
        st = measure(h->model, json_object_get(stored, "profile"), h->scores, &kept, &why);
    if (st == ST_OK)
        tell(h, stored, active, kept);
    else if (st != ST_NOMEM)
        warn(h->record, "profile_not_measured",
             json_sprintf("the profile %s could not be held against these rows: %s", id, why.text));
    json_decref(stored);
    return st == ST_NOMEM ? error_nomem(err) : ST_OK;
}

enum status profiles_kept(struct runner *r, const struct loaded_model *model, const struct score_config *c,
                          const char *scores, json_t *record, struct error *err)
{
    const struct holding h = { r, model, c->data.dataset, scores, record };
    char active[ID_SIZE];
    enum status st = active_find(r->store, model->id, active, err);

    json_object_set_new(record, "kept", json_array());
    if (st == ST_OK && active[0])
        st = hold_against(&h, active, true, err);
    if (st == ST_OK && c->profile[0] && strcmp(c->profile, active) != 0)
        st = hold_against(&h, c->profile, false, err);
    return st;
}
