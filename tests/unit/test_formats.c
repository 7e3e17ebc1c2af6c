/* tests/unit/test_formats.c - tables of other data sets in their public layout, tests/fixtures/tables: what they say of each finding
 * is counted against numbers written by hand, what is made of it goes by the job, and what does not fit is refused or counted. */
#include "cxrd/dataset.h"
#include "files.h"
#include "jobs/training/row_inputs.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(formats, .fini = check_no_leaks);

/* A test's input, and what became of it. */
struct reading {
    struct table_source source;
    struct labels labels;
    struct file_bytes file[2], mapping;
    struct table t;
    struct rows used;
    struct dataset_report report;
};

static struct file_bytes fixture(const char *name)
{
    return read_bytes(path_in(FIXTURES "/tables", "%s", name));
}

static struct reading fixtures(enum table_format format, const char *first, const char *second)
{
    struct reading r = { .source = { .format = format,
                                     .n_files = second ? 2 : 1,
                                     .uncertain = UNCERTAIN_IGNORE,
                                     .missing = table_format_defaults(format).missing },
                         .labels = *table_format_defaults(format).labels };

    r.file[0] = fixture(first);
    r.source.file[0] = (struct table_file){ first, r.file[0].data, r.file[0].size };
    if (second) {
        r.file[1] = fixture(second);
        r.source.file[1] = (struct table_file){ second, r.file[1].data, r.file[1].size };
    }
    return r;
}

