/* decode/segments.h - a palette's channel in segments (PS3.3, C.7.9.2): entries as they are, straight lines, and segments once more. */
#ifndef DECODE_SEGMENTS_H
#define DECODE_SEGMENTS_H

#include "dicom.h"

/* Expand `t` to its `n` entries. False: a segment has no entry, reaches beyond the data, is of no known kind; a line has nothing to
 * begin at; segments that are taken once more are such themselves, or come later; or they are not `n` entries in all. */
bool segments_expand(const struct dicom_table *t, size_t n, uint16_t *to);

#endif
