/* server/client.c - the only libcurl of this part, see client.h. */
#include "client.h"

#include "cxrd/buf.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPLY = 16 << 20, TIMEOUT_SECONDS = 60 };

void client_url(const char *base, const char *path, char *ret, size_t size)
{
    size_t n = strlen(base);

    while (n > 0 && base[n - 1] == '/')
        n--;
    snprintf(ret, size, "%.*s%s", (int)n, base, path);
}

/* "Authorization: Bearer …" where the environment has a key: a command line can be read by everybody. */
static struct curl_slist *headers_make(const char *content_type)
{
    const char *key = getenv("CXRD_KEY");
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

/* "503 Service Unavailable: no model is active yet" */
static enum status fail(long status, const json_t *reply, struct error *err)
{
    const char *detail = json_string_value(json_object_get(reply, "detail"));

    return error_set(err, ST_IO, "the server answered %ld%s%.200s", status, detail ? ": " : "",
                     detail ? detail : "");
}

/* The reply's bytes; only a 2xx is one. */
static enum status perform(CURL *curl, struct buf *reply, struct error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    const CURLcode rc = (curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why), curl_easy_perform(curl));
    long status = 0;
    json_t *problem;
    enum status st;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (rc != CURLE_OK)
        return error_set(err, ST_IO, "%s", why[0] ? why : curl_easy_strerror(rc));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status <= 299)
        return ST_OK;
    problem = reply->data ? json_loadb(reply->data, reply->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    st = fail(status, problem, err);
    json_decref(problem);
    return st;
}

enum status client_bytes(const char *method, const char *url, const char *content_type, const void *body,
                         size_t body_len, struct buf *reply, struct error *err)
{
    struct curl_slist *headers = headers_make(body ? content_type : NULL);
    CURL *curl = curl_easy_init();
    enum status st;

    if (!curl) {
        curl_slist_free_all(headers);
        return error_nomem(err);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY,
                     "localhost,127.0.0.1,::1"); /* no proxy reaches this machine's own */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_len);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    st = perform(curl, reply, err);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return st;
}

enum status client_json(const char *method, const char *url, const char *content_type, const void *body,
                        size_t body_len, json_t **ret_reply, struct error *err)
{
    struct buf reply = BUF_INIT(MAX_REPLY);
    json_t *json = NULL;
    enum status st = client_bytes(method, url, content_type, body, body_len, &reply, err);

    if (st == ST_OK && reply.data)
        json = json_loadb(reply.data, reply.len, JSON_REJECT_DUPLICATES, NULL);
    if (st == ST_OK && !json)
        st = error_set(err, ST_IO, "the server's answer is not JSON");
    if (st == ST_OK)
        *ret_reply = json;
    buf_release(&reply);
    return st;
}
