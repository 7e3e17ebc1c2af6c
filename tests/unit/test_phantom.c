/* tests/unit/test_phantom.c - the synthetic data set: its table, its pictures, and that findings are where it says. */
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/labels.h"
#include "cxrd/phantom.h"
#include "cxrd/preprocess.h"
#include "jobs/phantom/case.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void make(const char *out, size_t images, uint64_t seed, size_t threads)
{
    const struct phantom_options o = { .out = out, .images = images, .size = 64, .seed = seed };
    struct error err = { 0 };
    struct pool *pool = NULL;

    cr_assert_eq(pool_new(threads, POOL_NORMAL, &pool, &err), ST_OK);
    cr_assert_eq(phantom_make(&o, pool, NULL, NULL, &err), ST_OK, "%s", err.text);
    pool_free(pool);
}

static struct file_bytes read_in(const char *folder, const char *name)
{
    struct file_bytes f = FILE_BYTES_INIT;
    struct error err = { 0 };
    char path[2048];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(file_read(path, 1 << 24, &f, &err), ST_OK, "%s", err.text);
    return f;
}

/* Call fn for each line of a table but its header. Returns how many. */
static size_t each_row(const char *folder, const char *table, const char *header,
                       void (*fn)(void *arg, const char *folder, char *line), void *arg)
{
    struct file_bytes f = read_in(folder, table);
    char *rest = f.data, *line = strsep(&rest, "\n");
    size_t n = 0;

    cr_assert_str_eq(line, header);
    while ((line = strsep(&rest, "\n")) && *line) {
        fn(arg, folder, line);
        n++;
    }
    file_bytes_release(&f);
    return n;
}

static const char DATA_HEADER[] =
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View "
    "Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],";
static const char BOX_HEADER[] = "Image Index,Finding Label,Bbox [x,y,w,h],,,";

static void add_picture(void *arg, const char *folder, char *line)
{
    char name[64];
    struct file_bytes f;

    snprintf(name, sizeof name, "images_001/images/%s", strsep(&line, ","));
    f = read_in(folder, name);
    digest_add(arg, f.data, f.size);
    file_bytes_release(&f);
}

/* One digest of both tables and of every picture. */
static void digest_set(const char *folder, char text[DIGEST_TEXT_SIZE])
{
    struct file_bytes data = read_in(folder, "Data_Entry_2017.csv"),
                      boxes = read_in(folder, "BBox_List_2017.csv");
    struct digest *d = NULL;

    cr_assert_eq(digest_new(&d), ST_OK);
    digest_add(d, data.data, data.size);
    digest_add(d, boxes.data, boxes.size);
    cr_assert_gt(each_row(folder, "Data_Entry_2017.csv", DATA_HEADER, add_picture, d), 0);
    digest_finish(d, text);
    file_bytes_release(&data);
    file_bytes_release(&boxes);
}

Test(phantom, same_options_same_bytes_whatever_the_threads)
{
    char *folder = scratch_folder(), path[3][512], digest[3][DIGEST_TEXT_SIZE];
    const size_t threads[3] = { 1, 3, 2 };
    const uint64_t seeds[3] = { 7, 7, 8 };

    for (size_t i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%zu", folder, i);
        make(path[i], 150, seeds[i], threads[i]);
        digest_set(path[i], digest[i]);
    }
    cr_assert_str_eq(digest[0], digest[1]);
    cr_assert_str_neq(digest[0], digest[2]);
    scratch_remove(folder);
}

struct set {
    unsigned patient; /* of the last row, and … */
    size_t follow_up; /* … which of the patient's pictures it was */
    unsigned findings[100];
    size_t n, boxes;
};

static unsigned parse_labels(char *labels)
{
    unsigned mask = 0;

    if (strcmp(labels, "No Finding") == 0)
        return 0;
    for (char *label; (label = strsep(&labels, "|"));) {
        const int k = labels_find(&NIH_LABELS, label, strlen(label));

        cr_assert_geq(k, 0, "'%s' is no finding", label);
        cr_assert_geq(1u << k, mask, "not in the order of the labels");
        mask |= 1u << k;
    }
    return mask;
}

