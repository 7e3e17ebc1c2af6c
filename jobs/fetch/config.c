/* jobs/fetch/config.c - what POST /datasets asks for, see cxrd/fetch.h. */
#include "cxrd/fetch.h"

#include "cxrd/dataset.h"
#include "cxrd/json.h"
#include "cxrd/train_config.h"

#include <stdio.h>
#include <string.h>

static const char NAME_CHARACTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

/* Copy a text of 1 to size - 1 of `characters`; false where it is not such a text. */
static bool take(const json_t *value, const char *characters, char *ret, size_t size)
{
    const char *text = json_string_value(value);

    if (!text || !*text || strlen(text) >= size || (characters && strspn(text, characters) != strlen(text)))
        return false;
    snprintf(ret, size, "%s", text);
    return true;
}

static void parse_source(const json_t *object, const char *where, struct fetch_source *ret, json_t *errors)
{
    const char *key;
    json_t *value;
    char field[64];

    if (!json_is_object(object)) {
        config_error(errors, where, "must be an object with a url");
        return;
    }
    json_object_foreach ((json_t *)object, key, value) {
        snprintf(field, sizeof field, "%s.%.32s", where, key);
        if (strcmp(key, "url") == 0) {
            if (!take(value, NULL, ret->url, sizeof ret->url))
                config_error(errors, field, "must have 1 to %d bytes", OUTGOING_MAX_URL - 1);
        } else if (strcmp(key, "sha256") == 0) {
            if (!json_is_null(value) && (!take(value, "0123456789abcdef", ret->sha256, sizeof ret->sha256) ||
                                         strlen(ret->sha256) != DIGEST_TEXT_SIZE - 1))
                config_error(errors, field, "must be 64 of [0-9a-f]");
        } else if (strcmp(key, "s3_region") == 0) {
            if (!json_is_null(value) &&
                !take(value, "abcdefghijklmnopqrstuvwxyz0123456789-", ret->region, sizeof ret->region))
                config_error(errors, field, "must be the name of a region, such as eu-central-1");
        } else {
            config_error(errors, field, "there is no such field");
        }
    }
    if (!json_object_get(object, "url")) {
        snprintf(field, sizeof field, "%s.url", where);
        config_error(errors, field, "is needed");
    }
}

static void parse_archives(const json_t *array, struct fetch_config *c, json_t *errors)
{
    const size_t n = json_array_size(array);

    if (n < 1 || n > FETCH_MAX_ARCHIVES) {
        config_error(errors, "archives", "must be a list of 1 to %d objects with a url", FETCH_MAX_ARCHIVES);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char where[32];

        snprintf(where, sizeof where, "archives[%zu]", i);
        parse_source(json_array_get(array, i), where, &c->sources[1 + i], errors);
    }
    c->n_sources = 1 + n;
}

static bool is_field(const char *key)
{
    static const char *const FIELDS[] = { "name", "table", "archives", "webhook" };

    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        if (strcmp(key, FIELDS[i]) == 0)
            return true;
    return false;
}

enum status fetch_config_parse(const json_t *object, struct fetch_config *ret, json_t *errors)
{
    const char *key;
    json_t *value;

    memset(ret, 0, sizeof *ret);
    json_watch();
    if (!json_is_object(object)) {
        config_error(errors, "", "a data set is a JSON object");
        return ST_INVALID;
    }
    json_object_foreach ((json_t *)object, key, value)
        if (!is_field(key))
            config_error(errors, key, "there is no such field");
    if (!take(json_object_get(object, "name"), NAME_CHARACTERS, ret->name, sizeof ret->name) ||
        ret->name[0] == '.')
        config_error(errors, "name",
                     "must be 1 to %d letters, digits, dots, dashes or underscores, no dot first",
                     FETCH_NAME_SIZE - 1);
    value = json_object_get(object, "webhook");
    if (value && !json_is_null(value) && !take(value, NULL, ret->webhook, sizeof ret->webhook))
        config_error(errors, "webhook", "must have 1 to %d bytes", OUTGOING_MAX_URL - 1);
    parse_source(json_object_get(object, "table"), "table", &ret->sources[0], errors);
    parse_archives(json_object_get(object, "archives"), ret, errors);
    if (json_ran_out())
        return ST_NOMEM;
    return json_array_size(errors) > 0 ? ST_INVALID : ST_OK;
}

static json_t *source_json(const struct fetch_source *s)
{
    return json_pack("{s:s,s:o,s:o}", "url", s->url, "sha256",
                     s->sha256[0] ? json_string(s->sha256) : json_null(), "s3_region",
                     s->region[0] ? json_string(s->region) : json_null());
}

json_t *fetch_config_json(const struct fetch_config *c)
{
    json_t *config, *archives;

    json_watch();
    archives = json_array();
    for (size_t i = 1; i < c->n_sources; i++)
        json_array_append_new(archives, source_json(&c->sources[i]));
    config = json_pack("{s:s,s:o,s:o,s:o}", "name", c->name, "table", source_json(&c->sources[0]), "archives",
                       archives, "webhook", c->webhook[0] ? json_string(c->webhook) : json_null());
    if (json_ran_out()) {
        json_decref(config);
        return NULL;
    }
    return config;
}

static void show_source(json_t *source)
{
    const char *url = json_string_value(json_object_get(source, "url"));
    const char *query = url ? strchr(url, '?') : NULL;

    if (query)
        json_object_set_new(source, "url", json_sprintf("%.*s?\xe2\x80\xa6", (int)(query - url), url));
}

json_t *fetch_config_shown(json_t *config)
{
    json_t *archives = json_object_get(config, "archives");

    show_source(json_object_get(config, "table"));
    for (size_t i = 0; i < json_array_size(archives); i++)
        show_source(json_array_get(archives, i));
    return config;
}
