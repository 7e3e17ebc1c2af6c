/* model/net/lineage.c - see cxrd/lineage.h. */
#include "cxrd/lineage.h"

#include "cxrd/json.h"

#include <string.h>

const char *const LINEAGE_NAMES[] = { NULL, "same", "other", "unknown" };

static bool is_digest(const char *text)
{
    return strlen(text) == DIGEST_TEXT_SIZE - 1 && strspn(text, "0123456789abcdef") == DIGEST_TEXT_SIZE - 1;
}

static enum lineage before_of(const json_t *value)
{
    const char *name = json_string_value(value);

    if (json_is_null(value))
        return LINEAGE_NONE;
    for (int i = LINEAGE_SAME; name && i < LINEAGE_UNKNOWN; i++)
        if (strcmp(name, LINEAGE_NAMES[i]) == 0)
            return (enum lineage)i;
    return LINEAGE_UNKNOWN;
}

enum status trained_rows_parse(const char *text, struct trained_rows *ret)
{
    json_t *data = NULL;
    const char *split;
    enum status st = text ? json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &data, NULL) : ST_OK;

    *ret = (struct trained_rows){ "", LINEAGE_NONE };
    if (st == ST_NOMEM)
        return st;
    split = json_string_value(json_object_get(data, "split_sha256"));
    if (split && is_digest(split)) {
        memcpy(ret->split_sha256, split, sizeof ret->split_sha256);
        ret->before = before_of(json_object_get(data, "init_split"));
    }
    json_decref(data);
    return ST_OK;
}

enum lineage lineage_of(const struct trained_rows *model, const char *split_sha256)
{
    if (!model->split_sha256[0])
        return LINEAGE_UNKNOWN;
    if (strcmp(model->split_sha256, split_sha256) != 0)
        return LINEAGE_OTHER;
    return model->before == LINEAGE_NONE ? LINEAGE_SAME : model->before;
}

#define FLATTERS                                                                                          \
    ": if that has learned from rows that validate or test here, AUROC, thresholds and calibration look " \
    "better than they are"

const char *lineage_warning(enum lineage before)
{
    switch (before) {
    case LINEAGE_NONE:
    case LINEAGE_SAME: return NULL;
    case LINEAGE_OTHER:
        return "the training began from a model that was trained on other data or another split, or one "
               "before it was" FLATTERS;
    case LINEAGE_UNKNOWN: break;
    }
    return "the training began from a model that does not say which rows it was trained on, or one before it "
           "does not" FLATTERS;
}

json_t *lineage_warnings(enum lineage before)
{
    const char *why = lineage_warning(before);

    return why ? json_pack("[{s:s,s:s}]", "code", "init_split", "detail", why) : json_array();
}
