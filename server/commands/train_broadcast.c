/* server/commands/train_broadcast.c - rank 0 alone reads the job and the weights that it begins with, and broadcasts them. */
#include "cxrd/json.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>

static enum status config_write(const struct train_config *c, void **ret, size_t *ret_n, struct error *err)
{
    json_t *config = train_config_json(c);
    char *text = config ? json_text(config, JSON_COMPACT) : NULL;

    json_decref(config);
    *ret = text;
    *ret_n = text ? strlen(text) : 0;
    return text ? ST_OK : error_nomem(err);
}

static enum status config_read(const void *text, size_t n, struct train_config *ret, struct error *err)
{
    json_t *config = NULL, *errors = json_array();
    enum status st = errors ? json_read(text, n, 0, &config, NULL) : ST_NOMEM;

    if (st == ST_OK)
        st = train_config_parse_recorded(config, ret, errors);
    json_decref(config);
    json_decref(errors);
    return st == ST_OK ? ST_OK : error_set(err, st, "the job that rank 0 tells of is not understood");
}

enum status train_broadcast(struct ranks *ranks, struct train_config *config, struct file_bytes *init,
                            struct error *err)
{
    void *text = NULL;
    size_t n = 0;
    enum status st = ranks_me(ranks) == 0 ? config_write(config, &text, &n, err) : ST_OK;

    if (st == ST_OK)
        st = ranks_broadcast(ranks, &text, &n, err);
    if (st == ST_OK && ranks_me(ranks) != 0)
        st = config_read(text, n, config, err);
    free(text);
    return st == ST_OK ? ranks_broadcast(ranks, &init->data, &init->size, err) : st;
}
