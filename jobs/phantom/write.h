/* jobs/phantom/write.h - the phantom's two tables as NIH writes them. */
#ifndef JOBS_PHANTOM_WRITE_H
#define JOBS_PHANTOM_WRITE_H

#include "case.h"
#include "cxrd/phantom.h"

#define PHANTOM_TABLE "Data_Entry_2017.csv"
#define PHANTOM_BOXES "BBox_List_2017.csv"

/* "00000012_003.png": patient and follow-up. */
#define PHANTOM_NAME_SIZE 32
const char *phantom_name(const struct phantom_case *row, char name[PHANTOM_NAME_SIZE]);

/* Write OUT/Data_Entry_2017.csv and OUT/BBox_List_2017.csv; `boxes` [images] in image widths.
 * Errors: ST_IO, ST_NOMEM, ST_LIMIT. */
MUST_USE enum status phantom_write_table(const struct phantom_options *o, const struct phantom_case *cases,
                                         struct error *err);
MUST_USE enum status phantom_write_boxes(const struct phantom_options *o, const struct phantom_case *cases,
                                         struct box (*boxes)[N_NIH_LABELS], struct error *err);

#endif
