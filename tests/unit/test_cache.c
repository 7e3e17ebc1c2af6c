/* tests/unit/test_cache.c - decoded pictures come back as they were put, from a file that may be cut, overwritten,
 * locked, full or not there at all: then they are simply decoded again. */
#include "cxrd/image_cache.h"
#include "cxrd/log.h"
#include "cxrd/pool.h"
#include "files.h"
#include "jobs/training/batches.h"
#include "leaks.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 64, SLOT = SIZE * SIZE, ROWS = 10, STAMP = 77 };

static char *folder; /* of the running test */

static void begin(void)
{
    log_set_level(LOG_OFF);
    folder = scratch_folder();
}

static void end(void)
{
    scratch_remove(folder);
    check_no_leaks();
}

TestSuite(cache, .init = begin, .fini = end);

/* ---- caches and pictures ---- */

/* Only `table` tells one cache from another; the rest is the same for all of them. */
static struct image_cache_options options_of(const char *table, uint64_t max_bytes)
{
    return (struct image_cache_options){ .folder = folder,
                                         .max_bytes = max_bytes,
                                         .csv_sha256 = table,
                                         .images = "images_*/*.png",
                                         .root = "/data",
                                         .n_rows = ROWS,
                                         .pre = { SIZE, RESIZE_AREA, 0, 1 } };
}

static struct image_cache *opened(const char *table, uint64_t max_bytes)
{
    const struct image_cache_options options = options_of(table, max_bytes);
    struct image_cache *c = image_cache_open(&options);

    cr_assert_not_null(c);
    return c;
}

enum { PLENTY = 1 << 30 };

static const struct picture_facts FACTS = { .pixels = 77, .codes = 5 };

static void paint(uint8_t grey[SLOT], size_t row)
{
    for (size_t i = 0; i < SLOT; i++)
        grey[i] = (uint8_t)(row * 31 + i * (row + 1));
}

static void put(struct image_cache *c, size_t row)
{
    uint8_t grey[SLOT];

    paint(grey, row);
    image_cache_put(c, row, STAMP + row, &FACTS, grey);
}

/* The row is there, and it is the picture that was put. */
static bool has(struct image_cache *c, size_t row)
{
    uint8_t grey[SLOT], expected[SLOT];

    memset(grey, 0, sizeof grey);
    if (!image_cache_get(c, row, STAMP + row, grey))
        return false;
    paint(expected, row);
    cr_assert_arr_eq(grey, expected, SLOT, "row %zu is another picture", row);
    return true;
}

static size_t count_there(struct image_cache *c)
{
    size_t n = 0;

    for (size_t row = 0; row < ROWS; row++)
        n += has(c, row);
    return n;
}

/* A closed cache that holds all rows. */
static void fill(const char *table)
{
    struct image_cache *c = opened(table, PLENTY);

    for (size_t row = 0; row < ROWS; row++)
        put(c, row);
    cr_assert_eq(count_there(c), ROWS);
    image_cache_close(c);
}

/* How many rows a cache still has when it is opened again. */
static size_t left_after(const char *table, uint64_t max_bytes)
{
    struct image_cache *c = opened(table, max_bytes);
    const size_t n = count_there(c);

    image_cache_close(c);
    return n;
}

/* The only file in the folder, in static memory. */
static const char *the_file(void)
{
    static char path[4096];
    DIR *d = opendir(folder);
    size_t n = 0;

    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            n++;
        }
    closedir(d);
    cr_assert_eq(n, 1, "%zu files", n);
    return path;
}

/* ---- what is put comes back ---- */

Test(cache, gives_back_what_was_put)
{
    struct image_cache *c = opened("a", PLENTY);

    put(c, 0);
    put(c, ROWS - 1);
    cr_assert(has(c, 0) && has(c, ROWS - 1));
    cr_assert_not(has(c, 1), "a row that was never put is there");
    image_cache_close(c);
}

Test(cache, is_reused_when_it_is_opened_again)
{
    fill("a");
    cr_assert_eq(left_after("a", PLENTY), ROWS);
    cr_assert_eq(count_entries(folder), 1);
}

