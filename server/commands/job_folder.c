/* server/commands/job_folder.c - see job_folder.h. */
#include "job_folder.h"

#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/plain_text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status job_file_save(const char *folder, const char *name, const void *bytes, size_t n,
                          struct error *err)
{
    const struct iovec part = { (void *)bytes, n };
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_replace(path, &part, 1, err);
}

enum status job_record_save(const char *folder, const json_t *record, struct error *err)
{
    char *text = json_text(record, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    enum status st = text ? job_file_save(folder, "job.json", text, strlen(text), err) : error_nomem(err);

    free(text);
    return st;
}

enum status job_folder_report(const char *folder, const char *whole, const json_t *record,
                              const struct model *m, const json_t *plots, struct error *err)
{
    char path[N_REPORT_FORMS][PATH_MAX];

    for (int form = 0; form < N_REPORT_FORMS; form++)
        snprintf(path[form], PATH_MAX, "%s/%s", folder, REPORT_FILES[form]);
    return report_save((const char *[]){ whole ? whole : path[REPORT_WHOLE], path[REPORT_MAIL] }, record, m,
                       plots, err);
}

/* ---- its configuration ---- */

enum status job_object_read(const char *path, json_t **ret, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct plain_text text;
    json_error_t why;
    enum status st = file_read(path, 1 << 20, &file, err);

    if (st != ST_OK)
        return st;
    text = plain_text_of(file.data, file.size);
    st = json_read(text.at, text.n, JSON_REJECT_DUPLICATES, ret, &why);
    if (st == ST_NOMEM)
        error_nomem(err);
    else if (!json_is_object(*ret))
        st = error_set(err, ST_FORMAT, "'%s' is not a JSON object: line %d: %s", path, why.line, why.text);
    file_bytes_release(&file);
    return st;
}

/* key=value into it. */
static enum status config_set(json_t *config, const char *item, struct error *err)
{
    const char *equals = strchr(item, '=');
    char key[64];
    json_t *value = NULL;

    if (!equals || equals == item || (size_t)(equals - item) >= sizeof key)
        return error_set(err, ST_INVALID, "--set takes key=value, not '%.64s'", item);
    snprintf(key, sizeof key, "%.*s", (int)(equals - item), item);
    if (json_read(equals + 1, strlen(equals + 1), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &value, NULL) ==
            ST_NOMEM ||
        json_object_set_new(config, key, value ? value : json_string(equals + 1)) != 0)
        return error_nomem(err);
    return ST_OK;
}

enum status job_config_make(const char *file, const json_t *base, const char *dataset,
                            const struct option_list *set, json_t **ret, struct error *err)
{
    json_t *config = NULL;
    enum status st = ST_OK;

    if (file)
        st = job_object_read(file, &config, err);
    else
        config = base ? json_deep_copy(base) : json_object();
    if (st == ST_OK &&
        (!config || (dataset && json_object_set_new(config, "dataset", json_string(dataset)) != 0)))
        st = error_nomem(err);
    for (size_t i = 0; i < set->n && st == ST_OK; i++)
        st = config_set(config, set->items[i], err);
    if (st != ST_OK) {
        json_decref(config);
        return st;
    }
    *ret = config;
    return ST_OK;
}

enum status job_config_fault(const json_t *errors, struct error *err)
{
    const json_t *first = json_array_get(errors, 0);

    if (!first)
        return ST_OK;
    return error_set(err, ST_INVALID, "'%s' %s", json_string_value(json_object_get(first, "field")),
                     json_string_value(json_object_get(first, "detail")));
}
