/* server/api/patient.h - what a request says of the patient beside the picture: age, sex, view, history. */
#ifndef SERVER_API_PATIENT_H
#define SERVER_API_PATIENT_H

#include "../http/http.h"
#include "cxrd/inputs.h"
#include "cxrd/model.h"

/* The fields of INPUT_NAMES, of the query or of a form, for a model of these findings; NaN where one is in neither. Errors:
 * ST_INVALID. */
MUST_USE enum status patient_parse(const struct http_request *req, const struct labels *labels,
                                   struct input_values *ret, struct error *err);

/* Append a warning for each thing that the model asks for and nobody said, and for each that the request says and the model does not
 * take.
 *   from_file  what the picture's file says, as bits of enum input_kind */
void patient_warnings(const struct model *m, const struct input_values *values, unsigned from_file,
                      json_t *warnings);

#endif
