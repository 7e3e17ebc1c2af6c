/* tests/support/onnx_case.h - the tests that the ONNX project brings along (Debian's libonnx-testdata): a folder with model.onnx and,
 * in test_data_set_0, what goes in and what must come out. */
#ifndef TESTS_SUPPORT_ONNX_CASE_H
#define TESTS_SUPPORT_ONNX_CASE_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Which of a graph's inputs are pictures; the others are constants, as the parameters of a network are. */
enum onnx_roles {
    ONNX_FIRST_IS_PICTURE,
    ONNX_SECOND_IS_PICTURE,
    ONNX_ALL_ARE_PICTURES,
    ONNX_ALL_ARE_CONSTANT,
    N_ONNX_ROLES
};

struct onnx_result {
    bool fits;      /* the inputs can have these roles */
    enum status st; /* of reading it */
    char text[320]; /* the sentence, of a refusal */
    double
        off; /* read: the largest difference, in parts of 1 + |what it must be|; infinite where the shape is another */
};

/* Whether all operators of the case are of those that are read; false too where there is no such case. */
bool onnx_case_concerns(const char *folder);

struct onnx_result onnx_case_run(const char *folder, enum onnx_roles roles);

#endif
