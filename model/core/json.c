/* model/core/json.c - see cxrd/json.h. */
#include "cxrd/json.h"

#include <pthread.h>
#include <stdlib.h>

static _Thread_local bool ran_out;

static void *watched_malloc(size_t n)
{
    void *memory = malloc(n);

    ran_out |= !memory;
    return memory;
}

static void install(void) { json_set_alloc_funcs(watched_malloc, free); }

void json_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    ran_out = false;
}

bool json_ran_out(void) { return ran_out; }

enum status json_read(const void *text, size_t n, size_t flags, json_t **ret, json_error_t *ret_why)
{
    const bool before = ran_out;
    json_error_t why;
    json_t *value;
    bool failed;

    json_watch();
    value = json_loadb(text, n, flags, &why);
    failed = ran_out;
    ran_out |= before; /* somebody may be watching */
    if (failed) {
        json_decref(value);
        return ST_NOMEM;
    }
    if (ret_why)
        *ret_why = why;
    if (!value)
        return ST_FORMAT;
    *ret = value;
    return ST_OK;
}

char *json_text(const json_t *value, size_t flags)
{
    const bool before = ran_out;
    char *text;

    json_watch();
    text = json_dumps(value, flags);
    if (ran_out) {
        free(text);
        text = NULL;
    }
    ran_out |= before;
    return text;
}

char *json_built(const json_t *value, size_t flags)
{
    return value && !json_ran_out() ? json_text(value, flags) : NULL;
}
