/* server/api/source.h - what the file of a picture says of it, beside its pixels: which inputs that fills, what is to be said of
 * it, and whether it is a picture to be asked about at all. A PNG says nothing. */
#ifndef SERVER_API_SOURCE_H
#define SERVER_API_SOURCE_H

#include "cxrd/image.h"
#include "cxrd/inputs.h"
#include "cxrd/status.h"

#include <jansson.h>

/* Which pictures are refused. A file that cannot be decoded or is no radiograph always is. */
enum input_policy {
    POLICY_FRONTAL, /* a file that says that it shows no frontal chest */
    POLICY_WARN,    /* nothing more: there is a warning instead */
    POLICY_REJECT,  /* as POLICY_FRONTAL, and what the input gate warns of */
};

/* By its name; NULL: POLICY_FRONTAL. Errors: ST_INVALID (for an option's check). */
MUST_USE enum status input_policy_parse(const char *name, enum input_policy *ret, struct error *err);

/* Errors: ST_UNUSABLE, with reason "body_part" or "view". */
MUST_USE enum status source_judge(const struct image_source *s, enum input_policy policy, struct error *err);

/* The warnings about a picture. Under POLICY_WARN they include the reasons for which other policies refuse it. */
enum source_code {
    SOURCE_BODY_PART,
    SOURCE_VIEW,
    SOURCE_UNKNOWN_BODY_PART,
    SOURCE_NO_VOI,
    SOURCE_LOSSY,
    SOURCE_BURNED_IN,
    SOURCE_REORIENTED,
    N_SOURCE_CODES
};
extern const char *const SOURCE_CODES[N_SOURCE_CODES]; /* "body_part" … */

struct source_warnings {
    size_t n;
    enum source_code codes[N_SOURCE_CODES];
    char details[N_SOURCE_CODES][160]; /* a sentence each */
};
void source_check(const struct image_source *s, struct source_warnings *ret);

/* Age, sex and view into `values`, where they are not there yet. Returns which, as bits of enum input_kind. An age is of whole years,
 * as input_read() has it. */
unsigned source_fill(const struct image_source *s, struct input_values *values);

/* Add what is told of it to an answer's `image`; of a PNG nothing. */
void source_tell(const struct image_source *s, json_t *image);

/* "png", "jpeg", "dicom" */
const char *image_format_name(enum image_format format);

#endif