static void read_all(struct reading *r)
{
    struct error err = { 0 };

    r->report = (struct dataset_report){ 0 };
    cr_assert_eq(table_read_as(&r->source, &r->labels, &r->t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(table_filter(&r->t, 120, false, true, &r->used, NULL, &r->report, &err), ST_OK, "%s",
                 err.text);
}

static void forget(struct reading *r)
{
    rows_release(&r->used);
    table_release(&r->t);
}

static void release(struct reading *r)
{
    forget(r);
    file_bytes_release(&r->file[0]);
    file_bytes_release(&r->file[1]);
    file_bytes_release(&r->mapping);
}

static size_t label(const struct reading *r, const char *name)
{
    const int k = labels_find(&r->labels, name, strlen(name));

    cr_assert_geq(k, 0, "%s", name);
    return (size_t)k;
}

static void check_said(const struct reading *r, const char *name, size_t positive, size_t negative,
                       size_t uncertain, size_t missing)
{
    const struct said_count *s = &r->report.said[label(r, name)];

    cr_assert(s->positive == positive && s->negative == negative && s->uncertain == uncertain &&
                  s->missing == missing,
              "%s: %zu %zu %zu %zu", name, s->positive, s->negative, s->uncertain, s->missing);
}

static const struct table_row *row_of(const struct reading *r, const char *image)
{
    for (size_t i = 0; i < r->t.n_rows; i++)
        if (strcmp(table_image(&r->t, i), image) == 0)
            return &r->t.rows[i];
    cr_assert_fail("no row of '%s'", image);
    return NULL;
}

/* '+' there, '-' not there, '?' not known. */
static char state(const struct reading *r, const struct table_row *row, const char *name)
{
    const size_t k = label(r, name);

    return row->unknown >> k & 1 ? '?' : row->labels >> k & 1 ? '+' : '-';
}

/* ---- CheXpert ---- */

Test(formats, chexpert_is_counted_as_it_is_written)
{
    struct reading r = fixtures(FORMAT_CHEXPERT, "chexpert/train.csv", NULL);

    read_all(&r);
    cr_assert_eq(r.t.n_rows, 22);
    cr_assert_eq(r.report.dropped_views, 2);
    cr_assert_eq(r.report.dropped_unlabelled, 0);
    cr_assert_eq(r.used.n, 20);
    check_said(&r, "Cardiomegaly", 4, 4, 2, 10);
    check_said(&r, "Edema", 4, 4, 3, 9);
    check_said(&r, "Pleural Effusion", 4, 4, 2, 10);
    check_said(&r, "Atelectasis", 2, 3, 3, 12);
    check_said(&r, "Support Devices", 4, 0, 0, 16);
    cr_assert_eq(r.report.unknown_labels[label(&r, "Edema")], 3);
    cr_assert_eq(r.report.label_counts[label(&r, "Edema")], 4);
    release(&r);
}

Test(formats, chexpert_names_patients_and_pictures_by_their_path)
{
    struct reading r = fixtures(FORMAT_CHEXPERT, "chexpert/train.csv", NULL);
    const struct table_row *first, *again, *lateral, *other;

    read_all(&r);
    first = row_of(&r, "patient00002/study2/view1_frontal");
    again = row_of(&r, "patient00002/study1/view1_frontal");
    lateral = row_of(&r, "patient00002/study1/view2_lateral");
    other = row_of(&r, "patient00013/study1/view1_frontal");
    cr_assert(first->patient == again->patient && first->patient == lateral->patient);
    cr_assert_neq(first->patient, other->patient);
    cr_assert(first->age == 87 && first->sex == 'F' && first->view == 'A');
    cr_assert(lateral->other_view && !lateral->view && other->sex == 0 && other->view == 'P');
    cr_assert_not(r.t.has_follow_up); /* nothing says that studies are numbered in the order of time */
    release(&r);
}

Test(formats, uncertain_and_missing_labels_are_what_the_job_says)
{
    static const struct {
        enum uncertain_labels uncertain;
        enum missing_labels missing;
        const char *states; /* of patient 7: uncertain, there, not said */
    } CASES[] = { { UNCERTAIN_IGNORE, LABELS_NEGATIVE, "?+-" },
                  { UNCERTAIN_ZEROS, LABELS_NEGATIVE, "-+-" },
                  { UNCERTAIN_ONES, LABELS_NEGATIVE, "++-" },
                  { UNCERTAIN_IGNORE, LABELS_UNKNOWN, "?+?" },
                  { UNCERTAIN_ONES, LABELS_UNKNOWN, "++?" } };
    struct reading r = fixtures(FORMAT_CHEXPERT, "chexpert/train.csv", NULL);

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct table_row *row, *normal;

        r.source.uncertain = CASES[i].uncertain;
        r.source.missing = CASES[i].missing;
        read_all(&r);
        row = row_of(&r, "patient00007/study1/view1_frontal");
        normal = row_of(&r, "patient00005/study1/view1_frontal");
        cr_assert_eq(state(&r, row, "Cardiomegaly"), CASES[i].states[0], "%zu", i);
        cr_assert_eq(state(&r, row, "Pleural Effusion"), CASES[i].states[1], "%zu", i);
        cr_assert_eq(state(&r, row, "Fracture"), CASES[i].states[2], "%zu", i);
        cr_assert_eq(state(&r, normal, "Fracture"), '-'); /* No Finding says it of all */
        cr_assert(normal->no_finding && !row->no_finding);
        /* Whatever is made of it; only of patient 17 nothing is left where all that is not sure is not known. */
        cr_assert_eq(r.report.dropped_unlabelled, i == 3);
        check_said(&r, "Cardiomegaly", 4, 4, 2, 10 - r.report.dropped_unlabelled);
        forget(&r);
    }
    release(&r);
}

/* A chest with "No Finding" may have a device: it is no contradiction, and no normal chest where devices are asked for. */
Test(formats, a_device_is_no_finding_of_the_chest)
{
    struct reading r = fixtures(FORMAT_CHEXPERT, "chexpert/train.csv", NULL);
    const struct table_row *row;

    read_all(&r);
    row = row_of(&r, "patient00001/study1/view1_frontal");
    cr_assert_eq(state(&r, row, "Support Devices"), '+');
    cr_assert_eq(state(&r, row, "Edema"), '-');
    cr_assert_not(row->no_finding);
    cr_assert_eq(r.t.misfits.contradictions, 0);
    forget(&r);
    r.labels = (struct labels){ .n = 1, .names = { "Edema" } };
    read_all(&r);
    cr_assert(row_of(&r, "patient00001/study1/view1_frontal")->no_finding);
    release(&r);
}

/* NIH's names for the same findings, in another order; what a table has no column of cannot be asked of it. */
Test(formats, chexpert_answers_to_the_names_of_a_job)
{
    struct reading r = fixtures(FORMAT_CHEXPERT, "chexpert/train.csv", NULL);
    struct error err = { 0 };

    r.labels = (struct labels){ .n = 3, .names = { "Effusion", "Fracture", "Oedema" } };
    read_all(&r);
    check_said(&r, "Effusion", 4, 4, 2, 10);
    check_said(&r, "Fracture", 3, 3, 0, 14);
    check_said(&r, "Oedema", 4, 4, 3, 9);
    forget(&r);
    r.labels = NIH_LABELS;
    r.t = (struct table)TABLE_INIT;
    check_refusal("no column", table_read_as(&r.source, &r.labels, &r.t, &err), ST_FORMAT, &err,
                  "no column 'Emphysema'");
    release(&r);
}

/* ---- MIMIC-CXR-JPG ---- */

Test(formats, mimic_is_joined_by_study)
{
    struct reading r =
        fixtures(FORMAT_MIMIC, "mimic/mimic-cxr-2.0.0-chexpert.csv", "mimic/mimic-cxr-2.0.0-metadata.csv");
    struct flow flow;

    read_all(&r);
    cr_assert_eq(r.t.n_rows, 20);
    cr_assert_eq(r.report.dropped_views, 4);
    cr_assert_eq(r.report.dropped_unlabelled, 1);
    cr_assert_eq(r.used.n, 15);
    cr_assert_eq(flow_count(&r.t, &r.used, &flow), ST_OK);
    cr_assert_eq(flow.patients, 12);
    cr_assert(r.t.misfits.without_study == 1 && r.t.misfits.without_pictures == 1);
    check_said(&r, "Edema", 4, 3, 1, 7);
    check_said(&r, "Pleural Effusion", 3, 3, 2, 7);
    release(&r);
}

/* Films of a patient are in the order of their dates: what the first showed the second knows. */
Test(formats, mimic_knows_the_history_and_what_is_not_known_of_it)
{
    struct reading r =
        fixtures(FORMAT_MIMIC, "mimic/mimic-cxr-2.0.0-chexpert.csv", "mimic/mimic-cxr-2.0.0-metadata.csv");
    size_t later = 0;

    r.source.missing = LABELS_UNKNOWN;
    read_all(&r);
    cr_assert(r.t.has_follow_up);
    for (size_t i = 0; i < r.t.n_rows; i++) {
        const struct table_row *row = &r.t.rows[i];
        const struct input_values v = row_values(&r.t, i);
        const size_t cardiomegaly = label(&r, "Cardiomegaly"), edema = label(&r, "Edema");

        if (row->follow_up != 21880207)
            continue;
        later++;
        cr_assert(row->history_known && row->earlier);
        cr_assert_eq(v.of[INPUT_EVER + cardiomegaly], 1);
        cr_assert_eq(v.of[INPUT_LAST + cardiomegaly], 1);
        cr_assert(isnan(v.of[INPUT_EVER + edema]) && isnan(v.of[INPUT_LAST + edema]));
    }
    cr_assert_eq(later, 1);
    release(&r);
}

Test(formats, the_tables_of_mimic_are_found_beside_each_other)
{
    static const char *const NAMES[][2] = {
        { "mimic-cxr-2.0.0-chexpert.csv", "mimic-cxr-2.0.0-metadata.csv" },
        { "a/mimic-cxr-2.0.0-negbio.csv", "a/mimic-cxr-2.0.0-metadata.csv" }
    };
    char second[TABLE_PATH];
    struct error err = { 0 };
    size_t n;

    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(table_format_files(FORMAT_MIMIC, NAMES[i][0], second, &n, &err), ST_OK);
        cr_assert_eq(n, 2);
        cr_assert_str_eq(second, NAMES[i][1]);
    }
    check_refusal("a name", table_format_files(FORMAT_MIMIC, "labels.csv", second, &n, &err), ST_INVALID,
                  &err, "-chexpert.csv");
    cr_assert_eq(table_format_files(FORMAT_NIH, "labels.csv", second, &n, &err), ST_OK);
    cr_assert_eq(n, 1);
}

