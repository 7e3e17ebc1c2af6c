/* jobs/dataset/history.h - what earlier films of a patient showed. */
#ifndef JOBS_DATASET_HISTORY_H
#define JOBS_DATASET_HISTORY_H

#include "cxrd/dataset.h"

/* Fill in history_known, earlier, ever, last, films and course of every row, after rows of one picture were joined. Earlier than a row are the rows of
 * the same patient with a smaller follow_up; never one with the same, which may be another view of the same day. All rows of
 * the table count as films, whether they will be learned from or not and whether there is a picture: what was found stands in
 * the table. Films of one time count as one. A row without a patient or a follow_up has no history that is known, and is nobody's earlier film. A first film's
 * history is known: nothing. Errors: ST_NOMEM. */
MUST_USE enum status table_history(struct table *t);

#endif
