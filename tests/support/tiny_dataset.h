/* tests/support/tiny_dataset.h - a data set in NIH layout, small enough to be trained on in a blink: a table and
 * 64 x 64 pictures whose findings can be seen in them.
 *
 * Row i is picture i % 2 of patient i / 2 + 1. The rows with findings come first, then the normal ones. The findings of
 * row i follow from i alone, so a test knows the truth without reading the table. */
#ifndef TESTS_TINY_DATASET_H
#define TESTS_TINY_DATASET_H

#include "cxrd/train_config.h"

#include <stddef.h>
#include <stdint.h>

enum { TINY_SIZE = 64, TINY_CYCLE = 5 /* rows i and i + 5 have the same findings */ };

/* Make "<datasets>/tiny": `n_rows` rows with findings, then `n_normal` without, a picture for each. */
void tiny_dataset(const char *datasets, size_t n_rows, size_t n_normal);

const char *tiny_findings(size_t row);                         /* "Effusion|Mass" */
uint64_t tiny_labels(size_t row);                              /* the same as bits */
const char *tiny_image(size_t row);                            /* "00000001_000.png", in static memory */
const char *tiny_image_path(const char *datasets, size_t row); /* see path_in() */

/* Write one of its pictures, as tiny_dataset() does. */
void tiny_picture(const char *path, size_t row);

/* The job {"dataset":"tiny","image_size":64,"batch_size":8,"epochs":1} with `changes`, a JSON object, merged in; as
 * JSON (a new reference), and parsed. */
json_t *tiny_job(const char *changes);
struct train_config tiny_config(const char *changes);

#endif
