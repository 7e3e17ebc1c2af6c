/* include/cxrd/sweep.h - what a crash leaves lying about in a state folder, and its end.
 *
 * Files are written beside and renamed, and their record is committed last. So whatever has no record, or no more use,
 * is known to be left over: half-written files, models and folders of jobs that the store does not know, checkpoints
 * of jobs that can never be resumed. Models as ONNX files go, too: another version may write them otherwise. */
#ifndef CXRD_SWEEP_H
#define CXRD_SWEEP_H

#include "cxrd/store.h"

/* Remove it. For when nobody else uses the folder yet: between store_open() and registry_open(). Files that do not
 * look like ours stay. A file that cannot be removed is logged and stays; the server starts all the same.
 * Returns how many files and folders went. */
size_t state_sweep(const char *state, struct store *store);

/* The same of the folder of data sets, NULL for none: what was fetched for jobs that will not go on. */
void datasets_sweep(const char *datasets, struct store *store);

#endif
