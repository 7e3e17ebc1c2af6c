/* model/foreign/lists.h - lists of outputs that the field knows by a name. */
#ifndef MODEL_FOREIGN_LISTS_H
#define MODEL_FOREIGN_LISTS_H

#include <stddef.h>

/* The names of a list's outputs, between commas: "chexnet", "chexpert", "xrv"; NULL: there is no such list. */
const char *labels_list(const char *name);

/* Thresholds that torchxrayvision publishes for its weights, between commas; NULL: there are none of that name. */
const char *thresholds_list(const char *name);

#endif
