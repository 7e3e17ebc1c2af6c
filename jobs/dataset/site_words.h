/* jobs/dataset/site_words.h - a format as a table of another site has it: with words of its own, and maybe without some findings. */
#ifndef JOBS_DATASET_SITE_WORDS_H
#define JOBS_DATASET_SITE_WORDS_H

#include "format.h"

/* The format's spec with the site's words before its own.
 *   site        NULL: as it is
 *   ret_memory  what the result points to beside `spec`, for free()
 * Errors: ST_NOMEM. */
MUST_USE enum status site_spec(const struct format_spec *spec, const struct site_words *site,
                               struct format_spec *ret, struct meaning **ret_memory);

/* Which findings the table has; of the others nothing is known of any row. After findings_settle(), before table_history().
 *   columns  findings that it has a column of */
void site_settle(const struct site_words *site, uint64_t columns, struct table *t);

#endif
