/* tests/support/table_case.h - tables of a few rows, read as a data set's is, and what is said of those that are refused. */
#ifndef SUPPORT_TABLE_CASE_H
#define SUPPORT_TABLE_CASE_H

#include "cxrd/dataset.h"

#include <stddef.h>
#include <stdint.h>

#define HEADER "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\n"

/* In a block of exactly its size, so that a sanitizer sees a read beyond it. */
enum status read_exact(const void *bytes, size_t n, struct table *t, struct error *err);
struct table table_of(const char *text);
void check_bytes_refused(const char *what, const void *bytes, size_t n, enum status expected,
                         const char *word);
void check_refused(const char *what, const char *text, const char *word);
/* The bit of a finding of NIH's. */
uint16_t bits(const char *name);
/* The rows that are left up to age 120 and without "No Finding"; `normal` may be NULL. */
struct dataset_report filtered(const struct table *t, struct rows *used, struct rows *normal);

#endif