static void check_picture(const char *folder, const char *name)
{
    struct image image = IMAGE_INIT;
    struct error err = { 0 };
    struct file_bytes f;
    char path[96];

    snprintf(path, sizeof path, "images_001/images/%s", name);
    f = read_in(folder, path);
    cr_assert_eq(image_decode(f.data, f.size, &IMAGE_READER_PNG, &image, &err), ST_OK, "%s", err.text);
    cr_assert(image.width == 64 && image.height == 64 && image.channels == 1 && image.bit_depth == 8);
    image_release(&image);
    file_bytes_release(&f);
}

static void check_row(void *arg, const char *folder, char *line)
{
    struct set *s = arg;
    char *fields[12], expected[32];
    unsigned patient;

    for (size_t i = 0; i < 12; i++)
        cr_assert_not_null(fields[i] = strsep(&line, ","));
    cr_assert(line == NULL && *fields[11] == '\0', "eleven fields and a comma");
    patient = (unsigned)strtoul(fields[3], NULL, 10);
    s->follow_up = patient == s->patient ? s->follow_up + 1 : 0;
    s->patient = patient;
    snprintf(expected, sizeof expected, "%08u_%03zu.png", patient, s->follow_up);
    cr_assert_str_eq(fields[0], expected);
    cr_assert_eq(strtoul(fields[2], NULL, 10), s->follow_up);
    cr_assert(strcmp(fields[5], "M") == 0 || strcmp(fields[5], "F") == 0);
    cr_assert(strcmp(fields[6], "PA") == 0 || strcmp(fields[6], "AP") == 0);
    cr_assert(strtoul(fields[4], NULL, 10) > 0 && strtoul(fields[7], NULL, 10) > 2000);
    cr_assert_gt(strtod(fields[10], NULL), 0.1);
    check_picture(folder, fields[0]);
    s->findings[s->n++] = parse_labels(fields[1]);
}

static void check_box(void *arg, const char *folder, char *line)
{
    struct set *s = arg;
    double at[4];
    char *label;

    (void)folder;
    strsep(&line, ",");
    label = strsep(&line, ",");
    cr_assert(labels_find(&NIH_LABELS, label, strlen(label)) >= 0 || strcmp(label, "Infiltrate") == 0, "%s",
              label);
    cr_assert_eq(sscanf(line, "%lf,%lf,%lf,%lf", &at[0], &at[1], &at[2], &at[3]), 4);
    cr_assert(at[0] >= 0 && at[1] >= 0 && at[2] > 0 && at[3] > 0);
    cr_assert(at[0] + at[2] <= 64.01 && at[1] + at[3] <= 64.01, "a box leaves the picture");
    s->boxes++;
}

Test(phantom, folder_reads_like_nih)
{
    char *folder = scratch_folder();
    struct set s = { 0 };
    size_t findings = 0;

    make(folder, 100, 3, 2);
    cr_assert_eq(each_row(folder, "Data_Entry_2017.csv", DATA_HEADER, check_row, &s), 100);
    each_row(folder, "BBox_List_2017.csv", BOX_HEADER, check_box, &s);
    for (size_t i = 0; i < s.n; i++)
        findings += (size_t)__builtin_popcount(s.findings[i]);
    cr_assert_eq(s.boxes, findings, "every finding has its box");
    scratch_remove(folder);
}

struct tally {
    size_t findings[N_NIH_LABELS], normal, patients, most, odd_ages;
};

static struct tally count_table(size_t n, uint64_t seed, bool nih_rates)
{
    struct phantom_case *cases = calloc(n, sizeof *cases);
    struct tally t = { 0 };

    cr_assert_eq(phantom_table(seed, n, nih_rates, cases, NULL), ST_OK);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < N_NIH_LABELS; k++)
            t.findings[k] += cases[i].findings >> k & 1;
        t.normal += cases[i].findings == 0;
        t.patients += cases[i].follow_up == 0;
        t.most = cases[i].follow_up + 1 > t.most ? cases[i].follow_up + 1 : t.most;
        t.odd_ages += cases[i].age > 120;
        cr_assert(cases[i].age >= 1 && (cases[i].age <= 95 || cases[i].age > 120));
    }
    free(cases);
    return t;
}

