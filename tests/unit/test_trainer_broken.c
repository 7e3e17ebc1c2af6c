/* tests/unit/test_trainer_broken.c - whatever is wrong with data or numbers ends a training in one sentence. */
#include "files.h"
#include "sentence.h"
#include "tiny_dataset.h"
#include "tiny_model.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(broken, .init = train_begin, .fini = train_end);

/* The run fails with a sentence that holds `word`; nothing was made. */
static void check_fails(const char *changes, enum status expected, const char *word)
{
    struct trial r = { .config = tiny_config(changes) };

    run_once(&r);
    check_refusal(changes, r.st, expected, &r.err, word);
    cr_assert_null(r.result.model, "a model was made");
    run_release(&r);
}

#define HEADER "Image Index,Finding Labels,Patient ID,Patient Age\n"

static void table_becomes(const char *text)
{
    write_text(path_in(datasets, "tiny/Data_Entry_2017.csv"), text);
}

Test(broken, missing_folders_and_files_are_named)
{
    char *there = datasets;

    check_fails("{}", ST_NOTFOUND, "the data set 'tiny'");
    tiny_dataset(datasets, 10, 0);
    check_fails("{\"csv\":\"none.csv\"}", ST_NOTFOUND, "the table 'none.csv'");
    check_fails("{\"split_by\":\"list\"}", ST_NOTFOUND, "'test_list.txt'");
    write_text(path_in(datasets, "tiny/test_list.txt"), "x");
    check_fails("{\"split_by\":\"list\"}", ST_NOTFOUND, "'train_val_list.txt'");
    cr_assert_eq(truncate(path_in(datasets, "tiny/test_list.txt"), LIST_MAX_BYTES + 1), 0);
    check_fails("{\"split_by\":\"list\"}", ST_LIMIT, "'test_list.txt'");
    datasets = (char *)"/nonexistent";
    check_fails("{}", ST_NOTFOUND, "/nonexistent");
    datasets = there;
}

Test(broken, links_in_place_of_the_data_are_refused)
{
    tiny_dataset(datasets, 10, 0);
    cr_assert_eq(symlink("Data_Entry_2017.csv", path_in(datasets, "tiny/link.csv")), 0);
    cr_assert_eq(symlink("tiny", path_in(datasets, "link")), 0);
    cr_assert_eq(mkfifo(path_in(datasets, "tiny/pipe.csv"), 0600), 0);
    check_fails("{\"csv\":\"link.csv\"}", ST_IO, "'link.csv'");
    check_fails("{\"csv\":\"pipe.csv\"}", ST_IO, "not a regular file");
    check_fails("{\"dataset\":\"link\"}", ST_NOTFOUND, "'link'");
}

Test(broken, tables_without_what_is_needed_say_what)
{
    tiny_dataset(datasets, 10, 0);
    table_becomes("Image Index,Patient ID,Patient Age\na.png,1,1\n");
    check_fails("{}", ST_FORMAT, "no column 'Finding Labels'");
    table_becomes("");
    check_fails("{}", ST_FORMAT, "is empty");
    table_becomes(HEADER);
    check_fails("{}", ST_UNUSABLE, "no row of the table is usable");
    table_becomes(HEADER "00000001_000.png,No Finding,1,30\n");
    check_fails("{}", ST_UNUSABLE, "1 have no finding");
}

Test(broken, missing_pictures_are_counted_or_refused)
{
    struct trial r;

    tiny_dataset(datasets, 40, 0);
    check_fails("{\"images\":\"nowhere/*.png\"}", ST_UNUSABLE, "no picture found");
    cr_assert_eq(unlink(tiny_image_path(datasets, 7)), 0);
    cr_assert_eq(unlink(tiny_image_path(datasets, 8)), 0);
    check_fails("{\"missing_images\":\"fail\"}", ST_UNUSABLE, "2 rows have no picture");
    r = trained("{\"steps_per_epoch\":1}");
    cr_assert(r.result.dataset.missing_images == 2 && r.result.dataset.usable == 38);
    run_release(&r);
}

Test(broken, too_few_rows_to_split_say_so)
{
    tiny_dataset(datasets, 2, 0); /* of one patient */
    check_fails("{\"split_by\":\"patient\"}", ST_UNUSABLE, "no row for validation: 2 usable rows");
}

static void break_picture(size_t row)
{
    write_text(tiny_image_path(datasets, row), "not a picture any more");
}

Test(broken, picture_among_good_ones_is_left_out_and_counted_once)
{
    static const size_t BROKEN[] = { 3, 17, 28, 41 }; /* the last is a normal one */
    struct trial r;
    size_t scored = 0;

    tiny_dataset(datasets, 40, 4);
    for (size_t i = 0; i < 4; i++)
        break_picture(BROKEN[i]);
    r = trained("{\"epochs\":3,\"patience\":0}");
    cr_assert_eq(r.result.unreadable, 4, "%zu were counted", r.result.unreadable);
    for (int set = 0; set < N_SCORED; set++) {
        struct scores_file f = scores_of(&r, set);

        for (size_t i = 0; i < 4; i++)
            cr_assert_null(scores_file_find(&f, tiny_image(BROKEN[i])), "a broken picture was scored");
        scored += f.n;
        scores_file_release(&f);
    }
    cr_assert_geq(scored, 3);
    run_release(&r);
}

Test(broken, picture_fails_the_run_and_is_named_where_none_may_be_missing)
{
    tiny_dataset(datasets, 40, 0);
    break_picture(17);
    check_fails("{\"missing_images\":\"fail\"}", ST_UNSUPPORTED, "'00000009_001.png'");
}

Test(broken, pictures_of_a_whole_set_end_the_run)
{
    struct scores_file validation;
    struct trial r;

    tiny_dataset(datasets, 40, 0);
    r = trained("{\"steps_per_epoch\":1}");
    validation = scores_of(&r, SCORED_VALIDATION);
    for (size_t i = 0; i < 40; i++)
        if (scores_file_find(&validation, tiny_image(i)))
            break_picture(i);
    check_fails("{\"steps_per_epoch\":1}", ST_UNUSABLE, "none of the validation pictures");
    for (size_t i = 0; i < 40; i++)
        break_picture(i);
    check_fails("{\"steps_per_epoch\":1}", ST_UNUSABLE, "training pictures can be read");
    scores_file_release(&validation);
    run_release(&r);
}

Test(broken, loss_that_is_no_number_ends_the_run_with_advice)
{
    struct model *init = tiny_model(3, 1e15f, NULL);
    struct trial r = { .init = init };

    tiny_dataset(datasets, 40, 0);
    r.config = tiny_config("{}");
    run_once(&r);
    check_refusal("overflow", r.st, ST_NUMERIC, &r.err, "lower learning rate");
    run_release(&r);
    model_unref(init);
}
