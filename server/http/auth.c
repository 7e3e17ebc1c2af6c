/* server/http/auth.c - see auth.h. */
#include "auth.h"

#include "cxrd/clock.h"
#include "cxrd/hosts.h"
#include "keys.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A token bucket: `tokens` of them were there at the time `at`. */
struct bucket {
    double tokens, at;
};

struct auth {
    struct auth_options options;
    struct host_list hosts, origins; /* of `options`, as they were read at the start */

    atomic_uint reading; /* of the keys, counted */

    pthread_mutex_t lock;   /* guards everything below */
    struct keys *keys;      /* NULL: none */
    struct bucket *buckets; /* [keys->n] or [1], new with the keys */
};

/* ---- names from outside ---- */

/* An address is what nobody can point elsewhere, as they can a name. */
static bool host_ok(const struct auth *a, const char *text)
{
    const struct auth_options *o = &a->options;
    struct host host;

    if (!*text)
        return true; /* HTTP/1.0 has none, and no browser speaks it */
    if (host_read(text, strlen(text), FORM_HOST, &host) != NULL)
        return o->keys && !o->hosts; /* where any will do, even one that no list could hold */
    if (host_is_loopback(&host))
        return true;
    if (o->hosts)
        return host_list_has(&a->hosts, &host);
    return o->keys || (!o->loopback && host.literal);
}

/* A page may call the server that it came from, and others where that is configured. */
static bool origin_ok(const struct auth *a, const char *origin, const char *host)
{
    const char *mark = strstr(origin, "://");

    if (!*origin || auth_shares_with(a, origin))
        return true;
    return mark && strcasecmp(mark + 3, host) == 0;
}

bool auth_shares_with(const struct auth *a, const char *origin)
{
    struct host named;

    return *origin && host_read(origin, strlen(origin), FORM_ORIGIN, &named) == NULL &&
           host_list_has(&a->origins, &named);
}

/* ---- keys ---- */

static void refuse(struct verdict *v, int status, const char *sentence)
{
    v->status = status;
    snprintf(v->why.text, sizeof v->why.text, "%s", sentence);
}

/* "Bearer KEY" -> KEY, or NULL. */
static const char *presented_key(const char *authorization)
{
    if (strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    authorization += 7;
    return authorization + strspn(authorization, " ");
}

/* Take a token; how many seconds until there is one, 0: there was. */
static double bucket_take(struct bucket *b, double rate)
{
    const double now = clock_seconds();

    b->tokens = fmin(rate, b->tokens + (now - b->at) * rate);
    b->at = now;
    if (b->tokens < 1)
        return (1 - b->tokens) / rate;
    b->tokens -= 1;
    return 0;
}

/* With the lock held: whose key is it, may it do this, and not too often? */
static void ask_keys(struct auth *a, const char *authorization, enum role wanted, struct verdict *v)
{
    const char *presented = presented_key(authorization);
    const struct key *key = NULL;
    double wait;

    if (a->keys) {
        key = presented ? keys_find(a->keys, presented, strlen(presented)) : NULL;
        if (!key) {
            refuse(v, 401,
                   presented ? "this key is not known" : "this needs a key: Authorization: Bearer KEY");
            return;
        }
        snprintf(v->who, sizeof v->who, "%s", key->name);
        v->pass = (struct pass){ .role = wanted, .checked = atomic_load(&a->reading) };
        memcpy(v->pass.sha256, key->sha256, sizeof v->pass.sha256);
    }
    wait = a->options.rate ? bucket_take(&a->buckets[key ? key - a->keys->keys : 0], (double)a->options.rate)
                           : 0;
    if (wait > 0) {
        refuse(v, 429, "too many requests a second with this key");
        v->retry_after = (unsigned)ceil(wait);
    } else if (key && key->role < wanted) {
        refuse(v, 403, "this key may not do that: it needs the role admin");
    }
}

void auth_check(struct auth *a, const struct head *head, const struct route *route, struct verdict *ret)
{
    *ret = (struct verdict){ 0 };
    if (route && route->role == ROLE_PUBLIC)
        return;
    if (!host_ok(a, head->host)) {
        refuse(ret, 403, "the request's Host is not a name of this server, see --hosts");
    } else if (!origin_ok(a, head->origin, head->host)) {
        refuse(ret, 403, "pages of another origin may not call this server");
    } else if (!(head->preflight[0] && !route && auth_shares_with(a, head->origin))) {
        pthread_mutex_lock(&a->lock);
        ask_keys(a, head->authorization, route ? route->role : ROLE_PREDICT, ret);
        pthread_mutex_unlock(&a->lock);
    }
}

bool auth_still_allows(struct auth *a, struct pass *pass)
{
    const unsigned reading = atomic_load(&a->reading);
    bool allowed = false;

    if (!pass->sha256[0] || pass->checked == reading)
        return true;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; a->keys && i < a->keys->n && !allowed; i++)
        allowed = strcmp(a->keys->keys[i].sha256, pass->sha256) == 0 && a->keys->keys[i].role >= pass->role;
    pthread_mutex_unlock(&a->lock);
    if (allowed)
        pass->checked = reading;
    return allowed;
}

/* ---- open, reload, close ---- */

static struct bucket *buckets_new(size_t n, double rate)
{
    struct bucket *b = calloc(n, sizeof *b);

    for (size_t i = 0; b && i < n; i++)
        b[i] = (struct bucket){ rate, clock_seconds() };
    return b;
}

enum status auth_reload(struct auth *a, struct error *err)
{
    struct keys *keys = NULL, *old_keys;
    struct bucket *buckets, *old_buckets;
    const enum status st = a->options.keys ? keys_read(a->options.keys, &keys, err) : ST_OK;

    if (st != ST_OK)
        return st;
    buckets = buckets_new(keys ? keys->n : 1, (double)a->options.rate);
    if (!buckets) {
        keys_free(keys);
        return error_nomem(err);
    }
    pthread_mutex_lock(&a->lock);
    old_keys = a->keys;
    old_buckets = a->buckets;
    a->keys = keys;
    a->buckets = buckets;
    atomic_fetch_add(&a->reading, 1);
    pthread_mutex_unlock(&a->lock);
    keys_free(old_keys);
    free(old_buckets);
    return ST_OK;
}

enum status auth_open(const struct auth_options *options, struct auth **ret_auth, struct error *err)
{
    struct auth *a = calloc(1, sizeof *a);
    enum status st;

    if (!a)
        return error_nomem(err);
    a->options = *options;
    pthread_mutex_init(&a->lock, NULL);
    st = host_list_read(options->hosts, FORM_HOST, &a->hosts, err);
    if (st == ST_OK)
        st = host_list_read(options->origins, FORM_ORIGIN, &a->origins, err);
    if (st == ST_OK)
        st = auth_reload(a, err);
    if (st != ST_OK) {
        auth_close(a);
        return st;
    }
    *ret_auth = a;
    return ST_OK;
}

void auth_close(struct auth *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    host_list_release(&a->hosts);
    host_list_release(&a->origins);
    keys_free(a->keys);
    free(a->buckets);
    free(a);
}
