/* server/dicom/result.h - what all results have in common: whose they are, and which study an archive is to file them in. */
#ifndef SERVER_DICOM_RESULT_H
#define SERVER_DICOM_RESULT_H

#include "charset.h"
#include "cxrd/image.h"
#include "uids.h"
#include "writer.h"

/* Says of every result that it is one of ours: a picture with it is not looked at, so an archive that sends back what it was
 * given goes in no circle. */
#define RESULT_MANUFACTURER "cxrd"

/* Why there can be no result: `reason` of a problem. */
#define RESULT_NO_STUDY "study"

enum result_kind { RESULT_REPORT, RESULT_PICTURE };

struct result {
    enum result_kind kind;
    const struct image_source *source; /* borrowed: the picture that was looked at */
    const char *model;                 /* borrowed: the SHA-256 of the model that did */
    unsigned number;                   /* of the instance in its series, 1 and up */
    enum charset_kind charset;
    char sop_instance[UID_SIZE]; /* another one each time */
    char series[UID_SIZE];       /* the same for all of this kind, model, program and study */
    char date[9], time[16];      /* now, UTC */
};

/* Make ready a result for a picture.
 *   source  of IMAGE_DICOM
 * Errors: ST_UNUSABLE with RESULT_NO_STUDY (the file does not say where it belongs), ST_NOMEM. */
MUST_USE enum status result_prepare(struct result *r, enum result_kind kind,
                                    const struct image_source *source, const char *model, unsigned number,
                                    struct error *err);

const char *result_sop_class(enum result_kind kind);

/* Begin the file and write all that comes before what is the kind's own: groups 0002 to 0020. */
void result_begin(const struct result *r, struct dicom_writer *w, struct buf *out);

#endif
