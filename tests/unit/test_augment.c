/* tests/unit/test_augment.c - training pictures a little differently: what each change does to a picture, that none is
 * mirrored, and that the same seed gives the same pictures whoever makes them. */
#include "jobs/training/augment.h"

#include "cxrd/pool.h"
#include "files.h"
#include "jobs/training/batches.h"
#include "leaks.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

TestSuite(augment, .fini = check_no_leaks);

enum { SIZE = 64 };
static const struct augmentation NOTHING = { .zoom = 1, .contrast = 1 };

/* A slope from left to right and a weaker one from top to bottom. */
static void slopes(uint8_t *grey)
{
    for (size_t i = 0; i < SIZE * SIZE; i++)
        grey[i] = (uint8_t)(30 + 2 * (i % SIZE) + i / SIZE);
}

Test(augment, nothing_changes_nothing)
{
    uint8_t from[SIZE * SIZE], to[SIZE * SIZE];

    for (size_t i = 0; i < SIZE * SIZE; i++)
        from[i] = (uint8_t)(i * 37 % 256);
    augment(from, SIZE, &NOTHING, to);
    cr_assert_arr_eq(to, from, sizeof from);
}

Test(augment, shifts_move_the_picture_and_repeat_its_edge)
{
    uint8_t from[SIZE * SIZE], to[SIZE * SIZE];
    struct augmentation a = NOTHING;

    slopes(from);
    a.right = 3.0 / SIZE;
    a.down = -2.0 / SIZE;
    augment(from, SIZE, &a, to);
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            const int from_x = x < 3 ? 0 : x - 3, from_y = y + 2 > SIZE - 1 ? SIZE - 1 : y + 2;

            cr_assert_eq(to[y * SIZE + x], from[from_y * SIZE + from_x], "column %d, row %d", x, y);
        }
}

Test(augment, zoom_keeps_the_middle_and_stretches_around_it)
{
    uint8_t from[SIZE * SIZE], to[SIZE * SIZE];
    struct augmentation a = NOTHING;

    slopes(from);
    a.zoom = 2;
    augment(from, SIZE, &a, to);
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            const double from_x = (x - 31.5) / 2 + 31.5, from_y = (y - 31.5) / 2 + 31.5;

            cr_assert(fabs(to[y * SIZE + x] - (30 + 2 * from_x + from_y)) <= 0.76, "column %d, row %d", x, y);
        }
}

Test(augment, contrast_and_grey_stay_in_the_range)
{
    uint8_t from[SIZE * SIZE], to[SIZE * SIZE];
    const struct augmentation a = { .zoom = 1, .contrast = 1.5, .grey = -10 };

    for (size_t i = 0; i < SIZE * SIZE; i++)
        from[i] = (uint8_t)(i % 256);
    augment(from, SIZE, &a, to);
    for (size_t i = 0; i < SIZE * SIZE; i++)
        cr_assert_eq(to[i], (uint8_t)floor(fmin(fmax(128 + 1.5 * (from[i] - 128) - 10, 0), 255) + 0.5));
}

Test(augment, draws_stay_in_their_bounds_and_use_them)
{
    double least[5] = { 9, 9, 9, 9, 99 }, most[5] = { -9, -9, -9, -9, -99 };
    const double low[5] = { 0.9, -0.06, -0.06, 0.85, -16 }, high[5] = { 1.1, 0.06, 0.06, 1.15, 16 };

    for (uint64_t i = 0; i < 2000; i++) {
        struct augmentation a;

        augmentation_draw(7, i, &a);
        for (size_t k = 0; k < 5; k++) {
            const double v = (double[]){ a.zoom, a.right, a.down, a.contrast, a.grey }[k];

            least[k] = fmin(least[k], v);
            most[k] = fmax(most[k], v);
        }
    }
    for (size_t k = 0; k < 5; k++) {
        const double room = (high[k] - low[k]) / 50;

        cr_assert(least[k] >= low[k] - 1e-9 && least[k] < low[k] + room, "%zu: from %g", k, least[k]);
        cr_assert(most[k] <= high[k] + 1e-9 && most[k] > high[k] - room, "%zu: to %g", k, most[k]);
    }
}

