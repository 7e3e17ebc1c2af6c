/* tests/support/weights_case.h - models whose files the tests of weights take apart: small ones, their files, and files with one thing
 * wrong. */
#ifndef SUPPORT_WEIGHTS_CASE_H
#define SUPPORT_WEIGHTS_CASE_H

#include "cxrd/weights.h"

enum { SIZE = 64, LENGTH_SIZE = 8 }; /* the smallest network keeps these tests quick */

/* A file taken apart: change the header or the data, and put it together again. */
struct parts {
    json_t *header; /* owned */
    char *data;     /* owned */
    size_t n_data;
};

struct model *model_make(size_t size, struct preprocess pre, json_t *notes);
/* Any architecture, of values as its training begins with. */
struct model *initial_model(const char *architecture);
struct model *small_model(void);
struct buf written(const struct model *m);
struct buf small_file(void);
struct model *read_ok(const struct buf *file);
void check_refused(const char *what, const void *bytes, size_t n, enum status expected, const char *word);
uint64_t length_of(const char *file);
struct parts parts_of(const struct buf *file);
struct parts small_parts(void);
void put_text(struct buf *file, const char *text);
/* The file that has this header text, whatever it says, before the data. */
struct buf joined_text(const char *text, const void *data, size_t n);
struct buf joined(const struct parts *p);
void parts_release(struct parts *p);
void check_parts_refused(const char *what, struct parts *p, enum status expected, const char *word);
json_t *entry_of(const struct parts *p, const char *tensor);
json_int_t offset_of(const struct parts *p, const char *tensor, size_t which);
void set_offsets(struct parts *p, const char *tensor, json_int_t begin, json_int_t end);
void set_metadata(struct parts *p, const char *key, const char *value);

#endif