Test(cache, misses_a_picture_whose_file_has_changed_and_takes_the_new_one)
{
    struct image_cache *c;
    uint8_t grey[SLOT], other[SLOT];

    fill("a");
    c = opened("a", PLENTY);
    memset(other, 9, sizeof other);
    cr_assert_not(image_cache_get(c, 3, STAMP + 4, grey), "the stamp was not looked at");
    image_cache_put(c, 3, STAMP + 4, &FACTS, other);
    cr_assert(image_cache_get(c, 3, STAMP + 4, grey));
    cr_assert_arr_eq(grey, other, SLOT);
    cr_assert_not(image_cache_get(c, 3, STAMP + 3, grey), "the old stamp still fits");
    image_cache_close(c);
}

Test(cache, holds_nothing_for_a_file_without_a_stamp)
{
    struct image_cache *c = opened("a", PLENTY);
    uint8_t grey[SLOT] = { 0 };

    image_cache_put(c, 0, 0, &FACTS, grey);
    cr_assert_not(image_cache_get(c, 0, 0, grey));
    image_cache_close(c);
}

Test(cache, null_holds_nothing_and_never_fails)
{
    uint8_t grey[SLOT] = { 0 };

    image_cache_put(NULL, 0, STAMP, &FACTS, grey);
    cr_assert_not(image_cache_get(NULL, 0, STAMP, grey));
    image_cache_close(NULL);
}

Test(cache, is_another_for_another_table_pattern_folder_size_resize_or_number_of_rows)
{
    const struct image_cache_options first = options_of("a", PLENTY);
    struct image_cache_options other[6] = { first, first, first, first, first, first };

    fill("a");
    other[0].csv_sha256 = "b";
    other[1].images = "*.png";
    other[2].root = "/elsewhere";
    other[3].pre.size = 80;
    other[4].pre.resize = RESIZE_NEAREST;
    other[5].n_rows = ROWS + 1;
    for (size_t i = 0; i < 6; i++) {
        struct image_cache *c = image_cache_open(&other[i]);
        uint8_t grey[80 * 80];

        cr_assert_not_null(c);
        cr_assert_not(image_cache_get(c, 0, STAMP, grey), "options %zu: a picture of another cache", i);
        image_cache_close(c);
    }
}

Test(cache, is_the_same_for_another_scaling)
{
    struct image_cache_options scaled = options_of("a", PLENTY);
    struct image_cache *c;

    fill("a");
    scaled.pre.mean = 128;
    scaled.pre.std = 64;
    c = image_cache_open(&scaled);
    cr_assert_eq(count_there(c), ROWS);
    image_cache_close(c);
}

/* ---- damage ---- */

