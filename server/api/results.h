/* server/api/results.h - a prediction in the form in which an archive keeps it: DICOM, beside the picture that it is about. */
#ifndef SERVER_API_RESULTS_H
#define SERVER_API_RESULTS_H

#include "../dicom/result.h"
#include "../http/http.h"
#include "answer.h"

#include <jansson.h>

#define DICOM_TYPE "application/dicom"

/* Choose between DICOM and the form that an operation has anyway, by the request's Accept. DICOM is for those who name it, and do not
 * rather want the other; a picture that came as something else, or without a study, has none.
 *   own         the names of the other form, see accept_weight()
 *   number      of the instance among those of the picture, 1 and up
 *   ret_wanted  whether *ret is ready to be written; it lives no longer than `a`
 * Errors: ST_UNSUPPORTED with status 406 (only DICOM is wanted, and the picture came as something else), ST_UNUSABLE (its file does not say where it
 * belongs), ST_NOMEM. */
MUST_USE enum status results_choose(const struct http_request *req, const struct answer *a,
                                    enum result_kind kind, unsigned number, const char *const *own,
                                    struct http_response *res, struct result *ret, bool *ret_wanted,
                                    struct error *err);

/* Append a prediction, as the contract's JSON has it, as a structured report, or a map as a picture. The object names a patient:
 * `out` should be secret. Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status results_report(const struct result *r, const json_t *prediction, struct buf *out,
                                    struct error *err);
MUST_USE enum status results_map(const struct result *r, const struct answer *a, struct buf *out,
                                 struct error *err);

#endif
