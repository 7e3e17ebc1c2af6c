/* tests/torture/cases.h - what is done while memory fails. */
#ifndef TESTS_TORTURE_CASES_H
#define TESTS_TORTURE_CASES_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Each leaves everything as it found it, whatever its status, and is done again and again. A case that succeeds although
 * memory failed has looked at its result and found it right. */
struct torture_case {
    const char *name;
    enum status (*run)(struct error *err);
};
extern const struct torture_case TORTURE_CASES[];
extern const size_t N_TORTURE_CASES;

/* Make the files that the cases read, in a folder that they may write to. False: it could not. */
bool torture_prepare(const char *folder);

#endif
