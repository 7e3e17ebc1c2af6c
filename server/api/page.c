/* server/api/page.c - the page, the API reference and what they are made of: files that the build embedded. */
#include "app.h"
#include "ui_files.h"

#include <string.h>

/* Nothing from elsewhere, nothing inline, in no frame: what a page shows cannot become a script. Pictures that were
 * chosen are shown from memory (blob:). */
#define POLICY                                                                                            \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static enum status send_file(const char *name, size_t length, struct http_response *res, struct error *err)
{
    for (size_t i = 0; i < N_UI_FILES; i++) {
        const struct ui_file *f = &UI_FILES[i];

        if (strlen(f->name) != length || memcmp(f->name, name, length) != 0)
            continue;
        res->content_type = f->type;
        http_header_add(res, "Content-Security-Policy", "%s", POLICY);
        http_header_add(res, "Cache-Control",
                        "no-cache"); /* another version of the program has other files */
        http_header_add(res, "Referrer-Policy", "no-referrer");
        http_header_add(res, "Cross-Origin-Opener-Policy", "same-origin");
        buf_put(&res->body, f->bytes, *f->size);
        return buf_status(&res->body);
    }
    return error_set(err, ST_NOTFOUND, "there is nothing at this path");
}

enum status page_get(struct app *app, const struct http_request *req, struct http_response *res,
                     struct error *err)
{
    (void)app, (void)req;
    return send_file("index.html", strlen("index.html"), res, err);
}

enum status docs_get(struct app *app, const struct http_request *req, struct http_response *res,
                     struct error *err)
{
    (void)app, (void)req;
    return send_file("docs.html", strlen("docs.html"), res, err);
}

enum status ui_get(struct app *app, const struct http_request *req, struct http_response *res,
                   struct error *err)
{
    const char *name = strrchr(req->path, '/') + 1; /* the route has one */

    (void)app;
    return send_file(name, strlen(name), res, err);
}
