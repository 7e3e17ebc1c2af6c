/* tests/unit/test_catalog.c - the list of data sets where a count lacks memory: dataset_count() is wrapped by the linker. */
#include "cxrd/catalog.h"
#include "files.h"
#include "leaks.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

TestSuite(catalog, .fini = check_no_leaks);

static atomic_int lacking, counted;

enum status __real_dataset_count(const char *folder, const atomic_bool *stop, struct dataset_contents *ret,
                                 struct error *err);
enum status __wrap_dataset_count(const char *folder, const atomic_bool *stop, struct dataset_contents *ret,
                                 struct error *err);

enum status __wrap_dataset_count(const char *folder, const atomic_bool *stop, struct dataset_contents *ret,
                                 struct error *err)
{
    atomic_fetch_add(&counted, 1);
    if (atomic_fetch_sub(&lacking, 1) > 0)
        return error_nomem(err);
    return __real_dataset_count(folder, stop, ret, err);
}

/* The only data set of a list that was asked for until it has that state. */
static json_t *wait_state(struct catalog *c, const char *state)
{
    struct error err;

    for (;; usleep(10000)) {
        json_t *list = NULL, *entry;

        cr_assert_eq(catalog_list(c, &list, &err), ST_OK, "%s", err.text);
        entry = json_incref(json_array_get(list, 0));
        json_decref(list);
        if (strcmp(json_string_value(json_object_get(entry, "state")), state) == 0)
            return entry;
        json_decref(entry);
    }
}

Test(catalog, what_lacked_memory_is_counted_again_and_no_problem_of_the_data_set, .timeout = 60)
{
    char *datasets = scratch_folder();
    struct catalog *c = NULL;
    struct error err;
    json_t *entry;

    tiny_dataset(datasets, 4, 2);
    atomic_store(&lacking, 1);
    cr_assert_eq(catalog_open(datasets, &c, &err), ST_OK, "%s", err.text);
    entry = wait_state(c, "counted");
    cr_expect(json_is_null(json_object_get(entry, "problem")));
    cr_expect_eq(json_integer_value(json_object_get(entry, "rows")), 6);
    cr_expect_eq(atomic_load(&counted), 2);
    json_decref(entry);
    catalog_close(c);
    scratch_remove(datasets);
}
