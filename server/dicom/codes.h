/* server/dicom/codes.h - what a report says in codes (PS3.16): of SNOMED CT ("SCT"), of DICOM itself ("DCM"), units ("UCUM"), and
 * our own ("99CXRD"), which docs/results.md explains. docs/results.md also says of each where it was looked up. */
#ifndef SERVER_DICOM_CODES_H
#define SERVER_DICOM_CODES_H

#include "charset.h"
#include "cxrd/labels.h"

struct dicom_code {
    const char *value, *scheme, *meaning;
};

#define CODE_SCHEME_OWN          "99CXRD"
#define CODE_OWN(value, meaning) ((struct dicom_code){ value, CODE_SCHEME_OWN, meaning })
#define CODE_DCM(value, meaning) ((struct dicom_code){ value, "DCM", meaning })
#define CODE_SCT(value, meaning) ((struct dicom_code){ value, "SCT", meaning })

/* Room for the code of a finding that only its name tells. */
struct finding_code {
    char value[17]; /* SH */
    char meaning[LABEL_SIZE];
    struct dicom_code code; /* which may point to these */
};

/* The code of a finding by its name: one of a standard where that surely means the same; else one of our own, which is made of
 * the name, so that the same name has the same code everywhere. Its meaning is the name as charset_show() has it.
 * Errors: ST_NOMEM. */
MUST_USE enum status finding_code_of(const char *label, enum charset_kind kind, struct finding_code *ret);

#endif
