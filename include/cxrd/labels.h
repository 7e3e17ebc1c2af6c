/* include/cxrd/labels.h - the 14 findings of ChestX-ray14 (Wang et al., CVPR 2017), in the order of every array,
 * tensor and table of this program. */
#ifndef CXRD_LABELS_H
#define CXRD_LABELS_H

#include <stddef.h>

enum { N_LABELS = 14 };
extern const char *const LABELS[N_LABELS];

/* The index of the finding whose name is the `n` bytes at `name`, or -1. */
int label_index(const char *name, size_t n);

/* "Atelectasis,Cardiomegaly,…": as the weights' metadata carries them. */
const char *labels_joined(void);

/* Said with every prediction, on every card and page. */
#define INTENDED_USE "Research use only. Not a medical device; a qualified reader must review every result."

#endif
