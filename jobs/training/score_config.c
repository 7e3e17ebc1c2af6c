/* jobs/training/score_config.c - what a job that scores a data set is asked to do, see cxrd/scoring.h: the fields of a training that
 * say which data, and a few of its own. */
#include "config.h"

#include "cxrd/id.h"
#include "cxrd/json.h"
#include "cxrd/model.h"
#include "cxrd/scoring.h"
#include "cxrd/words.h"

#include <stdio.h>
#include <string.h>

static const char *const DATA_FIELDS[] = {
    "dataset", "csv",     "images",           "table_format",   "mapping",
    "views",   "max_age", "uncertain_labels", "missing_labels", "missing_images",
    "webhook"
};
enum { N_DATA_FIELDS = sizeof DATA_FIELDS / sizeof DATA_FIELDS[0] };

static bool is_data_field(const char *name)
{
    for (size_t i = 0; i < N_DATA_FIELDS; i++)
        if (strcmp(DATA_FIELDS[i], name) == 0)
            return true;
    return false;
}

/* ---- labels: what the table calls the findings ---- */

/* "No Finding" may have words of the site's, too. */
static bool is_no_finding(const char *name)
{
    return label_of_word(&NIH_LABELS, name, strlen(name)) == LABEL_NO_FINDING;
}

/* A word for a normal film means no finding, and the name of a finding no normal film: such a map would turn the table around. */
static bool contradicts(const char *finding, const char *word)
{
    return is_no_finding(finding) != is_no_finding(word) &&
           label_of_word(&NIH_LABELS, word, strlen(word)) != LABEL_UNKNOWN;
}

static void word_add(struct score_config *c, const char *finding, const json_t *word, json_t *errors)
{
    const char *text = json_string_value(word);
    struct site_word *w = &c->site.of[c->site.n];

    if (!text || !*text || strlen(text) >= SITE_WORD) {
        config_error(errors, "labels", "must name for '%.40s' words of 1 to %d bytes", finding,
                     SITE_WORD - 1);
        return;
    }
    if (contradicts(finding, text)) {
        config_error(errors, "labels", "says that '%.40s' means '%.40s', which is the opposite", text,
                     finding);
        return;
    }
    for (size_t i = 0; i < c->site.n; i++)
        if (word_is(text, strlen(text), c->site.of[i].word)) {
            config_error(errors, "labels", "says twice what '%.40s' means", text);
            return;
        }
    if (c->site.n == MOST_SITE_WORDS) {
        config_error(errors, "labels", "has more than %d words", MOST_SITE_WORDS);
        return;
    }
    snprintf(w->word, sizeof w->word, "%s", text);
    snprintf(w->means, sizeof w->means, "%.*s", LABEL_SIZE - 1, finding);
    c->site.n++;
}

static void finding_add(struct score_config *c, const char *name, json_t *errors)
{
    struct error why;

    if (!is_no_finding(name) && labels_add(&c->named, name, strlen(name), &why) != ST_OK)
        config_error(errors, "labels", "%s", why.text);
}

/* {"Effusion": ["Pleural effusion", "Erguss"], "Mass": "Mass"}: an empty list is the finding's own name. */
static void words_parse(struct score_config *c, const json_t *object, json_t *errors)
{
    const char *finding;
    json_t *words, *word;
    size_t i;

    json_object_foreach ((json_t *)object, finding, words) {
        finding_add(c, finding, errors);
        if (json_is_string(words))
            word_add(c, finding, words, errors);
        else if (!json_is_array(words))
            config_error(errors, "labels", "must have a list of words for '%.40s'", finding);
        json_array_foreach (words, i, word)
            word_add(c, finding, word, errors);
    }
}

static void labels_parse_json(struct score_config *c, const json_t *value, json_t *errors)
{
    json_t *name;
    size_t i;

    if (json_is_null(value))
        return;
    c->site.chosen = true;
    if (json_is_object(value))
        words_parse(c, value, errors);
    else if (!json_is_array(value))
        config_error(errors, "labels",
                     "must be a list of findings, or an object that has for each the words of the table");
    json_array_foreach (value, i, name) {
        if (json_is_string(name))
            finding_add(c, json_string_value(name), errors);
        else
            config_error(errors, "labels", "must be a list of names: finding %zu is not a text", i + 1);
    }
    if (json_array_size(errors) == 0 && c->named.n == 0)
        config_error(errors, "labels", "must name a finding");
}

/* ---- all fields ---- */

static void id_parse(const char *field, char ret[CONFIG_TEXT], const json_t *value, json_t *errors)
{
    const char *id = json_string_value(value);

    if (json_is_null(value))
        return;
    if (!id || !id_ok(id, strlen(id)))
        config_error(errors, field, "must be an id");
    else
        snprintf(ret, CONFIG_TEXT, "%s", id);
}

static void model_parse(struct score_config *c, const json_t *value, json_t *errors)
{
    id_parse("model", c->model, value, errors);
}

static void profile_parse(struct score_config *c, const json_t *value, json_t *errors)
{
    if (c->validates)
        id_parse("profile", c->profile, value, errors);
    else
        config_error(errors, "profile", "is a validation's: without findings nothing can be held against it");
}

