/* include/cxrd/phantom.h - a data set of synthetic chest radiographs, to build, test and demonstrate with.
 *
 * Frontal chests drawn from their parts (lungs, heart, ribs, vessels, film grain), each patient with an anatomy of
 * their own, and the 14 findings as a radiologist would describe them: a meniscus of fluid, a large heart, a
 * collapsed edge. They vary in place, size, side and strength, so that a network must learn them, and can. It is
 * no substitute for real radiographs: what is learned here says nothing about patients.
 *
 * The folder has the layout of NIH ChestX-ray14:
 *   Data_Entry_2017.csv                     every column of the real table
 *   BBox_List_2017.csv                      where each finding is, in pixels of the picture (x, y, width, height)
 *   images_001/images/00000001_000.png …    8-bit grey; 10,000 pictures a folder
 * The same options give the same bytes, whatever the number of threads. */
#ifndef CXRD_PHANTOM_H
#define CXRD_PHANTOM_H

#include "cxrd/pool.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PHANTOM_MIN_SIZE = 64, PHANTOM_MAX_SIZE = 2048, PHANTOM_MAX_IMAGES = 1000000 };

struct phantom_options {
    const char *out; /* folder; made if missing */
    size_t images;   /* 1..PHANTOM_MAX_IMAGES */
    size_t size;     /* pixels a side, PHANTOM_MIN_SIZE..PHANTOM_MAX_SIZE; the same chest at every size */
    uint64_t seed;
    /* The real table's rates; otherwise none below 6 % of the pictures, in the real order, and half of the pictures
     * No Finding. */
    bool nih_rates;
};

/* Make the data set. The table is written last, so that a run which was interrupted is never taken for a data set;
 * the next one into the same folder starts from the beginning. Pictures that a longer run left there stay, but no
 * table names them.
 *   pool      borrowed; NULL: one thread
 *   progress  NULL, or called by this thread now and then, and once with done == total
 * Errors: ST_INVALID (options), ST_CONFLICT (the folder has a table already; nothing is touched), ST_IO, ST_NOMEM. */
MUST_USE enum status phantom_make(const struct phantom_options *options, struct pool *pool,
                                  void (*progress)(void *arg, size_t done, size_t total), void *arg,
                                  struct error *err);

#endif
