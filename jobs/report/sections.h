/* jobs/report/sections.h - the parts of the page, in its order. Each writes nothing where the record has nothing for it.
 * `record` and `plots` as in cxrd/report.h. */
#ifndef JOBS_REPORT_SECTIONS_H
#define JOBS_REPORT_SECTIONS_H

#include "cxrd/buf.h"
#include "cxrd/report.h"

#include <jansson.h>

/* The page's <title>, and its <header>. */
void title_put(struct buf *out, const json_t *record);
void heading_put(struct buf *out, const json_t *record, enum report_form form);

/* A list of the sections of `body`, with links, and `body` with the anchors that these lead to: each section's begin,
 * "<section><h2>", gets one. */
void contents_put(struct buf *out, const struct buf *body);

/* A record of a job that scored a data set with a model that was there before. */
bool is_validation(const json_t *record);
void section_validation(struct buf *out, const json_t *record); /* in place of section_summary() */

void section_kept(struct buf *out, const json_t *record); /* what profiles kept on its rows */

/* Of both: warnings, whether it has learned, a row of a measure beside that of the base rates. */
void warnings_put(struct buf *out, const json_t *warnings);
void learning_put(struct buf *out, const json_t *learning);
void compared_put(struct buf *out, const char *name, const json_t *ours, const json_t *base);

void section_summary(struct buf *out, const json_t *record);
void section_table(struct buf *out, const json_t *record);
void section_data(struct buf *out, const json_t *record, const json_t *plots);
void flow_put(struct buf *out, const json_t *data); /* of section_data() */
void section_training(struct buf *out, const json_t *record);
void section_quality(struct buf *out, const json_t *record, const json_t *plots);
void section_proportions(struct buf *out, const json_t *record);
void section_by_sample(struct buf *out, const json_t *record);
void section_tsne(struct buf *out, const json_t *plots);
void section_operating(struct buf *out, const json_t *record);
void section_decision(struct buf *out, const json_t *record);
void section_worst(struct buf *out, const json_t *record, const json_t *plots);

/* The words after "as the network sees them" where the pictures of the page are smaller than its input. */
const char *smaller_than_seen(const json_t *record);
void section_groups(struct buf *out, const json_t *record);
void section_origin(struct buf *out, const json_t *record);
void section_downloads(struct buf *out, const json_t *record);

/* The curves of section_proportions(), for the page's script: {"actual","predicted"}, each [{"x","y"},…] over the findings,
 * the first at 0, or null. */
json_t *proportions_json(const json_t *record);

#endif
