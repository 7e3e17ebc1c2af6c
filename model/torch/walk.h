/* model/torch/walk.h - which of a pickle's tensors are a network's, and what each is called. */
#ifndef MODEL_TORCH_WALK_H
#define MODEL_TORCH_WALK_H

#include "pickle.h"

#include "cxrd/labels.h"

/* Tensors by name, as state_dict() has them, and what stands beside them in a module. */
struct state_dict {
    struct array *arrays; /* [n]: name and shape; data are not there yet */
    uint32_t *views;      /* [n]: of pickle.tensors */
    size_t n, room;
    char labels[LABELS_TEXT_SIZE]; /* what its outputs mean, between commas; "": it does not say */
    double thresholds[MAX_LABELS]; /* torchxrayvision's op_threshs, where they are a list */
    size_t n_thresholds;
};

/* The network in what a pickle gave: a dictionary of tensors, a module, or a dictionary that has one of these under a name that
 * people give it, such as "state_dict".
 *   ret  zeroed; state_dict_release() it, whatever comes of this
 * Errors: ST_FORMAT, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status state_dict_of(const struct pickle *p, value_id root, struct state_dict *ret,
                                   struct error *err);
void state_dict_release(struct state_dict *s); /* safe on zeroes */

#endif