/* ---- PadChest ---- */

#define PADCHEST_CSV "padchest/PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"

Test(formats, padchest_is_a_list_of_many_words)
{
    struct reading r = fixtures(FORMAT_PADCHEST, PADCHEST_CSV, NULL);
    const struct table_row *row;

    read_all(&r);
    cr_assert_eq(r.t.n_rows, 17);
    cr_assert_eq(r.report.dropped_views, 2);
    cr_assert_eq(r.report.dropped_unlabelled, 3);
    cr_assert_eq(r.used.n, 12);
    check_said(&r, "Cardiomegaly", 5, 7, 0, 0);
    check_said(&r, "Effusion", 3, 8, 0, 1);
    check_said(&r, "Nodule", 1, 10, 0, 1);
    check_said(&r, "Hernia", 0, 11, 0, 1); /* a hiatal hernia is another finding */
    cr_assert_eq(r.t.misfits.other_words, 5);
    cr_assert_eq(r.t.misfits.contradictions, 1);
    row = row_of(&r, "2168401113669640128001002_00-002-001.png");
    cr_assert(row->view == 'A' && row->age == 85 && row->follow_up == 20150203);
    row = row_of(&r, "2168401113669640128005006_00-006-005.png"); /* unchanged: but for what it names */
    cr_assert(state(&r, row, "Cardiomegaly") == '+' && state(&r, row, "Mass") == '?');
    row = row_of(&r, "2168401113669640128009010_00-010-009.png");
    cr_assert(isnan(row->age));
    release(&r);
}

