/* server/api/patient.c - see patient.h. */
#include "patient.h"

#include <math.h>

_Static_assert(PARAMETER_TEXT >= 2 * (int)LABELS_TEXT_SIZE, "a history of all findings that there may be");

enum status patient_parse(const struct http_request *req, const struct labels *labels,
                          struct input_values *ret, struct error *err)
{
    enum status st = ST_OK;

    *ret = INPUTS_UNKNOWN;
    for (size_t field = 0; field < N_INPUT_FIELDS && st == ST_OK; field++) {
        char text[PARAMETER_TEXT];

        if (http_parameter(req, INPUT_NAMES[field], text) && text[0])
            st = input_parse(field, text, labels, ret, err);
    }
    return st;
}

static void warn_unused(size_t field, json_t *warnings)
{
    json_array_append_new(warnings, json_pack("{s:s,s:o}", "code", "unused_input", "detail",
                                              json_sprintf("this model takes no '%s': what was said of it "
                                                           "changes nothing",
                                                           INPUT_NAMES[field])));
}

/* Of each kind that the request says and the model does not take. A file may say more than is wanted. */
static void unused_warnings(unsigned kinds, const struct input_values *values, unsigned from_file,
                            json_t *warnings)
{
    for (size_t kind = 0; kind < INPUT_HISTORY; kind++)
        if (!((kinds | from_file) >> kind & 1) && input_given(kind, values))
            warn_unused(kind, warnings);
    if (!(kinds >> INPUT_COURSE & 1) && input_given(INPUT_COURSE, values))
        warn_unused(INPUT_COURSE, warnings);
    if (kinds >> INPUT_HISTORY & 1)
        return;
    if (input_given(INPUT_HISTORY, values))
        warn_unused(INPUT_HISTORY, warnings);
    else if (input_given(INPUT_HISTORY_LAST, values))
        warn_unused(INPUT_HISTORY_LAST, warnings);
}

static void warn(size_t field, const char *instead, json_t *warnings)
{
    json_array_append_new(warnings,
                          json_pack("{s:s,s:o}", "code", "missing_input", "detail",
                                    json_sprintf("this model takes '%s' too, which is not given: %s",
                                                 INPUT_NAMES[field], instead)));
}

static const char MEAN[] = "the mean of its training rows is taken";

static void warn_of_history(unsigned kinds, const struct input_values *values, json_t *warnings)
{
    const bool ever = input_given(INPUT_HISTORY, values), last = input_given(INPUT_HISTORY_LAST, values);

    if (!(kinds >> INPUT_HISTORY & 1) || (ever && last))
        return;
    if (ever == last)
        warn(INPUT_HISTORY, MEAN, warnings);
    else
        warn(ever ? INPUT_HISTORY_LAST : INPUT_HISTORY,
             "what it is on the average beside the other half of the history is taken", warnings);
}

void patient_warnings(const struct model *m, const struct input_values *values, unsigned from_file,
                      json_t *warnings)
{
    const unsigned kinds = inputs_kinds(model_inputs(m));

    unused_warnings(kinds, values, from_file, warnings);
    for (size_t kind = 0; kind < INPUT_HISTORY; kind++)
        if (kinds >> kind & 1 && !input_given(kind, values))
            warn(kind, MEAN, warnings);
    if (kinds >> INPUT_COURSE & 1 && !input_given(INPUT_COURSE, values))
        warn(INPUT_COURSE,
             kinds >> INPUT_HISTORY & 1 && input_given(INPUT_HISTORY, values)
                 ? "what it is on the average beside the history is taken"
                 : MEAN,
             warnings);
    warn_of_history(kinds, values, warnings);
}
