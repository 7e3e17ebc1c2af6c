/* tests/unit/test_onnx_read.c - reading ONNX: the operators' own tests, networks as others write them, and what is no network. */
#include "onnx_case.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "/usr/share/libonnx-testdata/data"

/* ---- the ONNX project's own tests ---- */

/* Read or refused, with each role that the inputs can have: what is read must give what it must. ONNX_VERBOSE in the environment
 * tells why a case is refused. */
static bool case_passes(const char *folder, const char *name)
{
    bool read = false;

    for (enum onnx_roles roles = 0; roles < N_ONNX_ROLES; roles++) {
        const struct onnx_result result = onnx_case_run(folder, roles);

        if (!result.fits)
            continue;
        if (result.st == ST_OK) {
            read = true;
            cr_expect(result.off < 1e-5, "%s, roles %d: off by %g", name, (int)roles, result.off);
        } else {
            cr_expect(result.text[0] != '\0', "%s", name);
            if (getenv("ONNX_VERBOSE"))
                fprintf(stderr, "%s, roles %d: %s\n", name, (int)roles, result.text);
        }
    }
    return read;
}

/* How many of a group are read: a number that may only grow. */
static void cases_run(const char *group, size_t least)
{
    struct dirent **entries = NULL;
    char folder[512];
    size_t all = 0, read = 0;
    int n;

    snprintf(folder, sizeof folder, DATA "/%s", group);
    n = scandir(folder, &entries, NULL, alphasort);
    if (n < 0)
        cr_skip_test("libonnx-testdata is not installed");
    for (int i = 0; i < n; i++) {
        snprintf(folder, sizeof folder, DATA "/%s/%.200s", group, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && onnx_case_concerns(folder)) {
            all++;
            read += case_passes(folder, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    cr_expect(read >= least, "%s: %zu of %zu are read, not %zu", group, read, all, least);
    if (getenv("ONNX_VERBOSE"))
        fprintf(stderr, "%s: %zu of %zu are read\n", group, read, all);
}

Test(onnx_read, operators_of_the_node_tests) { cases_run("node", 181); }
Test(onnx_read, operators_as_pytorch_writes_them) { cases_run("pytorch-converted", 26); }
Test(onnx_read, operators_as_pytorch_wrote_them) { cases_run("pytorch-operator", 10); }
Test(onnx_read, simple_models) { cases_run("simple", 5); }
