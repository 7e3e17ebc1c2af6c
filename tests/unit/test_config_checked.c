/* tests/unit/test_config_checked.c - a job's fields against the disk: its data set, table and lists must be there, and no links. */
#include "config_case.h"
#include "cxrd/runner.h"
#include "files.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *datasets;

static void folder_make_scratch(void) { datasets = scratch_folder(); }
static void folder_remove(void)
{
    scratch_remove(datasets);
    check_no_leaks();
}

TestSuite(checked, .init = folder_make_scratch, .fini = folder_remove);

/* The errors of a configuration that parses, a new reference; *c as it was resolved. */
static json_t *checked(const char *text, const char *folder, struct train_config *c)
{
    json_t *errors = json_array();
    struct error err = { 0 };

    *c = parsed(text);
    cr_assert_eq(train_config_check(c, folder, errors, &err), ST_OK, "%s", err.text);
    return errors;
}

static void check_wrong(const char *text, const char *field, const char *word)
{
    struct train_config c;
    json_t *errors = checked(text, datasets, &c);
    char *said = json_dumps(errors, JSON_ENSURE_ASCII);

    cr_assert(json_array_size(errors) == 1 && about(errors, field) == 1, "%s: %s", text, said);
    cr_assert_not_null(strstr(said, word), "%s does not say '%s'", said, word);
    free(said);
    json_decref(errors);
}

static void check_right(const char *text, const char *dataset)
{
    struct train_config c;
    json_t *errors = checked(text, datasets, &c);
    char *said = json_dumps(errors, 0);

    cr_assert_eq(json_array_size(errors), 0, "%s: %s", text, said);
    cr_assert_str_eq(c.dataset, dataset);
    free(said);
    json_decref(errors);
}

static void table_at(const char *name) { write_text(path_in(datasets, "%s/Data_Entry_2017.csv", name), "x"); }

Test(checked, only_data_set_is_taken_where_none_is_named)
{
    table_at("nih");
    table_at(".hidden");
    write_text(path_in(datasets, "README"), "x");
    cr_assert_eq(symlink("nih", path_in(datasets, "link")), 0);
    check_right("{}", "nih");
    check_right("{\"dataset\":\"nih\"}", "nih");
}

Test(checked, folder_of_the_data_sets_that_is_not_there_is_told)
{
    rmdir(datasets);
    check_wrong("{}", "dataset", "--datasets cannot be read");
    check_wrong("{\"dataset\":\"nih\"}", "dataset", "--datasets cannot be read");
}

Test(checked, data_set_must_be_named_where_there_are_none_or_several)
{
    check_wrong("{}", "dataset", "there is no data set");
    table_at("nih");
    table_at("other");
    check_wrong("{}", "dataset", "nih, other");
    check_right("{\"dataset\":\"other\"}", "other");
}

Test(checked, data_set_must_be_a_folder_and_no_link)
{
    table_at("nih");
    write_text(path_in(datasets, "file"), "x");
    cr_assert_eq(symlink("nih", path_in(datasets, "link")), 0);
    cr_assert_eq(symlink("/etc", path_in(datasets, "nih/out")), 0);
    check_wrong("{\"dataset\":\"nowhere\"}", "dataset", "is not one of the data sets");
    check_wrong("{\"dataset\":\"file\"}", "dataset", "is not one of the data sets");
    check_wrong("{\"dataset\":\"link\"}", "dataset", "link");
    check_wrong("{\"dataset\":\"nih/out\"}", "dataset", "link");
}

Test(checked, table_must_be_a_regular_file_and_no_link)
{
    table_at("nih");
    cr_assert_eq(symlink("Data_Entry_2017.csv", path_in(datasets, "nih/link.csv")), 0);
    cr_assert_eq(mkfifo(path_in(datasets, "nih/pipe.csv"), 0600), 0);
    check_right("{\"dataset\":\"nih\"}", "nih");
    check_wrong("{\"dataset\":\"nih\",\"csv\":\"none.csv\"}", "csv", "needs the file 'none.csv'");
    check_wrong("{\"dataset\":\"nih\",\"csv\":\"link.csv\"}", "csv", "link");
    check_wrong("{\"dataset\":\"nih\",\"csv\":\"pipe.csv\"}", "csv", "regular");
    cr_assert_eq(mkdir(path_in(datasets, "nih/folder.csv"), 0700), 0);
    check_wrong("{\"dataset\":\"nih\",\"csv\":\"folder.csv\"}", "csv", "regular");
}

Test(checked, lists_must_be_there_for_a_split_by_list)
{
    struct train_config c;
    json_t *errors;

    table_at("nih");
    errors = checked("{\"split_by\":\"list\"}", datasets, &c);
    cr_assert_eq(about(errors, "split_by"), 2);
    json_decref(errors);
    write_text(path_in(datasets, "nih/test_list.txt"), "x");
    check_wrong("{\"split_by\":\"list\"}", "split_by", "needs the file 'train_val_list.txt'");
    write_text(path_in(datasets, "nih/train_val_list.txt"), "x");
    check_right("{\"split_by\":\"list\"}", "nih");
}

Test(checked, server_without_data_sets_says_so)
{
    struct train_config c;
    json_t *errors = checked("{}", NULL, &c);

    cr_assert_eq(about(errors, "dataset"), 1);
    json_decref(errors);
    errors = checked("{\"dataset\":\"nih\"}", "/nonexistent", &c);
    cr_assert_eq(about(errors, "dataset"), 1);
    json_decref(errors);
}

/* A reply that is not UTF-8 could not be sent, so such a folder cannot be chosen, and must not make an error vanish. */
Test(checked, folders_with_names_that_no_request_can_say_are_no_data_sets)
{
    cr_assert_eq(mkdir(path_in(datasets, "caf\xe9"), 0700), 0);
    cr_assert_eq(mkdir(path_in(datasets, "a\nb"), 0700), 0);
    check_wrong("{}", "dataset", "there is no data set");
    table_at("nih");
    check_right("{}", "nih");
}

Test(checked, folders_with_long_names_are_told_as_far_as_there_is_room)
{
    char name[256];

    memset(name, 'l', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cr_assert_eq(mkdir(path_in(datasets, "%s", name), 0700), 0);
    name[0] = 'k';
    cr_assert_eq(mkdir(path_in(datasets, "%s", name), 0700), 0);
    check_wrong("{}", "dataset", "several");
    cr_assert_eq(mkdir(path_in(datasets, "short"), 0700), 0);
    check_wrong("{}", "dataset", "short");
}
