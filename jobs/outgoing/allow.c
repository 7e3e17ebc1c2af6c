/* jobs/outgoing/allow.c - who may be asked, see cxrd/outgoing.h.
 *
 * Addresses are read by libcurl's own parser, here and when they are asked: two parsers that differ about where a host
 * ends are how filters are got past. It also writes 0x7f000001 as 127.0.0.1. */
#include "allow.h"

#include "cxrd/hosts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The options that name who may be asked. */
static const char *const LISTS[N_OUTGOING_USES] = { "webhook-hosts", "data-hosts", "dicomweb-results" };

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    const bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

/* The text of a part, shortened to fit never: false when it is missing or longer. */
static bool part_text(CURLU *url, CURLUPart part, unsigned flags, char *ret, size_t size)
{
    char *text = NULL;
    bool ok = curl_url_get(url, part, &text, flags) == CURLUE_OK;

    if (ok)
        ok = snprintf(ret, size, "%s", text) < (int)size;
    curl_free(text);
    return ok;
}

static bool is_literal(const char *host)
{
    return host[0] == '[' || (strspn(host, "0123456789.") == strlen(host));
}

/* Scheme, host and port of an address; false where such an address could not be allowed. */
static bool place_read(CURLU *url, struct place *ret)
{
    char scheme[16], port[8];

    if (!part_text(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        !part_text(url, CURLUPART_HOST, 0, ret->host, sizeof ret->host) ||
        !part_text(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port) ||
        has_part(url, CURLUPART_ZONEID) || has_part(url, CURLUPART_FRAGMENT))
        return false;
    ret->http = strcmp(scheme, "http") == 0;
    ret->port = (unsigned)strtoul(port, NULL, 10);
    for (char *c = ret->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    ret->literal = is_literal(ret->host);
    return (ret->http || strcmp(scheme, "https") == 0) &&
           strspn(ret->host, "abcdefghijklmnopqrstuvwxyz0123456789-._:[]") == strlen(ret->host);
}

/* Errors: ST_FORMAT (not one that could be allowed), ST_NOMEM. */
static enum status url_read(const char *text, CURLU **ret_url, struct place *ret_place)
{
    CURLU *url = curl_url();
    CURLUcode rc;

    if (!url)
        return ST_NOMEM;
    rc = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    if (rc != CURLUE_OK || !place_read(url, ret_place)) {
        curl_url_cleanup(url);
        return rc == CURLUE_OUT_OF_MEMORY ? ST_NOMEM : ST_FORMAT;
    }
    *ret_url = url;
    return ST_OK;
}

static bool is_loopback(const struct place *p)
{
    return strcmp(p->host, "localhost") == 0 || strcmp(p->host, "[::1]") == 0 ||
           (p->literal && strncmp(p->host, "127.", 4) == 0);
}

static bool same(const struct place *a, const struct place *b)
{
    return a->http == b->http && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static const struct place *find(const struct hosts *hosts, const struct place *p)
{
    for (size_t i = 0; i < hosts->n; i++)
        if (same(&hosts->places[i], p))
            return &hosts->places[i];
    return NULL;
}

static enum status add(struct hosts *hosts, const struct place *p, struct error *err)
{
    struct place *more = realloc(hosts->places, (hosts->n + 1) * sizeof *more);

    if (!more)
        return error_nomem(err);
    hosts->places = more;
    hosts->places[hosts->n++] = *p;
    return ST_OK;
}

/* One entry of a list. It is written out and read again, so that what is compared is libcurl's reading on both sides. */
static enum status add_entry(struct hosts *hosts, const struct host *entry, struct error *err)
{
    char text[HOST_NAME_SIZE + 32];
    CURLU *url = NULL;
    struct place p;
    enum status st;

    snprintf(text, sizeof text, "%s://%s:%u/", entry->scheme == SCHEME_HTTP ? "http" : "https", entry->name,
             entry->port);
    st = url_read(text, &url, &p);
    curl_url_cleanup(url);
    if (st == ST_OK)
        return add(hosts, &p, err);
    return st == ST_NOMEM ? error_nomem(err)
                          : error_set(err, ST_INVALID, "'%.80s' cannot be asked for anything", text);
}

/* flag  the option's name, for the sentence */
static enum status add_list(struct hosts *hosts, const char *flag, const char *text, struct error *err)
{
    struct host_list list = { 0 };
    struct error why = { 0 };
    enum status st = host_list_read(text, FORM_OUTGOING, &list, &why);

    for (size_t i = 0; i < list.n && st == ST_OK; i++)
        st = add_entry(hosts, &list.hosts[i], &why);
    host_list_release(&list);
    return st == ST_OK ? ST_OK : error_set(err, st, "--%s %.240s", flag, why.text);
}

/* An address of the operator's own, whose host is allowed with it.
 *   flag  the option's name, for the sentence; text  NULL: none */
static enum status add_receiver(struct hosts *hosts, const char *flag, const char *text, struct error *err)
{
    CURLU *url = NULL;
    struct place p;
    enum status st;

    if (!text)
        return ST_OK;
    st = strlen(text) < OUTGOING_MAX_URL ? url_read(text, &url, &p) : ST_FORMAT;
    curl_url_cleanup(url);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st != ST_OK || (p.http && !is_loopback(&p)))
        return error_set(err, ST_INVALID, "--%s must be an https address, or an http one on loopback", flag);
    return add(hosts, &p, err);
}

enum status outgoing_open(const struct outgoing_options *options, struct outgoing **ret_outgoing,
                          struct error *err)
{
    struct outgoing *o = calloc(1, sizeof *o);
    enum status st = ST_OK;

    if (!o)
        return error_nomem(err);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        st = error_nomem(err);
    for (int use = 0; use < N_OUTGOING_USES && st == ST_OK; use++)
        st = add_list(&o->allowed[use], LISTS[use], options->hosts[use], err);
    if (st == ST_OK)
        st = add_list(&o->private_hosts, "outgoing-private", options->private_hosts, err);
    if (st == ST_OK)
        st = add_receiver(&o->allowed[OUTGOING_NOTICE], "webhook", options->notice_url, err);
    if (st == ST_OK)
        st = add_receiver(&o->allowed[OUTGOING_RESULT], LISTS[OUTGOING_RESULT], options->results_url, err);
    if (st == ST_OK && options->ca && !(o->ca = strdup(options->ca)))
        st = error_nomem(err);
    if (st != ST_OK) {
        outgoing_close(o);
        return st;
    }
    *ret_outgoing = o;
    return ST_OK;
}

void outgoing_close(struct outgoing *o)
{
    if (!o)
        return;
    for (int use = 0; use < N_OUTGOING_USES; use++)
        free(o->allowed[use].places);
    free(o->private_hosts.places);
    free(o->ca);
    free(o);
}

bool outgoing_enabled(const struct outgoing *o, enum outgoing_use use) { return o && o->allowed[use].n > 0; }

enum status allow_find(const struct outgoing *o, enum outgoing_use use, const char *text, CURLU **ret_url,
                       enum trust *ret_trust, struct error *err)
{
    CURLU *url = NULL;
    struct place p;
    enum status st = strlen(text) < OUTGOING_MAX_URL ? url_read(text, &url, &p) : ST_FORMAT;

    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st != ST_OK)
        return error_set(
            err, ST_INVALID,
            "must be an https address of less than %d bytes, without a user, a fragment or a zone",
            OUTGOING_MAX_URL);
    if (!find(&o->allowed[use], &p)) {
        curl_url_cleanup(url);
        return error_set(err, ST_INVALID, "'%s://%.80s:%u' is not among the hosts of --%s",
                         p.http ? "http" : "https", p.host, p.port, LISTS[use]);
    }
    if (p.http)
        *ret_trust = TRUST_LOOPBACK;
    else if (find(&o->private_hosts, &p))
        *ret_trust = p.literal ? TRUST_LITERAL : TRUST_PRIVATE;
    else
        *ret_trust = TRUST_PUBLIC;
    *ret_url = url;
    return ST_OK;
}

enum status outgoing_check(const struct outgoing *o, enum outgoing_use use, const char *url,
                           struct error *err)
{
    CURLU *parsed = NULL;
    enum trust trust;
    const enum status st = allow_find(o, use, url, &parsed, &trust, err);

    curl_url_cleanup(parsed);
    return st;
}