static void patch(const char *path, off_t at, char byte)
{
    const int fd = open(path, O_RDWR);

    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static off_t size_of(const char *path)
{
    struct stat info;

    cr_assert_eq(stat(path, &info), 0);
    return info.st_size;
}

Test(cache, misses_a_slot_with_a_flipped_byte_and_no_other)
{
    struct image_cache *c;
    off_t size;

    fill("a");
    size = size_of(the_file()); /* slots are the end of the file */
    patch(the_file(), size - 3 * SLOT + 100, 1);
    c = opened("a", PLENTY);
    for (size_t row = 0; row < ROWS; row++)
        cr_assert_eq(has(c, row), row != ROWS - 3, "row %zu", row);
    put(c, ROWS - 3);
    cr_assert(has(c, ROWS - 3), "a damaged slot cannot be used again");
    image_cache_close(c);
}

Test(cache, misses_only_the_slots_that_a_cut_file_has_lost)
{
    struct image_cache *c;

    fill("a");
    cr_assert_eq(truncate(the_file(), size_of(the_file()) - SLOT - 1), 0);
    c = opened("a", PLENTY);
    cr_assert_eq(count_there(c), ROWS - 2);
    put(c, ROWS - 1);
    cr_assert(has(c, ROWS - 1));
    image_cache_close(c);
}

static void check_begun_anew(const char *what)
{
    struct image_cache *c = opened("a", PLENTY);

    cr_assert_eq(count_there(c), 0, "%s: a picture is there", what);
    put(c, 5);
    image_cache_close(c);
    cr_assert_eq(left_after("a", PLENTY), 1, "%s: it cannot be used", what);
}

Test(cache, is_begun_anew_where_its_file_is_cut_empty_or_garbage)
{
    char garbage[10000];

    memset(garbage, 'x', sizeof garbage);
    fill("a");
    cr_assert_eq(truncate(the_file(), 100), 0);
    check_begun_anew("cut in the entries");
    cr_assert_eq(truncate(the_file(), 10), 0);
    check_begun_anew("cut in the header");
    cr_assert_eq(truncate(the_file(), 0), 0);
    check_begun_anew("empty");
    write_bytes(the_file(), garbage, sizeof garbage);
    check_begun_anew("garbage");
    patch(the_file(), 3, 'X');
    check_begun_anew("a wrong magic");
    patch(the_file(), 16, 1);
    check_begun_anew("another number of rows");
}

/* Every third byte before the slots, changed: the cache may lose pictures, but never gives a wrong one (has() compares). */
Test(cache, never_gives_a_wrong_picture_whatever_its_header_says)
{
    for (off_t at = 0; at < 64 + ROWS * 16; at += 3) {
        fill("a");
        patch(the_file(), at, 0x5a);
        left_after("a", PLENTY);
    }
}

/* ---- room ---- */

static uint64_t bytes_in_folder(void)
{
    DIR *d = opendir(folder);
    uint64_t sum = 0;
    struct stat info;

    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &info, 0) == 0)
            sum += (uint64_t)info.st_blocks * 512;
    closedir(d);
    return sum;
}

enum { OVERHEAD = 4096 /* of a cache of ten rows: the page before its slots */ };

Test(cache, keeps_as_many_pictures_as_it_may_and_no_more)
{
    struct image_cache *c = opened("a", 4 * SLOT);

    for (size_t round = 0; round < 3; round++)
        for (size_t row = 0; row < ROWS; row++)
            put(c, row);
    cr_assert_eq(count_there(c), 4);
    for (size_t row = 0; row < 4; row++)
        cr_assert(has(c, row), "row %zu, that came early, is gone", row);
    image_cache_close(c);
    cr_assert_leq(bytes_in_folder(), 4 * SLOT + OVERHEAD);
    cr_assert_eq(left_after("a", 4 * SLOT), 4);
}

Test(cache, counts_what_it_already_holds_when_it_is_opened_again)
{
    struct image_cache *c = opened("a", 3 * SLOT);

    put(c, 0);
    put(c, 1);
    image_cache_close(c);
    c = opened("a", 3 * SLOT);
    put(c, 0); /* again: its own slot */
    put(c, 2);
    put(c, 3);
    cr_assert_eq(count_there(c), 3);
    cr_assert_not(has(c, 3));
    image_cache_close(c);
}

Test(cache, that_is_larger_than_it_may_be_is_begun_anew)
{
    struct image_cache *c;

    fill("a");
    c = opened("a", 4 * SLOT);
    for (size_t row = 0; row < ROWS; row++)
        put(c, row);
    cr_assert_eq(count_there(c), 4);
    image_cache_close(c);
    cr_assert_leq(bytes_in_folder(), 4 * SLOT + OVERHEAD);
}

