/* server/api/patient.c - see patient.h. */
#include "patient.h"

#include "../http/multipart.h"

#include <math.h>

/* The value of a query parameter or form field; "": it is in neither. */
static enum status find(const struct http_request *req, const struct multipart *form, const char *name,
                        char ret[HTTP_TEXT], struct error *err)
{
    enum status st;

    ret[0] = '\0';
    if (http_query(req, name, ret) || !form)
        return ST_OK;
    st = multipart_field(form, name, ret, HTTP_TEXT, err);
    return st == ST_NOTFOUND ? ST_OK : st;
}

enum status patient_parse(const struct http_request *req, struct input_values *ret, struct error *err)
{
    const bool is_form = multipart_is(req->content_type);
    struct multipart form = { .n = 0 };
    enum status st =
        is_form ? multipart_parse(req->content_type, req->body, req->body_len, &form, err) : ST_OK;

    *ret = INPUTS_UNKNOWN;
    if (st == ST_LIMIT)
        st = ST_FORMAT;
    for (int kind = 0; kind < N_INPUT_KINDS && st == ST_OK; kind++) {
        char text[HTTP_TEXT];

        st = find(req, is_form ? &form : NULL, INPUT_NAMES[kind], text, err);
        if (st == ST_OK && text[0])
            st = input_parse((enum input_kind)kind, text, &ret->of[kind], err);
    }
    return st;
}

void patient_warnings(const struct model *m, const struct input_values *values, json_t *warnings)
{
    const struct inputs *in = model_inputs(m);

    for (size_t i = 0; i < in->n; i++)
        if (isnan(values->of[in->of[i].kind]))
            json_array_append_new(
                warnings,
                json_pack("{s:s,s:o}", "code", "missing_input", "detail",
                          json_sprintf("this model takes '%s' too, which is not given: the mean of its "
                                       "training rows is taken",
                                       INPUT_NAMES[in->of[i].kind])));
}