/* A picture that grows lighter to the right does so whatever is drawn: it is never mirrored. */
Test(augment, never_mirrors)
{
    uint8_t from[SIZE * SIZE], to[SIZE * SIZE];

    slopes(from);
    for (uint64_t i = 0; i < 300; i++) {
        struct augmentation a;

        augmentation_draw(1, i, &a);
        augment(from, SIZE, &a, to);
        cr_assert_gt(to[SIZE / 2 * SIZE + SIZE - 1], to[SIZE / 2 * SIZE], "picture %zu", (size_t)i);
        cr_assert_gt(to[(SIZE - 1) * SIZE + SIZE / 2], to[SIZE / 2], "picture %zu", (size_t)i);
    }
}

Test(augment, repeats_by_seed_and_number_alone)
{
    struct augmentation a, again, other;

    augmentation_draw(3, 5, &a);
    augmentation_draw(3, 6, &other);
    augmentation_draw(3, 5, &again);
    cr_assert_arr_eq(&a, &again, sizeof a);
    cr_assert_neq(a.right, other.right);
    augmentation_draw(4, 5, &other);
    cr_assert_neq(a.right, other.right);
}

/* ---- in a batch ---- */

enum { ROWS = 12 };

/* The batch of a data set's first rows, by so many threads. */
static struct batch loaded(const char *datasets, size_t threads, bool augmented, uint64_t number)
{
    struct file_bytes csv = FILE_BYTES_INIT;
    struct table table = TABLE_INIT;
    struct picture_files *files = NULL;
    struct pool *pool = NULL;
    struct batch b = { 0 };
    struct error err = { 0 };
    struct pictures pictures;
    uint32_t rows[ROWS];
    const int root = open(path_in(datasets, "tiny"), O_RDONLY | O_DIRECTORY);

    cr_assert_eq(file_read(path_in(datasets, "tiny/Data_Entry_2017.csv"), 1 << 20, &csv, &err), ST_OK, "%s",
                 err.text);
    cr_assert_eq(table_read(csv.data, csv.size, "t", &NIH_LABELS, &table, &err), ST_OK, "%s", err.text);
    cr_assert_eq(discover(root, "images_*/images/*.png", 1, &files, &err), ST_OK, "%s", err.text);
    cr_assert_eq(pool_new(threads, POOL_NORMAL, &pool, &err), ST_OK);
    pictures = (struct pictures){ &table, files, { SIZE, RESIZE_AREA, 128, 64 }, NULL, NULL };
    cr_assert_eq(batch_init(&b, ROWS, &(struct preprocess){ .size = SIZE }, N_NIH_LABELS, &err), ST_OK);
    b.augment = augmented;
    b.seed = 8;
    b.number = number;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = i;
    cr_assert_eq(batch_load(&b, &pictures, pool, NULL, rows, ROWS, false, &err), ST_OK, "%s", err.text);
    pool_free(pool);
    picture_files_free(files);
    table_release(&table);
    file_bytes_release(&csv);
    close(root);
    return b;
}

Test(augment, of_a_batch_is_the_same_by_any_number_of_threads)
{
    char *datasets = scratch_folder();
    struct batch plain, one, other;
    size_t n;

    tiny_dataset(datasets, ROWS, 0);
    write_text(tiny_image_path(datasets, 4), "no picture"); /* a gap does not change the pictures behind it */
    plain = loaded(datasets, 1, false, 0);
    one = loaded(datasets, 1, true, 0);
    n = one.n * SIZE * SIZE * sizeof *one.x;
    cr_assert_eq(one.n, ROWS - 1);
    cr_assert_neq(memcmp(plain.x, one.x, n), 0, "nothing was augmented");
    for (size_t threads = 2; threads <= 4; threads++) {
        other = loaded(datasets, threads, true, 0);
        cr_assert_eq(memcmp(one.x, other.x, n), 0, "%zu threads", threads);
        batch_release(&other);
    }
    other = loaded(datasets, 2, true, ROWS);
    cr_assert_neq(memcmp(one.x, other.x, n), 0, "the next batch is taken the same way");
    batch_release(&other);
    batch_release(&one);
    batch_release(&plain);
    scratch_remove(datasets);
}
