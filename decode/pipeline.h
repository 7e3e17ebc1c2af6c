/* decode/pipeline.h - the pipeline to grey, as a DICOM header asks for it. */
#ifndef DECODE_PIPELINE_H
#define DECODE_PIPELINE_H

#include "dicom.h"
#include "grey.h"
#include "picture.h"

/* A pipeline and the entries of its tables. */
struct pipeline {
    struct grey_pipeline steps;
    uint16_t *modality, *voi; /* owned, or NULL */
};

/* Errors: ST_UNUSABLE (a slope of 0), ST_FORMAT (a lookup table is shorter than it says, a slope is no number), ST_NOMEM. */
MUST_USE enum status pipeline_read(struct dicom *d, const struct picture *picture, struct pipeline *ret,
                                   struct error *err);
void pipeline_release(struct pipeline *p);

/* A palette and its entries. */
struct palette {
    struct grey_palette colours;
    uint8_t *entries; /* owned */
};

/* Errors: ST_FORMAT (it is not there, shorter than it says, or its segments are not what they must be), ST_NOMEM. */
MUST_USE enum status palette_read(struct dicom *d, const struct picture *picture, struct palette *ret,
                                  struct error *err);
void palette_release(struct palette *p);

#endif
