/* server/api/page.c - the page, the API reference, the contract and what they are made of: files that the build embedded,
 * sent from where they are. */
#include "../http/accept.h"
#include "handlers.h"
#include "ui_files.h"

#include <string.h>

/* Nothing from elsewhere, nothing inline, in no frame: what a page shows cannot become a script. Pictures that were
 * chosen are shown from memory (blob:). */
#define POLICY                                                                                            \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* ---- which form ---- */

static bool takes_gzip(const char *accepted)
{
    static const char *const NAMES[] = { "gzip", "*", NULL };

    return accept_weight(accepted, NAMES) > 0;
}

/* Whether an If-None-Match names this form: a list of quoted ones, each perhaps behind a W/, or "*". */
static bool is_known(const char *none_match, const char *etag)
{
    return strstr(none_match, etag) || strcmp(none_match, "*") == 0;
}

/* ---- sending ---- */

static void send_form(const struct ui_file *f, const struct http_request *req, struct http_response *res)
{
    const bool gzip = takes_gzip(req->accept_encoding);
    const struct ui_form *form = gzip ? &f->gzip : &f->plain;

    http_header_add(res, "Content-Security-Policy", "%s", POLICY);
    http_header_add(res, "Cache-Control",
                    "no-cache"); /* another version of the program has other files: ask */
    http_header_add(res, "Referrer-Policy", "no-referrer");
    http_header_add(res, "Cross-Origin-Opener-Policy", "same-origin");
    http_header_add(res, "ETag", "%s", form->etag);
    http_header_add(res, "Vary", "Accept-Encoding");
    if (is_known(req->if_none_match, form->etag)) {
        res->status = 304;
        return;
    }
    if (gzip)
        http_header_add(res, "Content-Encoding", "gzip");
    res->content_type = f->type;
    res->lent = (struct http_lent){ .bytes = form->bytes, .size = *form->size };
}

static enum status send_file(const char *name, const struct http_request *req, struct http_response *res,
                             struct error *err)
{
    for (size_t i = 0; i < N_UI_FILES; i++)
        if (strcmp(UI_FILES[i].name, name) == 0) {
            send_form(&UI_FILES[i], req, res);
            return ST_OK;
        }
    return error_set(err, ST_NOTFOUND, "there is nothing at this path");
}

enum status page_get(struct app *app, const struct http_request *req, struct http_response *res,
                     struct error *err)
{
    (void)app;
    return send_file("index.html", req, res, err);
}

enum status docs_get(struct app *app, const struct http_request *req, struct http_response *res,
                     struct error *err)
{
    (void)app;
    return send_file("docs.html", req, res, err);
}

enum status openapi_get(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    (void)app;
    return send_file("openapi.yaml", req, res, err);
}

enum status ui_get(struct app *app, const struct http_request *req, struct http_response *res,
                   struct error *err)
{
    (void)app;
    return send_file(strrchr(req->path, '/') + 1, req, res, err); /* the route has one */
}
