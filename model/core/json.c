/* model/core/json.c - see cxrd/json.h. */
#include "cxrd/json.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local bool ran_out;

/* ---- the reserve ----
 *
 * jansson's lexer loses bytes of a token where it lacks room for them, does not notice, and then asserts that they are
 * there. So while a text is read what cannot be had elsewhere comes from here: enough for the reader to go on to the end
 * of any text but a large one, and its result is thrown away. One thread has it at a time, others that run out wait. */

enum { RESERVE = 1 << 20 }; /* bytes; no page of it exists before it is used */

static union {
    max_align_t alignment;
    char bytes[RESERVE];
} reserve;
static pthread_mutex_t reserve_lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local bool reading, has_reserve;
static _Thread_local size_t reserve_used;

static void *reserve_take(size_t n)
{
    const size_t rounded = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    void *memory;

    if (!has_reserve) {
        pthread_mutex_lock(&reserve_lock);
        has_reserve = true;
        reserve_used = 0;
    }
    if (rounded < n || rounded > RESERVE - reserve_used)
        return NULL;
    memory = reserve.bytes + reserve_used;
    reserve_used += rounded;
    return memory;
}

/* When all that was read is gone. */
static void reserve_leave(void)
{
    if (has_reserve)
        pthread_mutex_unlock(&reserve_lock);
    has_reserve = false;
}

static void *watched_malloc(size_t n)
{
    void *memory = malloc(n);

    ran_out |= !memory;
    if (memory || !reading)
        return memory;
    return reserve_take(n);
}

static void watched_free(void *memory)
{
    const uintptr_t at = (uintptr_t)memory, begin = (uintptr_t)reserve.bytes;

    if (at < begin || at >= begin + RESERVE)
        free(memory);
}

static void install(void) { json_set_alloc_funcs(watched_malloc, watched_free); }

void json_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    ran_out = false;
}

bool json_ran_out(void) { return ran_out; }

void json_lack(void) { ran_out = true; }

/* jansson speaks of its own flags where a text has a NUL. */
static void say_nul(json_error_t *why)
{
    const enum json_error_code code = json_error_code(why);

    if (code == json_error_null_character || code == json_error_null_byte_in_key)
        snprintf(why->text, sizeof why->text - 1, "a string has a NUL, \\u0000, which no text here may have");
}

enum status json_read(const void *text, size_t n, size_t flags, json_t **ret, json_error_t *ret_why)
{
    const bool before = ran_out;
    json_error_t why;
    json_t *value;
    bool failed;

    json_watch();
    reading = true;
    value = json_loadb(text, n, flags, &why);
    reading = false;
    failed = ran_out;
    ran_out |= before; /* somebody may be watching */
    if (failed) {
        json_decref(value);
        reserve_leave();
        return ST_NOMEM;
    }
    if (!value)
        say_nul(&why);
    if (ret_why)
        *ret_why = why;
    if (!value)
        return ST_FORMAT;
    *ret = value;
    return ST_OK;
}

json_t *json_any_text(const char *text)
{
    json_t *value = json_string(text);
    char ascii[1024];
    size_t n = 0;

    if (value)
        return value;
    for (; text[n] && n + 1 < sizeof ascii; n++)
        ascii[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
    ascii[n] = '\0';
    return json_string(ascii);
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
