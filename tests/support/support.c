/* tests/support/support.c - see support.h. */
#include "support.h"

#include <assert.h>
#include <criterion/alloc.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *scratch_folder(void)
{
    char *folder = strdup("/tmp/cxrd-test-XXXXXX");

    assert(folder);
    cr_assert_not_null(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

void scratch_remove(char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

const char *test_data(const char *relative)
{
    static char path[4096];
    const char *root = getenv("CXRD_TEST_DATA");

    snprintf(path, sizeof path, "%s/%s", root ? root : "", relative);
    if (!root || access(path, R_OK) != 0)
        cr_skip_test("the real data is not here: CXRD_TEST_DATA has no '%s'", relative);
    return path;
}

size_t *index_upto(size_t n)
{
    size_t *index = cr_malloc(n * sizeof *index);

    assert(index);
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    return index;
}

void index_free(struct criterion_test_params *params) { cr_free(params->params); }
