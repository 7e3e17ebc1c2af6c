/* server/api/kept.c - see kept.h. */
#include "kept.h"

#include "cxrd/clock.h"
#include "cxrd/secret.h"
#include "cxrd/thread.h"

#include <stdlib.h>
#include <string.h>

enum { UID_TEXT = 65, WHO_TEXT = 65 };

struct entry {
    struct entry *next;
    char who[WHO_TEXT], study[UID_TEXT], picture[UID_TEXT];
    struct buf result;
    double until; /* clock_seconds() */
};

struct kept {
    size_t max_bytes;
    double seconds;
    pthread_mutex_t lock; /* guards everything below */
    struct entry *first;  /* oldest first */
    size_t bytes;
};

enum status kept_new(size_t max_bytes, double seconds, struct kept **ret_kept)
{
    struct kept *k = calloc(1, sizeof *k);

    if (!k)
        return ST_NOMEM;
    k->max_bytes = max_bytes;
    k->seconds = seconds;
    pthread_mutex_init(&k->lock, NULL);
    *ret_kept = k;
    return ST_OK;
}

/* Let go of the entry at *at. */
static void drop(struct kept *k, struct entry **at)
{
    struct entry *e = *at;

    *at = e->next;
    k->bytes -= e->result.capacity;
    buf_release(&e->result);
    secret_free(e);
}

void kept_free(struct kept *k)
{
    if (!k)
        return;
    while (k->first)
        drop(k, &k->first);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static void drop_old(struct kept *k)
{
    while (k->first && k->first->until < clock_seconds())
        drop(k, &k->first);
}

static bool is_of(const struct entry *e, const char *who, const char *study)
{
    return strcmp(e->who, who) == 0 && strcmp(e->study, study) == 0;
}

/* Put it last, and let go of what it replaces and of the oldest. */
static void enter(struct kept *k, struct entry *e)
{
    struct entry **at = &k->first;

    while (*at)
        if (is_of(*at, e->who, e->study) && strcmp((*at)->picture, e->picture) == 0)
            drop(k, at);
        else
            at = &(*at)->next;
    *at = e;
    k->bytes += e->result.capacity;
    while (k->first && k->bytes > k->max_bytes)
        drop(k, &k->first);
}

static void copy(char *to, size_t size, const char *text)
{
    const size_t n = strnlen(text, size - 1);

    memcpy(to, text, n);
    to[n] = '\0';
}

enum status kept_add(struct kept *k, const char *who, const char *study, const char *picture,
                     struct buf *result)
{
    struct entry *e = result->capacity <= k->max_bytes ? calloc(1, sizeof *e) : NULL;

    if (!e) {
        const enum status st = result->capacity <= k->max_bytes ? ST_NOMEM : ST_LIMIT;

        buf_release(result);
        return st;
    }
    copy(e->who, sizeof e->who, who);
    copy(e->study, sizeof e->study, study);
    copy(e->picture, sizeof e->picture, picture);
    e->result = *result;
    *result = (struct buf)BUF_INIT(result->max);
    e->until = clock_seconds() + k->seconds;
    pthread_mutex_lock(&k->lock);
    drop_old(k);
    enter(k, e);
    pthread_mutex_unlock(&k->lock);
    return ST_OK;
}

enum status kept_write(struct kept *k, const char *who, const char *study, struct buf *out)
{
    bool found = false;

    pthread_mutex_lock(&k->lock);
    drop_old(k);
    for (const struct entry *e = k->first; e; e = e->next)
        if (is_of(e, who, study)) {
            related_part(out, e->result.data, e->result.len);
            found = true;
        }
    pthread_mutex_unlock(&k->lock);
    related_end(out);
    return found ? buf_status(out) : ST_NOTFOUND;
}

void related_part(struct buf *out, const void *file, size_t n)
{
    buf_puts(out, "\r\n--" RELATED_BOUNDARY "\r\nContent-Type: application/dicom\r\n\r\n");
    buf_put(out, file, n);
}

void related_end(struct buf *out) { buf_puts(out, "\r\n--" RELATED_BOUNDARY "--\r\n"); }
