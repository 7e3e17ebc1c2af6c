/* jobs/dataset/division.h - how a data set itself says which of its rows are tested. */
#ifndef JOBS_DATASET_DIVISION_H
#define JOBS_DATASET_DIVISION_H

#include "cxrd/table_format.h"

#define TEST_LIST "test_list.txt"

enum division {
    DIVISION_LISTS,  /* by lists of pictures, TEST_LIST and others, if at all */
    DIVISION_COLUMN, /* by a table of the pictures and their parts: MIMIC's "-split.csv" */
    DIVISION_TABLES, /* by a table of those that are tested: CheXpert's "valid.csv" */
};

/* Which of these there are.
 *   root       of the data set, a descriptor
 *   ret_table  the path of the table, of all but DIVISION_LISTS */
enum division division_of(int root, enum table_format format, const char *csv, char ret_table[TABLE_PATH]);

#endif
