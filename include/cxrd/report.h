/* include/cxrd/report.h - a training's report: one HTML page that asks for nothing from anywhere.
 *
 * Tables can be read without JavaScript; a script inside the page draws the pictures with Chart.js, which the build
 * embeds. A Content-Security-Policy with the digests of the page's own scripts and style keeps everything else out,
 * whatever names a data set has. */
#ifndef CXRD_REPORT_H
#define CXRD_REPORT_H

#include "cxrd/buf.h"
#include "cxrd/trainer.h"

#include <jansson.h>

/* Nine pictures and two for each of REPORT_WORST_FINDINGS, of at most REPORT_PICTURE_SIDE pixels a side, and the figures of
 * MAX_LABELS findings fit. */
enum { REPORT_MAX_BYTES = 32 << 20, REPORT_PICTURE_SIDE = 256, REPORT_WORST_FINDINGS = 16 };

/* The whole page is to stay inside: it holds radiographs, names of their files and rows of the table. The copy for mailing is
 * the same page without these; every figure of it is one of the whole page's. */
enum report_form { REPORT_WHOLE, REPORT_MAIL, N_REPORT_FORMS };
extern const char *const REPORT_FORM_NAMES[N_REPORT_FORMS]; /* "whole", "mail" */
extern const char *const REPORT_FILES[N_REPORT_FORMS];      /* "report.html", "report_mail.html" */

/* Write the page.
 *   record  a job's record, as far as it came: what is missing is left out
 *   plots   what the trainer collected for the pictures (train_result.plots); NULL: none
 * Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status report_write(const json_t *record, const json_t *plots, enum report_form form,
                                  struct buf *out);

/* Write the report of a training that ends, both forms of it, so that no crash leaves half of a page.
 *   paths  where each form goes
 *   job    its record with its configuration, and what else is known of it: id, state, times
 *   model  the kept one, whose digest the page names; NULL: none
 *   plots  as above
 * Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status report_save(const char *const paths[N_REPORT_FORMS], const json_t *job,
                                 const struct model *model, const json_t *plots, struct error *err);

#endif
