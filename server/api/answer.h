/* server/api/answer.h - what the operations that predict have in common: the picture of a request, the model that
 * answers, a session to run it in. */
#ifndef SERVER_API_ANSWER_H
#define SERVER_API_ANSWER_H

#include "prediction.h"
#include "serving.h"

struct answer {
    struct loaded_model *model;
    struct profile *profile; /* in force for it; NULL: none */
    bool named;              /* it was asked for by its id, and may not be the active one */
    bool canary;             /* it answers in place of the active one */
    int64_t epoch;           /* of the active one; 0: another was named */
    uint64_t patient;        /* a number of whose picture it is; 0: the request does not say */
    struct image image;
    struct prediction prediction;
};
#define ANSWER_INIT         \
    {                       \
        .image = IMAGE_INIT \
    }

/* The query parameters of an operation, beside the patient. */
struct answer_query {
    const char *finding; /* the parameter that names the finding to explain */
    bool required;       /* it must be there */
};

/* Refuse a request whose head alone says that the model that is active can make no answer of it.
 *   res  a refusal is not to be stored
 * Errors: ST_FORMAT, ST_INVALID. */
MUST_USE enum status answer_at_head(const struct serving *serving, const struct http_request *req,
                                    const struct answer_query *query, struct http_response *res,
                                    struct error *err);

/* Where a prediction is made: a route's `waits_in`. A model that is named and not loaded is loaded in a queue of its own, so that it keeps
 * no worker from the active one; a picture that another process decodes is waited for in another. */
enum queue answer_waits_in(struct app *app, const struct http_request *req);
enum queue preview_waits_in(struct app *app, const struct http_request *req); /* the same without a model */

/* Score the picture that a request carries. The findings that it names are those of the model that answers, which may be another
 * than that which was active when its head came, or the one that its query names.
 *   res  gets the problem's `errors` where a picture is refused
 *   ret  release it in any case
 * Errors: ST_FORMAT, ST_UNSUPPORTED, ST_LIMIT (the picture), ST_INVALID (the query, or what is said of the patient), ST_UNUSABLE (the
 * input gate, where it refuses), ST_BUSY (no model is active), ST_NUMERIC, ST_NOMEM; of a
 * model that is named registry_named()'s, with a status. */
MUST_USE enum status answer_make(const struct serving *serving, const struct http_request *req,
                                 const struct answer_query *query, struct http_response *res,
                                 struct answer *ret, struct error *err);

/* The picture that a request carries and nothing more: no model is needed, and what answer_make() refuses of a file, this refuses too.
 *   ret  its image and its timing; release it in any case
 * Errors: ST_FORMAT, ST_UNSUPPORTED, ST_LIMIT, ST_UNUSABLE, ST_BUSY (the decoder), ST_NOMEM. */
MUST_USE enum status answer_picture(const struct serving *serving, const struct http_request *req,
                                    struct http_response *res, struct answer *ret, struct error *err);

/* Score one DICOM file, which lies in the body of a request, and of which nothing is said beside it. Errors: as answer_make()'s;
 * ST_UNUSABLE of a model that sees no picture. */
MUST_USE enum status answer_dicom(const struct serving *serving, const struct http_request *req,
                                  const void *bytes, size_t n, struct answer *ret, struct error *err);

/* Make the map of a finding of what answer_dicom() has scored: its prediction is explained then, and else the same. Errors: ST_NUMERIC,
 * ST_NOMEM. */
MUST_USE enum status answer_explain(const struct serving *serving, size_t label, struct answer *a,
                                    struct error *err);

/* Tell the log line and the audit which model answered, and how long it took. */
void answer_note(const struct answer *a, struct http_response *res);
void answer_release(struct answer *a); /* safe on ANSWER_INIT and twice */

#endif