/* ---- VinDr-CXR ---- */

static void check_vindr(const struct reading *r, size_t joined)
{
    cr_assert_eq(r->t.n_rows, 14);
    cr_assert_eq(r->t.n_joined, joined);
    cr_assert_eq(r->used.n, 14);
    check_said(r, "Cardiomegaly", 3, 11, 0, 0);
    check_said(r, "Aortic enlargement", 2, 12, 0, 0);
    check_said(r, "Nodule or Mass", 1, 13, 0, 0);
    check_said(r, "Pleural effusion", 1, 13, 0, 0);
    check_said(r, "Pleural thickening", 1, 13, 0, 0);
    check_said(r, "Other lesion", 0, 14, 0, 0);
    cr_assert_eq(r->t.misfits.ties, 0);
    for (size_t i = 0; i < 14; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(r->t.rows[i].patient, r->t.rows[j].patient);
}

static size_t normal_rows(const struct reading *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->t.n_rows; i++)
        n += r->t.rows[i].no_finding;
    return n;
}

Test(formats, vindr_is_what_most_readers_say)
{
    struct reading r = fixtures(FORMAT_VINDR, "vindr/image_labels_train.csv", NULL);

    read_all(&r);
    check_vindr(&r, 28);
    cr_assert_eq(normal_rows(&r), 3);
    release(&r);
    r = fixtures(FORMAT_VINDR, "vindr_boxes/train.csv", NULL);
    read_all(&r);
    check_vindr(&r, 45);
    cr_assert_eq(normal_rows(&r), 4); /* boxes know nothing of what the whole film has */
    release(&r);
}

static struct reading text_of(enum table_format format, const char *text)
{
    struct reading r = { .source = { .format = format,
                                     .n_files = 1,
                                     .file = { { "t.csv", text, strlen(text) } },
                                     .uncertain = UNCERTAIN_IGNORE },
                         .labels = { .n = 2, .names = { "Mass", "Edema" } } };

    return r;
}

Test(formats, readers_who_are_divided_evenly_are_uncertain)
{
    struct reading r = text_of(FORMAT_VINDR, "image_id,rad_id,Mass,Edema\na,R1,1,0\na,R2,0,0\nb,R1,1,1\n");

    read_all(&r);
    cr_assert_eq(r.t.misfits.ties, 1);
    cr_assert_eq(state(&r, row_of(&r, "a"), "Mass"), '?');
    cr_assert_eq(state(&r, row_of(&r, "a"), "Edema"), '-');
    forget(&r);
    r.source.uncertain = UNCERTAIN_ONES;
    read_all(&r);
    cr_assert_eq(state(&r, row_of(&r, "a"), "Mass"), '+');
    release(&r);
}