/* The counts of the real table, in class order. */
static const size_t NIH[N_NIH_LABELS] = { 11558, 2776,  4667, 2302, 13316, 2516, 1686,
                                          227,   19891, 5779, 6331, 3384,  1430, 5301 };

Test(phantom, rates_are_flattened_but_keep_their_order)
{
    const struct tally t = count_table(2000, 5, false);

    cr_assert_eq(t.normal, 1000);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        cr_assert_geq(t.findings[k], 120, "%s: %zu of 2000", NIH_LABELS.names[k], t.findings[k]);
        for (size_t other = 0; other < N_NIH_LABELS; other++)
            cr_assert(NIH[k] < NIH[other] ? t.findings[k] <= t.findings[other] : true, "%s against %s",
                      NIH_LABELS.names[k], NIH_LABELS.names[other]);
    }
}

Test(phantom, nih_rates_are_the_real_ones)
{
    const struct tally t = count_table(20000, 5, true);

    cr_assert_float_eq((double)t.normal / 20000, 0.538, 0.002);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_float_eq((double)t.findings[k] / 20000, (double)NIH[k] / 112120, 0.001, "%s",
                           NIH_LABELS.names[k]);
}

Test(phantom, patients_have_one_picture_or_many)
{
    const struct tally t = count_table(20000, 5, false);

    cr_assert(t.patients > 4000 && t.patients < 8000, "%zu patients", t.patients);
    cr_assert(t.most > 50 && t.most <= 100, "one has %zu pictures", t.most);
    cr_assert(t.odd_ages <= 12, "%zu mistyped ages where 3 are expected", t.odd_ages);
}

Test(phantom, smallest_sets_work)
{
    for (size_t n = 1; n < 20; n++) {
        const struct tally t = count_table(n, n, false);

        cr_assert_eq(t.normal, n - (n + 1) / 2);
    }
}

/* A picture with a finding and without it, all else equal: what differs lies in the finding's box. */
static void compare(size_t label, size_t index, double *ret_inside, double *ret_outside)
{
    enum { SIZE = 128 };
    static uint8_t with[SIZE * SIZE], without[SIZE * SIZE];
    struct phantom_case row = { .patient = (uint32_t)index + 1, .age = 50, .male = index % 2 };
    struct scene scene = { 0 };
    struct box boxes[N_NIH_LABELS], box;
    double sum[2] = { 0 }, n[2] = { 0 };

    cr_assert_eq(scene_init(&scene, SIZE, NULL), ST_OK);
    phantom_draw(&scene, 11, index, &row, without, boxes);
    row.findings = (uint16_t)(1u << label);
    phantom_draw(&scene, 11, index, &row, with, boxes);
    box = boxes[label];
    for (size_t i = 0; i < SIZE * SIZE; i++) {
        const float x = pixel_centre(i % SIZE, SIZE), y = pixel_centre(i / SIZE, SIZE);
        const bool outside = x < box.x0 || x > box.x1 || y < box.y0 || y > box.y1;

        sum[outside] += abs(with[i] - without[i]);
        n[outside]++;
    }
    *ret_inside = sum[0] / fmax(n[0], 1);
    *ret_outside = sum[1] / fmax(n[1], 1);
    scene_release(&scene);
}

ParameterizedTestParameters(phantom, finding_is_seen_where_its_box_is)
{
    return cr_make_param_array(size_t, index_upto(N_NIH_LABELS), N_NIH_LABELS, index_free);
}

ParameterizedTest(size_t *label, phantom, finding_is_seen_where_its_box_is)
{
    /* emphysema changes the whole chest, which its box does not hold all of */
    const double contrast = *label == (size_t)labels_find(&NIH_LABELS, "Emphysema", 9) ? 1.4 : 2.5;

    for (size_t index = 0; index < 20; index++) {
        double inside, outside;

        compare(*label, index, &inside, &outside);
        cr_assert(inside > 3 && inside > contrast * outside, "%s in picture %zu: %.1f inside, %.1f outside",
                  NIH_LABELS.names[*label], index, inside, outside);
    }
}

