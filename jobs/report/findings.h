/* jobs/report/findings.h - the findings that a record is of, and what the page has once for each of them. */
#ifndef JOBS_REPORT_FINDINGS_H
#define JOBS_REPORT_FINDINGS_H

#include "cxrd/buf.h"
#include "cxrd/labels.h"

#include <jansson.h>

/* Fewer are too few for a smooth curve; more cannot be told apart by colour, nor named in a chart or a table of the usual size.
 * page.js has the same numbers. */
enum { FEW_FINDINGS = 6, MANY_FINDINGS = 20 };

struct findings {
    size_t n;
    const char *names[MAX_LABELS]; /* [n], as the record has them: html_text() is for them too. Borrowed */
    /* The name of a row without any: "No Finding" only where all of NIH_LABELS are among them, since a row may have one of
     * these that the job did not ask for. */
    const char *none;
};

/* Those of "config.labels"; the 14 of NIH_LABELS where the record has no such member: it is of an older version. */
struct findings findings_of(const json_t *record);

/* Findings that come together, "Mass + Nodule"; of an empty list, f->none. */
void labels_put(struct buf *out, const struct findings *f, const json_t *labels);

/* The member of "findings" that is of the finding `k`; NULL where it is not there. */
const json_t *finding_at(const json_t *split, size_t k);

/* A small chart of the finding `k`, which the page's script draws, up to its name in the caption.
 *   id             of the canvas, before its number
 *   before, after  what it shows, for whom cannot see it: the name stands between them */
void finding_chart_begin(struct buf *out, const char *id, size_t k, const char *name, const char *before,
                         const char *after);
void finding_chart_end(struct buf *out);

#endif
