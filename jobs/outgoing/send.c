/* jobs/outgoing/send.c - one request, see cxrd/outgoing.h. A handle of its own each time: nothing is kept of a host, no
 * connection, no name that was resolved earlier, no cookie. */
#include "allow.h"

#include "cxrd/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_SECONDS = 10 };

struct transfer {
    const struct outgoing_request *request;
    CURL *curl;
    enum trust trust;
    const char *refused; /* why no socket was made to one of the host's addresses */
    bool asked;          /* one was made to another */
    bool head_told, enough;
    bool answered; /* nobody wants to know more than the status, which is there */
};

/* After the name was resolved, before any packet leaves. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = arg;
    const char *why = purpose == CURLSOCKTYPE_IPCXN && address->socktype == SOCK_STREAM
                          ? address_refusal(&address->addr, t->trust)
                          : "no TCP";

    if (why) {
        t->refused = why;
        return CURL_SOCKET_BAD;
    }
    t->asked = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static const char *header(CURL *curl, const char *name)
{
    struct curl_header *h;

    return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : "";
}

static int64_t range_start(const char *content_range)
{
    char *end;
    long long start;

    if (strncmp(content_range, "bytes ", 6) != 0)
        return -1;
    errno = 0;
    start = strtoll(content_range + 6, &end, 10);
    return errno == 0 && *end == '-' && start >= 0 ? start : -1;
}

static bool tell_head(struct transfer *t)
{
    struct outgoing_head head = { .length = -1 };
    curl_off_t length = -1;

    if (t->head_told || !t->request->head)
        return true;
    t->head_told = true;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &head.status);
    if (curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK)
        head.length = length;
    head.etag = header(t->curl, "ETag");
    head.range_start = range_start(header(t->curl, "Content-Range"));
    return t->request->head(t->request->arg, &head);
}

/* The line that ends a head; a receiver that does not end what follows it has answered all the same. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    const bool is_last = size * n <= 2 && memchr(line, '\n', size * n);
    long status = 0;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    t->answered = is_last && status >= 200 && !t->request->data;
    return t->answered ? 0 : size * n;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    const struct outgoing_request *r = t->request;

    if (!r->data) { /* behind a head of 101, which on_header() takes for one that another follows */
        t->answered = true;
        return 0;
    }
    if (!tell_head(t) || !r->data(r->arg, data, size * n)) {
        t->enough = true;
        return 0;
    }
    return size * n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct transfer *t = arg;

    (void)a, (void)b, (void)c, (void)d;
    if (t->request->stopped && t->request->stopped(t->request->arg))
        t->enough = true;
    return t->enough;
}

/* A body is sent at once, without asking by Expect. No header of ours is left empty without one: libcurl would sign it and
 * not send it. */
static enum status headers_make(const struct outgoing_request *r, struct curl_slist **ret)
{
    const char *const none[] = { NULL };
    struct curl_slist *list = NULL, *longer;

    if (r->body && !(list = curl_slist_append(NULL, "Expect:")))
        return ST_NOMEM;
    for (const char *const *header = r->headers ? r->headers : none; *header; header++) {
        longer = curl_slist_append(list, *header);
        if (!longer) {
            curl_slist_free_all(list);
            return ST_NOMEM;
        }
        list = longer;
    }
    *ret = list;
    return ST_OK;
}

/* False: no memory, and a door that was not shut. */
static bool set_limits(CURL *curl, const struct outgoing *o, struct transfer *t)
{
    const char *scheme = t->trust == TRUST_LOOPBACK ? "http" : "https";

    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, scheme) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* the thread that resolves a name is not waited for */
           curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT, t->request->seconds) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)OUTGOING_SLOWEST) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, t->request->slow_seconds) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           (!o->ca || (curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca) == CURLE_OK &&
                       curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

/* False: no memory. */
static bool set_request(CURL *curl, CURLU *url, const struct curl_slist *headers, struct transfer *t)
{
    const struct outgoing_request *r = t->request;
    bool ok = curl_easy_setopt(curl, CURLOPT_CURLU, url) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_USERAGENT, "cxrd/" CXRD_VERSION) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_HEADERDATA, t) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_WRITEDATA, t) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t) == CURLE_OK;

    if (ok && r->body)
        ok = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len) == CURLE_OK;
    if (ok && r->sigv4)
        ok = curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, r->sigv4) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_USERPWD, r->credentials) == CURLE_OK;
    return ok;
}

static enum status perform(struct transfer *t, long *ret_status, struct error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    CURLcode rc;

    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, why);
    rc = curl_easy_perform(t->curl);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
    if (t->answered)
        rc = CURLE_OK;
    if (rc == CURLE_OK && !tell_head(t)) /* a reply without a body, or with one that nobody wants */
        t->enough = true;
    if (t->enough)
        return error_set(err, ST_CANCELLED, "stopped");
    if (rc == CURLE_OUT_OF_MEMORY)
        return error_nomem(err);
    if (rc != CURLE_OK && t->refused && !t->asked)
        return error_set(err, ST_UNUSABLE, "the host leads to %s, which is refused", t->refused);
    if (rc == CURLE_SSL_CACERT_BADFILE) /* curl names the file */
        return error_inner(err, error_set(err, ST_IO, "%s", curl_easy_strerror(rc)), why);
    if (rc != CURLE_OK)
        return error_set(err, ST_IO, "%s", why[0] ? why : curl_easy_strerror(rc));
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, ret_status);
    return ST_OK;
}

enum status outgoing_send(const struct outgoing *o, const struct outgoing_request *request, long *ret_status,
                          struct error *err)
{
    struct transfer t = { .request = request };
    struct curl_slist *headers = NULL;
    CURLU *url = NULL;
    enum status st = allow_find(o, request->use, request->url, &url, &t.trust, err);

    if (st != ST_OK)
        return st;
    t.curl = curl_easy_init();
    if (t.curl && headers_make(request, &headers) == ST_OK && set_limits(t.curl, o, &t) &&
        set_request(t.curl, url, headers, &t))
        st = perform(&t, ret_status, err);
    else
        st = error_nomem(err);
    curl_easy_cleanup(t.curl);
    curl_slist_free_all(headers);
    curl_url_cleanup(url);
    return st;
}