/* A list of which a reader's word says that nothing is known is no vote against what it does not name. */
Test(formats, readers_who_say_nothing_vote_for_nothing)
{
    static const char MAPPING[] =
        "{\"picture\":\"f\",\"reader\":\"r\",\"findings\":\"l\",\"words\":{\"?\":null}}";
    struct reading r = text_of(FORMAT_CSV, "f,r,l\na,R1,?\na,R2,?\nb,R1,?|Mass\nb,R2,?\nc,R1,?\nc,R2,Mass\n");

    r.source.mapping = MAPPING;
    r.source.mapping_size = strlen(MAPPING);
    read_all(&r);
    cr_assert_eq(r.report.dropped_unlabelled, 1);
    cr_assert_eq(state(&r, row_of(&r, "a"), "Edema"), '?');
    cr_assert_eq(state(&r, row_of(&r, "b"), "Mass"), '+');
    cr_assert_eq(state(&r, row_of(&r, "b"), "Edema"), '?');
    cr_assert_eq(state(&r, row_of(&r, "c"), "Mass"), '+');
    cr_assert_eq(state(&r, row_of(&r, "c"), "Edema"), '-');
    release(&r);
}

/* Values are compared sign by sign: -1 is not 1, and "-" is not nothing. */
Test(formats, the_values_of_a_mapping_are_taken_as_they_are)
{
    static const char MAPPING[] = "{\"picture\":\"f\",\"findings\":{\"Mass\":\"m\",\"Edema\":\"e\"},"
                                  "\"values\":{\"positive\":[\"1\",\"Ja\"],\"negative\":[\"0\",\"-\"],"
                                  "\"uncertain\":[\"-1\"],\"missing\":[\"\"]}}";
    struct reading r = text_of(FORMAT_CSV, "f,m,e\na,1,-1\nb,-1,-\nc,0,\nd, ja ,1\n");

    r.source.mapping = MAPPING;
    r.source.mapping_size = strlen(MAPPING);
    r.source.missing = LABELS_UNKNOWN;
    read_all(&r);
    check_said(&r, "Mass", 2, 1, 1, 0);
    check_said(&r, "Edema", 1, 1, 1, 1);
    cr_assert_eq(state(&r, row_of(&r, "b"), "Mass"), '?');
    cr_assert_eq(state(&r, row_of(&r, "c"), "Edema"), '?');
    release(&r);
}

/* A reader may be uncertain, too; where the others say nothing the finding is, and no negative. */
Test(formats, what_only_uncertain_readers_say_is_uncertain)
{
    static const char MAPPING[] = "{\"picture\":\"f\",\"reader\":\"r\","
                                  "\"findings\":{\"Mass\":\"m\",\"Edema\":\"e\"}}";
    struct reading r = text_of(FORMAT_CSV, "f,r,m,e\na,R1,-1,0\na,R2,,-1\nb,R1,-1,1\nc,R1,,\n");

    r.source.mapping = MAPPING;
    r.source.mapping_size = strlen(MAPPING);
    r.source.missing = LABELS_NEGATIVE;
    read_all(&r);
    check_said(&r, "Mass", 0, 0, 2, 1);
    check_said(&r, "Edema", 1, 1, 0, 1);
    cr_assert_eq(state(&r, row_of(&r, "a"), "Mass"), '?');
    cr_assert_eq(state(&r, row_of(&r, "a"), "Edema"), '-');
    cr_assert_eq(state(&r, row_of(&r, "b"), "Mass"), '?');
    forget(&r);
    r.source.uncertain = UNCERTAIN_ONES;
    read_all(&r);
    cr_assert_eq(state(&r, row_of(&r, "b"), "Mass"), '+');
    release(&r);
}

/* ---- any other ---- */

static struct reading own_table(void)
{
    struct reading r = fixtures(FORMAT_CSV, "csv/table.csv", NULL);

    r.mapping = fixture("csv/mapping.json");
    r.source.mapping = r.mapping.data;
    r.source.mapping_size = r.mapping.size;
    r.labels = (struct labels){ .n = 3, .names = { "Effusion", "Mass", "Fracture" } };
    return r;
}

Test(formats, a_mapping_says_what_a_table_of_ones_own_means)
{
    struct reading r = own_table();
    const struct table_row *row;

    read_all(&r);
    cr_assert_eq(r.report.dropped_views, 1);
    cr_assert_eq(r.report.dropped_unlabelled, 1);
    cr_assert_eq(r.used.n, 12);
    check_said(&r, "Effusion", 5, 6, 1, 0);
    check_said(&r, "Mass", 4, 7, 1, 0);
    check_said(&r, "Fracture", 2, 8, 1, 1);
    cr_assert_eq(r.report.unknown_labels[label(&r, "Fracture")], 2);
    row = row_of(&r, "2014/bild002.png");
    cr_assert(row->age == 42 && row->sex == 'M' && row->view == 'P' && row->follow_up == 20140103);
    cr_assert_eq(row->patient, row_of(&r, "2014/bild003.png")->patient);
    cr_assert_str_eq(table_scanner(&r.t, 2), "Philips");
    release(&r);
}

