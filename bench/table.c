/* bench/table.c - how long a job thinks about its table before it looks for the first picture. */
#include "bench.h"

#include "cxrd/dataset.h"
#include "cxrd/file.h"

#include <stdio.h>
#include <stdlib.h>

static void check(enum status st, const struct error *err)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "bench: %s\n", err->text);
    exit(EXIT_FAILURE);
}

static void read_filter_split(void *arg)
{
    const struct split_options options = {
        .by = SPLIT_IMAGE, .test_fraction = 0.1, .val_fraction = 0.2, .seed = 1
    };
    struct file_bytes file = FILE_BYTES_INIT;
    struct table table = TABLE_INIT;
    struct rows rows = ROWS_INIT;
    struct split split = SPLIT_INIT;
    struct dataset_report report = { 0 };
    struct error err = { 0 };

    check(file_read(arg, TABLE_MAX_BYTES, &file, &err), &err);
    check(table_read(file.data, file.size, "the table", &NIH_LABELS, &table, &err), &err);
    check(table_filter(&table, 120, true, false, &rows, NULL, &report, &err), &err);
    check(split_make(&table, &rows, &options, &split, &report, &err), &err);
    split_release(&split);
    rows_release(&rows);
    table_release(&table);
    file_bytes_release(&file);
}

struct timing measure_table(const char *path, double seconds)
{
    return measure(read_filter_split, (void *)path, seconds, 5);
}