static void set_age(const char *path, time_t seconds)
{
    const struct timespec times[2] = { { 1000000 - seconds, 0 }, { 1000000 - seconds, 0 } };

    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Fill a cache and make it that old; returns the path of its file, which is the only new one. */
static void fill_aged(const char *table, time_t seconds, char path[4096])
{
    char *shared = folder, *own = scratch_folder();

    folder = own;
    fill(table);
    snprintf(path, 4096, "%s%s", shared, strrchr(the_file(), '/'));
    cr_assert_eq(rename(the_file(), path), 0);
    set_age(path, seconds);
    folder = shared;
    scratch_remove(own);
}

Test(cache, removes_the_least_recently_used_first)
{
    char old[4096], older[4096], recent[4096];
    struct image_cache *c;

    fill_aged("old", 200, old);
    fill_aged("older", 300, older);
    fill_aged("recent", 100, recent);
    c = opened("new", 3 * (ROWS * SLOT + OVERHEAD));
    cr_assert_neq(access(older, F_OK), 0, "the oldest is still there");
    cr_assert(access(old, F_OK) == 0 && access(recent, F_OK) == 0, "more than needed was removed");
    image_cache_close(c);
    c = opened("newest", 2 * (ROWS * SLOT + OVERHEAD));
    cr_assert(access(old, F_OK) != 0 && access(recent, F_OK) == 0, "the wrong one was removed");
    image_cache_close(c);
}

Test(cache, that_was_opened_is_no_longer_the_least_recently_used)
{
    char first[4096], second[4096];

    fill_aged("first", 200, first);
    fill_aged("second", 100, second);
    cr_assert_eq(left_after("first", PLENTY), ROWS);
    image_cache_close(opened("third", 2 * (ROWS * SLOT + OVERHEAD)));
    cr_assert(access(first, F_OK) == 0 && access(second, F_OK) != 0);
}

Test(cache, removes_nothing_but_caches)
{
    char other[4096], cache[4096];

    snprintf(other, sizeof other, "%s", path_in(folder, "letters-to-mother.cache"));
    write_text(other, "dear");
    set_age(other, 1000);
    fill_aged("a", 100, cache);
    image_cache_close(opened("b", SLOT));
    cr_assert(access(other, F_OK) == 0 && access(cache, F_OK) != 0);
}

/* ---- where there can be none ---- */

static void check_none(const char *what, const struct image_cache_options *options)
{
    struct image_cache *c = image_cache_open(options);

    cr_assert_null(c, "%s: a cache", what);
}

Test(cache, is_none_without_a_folder_or_room_or_where_it_cannot_be_written)
{
    struct image_cache_options options = options_of("a", PLENTY);
    char below_a_file[4096], long_path[5000];

    options.folder = NULL;
    check_none("no folder", &options);
    options = options_of("a", 0);
    check_none("no room", &options);
    options = options_of("a", PLENTY);
    write_text(path_in(folder, "file"), "");
    snprintf(below_a_file, sizeof below_a_file, "%s/file/cache", folder);
    options.folder = below_a_file;
    check_none("a folder below a file", &options);
    options.folder = "/proc/self/task"; /* exists, and not even root can write in it */
    check_none("a folder that cannot be written", &options);
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    options.folder = long_path;
    check_none("a path that is too long", &options);
}

Test(cache, folder_is_made_with_its_parents)
{
    struct image_cache_options options = options_of("a", PLENTY);
    char deep[4096];
    struct image_cache *c;

    snprintf(deep, sizeof deep, "%s/one/two", folder);
    options.folder = deep;
    c = image_cache_open(&options);
    cr_assert_not_null(c);
    image_cache_close(c);
}

Test(cache, second_handle_on_the_same_file_gets_none_until_the_first_is_closed)
{
    const struct image_cache_options options = options_of("a", PLENTY);
    struct image_cache *first = opened("a", PLENTY);

    check_none("while it is open", &options);
    put(first, 0);
    cr_assert(has(first, 0), "the second took something from the first");
    image_cache_close(first);
    cr_assert_eq(left_after("a", PLENTY), 1);
}

Test(cache, link_in_its_place_is_not_followed)
{
    const struct image_cache_options options = options_of("a", PLENTY);
    char cache[4096], target[4096];

    fill("a");
    snprintf(cache, sizeof cache, "%s", the_file());
    snprintf(target, sizeof target, "%s", path_in(folder, "target"));
    write_text(target, "precious");
    cr_assert_eq(unlink(cache), 0);
    cr_assert_eq(symlink(target, cache), 0);
    check_none("a link", &options);
    cr_assert_eq(size_of(target), 8, "the link's target was written");
}

Test(cache, disk_that_fills_up_costs_the_rest_of_the_cache_and_nothing_else)
{
    struct image_cache *c = opened("a", PLENTY);
    const struct rlimit full = { OVERHEAD + 2 * SLOT, RLIM_INFINITY };

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    for (size_t row = 0; row < ROWS; row++)
        put(c, row);
    cr_assert_eq(count_there(c), 2);
    image_cache_close(c);
}

/* ---- threads ---- */

struct crowd {
    struct image_cache *cache;
    atomic_size_t hits;
};

static void visit(void *arg, size_t task, size_t thread)
{
    struct crowd *crowd = arg;
    const size_t row = task % ROWS;

    (void)thread;
    put(crowd->cache, row);
    crowd->hits += has(crowd->cache, row);
}

Test(cache, threads_may_use_different_rows_at_the_same_time)
{
    struct crowd crowd = { .cache = opened("a", 6 * SLOT) };
    struct pool *pool = NULL;
    struct error err = { 0 };

    cr_assert_eq(pool_new(4, POOL_NORMAL, &pool, &err), ST_OK, "%s", err.text);
    for (size_t round = 0; round < 20; round++)
        pool_run(pool, ROWS, visit, &crowd);
    cr_assert_eq(count_there(crowd.cache), 6);
    cr_assert_eq(crowd.hits, 20 * 6);
    pool_free(pool);
    image_cache_close(crowd.cache);
}

/* ---- no picture is decoded twice ---- */

struct desk {
    int root;
    struct table table;
    struct picture_files *files;
    struct pictures pictures;
    struct batch batch;
};

enum { N_PICTURES = 24 };

static void desk_make(struct desk *d, struct image_cache *cache)
{
    struct file_bytes csv;
    struct error err = { 0 };

    *d = (struct desk){ .table = TABLE_INIT };
    tiny_dataset(folder, N_PICTURES, 0);
    csv = read_bytes(path_in(folder, "tiny/Data_Entry_2017.csv"));
    cr_assert_eq(table_read(csv.data, csv.size, "t", &NIH_LABELS, &d->table, &err), ST_OK, "%s", err.text);
    file_bytes_release(&csv);
    d->root = open(path_in(folder, "tiny"), O_RDONLY | O_DIRECTORY);
    cr_assert_eq(discover(d->root, "images_*/images/*.png", 1, &d->files, &err), ST_OK, "%s", err.text);
    cr_assert_eq(batch_init(&d->batch, N_PICTURES, &(struct preprocess){ .size = SIZE }, N_NIH_LABELS, &err),
                 ST_OK, "%s", err.text);
    d->pictures = (struct pictures){
        .table = &d->table, .files = d->files, .cache = cache, .pre = { SIZE, RESIZE_AREA, 0, 1 }
    };
}

static void desk_release(struct desk *d)
{
    batch_release(&d->batch);
    picture_files_free(d->files);
    table_release(&d->table);
    close(d->root);
}

/* Load every picture; returns how many could be. */
static size_t load_all(struct desk *d)
{
    uint32_t rows[N_PICTURES];
    struct error err = { 0 };

    for (uint32_t i = 0; i < N_PICTURES; i++)
        rows[i] = i;
    cr_assert_eq(batch_load(&d->batch, &d->pictures, NULL, NULL, rows, N_PICTURES, false, &err), ST_OK, "%s",
                 err.text);
    return d->batch.n;
}

/* Every file becomes garbage that has its old size and times: who decodes one again will notice. */
static void wreck_all(void)
{
    for (size_t i = 0; i < N_PICTURES; i++)
        overwrite_unseen(tiny_image_path(folder, i), 'x');
}

Test(cache, makes_every_load_but_the_first_free_of_decoding)
{
    struct image_cache_options options = options_of("a", PLENTY);
    struct image_cache *c;
    struct desk d;
    float first[N_PICTURES * SLOT];

    options.n_rows = N_PICTURES;
    options.folder = path_in(folder, "cache");
    c = image_cache_open(&options);
    desk_make(&d, c);
    cr_assert_eq(load_all(&d), N_PICTURES);
    memcpy(first, d.batch.x, sizeof first);
    wreck_all();
    cr_assert_eq(load_all(&d), N_PICTURES, "a picture was decoded twice");
    cr_assert_arr_eq(d.batch.x, first, sizeof first);
    d.pictures.cache = NULL;
    cr_assert_eq(load_all(&d), 0, "the files are not wrecked: the test proves nothing");
    desk_release(&d);
    image_cache_close(c);
}

enum { REPEATS = 21 };

static bool is_written(const uint8_t *grey, size_t n)
{
    size_t at = 0;

    while (at < n && grey[at] == 0)
        at++;
    return at < n;
}

/* Each row thrice, the third of them broken: in any order, over threads, augmented or not, what comes out is what each
 * place would get from a batch of its own. */
static void check_repeats(struct desk *d, struct pool *pool, bool augment)
{
    uint32_t rows[REPEATS];
    float *x = malloc(REPEATS * SLOT * sizeof *x);
    size_t n = 0, loaded = 0;
    struct error err = { 0 };

    for (uint32_t i = 0; i < REPEATS; i++)
        rows[i] = i * 5 % (REPEATS / 3);
    d->batch.augment = augment;
    d->batch.number = 0;
    memset(d->batch.grey, 0, N_PICTURES * SLOT);
    cr_assert_eq(batch_load(&d->batch, &d->pictures, pool, NULL, rows, REPEATS, false, &err), ST_OK);
    cr_assert_eq(d->batch.n, REPEATS - 3);
    memcpy(x, d->batch.x, d->batch.n * SLOT * sizeof *x);
    for (size_t i = 0; i < REPEATS; i++)
        loaded += is_written(d->batch.grey + i * SLOT, SLOT);
    cr_assert_eq(loaded, REPEATS / 3 - 1, "a row was loaded more than once");
    cr_assert_eq(batch_load(&d->batch, &d->pictures, pool, NULL, rows, REPEATS, true, &err), ST_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, tiny_image(2)), "%s", err.text);
    for (size_t i = 0; i < REPEATS; i++) {
        d->batch.number = i;
        cr_assert_eq(batch_load(&d->batch, &d->pictures, NULL, NULL, &rows[i], 1, false, &err), ST_OK);
        if (d->batch.n == 1)
            cr_assert_arr_eq(d->batch.x, x + n++ * SLOT, SLOT * sizeof *x, "place %zu", i);
    }
    cr_assert_eq(n, REPEATS - 3);
    free(x);
}