static void check_mapping_refused(const char *mapping, const char *word)
{
    struct reading r = own_table();
    struct error err = { 0 };

    r.source.mapping = mapping;
    r.source.mapping_size = strlen(mapping);
    check_refusal(mapping, table_read_as(&r.source, &r.labels, &r.t, &err), ST_FORMAT, &err, word);
    cr_assert_null(r.t.rows);
    release(&r);
}

#define THREE "\"findings\":{\"Effusion\":\"erguss\",\"Mass\":\"rundherd\",\"Fracture\":\"fraktur\"}"

Test(formats, a_mapping_that_is_none_is_refused_by_what_is_wrong)
{
    check_mapping_refused("", "no JSON");
    check_mapping_refused("{\"picture\":\"datei\",", "no JSON");
    check_mapping_refused("[]", "JSON object");
    check_mapping_refused("{}", "'picture'");
    check_mapping_refused("{\"picture\":\"datei\"}", "'findings'");
    check_mapping_refused("{\"picture\":7," THREE "}", "'picture'");
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"colour\":\"x\"}", "'colour'");
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"age\":\"datei\"}", "twice");
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"age\":\"Rund-herd\"}",
                          "twice"); /* which would be taken for it */
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"age\":\"alter\"}", "no column 'alter'");
    check_mapping_refused("{\"picture\":\"datei\",\"findings\":{\"Effusion\":\"erguss\"}}", "'Mass'");
    check_mapping_refused("{\"picture\":\"datei\",\"picture_parts\":0," THREE "}", "picture_parts");
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"values\":[]}", "'values'");
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"values\":{\"maybe\":[\"x\"]}}", "'maybe'");
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"values\":{\"positive\":[3]}}", "texts");
    check_mapping_refused("{\"picture\":\"datei\"," THREE
                          ",\"values\":{\"positive\":[\"Si\"],\"negative\":[\"si\"]}}",
                          "twice what 'si' means");
    check_mapping_refused("{\"picture\":\"datei\",\"findings\":\"erguss\","
                          "\"words\":{\"si\":\"Mass\",\"SI\":\"Effusion\"}}",
                          "twice what 'SI' means");
    check_mapping_refused(
        "{\"picture\":\"datei\",\"findings\":{\"No Finding\":\"ohne\",\"Effusion\":\"erguss\","
        "\"Mass\":\"rundherd\",\"Fracture\":\"fraktur\"}}",
        "'no_finding'");
    check_mapping_refused("{\"picture\":\"datei\"," THREE ",\"words\":{}}", "'words'");
    check_mapping_refused("{\"picture\":\"datei\",\"findings\":\"erguss\",\"other_words\":\"skip\"}",
                          "other_words");
    check_mapping_refused("{\"picture\":\"datei\",\"findings\":\"erguss\",\"words\":{\"si\":3}}", "'si'");
    check_mapping_refused("{\"picture\":\"datei\"," THREE "}", "'si'"); /* which is no 1, 0 or -1 then */
}

Test(formats, a_list_in_ones_own_words)
{
    static const char MAPPING[] = "{\"picture\":\"f\",\"findings\":\"l\",\"words\":{\"derrame\":\"Effusion\","
                                  "\"masa\":\"Mass\",\"nada\":\"No Finding\",\"borroso\":null},"
                                  "\"other_words\":\"ignore\"}";
    struct reading r = text_of(FORMAT_CSV, "f,l\na,derrame;masa\nb,nada\nc,borroso\nd,rotura|masa\n");

    r.labels = (struct labels){ .n = 2, .names = { "Effusion", "Mass" } };
    r.source.mapping = MAPPING;
    r.source.mapping_size = strlen(MAPPING);
    read_all(&r);
    cr_assert_eq(r.used.n, 3);
    cr_assert_eq(r.report.dropped_unlabelled, 1);
    cr_assert_eq(r.t.misfits.other_words, 1);
    check_said(&r, "Effusion", 1, 2, 0, 0);
    check_said(&r, "Mass", 2, 1, 0, 0);
    cr_assert(row_of(&r, "b")->no_finding);
    release(&r);
}

