/* server/dicom/sr.h - a prediction as a structured report: Comprehensive 3D SR with the root template TID 1500, as IHE's profile AI
 * Results has it (IHE RAD, AIR; PS3.16, TID 1500, 1501, 1600, 4019). It is unverified, partial and preliminary: nobody has
 * looked at it. docs/results.md shows one. */
#ifndef SERVER_DICOM_SR_H
#define SERVER_DICOM_SR_H

#include "result.h"

enum sr_verdict { SR_NO_VERDICT, SR_BELOW, SR_ABOVE };

struct sr_finding {
    const char *label;
    double probability; /* 0..1 */
    enum sr_verdict verdict;
    double threshold; /* of the verdict; not read without one */
};

/* Texts are UTF-8; what the picture's character set has not is a question mark. */
struct sr_report {
    const char *architecture;          /* of the model */
    const struct sr_finding *findings; /* [n_findings], in the order to be shown */
    size_t n_findings;
    const char *const *comments; /* [n_comments], sentences */
    size_t n_comments;
};

/* Append the report to `out`, as a file. Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status sr_write(const struct result *result, const struct sr_report *report, struct buf *out,
                              struct error *err);

#endif
