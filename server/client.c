/* server/client.c - the only libcurl of this part, see client.h. */
#include "client.h"

#include "cxrd/buf.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPLY = 16 << 20, TIMEOUT_SECONDS = 60 };

enum { MAX_URL = 1024 };

static enum status url_make(const char *base, const char *path, char ret[MAX_URL], struct error *err)
{
    size_t n = strlen(base);

    while (n > 0 && base[n - 1] == '/')
        n--;
    return snprintf(ret, MAX_URL, "%.*s%s", (int)n, base, path) < MAX_URL
               ? ST_OK
               : error_set(err, ST_INVALID, "the address has more than %d bytes", MAX_URL - 1);
}

/* "Authorization: Bearer …" where the environment has a key: a command line can be read by everybody. */
static struct curl_slist *headers_make(const struct client_server *server, const char *content_type)
{
    const char *key = server->is_ours ? NULL : getenv("CXRD_KEY");
    char line[512];
    struct curl_slist *headers = NULL;

    if (content_type) {
        snprintf(line, sizeof line, "Content-Type: %s", content_type);
        headers = curl_slist_append(curl_slist_append(NULL, line), "Expect:");
    }
    if (key && *key) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", key);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct buf *b = arg;

    buf_put(b, data, size * n);
    return buf_status(b) == ST_OK ? size * n : 0;
}

/* "the server answered 503: no model is active yet" */
static enum status fail(long status, const json_t *reply, struct error *err)
{
    const char *detail = json_string_value(json_object_get(reply, "detail"));
    const bool of_body = status == 400 || status == 413 || status == 415 || status == 422;
    const bool not_now = status == 429 || status == 503;

    return error_set(err,
                     of_body   ? ST_UNUSABLE
                     : not_now ? ST_BUSY
                               : ST_IO,
                     "the server answered %ld%s%.200s%s", status, detail ? ": " : "", detail ? detail : "",
                     status == 401 ? "; CXRD_KEY holds the key" : "");
}

/* The fault that OpenSSL found with a certificate (X509_V_ERR_…), in words that say what to do. */
static const char *distrust(CURL *curl)
{
    long why = 0;

    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &why);
    switch (why) {
    case 0: /* nothing, or what libcurl begins with: it has compared the names itself */
    case 1: return "it is for another name than this one";
    case 9: return "it does not hold yet";
    case 10: return "it has expired";
    case 18: /* it has signed itself; or an authority has that nobody knows: in the chain, or missing */
    case 19:
    case 20:
    case 21: return "none of the authorities that are trusted here has signed it; --ca FILE names others";
    default: return NULL;
    }
}

static enum status fail_to_connect(const struct client_server *server, CURL *curl, CURLcode rc,
                                   const char *why, struct error *err)
{
    const char *reason = rc == CURLE_PEER_FAILED_VERIFICATION ? distrust(curl) : NULL;

    if (rc == CURLE_OUT_OF_MEMORY)
        return error_nomem(err);
    if (rc == CURLE_PEER_FAILED_VERIFICATION)
        return error_set(err, ST_IO, "the certificate of '%.80s' is not believed: %.180s", server->url,
                         reason ? reason : why);
    if (rc == CURLE_SSL_CACERT_BADFILE)
        return error_set(err, ST_IO, "cannot read certificates in '%.120s'",
                         server->ca ? server->ca : "the system's");
    if (rc == CURLE_COULDNT_CONNECT)
        return error_set(err, ST_IO, "no server answers at '%.80s': %.180s", server->url,
                         why[0] ? why : curl_easy_strerror(rc));
    return error_set(err, ST_IO, "%s", why[0] ? why : curl_easy_strerror(rc));
}

/* The reply's bytes; only a 2xx is one. */
static enum status perform(const struct client_server *server, CURL *curl, struct buf *reply,
                           struct error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    const CURLcode rc = (curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why), curl_easy_perform(curl));
    long status = 0;
    json_t *problem;
    enum status st;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (rc != CURLE_OK)
        return fail_to_connect(server, curl, rc, why, err);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status <= 299)
        return ST_OK;
    problem = reply->data ? json_loadb(reply->data, reply->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    st = fail(status, problem, err);
    json_decref(problem);
    return st;
}

/* False: no memory. */
static bool set_trust(const struct client_server *server, CURL *curl)
{
    if (server->is_ours)
        return curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK;
    return !server->ca || (curl_easy_setopt(curl, CURLOPT_CAINFO, server->ca) == CURLE_OK &&
                           curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK);
}

static bool set_request(CURL *curl, const char *method, const char *url, const void *body, size_t body_len,
                        struct buf *reply)
{
    /* no proxy reaches this machine's own */
    bool ok = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_SECONDS) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;

    if (ok && body)
        ok = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_len) == CURLE_OK;
    return ok;
}

enum status client_bytes(const struct client_server *server, const char *method, const char *path,
                         const char *content_type, const void *body, size_t body_len, struct buf *reply,
                         struct error *err)
{
    char url[MAX_URL];
    enum status st = url_make(server->url, path, url, err);
    struct curl_slist *headers;
    CURL *curl;

    if (st != ST_OK)
        return st;
    headers = headers_make(server, body ? content_type : NULL);
    curl = curl_easy_init();
    if (curl && set_trust(server, curl) && set_request(curl, method, url, body, body_len, reply) &&
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK)
        st = perform(server, curl, reply, err);
    else
        st = error_nomem(err);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return st;
}

enum status client_json(const struct client_server *server, const char *method, const char *path,
                        const char *content_type, const void *body, size_t body_len, json_t **ret_reply,
                        struct error *err)
{
    struct buf reply = BUF_INIT(MAX_REPLY);
    json_t *json = NULL;
    enum status st = client_bytes(server, method, path, content_type, body, body_len, &reply, err);

    if (st == ST_OK && reply.data)
        json = json_loadb(reply.data, reply.len, JSON_REJECT_DUPLICATES, NULL);
    if (st == ST_OK && !json)
        st = error_set(err, ST_IO, "the server's answer is not JSON");
    if (st == ST_OK)
        *ret_reply = json;
    buf_release(&reply);
    return st;
}

/* `text` as a query has it: all but letters, digits and what else needs no escape (RFC 3986, 2.3) escaped. */
static void put_escaped(const char *text, struct buf *out)
{
    for (const char *at = text; *at; at++)
        if (isalnum((unsigned char)*at) || strchr("-._~", *at))
            buf_put(out, at, 1);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*at);
}

void client_parameter(const char *name, const char *value, const char **mark, struct buf *out)
{
    if (!value)
        return;
    buf_printf(out, "%s%s=", *mark, name);
    put_escaped(value, out);
    *mark = "&";
}