/* Which of the two is meant nobody can say. */
Test(formats, a_finding_of_two_columns_is_refused)
{
    static const char MAPPING[] = "{\"picture\":\"f\",\"findings\":{\"Mass\":\"m\",\"Edema\":\"e\"}}";
    struct reading r = text_of(FORMAT_CSV, "f,m,e,M\na,1,0,0\n");
    struct error err = { 0 };

    r.source.mapping = MAPPING;
    r.source.mapping_size = strlen(MAPPING);
    check_refusal("two columns", table_read_as(&r.source, &r.labels, &r.t, &err), ST_FORMAT, &err,
                  "two columns of 'Mass'");
    cr_assert_null(r.t.rows);
}

/* A word's meaning that is no finding is most often written wrongly: every row that has it would be a negative. */
Test(formats, a_word_that_means_no_finding_is_as_one_that_is_not_named)
{
    static const char REFUSING[] =
        "{\"picture\":\"f\",\"findings\":\"l\",\"words\":{\"derrame\":\"Efusion\"}}",
                      IGNORING[] =
                          "{\"picture\":\"f\",\"findings\":\"l\",\"words\":{\"derrame\":\"Efusion\"},"
                          "\"other_words\":\"ignore\"}";
    struct reading r = text_of(FORMAT_CSV, "f,l\na,derrame\nb,Mass\n");
    struct error err = { 0 };

    r.source.mapping = REFUSING;
    r.source.mapping_size = strlen(REFUSING);
    check_refusal("a meaning", table_read_as(&r.source, &r.labels, &r.t, &err), ST_FORMAT, &err,
                  "'derrame' (1 time, first in line 2)");
    r.source.mapping = IGNORING;
    r.source.mapping_size = strlen(IGNORING);
    read_all(&r);
    cr_assert_eq(r.t.misfits.other_words, 1);
    check_said(&r, "Mass", 1, 1, 0, 0);
    release(&r);
}

Test(formats, a_bracket_within_a_word_is_no_half_of_a_list)
{
    static const char MAPPING[] =
        "{\"picture\":\"f\",\"findings\":\"l\",\"words\":{\"Erguss [links]\":\"Edema\"}}";
    struct reading r = text_of(FORMAT_CSV, "f,l\na,Erguss [links]\nb,['Mass']\nc,[Mass]\n");

    r.source.mapping = MAPPING;
    r.source.mapping_size = strlen(MAPPING);
    read_all(&r);
    check_said(&r, "Edema", 1, 2, 0, 0);
    check_said(&r, "Mass", 2, 1, 0, 0);
    release(&r);
}

/* The part that was cut off may have named findings, and the row would be a negative of them. */
Test(formats, half_a_list_is_refused_where_other_words_are_ignored)
{
    static const char MAPPING[] = "{\"picture\":\"f\",\"findings\":\"l\",\"other_words\":\"ignore\"}";
    const char *const halves[] = { "['Mass', 'Ede", "Mass', 'Edema']", "[", " ]" };
    struct error err = { 0 };

    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        char text[64], said[64];
        struct reading r;

        snprintf(text, sizeof text, "f,l\na,Mass\nb,\"%s\"\n", halves[i]);
        snprintf(said, sizeof said, "'%s' (1 time, first in line 3)", halves[i]);
        r = text_of(FORMAT_CSV, text);
        r.source.mapping = MAPPING;
        r.source.mapping_size = strlen(MAPPING);
        check_refusal(text, table_read_as(&r.source, &r.labels, &r.t, &err), ST_FORMAT, &err, said);
    }
}

/* ---- what does not fit ---- */

static void check_text_refused(enum table_format format, const char *text, const char *word)
{
    struct reading r = text_of(format, text);
    struct error err = { 0 };

    check_refusal(text, table_read_as(&r.source, &r.labels, &r.t, &err), ST_FORMAT, &err, word);
    cr_assert_null(r.t.rows);
}

#define CHEXPERT_HEAD "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Mass,Edema\n"
#define CHEXPERT_ROW  "x/train/patient00001/study1/view1_frontal.jpg,Male,60,Frontal,AP,,"