static void rows_parse(struct score_config *c, const json_t *value, json_t *errors)
{
    const char *path = json_string_value(value);

    if (json_is_null(value))
        return;
    if (!path || !relative_path_ok(path, false))
        config_error(errors, "rows",
                     "must be the name of a list of pictures in the data set's folder, one a line");
    else
        snprintf(c->rows, sizeof c->rows, "%s", path);
}

static void other_words_parse(struct score_config *c, const json_t *value, json_t *errors)
{
    const char *text = json_string_value(value);

    if (!text || (strcmp(text, "refuse") != 0 && strcmp(text, "ignore") != 0))
        config_error(errors, "other_words", "must be one of \"refuse\", \"ignore\"");
    else
        c->site.other_words = strcmp(text, "ignore") == 0;
}

static void field_parse(struct score_config *c, const char *name, const json_t *value, json_t *errors)
{
    static const struct {
        const char *name;
        void (*parse)(struct score_config *c, const json_t *value, json_t *errors);
    } OWN[] = { { "model", model_parse },
                { "profile", profile_parse },
                { "rows", rows_parse },
                { "labels", labels_parse_json },
                { "other_words", other_words_parse } };

    for (size_t i = 0; i < sizeof OWN / sizeof OWN[0]; i++)
        if (strcmp(OWN[i].name, name) == 0) {
            OWN[i].parse(c, value, errors);
            return;
        }
    if (!is_data_field(name) || !config_field_parse(name, value, &c->data, errors))
        config_error(errors, name, "is not a field of a job");
}

/* The defaults: all rows, normal chests as well. Of a job that only scores, whatever their age and view. */
static void begin(struct score_config *c, const json_t *object, bool validates)
{
    *c = (struct score_config){ .data = config_begin(object), .validates = validates };
    c->data.drop_no_finding = false;
    c->site.unlabelled = !validates;
    if (!validates) {
        c->data.max_age = 1000;
        c->data.views = VIEWS_ALL;
    }
}

enum status score_config_parse(const json_t *object, bool validates, struct score_config *ret, json_t *errors)
{
    const char *name;
    json_t *value;

    json_watch();
    if (!json_is_object(object)) {
        config_error(errors, "", "a job is a JSON object");
        return ST_INVALID;
    }
    begin(ret, object, validates);
    json_object_foreach ((json_t *)object, name, value)
        field_parse(ret, name, value, errors);
    config_check_format(&ret->data, errors);
    if (json_ran_out())
        return ST_NOMEM;
    return json_array_size(errors) > 0 ? ST_INVALID : ST_OK;
}

/* As it was said: null, a list, or an object with the words. */
static json_t *labels_json(const struct score_config *c)
{
    json_t *said;

    if (!c->site.chosen)
        return json_null();
    if (c->site.n == 0) {
        said = json_array();
        for (size_t i = 0; i < c->named.n; i++)
            json_array_append_new(said, json_string(c->named.names[i]));
        return said;
    }
    said = json_object();
    for (size_t i = 0; i < c->named.n; i++)
        json_object_set_new(said, c->named.names[i], json_array());
    for (size_t i = 0; i < c->site.n; i++) {
        const struct site_word *w = &c->site.of[i];

        if (!json_object_get(said, w->means))
            json_object_set_new(said, w->means, json_array());
        json_array_append_new(json_object_get(said, w->means), json_string(w->word));
    }
    return said;
}

json_t *score_config_json(const struct score_config *c)
{
    json_t *object;

    json_watch();
    object = json_pack("{s:o,s:o,s:o,s:s}", "model", *c->model ? json_string(c->model) : json_null(), "rows",
                       *c->rows ? json_string(c->rows) : json_null(), "labels", labels_json(c), "other_words",
                       c->site.other_words ? "ignore" : "refuse");
    if (c->validates)
        json_object_set_new(object, "profile", *c->profile ? json_string(c->profile) : json_null());
    for (size_t i = 0; i < N_DATA_FIELDS; i++)
        json_object_set_new(object, DATA_FIELDS[i], config_field_json(DATA_FIELDS[i], &c->data));
    if (!json_ran_out())
        return object;
    json_decref(object);
    return NULL;
}

void score_config_settle(struct score_config *c, const struct model *m, json_t *errors)
{
    const struct labels *labels = model_labels(m);

    c->data.labels = *labels;
    c->site.asked = 0;
    for (size_t i = 0; i < c->named.n; i++) {
        const char *name = c->named.names[i];
        const int finding = label_of_word(labels, name, strlen(name));

        if (finding < 0 || finding == LABEL_NO_FINDING)
            config_error(errors, "labels", "names '%s', of which the model says nothing", name);
        else
            c->site.asked |= (uint64_t)1 << finding;
    }
    if (!model_sees(m))
        snprintf(c->data.images, sizeof c->data.images, "none");
    else if (!train_config_sees(&c->data))
        config_error(errors, "images", "is \"none\", and the model sees pictures");
}