Test(cache, row_that_is_in_a_batch_more_than_once_is_loaded_once)
{
    struct image_cache_options options = options_of("a", PLENTY);
    struct pool *pool = NULL;
    struct error err = { 0 };

    options.n_rows = N_PICTURES;
    options.folder = path_in(folder, "cache");
    cr_assert_eq(pool_new(4, POOL_NORMAL, &pool, &err), ST_OK, "%s", err.text);
    for (int augment = 0; augment < 2; augment++) {
        bool unusable[N_PICTURES] = { 0 };
        struct image_cache *c;
        struct desk d;

        options.csv_sha256 = augment ? "augmented" : "as they are"; /* a cache of its own, and empty */
        c = image_cache_open(&options);
        desk_make(&d, c);
        d.pictures.unusable = unusable;
        write_text(tiny_image_path(folder, 2), "no picture");
        check_repeats(&d, pool, augment);
        desk_release(&d);
        image_cache_close(c);
    }
    pool_free(pool);
}

Test(cache, picture_that_was_replaced_is_decoded_again)
{
    struct image_cache_options options = options_of("a", PLENTY);
    struct image_cache *c;
    struct desk d;
    float second[SLOT];

    options.n_rows = N_PICTURES;
    options.folder = path_in(folder, "cache");
    c = image_cache_open(&options);
    desk_make(&d, c);
    cr_assert_eq(load_all(&d), N_PICTURES);
    memcpy(second, d.batch.x + SLOT, sizeof second);
    cr_assert_eq(unlink(tiny_image_path(folder, 0)), 0);
    tiny_picture(tiny_image_path(folder, 0), 1); /* the first row now shows what the second does */
    cr_assert_eq(load_all(&d), N_PICTURES);
    cr_assert_arr_eq(d.batch.x, second, sizeof second);
    desk_release(&d);
    image_cache_close(c);
}