Test(formats, a_misfit_is_refused_by_its_column_and_line)
{
    check_text_refused(FORMAT_CHEXPERT, CHEXPERT_HEAD CHEXPERT_ROW "2,1\n", "'2' (1 time, first in line 2)");
    check_text_refused(FORMAT_CHEXPERT, CHEXPERT_HEAD CHEXPERT_ROW "yes,1\n", "'yes'");
    check_text_refused(FORMAT_CHEXPERT, CHEXPERT_HEAD CHEXPERT_ROW "1.0\n", "lacks columns in line 2");
    check_text_refused(FORMAT_CHEXPERT, "Path,Mass\nx/patient1/study1/a.jpg,1\n", "no column 'Edema'");
    check_text_refused(FORMAT_CHEXPERT, "Mass,Edema\n1,1\n", "no column 'Path'");
    check_text_refused(FORMAT_CHEXPERT, "Path,Mass,Edema,Oedema\nx/p/s/a.jpg,1,1,1\n",
                       "two columns of 'Edema'");
    check_text_refused(FORMAT_CHEXPERT, "Path,Mass,Edema\na.jpg,1,1\n", "patient's folder in line 2");
    check_text_refused(FORMAT_CHEXPERT,
                       CHEXPERT_HEAD CHEXPERT_ROW "1,\n" CHEXPERT_ROW ",0\n" CHEXPERT_ROW "0,0\n",
                       "there and in another that it is not, the first again in line 4");
    check_text_refused(FORMAT_VINDR, "image_id,rad_id,Mass,Edema\na,R1,1,-1\n", "1 and 0 are the only ones");
    check_text_refused(FORMAT_VINDR, "image_id,rad_id,Mass,Edema\na,R1,1,\n", "1 and 0 are the only ones");
    check_text_refused(FORMAT_PADCHEST, "ImageID,PatientID\na,1\n", "no column 'Labels'");
}

Test(formats, rows_of_one_picture_complete_each_other)
{
    struct reading r = text_of(FORMAT_CHEXPERT, CHEXPERT_HEAD CHEXPERT_ROW "1.0,-1\n" CHEXPERT_ROW
                                                                           ",0.0\n" CHEXPERT_ROW " 1 ,\n");

    read_all(&r);
    cr_assert_eq(r.t.n_rows, 1);
    cr_assert_eq(r.t.n_joined, 2);
    cr_assert_eq(state(&r, r.t.rows, "Mass"), '+');
    cr_assert_eq(state(&r, r.t.rows, "Edema"), '-');
    release(&r);
}

static void check_studies_refused(const char *studies, const char *word)
{
    static const char PICTURES[] =
        "dicom_id,subject_id,study_id,ViewPosition,StudyDate\na,1,10,PA,21800101\n";
    struct reading r = text_of(FORMAT_MIMIC, studies);
    struct error err = { 0 };

    r.source.n_files = 2;
    r.source.file[1] = (struct table_file){ "m.csv", PICTURES, strlen(PICTURES) };
    check_refusal(studies, table_read_as(&r.source, &r.labels, &r.t, &err), ST_FORMAT, &err, word);
}

Test(formats, studies_that_do_not_fit_their_pictures_are_refused)
{
    check_studies_refused("subject_id,study_id,Mass,Edema\n1,10,1.0,\n1,10,,\n", "two rows of one study");
    check_studies_refused("subject_id,study_id,Mass,Edema\n2,10,1.0,\n", "another patient");
    check_studies_refused("subject_id,Mass,Edema\n2,1.0,\n", "no column 'study_id'");
}

/* The digest that a job that goes on is held against is of all that its table is made of. */
Test(formats, the_digest_is_of_all_files)
{
    struct reading r = own_table();
    char before[DIGEST_TEXT_SIZE], after[DIGEST_TEXT_SIZE], alone[DIGEST_TEXT_SIZE];

    cr_assert_eq(table_digest(&r.source, before), ST_OK);
    r.source.mapping_size--;
    cr_assert_eq(table_digest(&r.source, after), ST_OK);
    cr_assert_str_neq(before, after);
    r.source.mapping = NULL;
    cr_assert_eq(table_digest(&r.source, before), ST_OK);
    cr_assert_eq(digest_bytes(r.file[0].data, r.file[0].size, alone), ST_OK);
    cr_assert_str_eq(before, alone); /* of one file: what records say of NIH's */
    release(&r);
}
