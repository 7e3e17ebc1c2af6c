/* jobs/phantom/case.h - the phantom table's rows, and how one of them becomes a picture. Private to jobs/phantom. */
#ifndef JOBS_PHANTOM_CASE_H
#define JOBS_PHANTOM_CASE_H

#include "chest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One row of the table. */
struct phantom_case {
    uint32_t patient, follow_up; /* from 1; from 0 */
    uint16_t findings;           /* a bit for each of NIH_LABELS; 0: No Finding */
    uint16_t age;                /* years; a few are typing errors above 120, as in the real table */
    bool male, ap;
    uint8_t detector; /* which size and pixel spacing the original had */
};

/* The uses of the generator's streams; no two share one. */
enum phantom_stream { STREAM_TABLE, STREAM_PATIENT, STREAM_IMAGE, STREAM_LESION };
void phantom_rng(struct rng *r, uint64_t seed, enum phantom_stream use, size_t part, size_t index);

/* Fill `cases` [n]: patients with their pictures one after the other, findings shared out by quota.
 *   nih_rates  the real table's share of each finding; otherwise flattened, so that none is rare
 * Errors: ST_NOMEM. */
MUST_USE enum status phantom_table(uint64_t seed, size_t n, bool nih_rates, struct phantom_case *cases,
                                   struct error *err);

/* Draw picture number `index` of the table. A picture depends on the seed, its number and its row only.
 *   grey   uint8 [size][size], size = s->size
 *   boxes  [14], in image widths, empty for what is not there */
void phantom_draw(struct scene *s, uint64_t seed, size_t index, const struct phantom_case *row, uint8_t *grey,
                  struct box boxes[N_NIH_LABELS]);

#endif
