/* server/api/archive.c - see archive.h; STOW-RS is PS3.18, section 10.5. */
#include "archive.h"

#include "../secret_line.h"
#include "cxrd/log.h"
#include "cxrd/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_BYTES = 32 << 20,
    KEPT_SECONDS = 3600,
    MAX_AUTHORIZATION = 1024,
    FRAME = 256, /* bytes of a multipart body beside the file in it */
};

struct archive {
    const struct outgoing *outgoing;
    char url[OUTGOING_MAX_URL];            /* of its studies; "": there is no archive */
    char authorization[MAX_AUTHORIZATION]; /* the header's whole line; "": no header is sent */
    struct kept *kept;                     /* where there is no archive */
};

/* The header's whole line. `value` is such as "Basic dXNlcjpwYXNzd29yZA==". */
static enum status authorization_write(const char *value, char ret[MAX_AUTHORIZATION], struct error *err)
{
    const size_t n = strlen(value);

    if (n == 0 || n > MAX_AUTHORIZATION - 32)
        return error_set(err, ST_INVALID,
                         "--dicomweb-authorization: the first line must be as the header has it, Basic or "
                         "Bearer and what follows");
    for (size_t i = 0; i < n; i++)
        if (value[i] < ' ' || value[i] > '~')
            return error_set(err, ST_INVALID,
                             "--dicomweb-authorization: the first line has a byte that no header may have");
    snprintf(ret, MAX_AUTHORIZATION, "Authorization: %s", value);
    return ST_OK;
}

static enum status read_authorization(const char *path, char ret[MAX_AUTHORIZATION], struct error *err)
{
    char *line = NULL;
    enum status st = secret_line_read(path, &line, err);

    if (st == ST_OK)
        st = authorization_write(line, ret, err);
    secret_free(line);
    return st;
}

/* "https://pacs.example/dicom-web/" -> "https://pacs.example/dicom-web/studies" */
static enum status set_url(struct archive *a, const char *url, struct error *err)
{
    size_t n = strlen(url);

    while (n > 0 && url[n - 1] == '/')
        n--;
    if ((size_t)snprintf(a->url, sizeof a->url, "%.*s/studies", (int)n, url) >= sizeof a->url)
        return error_set(err, ST_INVALID, "--dicomweb-results is too long");
    return outgoing_check(a->outgoing, OUTGOING_RESULT, a->url, err);
}

enum status archive_open(const struct outgoing *outgoing, const char *url, const char *authorization,
                         struct archive **ret_archive, struct error *err)
{
    struct archive *a = calloc(1, sizeof *a);
    enum status st = ST_OK;

    if (!a)
        return error_nomem(err);
    a->outgoing = outgoing;
    if (!url && kept_new(KEPT_BYTES, KEPT_SECONDS, &a->kept) != ST_OK)
        st = error_nomem(err);
    if (url)
        st = set_url(a, url, err);
    if (st == ST_OK && authorization)
        st = read_authorization(authorization, a->authorization, err);
    if (st != ST_OK) {
        archive_close(a);
        return st;
    }
    *ret_archive = a;
    return ST_OK;
}

void archive_close(struct archive *a)
{
    if (!a)
        return;
    kept_free(a->kept);
    secret_free(a);
}

bool archive_keeps(const struct archive *a) { return a->kept != NULL; }

/* ---- sending ---- */

/* The meaning of the archive's answer. The client may ask again where it helps. */
static enum status judge(long status, struct error *err)
{
    if (status >= 200 && status <= 299)
        return ST_OK;
    return error_set(err, status == 429 || status >= 500 ? ST_BUSY : ST_UNUSABLE,
                     "the archive answered %ld to the result", status);
}

static enum status post(const struct archive *a, const struct buf *body, struct error *err)
{
    const char *const headers[] = { "Content-Type: " RELATED_TYPE, "Accept: application/dicom+json",
                                    a->authorization[0] ? a->authorization : NULL, NULL };
    const struct outgoing_request request = { .use = OUTGOING_RESULT,
                                              .url = a->url,
                                              .headers = headers,
                                              .body = body->data,
                                              .body_len = body->len,
                                              .seconds = ARCHIVE_SECONDS };
    struct error why = { 0 };
    long status = 0;
    enum status st = outgoing_send(a->outgoing, &request, &status, &why);

    if (st == ST_OK)
        st = judge(status, &why);
    else if (st != ST_NOMEM)
        st = ST_BUSY;
    if (st == ST_OK)
        return ST_OK;
    log_error(LOG_WARN, "a result was not delivered",
              &why); /* where the archive is, is no client's business */
    return error_set(err, st, "%s",
                     st == ST_UNUSABLE ? "the archive does not take the result"
                                       : "the result could not be delivered to the archive");
}

static enum status send_result(const struct archive *a, struct buf *result, struct error *err)
{
    struct buf body = BUF_INIT(result->len + FRAME);
    enum status st;

    body.secret = true;
    related_part(&body, result->data, result->len);
    related_end(&body);
    st = buf_status(&body);
    st = st == ST_OK ? post(a, &body, err) : error_nomem(err);
    buf_release(&body);
    buf_release(result);
    return st;
}

enum status archive_deliver(struct archive *a, const char *who, const struct image_source *picture,
                            struct buf *result, struct error *err)
{
    enum status st;

    if (!a->kept)
        return send_result(a, result, err);
    st = kept_add(a->kept, who, picture->study_uid, picture->sop_instance_uid, result);
    return st == ST_OK ? ST_OK : error_set(err, st, "the result could not be kept: %s", status_text(st));
}

enum status archive_fetch(struct archive *a, const char *who, const char *study, struct buf *out,
                          struct error *err)
{
    const enum status st = a->kept ? kept_write(a->kept, who, study, out) : ST_NOTFOUND;

    if (st == ST_NOTFOUND)
        return error_set(err, st, "no result of this study waits here");
    return st == ST_OK ? ST_OK : error_set(err, st, "the results could not be written: %s", status_text(st));
}