Test(phantom, small_picture_is_the_large_one_reduced)
{
    static uint8_t large[512 * 512], small[128 * 128], reduced[128 * 128];
    const struct phantom_case row = { .patient = 4, .age = 61, .findings = 1 << 4 | 1 << 9 };
    const struct preprocess half = { .size = 128, .resize = RESIZE_AREA, .std = 1 };
    const struct image image = { 512, 512, large, 1, 8 };
    struct scene scene = { 0 };
    struct box boxes[N_NIH_LABELS];
    double sum = 0;

    cr_assert_eq(scene_init(&scene, 128, NULL), ST_OK);
    phantom_draw(&scene, 1, 0, &row, small, boxes);
    scene_release(&scene);
    cr_assert_eq(scene_init(&scene, 512, NULL), ST_OK);
    phantom_draw(&scene, 1, 0, &row, large, boxes);
    scene_release(&scene);
    preprocess_resize(&image, &half, reduced);
    for (size_t i = 0; i < sizeof small; i++)
        sum += abs(small[i] - reduced[i]);
    cr_assert_lt(sum / sizeof small, 4, "they differ by %.2f grey levels on average", sum / sizeof small);
}

Test(phantom, existing_set_is_never_touched)
{
    char *folder = scratch_folder();
    const struct phantom_options o = { .out = folder, .images = 3, .size = 64 };
    struct file_bytes before, after;
    struct error err = { 0 };

    make(folder, 2, 1, 1);
    before = read_in(folder, "Data_Entry_2017.csv");
    cr_assert_eq(phantom_make(&o, NULL, NULL, NULL, &err), ST_CONFLICT);
    cr_assert_not_null(strstr(err.text, folder));
    after = read_in(folder, "Data_Entry_2017.csv");
    cr_assert_str_eq(before.data, after.data);
    file_bytes_release(&before);
    file_bytes_release(&after);
    scratch_remove(folder);
}

Test(phantom, interrupted_run_leaves_no_table)
{
    char *folder = scratch_folder(), path[512];
    const struct phantom_options o = { .out = folder, .images = 2, .size = 64 };
    struct error err = { 0 };

    snprintf(path, sizeof path, "%s/images_001/images/00000001_000.png", folder);
    cr_assert_eq(folder_make(path, &err), ST_OK); /* where a picture should go */
    cr_assert_eq(phantom_make(&o, NULL, NULL, NULL, &err), ST_IO);
    cr_assert_not_null(strstr(err.text, "00000001_000.png"));
    snprintf(path, sizeof path, "%s/Data_Entry_2017.csv", folder);
    cr_assert_neq(access(path, F_OK), 0);
    scratch_remove(folder);
}

Test(phantom, impossible_options_are_refused)
{
    char *folder = scratch_folder();
    const struct phantom_options wrong[] = {
        { .out = folder, .images = 0, .size = 64 },
        { .out = folder, .images = PHANTOM_MAX_IMAGES + 1, .size = 64 },
        { .out = folder, .images = 1, .size = 63 },
        { .out = folder, .images = 1, .size = 2049 },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_eq(phantom_make(&wrong[i], NULL, NULL, NULL, NULL), ST_INVALID);
    cr_assert_eq(rmdir(folder), 0, "nothing was made");
    free(folder);
}

static void note_progress(void *arg, size_t done, size_t total)
{
    size_t *last = arg;

    cr_assert(done > *last && done <= total && total == 100);
    *last = done;
}

Test(phantom, progress_ends_at_the_total)
{
    char *folder = scratch_folder();
    const struct phantom_options o = { .out = folder, .images = 100, .size = 64 };
    size_t last = 0;

    cr_assert_eq(phantom_make(&o, NULL, note_progress, &last, NULL), ST_OK);
    cr_assert_eq(last, 100);
    scratch_remove(folder);
}
