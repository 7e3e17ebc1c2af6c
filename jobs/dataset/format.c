/* jobs/dataset/format.c - the public data sets' tables, see format.h and cxrd/table_format.h. Names of columns and what stands in
 * them are those of the releases:
 *   CheXpert       Irvin et al., AAAI 2019; a chest with "No Finding" has no pathology, and may have a support device
 *   MIMIC-CXR-JPG  Johnson et al., arXiv:1901.07042; labels by CheXpert's labeler (or NegBio's), of a study
 *   PadChest       Bustos et al., Medical Image Analysis 2020
 *   VinDr-CXR      Nguyen et al., Scientific Data 2022; each picture of the training set was read by three radiologists */
#include "format.h"

#include "cxrd/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const TABLE_FORMAT_NAMES[] = { "nih", "chexpert", "mimic", "padchest", "vindr", "csv", NULL };

enum { MAX_NUMBER = 31 };

/* Several columns of a role: the first that says something counts, but of a view the last in this order. */
static const struct column_spec NIH[] = {
    { ROLE_PICTURE, "Image Index", true, 0 },         { ROLE_FINDINGS, "Finding Labels", true, 0 },
    { ROLE_PATIENT, "Patient ID", true, 0 },          { ROLE_AGE, "Patient Age", true, 0 },
    { ROLE_SEX, "Patient Gender", false, 0 },         { ROLE_SEX, "Patient Sex", false, 0 },
    { ROLE_VIEW, "View Position", false, 0 },         { ROLE_FOLLOW_UP, "Follow-up #", false, 0 },
    { ROLE_SCANNER, "Manufacturer", false, 0 },       { ROLE_SCANNER, "Scanner", false, 0 },
    { ROLE_SCANNER, "Manufacturer DICOM", false, 0 }, /* PadChest's */
};

static const struct column_spec CHEXPERT[] = {
    { ROLE_PICTURE, "Path", true, 0 },
    { ROLE_AGE, "Age", false, 0 },
    { ROLE_SEX, "Sex", false, 0 },
    { ROLE_VIEW, "AP/PA", false, 0 },
    { ROLE_PLANE, "Frontal/Lateral", false, 0 },
};

static const struct column_spec MIMIC_STUDIES[] = {
    { ROLE_PATIENT, "subject_id", true, 0 },
    { ROLE_STUDY, "study_id", true, 0 },
};

static const struct column_spec MIMIC_PICTURES[] = {
    { ROLE_PICTURE, "dicom_id", true, 0 },     { ROLE_PATIENT, "subject_id", true, 0 },
    { ROLE_STUDY, "study_id", true, 0 },       { ROLE_VIEW, "ViewPosition", false, 0 },
    { ROLE_FOLLOW_UP, "StudyDate", false, 0 },
};

static const struct column_spec PADCHEST[] = {
    { ROLE_PICTURE, "ImageID", true, 0 },
    { ROLE_FINDINGS, "Labels", true, 0 },
    { ROLE_PATIENT, "PatientID", true, 0 },
    { ROLE_BIRTH, "PatientBirth", false, 0 },
    { ROLE_SEX, "PatientSex_DICOM", false, 0 },
    { ROLE_VIEW, "ViewPosition_DICOM", false, 0 },
    { ROLE_VIEW, "Projection", false, 0 }, /* seen by people, or by a network that they taught */
    { ROLE_FOLLOW_UP, "StudyDate_DICOM", false, 0 },
    { ROLE_SCANNER, "Manufacturer_DICOM", false, 0 },
};

/* Reports that do not say what is not there. */
static const struct meaning PADCHEST_WORDS[] = {
    { "unchanged", NULL },
    { "exclude", NULL },
    { "suboptimal study", NULL },
};

static const struct column_spec VINDR[] = {
    { ROLE_PICTURE, "image_id", true, 0 },
    { ROLE_READER, "rad_id", false, 0 },
    { ROLE_FINDINGS, "class_name", false, 0 },
};

static const struct meaning PADCHEST_VIEWS[] = { { "AP_horizontal", "AP" } };

/* A name of a finding has no "/". */
static const struct meaning VINDR_WORDS[] = { { "Nodule/Mass", "Nodule or Mass" } };

#define COLUMNS(array)                           \
    {                                            \
        (array), sizeof(array) / sizeof *(array) \
    }
#define MATRIX(array)                                  \
    {                                                  \
        (array), sizeof(array) / sizeof *(array), true \
    }

static const struct format_spec SPECS[FORMAT_CSV] = {
    [FORMAT_NIH] = { .file = { COLUMNS(NIH) }, .n_files = 1, .name_parts = 1, .no_missing = true },
    [FORMAT_CHEXPERT] = { .file = { MATRIX(CHEXPERT) },
                          .n_files = 1,
                          .jpeg = true,
                          .name_parts = 3, /* patient00001/study1/view1_frontal.jpg */
                          .patient_part = 3,
                          .devices = "Support Devices" },
    [FORMAT_MIMIC] = { .file = { MATRIX(MIMIC_STUDIES), COLUMNS(MIMIC_PICTURES) },
                       .n_files = 2,
                       .name_parts = 1,
                       .jpeg = true,
                       .devices = "Support Devices" },
    [FORMAT_PADCHEST] = { .file = { COLUMNS(PADCHEST) },
                          .n_files = 1,
                          .name_parts = 1,
                          .open = true,
                          .meanings = PADCHEST_WORDS,
                          .n_meanings = sizeof PADCHEST_WORDS / sizeof *PADCHEST_WORDS,
                          .views = PADCHEST_VIEWS,
                          .n_views = sizeof PADCHEST_VIEWS / sizeof *PADCHEST_VIEWS },
    [FORMAT_VINDR] = { .file = { MATRIX(VINDR) },
                       .n_files = 1,
                       .name_parts = 1,
                       .jpeg = true,
                       .alone = true,
                       .open = true,
                       .votes = true,
                       .no_uncertain = true,
                       .no_missing = true,
                       .meanings = VINDR_WORDS,
                       .n_meanings = sizeof VINDR_WORDS / sizeof *VINDR_WORDS },
};

const struct format_spec *format_spec_of(enum table_format format) { return &SPECS[format]; }

int format_label(const struct format_spec *spec, const struct labels *labels, const char *word, size_t n)
{
    for (size_t i = 0; i < spec->n_meanings; i++)
        if (label_word_is(word, n, spec->meanings[i].word)) {
            const char *means = spec->meanings[i].means;

            return means ? label_of_word(labels, means, strlen(means)) : LABEL_SILENT;
        }
    return label_of_word(labels, word, n);
}

/* A number, with blanks around it or without. */
static bool number_of(const char *text, size_t n, double *ret)
{
    char copy[MAX_NUMBER + 1], *end;

    if (n == 0 || n > MAX_NUMBER)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    if (strspn(copy, "0123456789+-. ") < n)
        return false;
    *ret = strtod(copy, &end);
    return end != copy && end[strspn(end, " ")] == '\0';
}

static enum cell cell_of(double value)
{
    return value == 1 ? CELL_THERE : value == 0 ? CELL_ABSENT : value == -1 ? CELL_UNCERTAIN : CELL_NONE;
}

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t')
            return false;
    return true;
}

bool format_same_value(const char *text, size_t n, const char *value)
{
    while (n > 0 && is_blank(text, 1))
        text++, n--;
    while (n > 0 && is_blank(text + n - 1, 1))
        n--;
    return strlen(value) == n && strncasecmp(text, value, n) == 0;
}

/* Before what a format leaves out is refused. */
static enum cell cell_read(const struct format_spec *spec, const char *text, size_t n)
{
    double value;

    for (size_t i = 0; i < spec->n_values; i++)
        if (format_same_value(text, n, spec->values[i].word)) {
            const char *means = spec->values[i].means;

            return *means ? cell_of(strtod(means, NULL)) : CELL_MISSING;
        }
    if (is_blank(text, n))
        return CELL_MISSING;
    return spec->n_values == 0 && number_of(text, n, &value) ? cell_of(value) : CELL_NONE;
}

enum cell format_cell(const struct format_spec *spec, const char *text, size_t n)
{
    const enum cell cell = cell_read(spec, text, n);

    if ((cell == CELL_UNCERTAIN && spec->no_uncertain) || (cell == CELL_MISSING && spec->no_missing))
        return CELL_NONE;
    return cell;
}

/* ---- what a job means where it says nothing ---- */

static const struct labels CHEXPERT_LABELS = {
    .n = 13,
    .names = { "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
               "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
               "Pleural Other", "Fracture", "Support Devices" }
};

/* Those of the challenge of 2020, which all releases have. */
static const struct labels VINDR_LABELS = {
    .n = 14,
    .names = { "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "ILD",
               "Infiltration", "Lung Opacity", "Nodule or Mass", "Other lesion", "Pleural effusion",
               "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis" }
};

struct table_defaults table_format_defaults(enum table_format format)
{
    switch (format) {
    case FORMAT_CHEXPERT:
        return (struct table_defaults){ &CHEXPERT_LABELS, "train.csv", "*/*/*/*.png", LABELS_NEGATIVE, true };
    case FORMAT_MIMIC:
        return (struct table_defaults){ &CHEXPERT_LABELS, "mimic-cxr-2.0.0-chexpert.csv", "files/*/*/*/*.png",
                                        LABELS_NEGATIVE, true };
    case FORMAT_PADCHEST:
        return (struct table_defaults){ &NIH_LABELS, "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
                                        "*/*.png", LABELS_NEGATIVE, true };
    case FORMAT_VINDR:
        return (struct table_defaults){ &VINDR_LABELS, "image_labels_train.csv", "train/*.png",
                                        LABELS_NEGATIVE, true };
    case FORMAT_CSV:
        return (struct table_defaults){ &NIH_LABELS, "table.csv", "images/*.png", LABELS_UNKNOWN, true };
    case FORMAT_NIH:
    case N_TABLE_FORMATS: break;
    }
    return (struct table_defaults){ &NIH_LABELS, "Data_Entry_2017.csv", "images_*/images/*.png",
                                    LABELS_NEGATIVE, false };
}

static const char *const LABELERS[] = { "-chexpert.csv", "-negbio.csv" };

/* "mimic-cxr-2.0.0-chexpert.csv" -> "mimic-cxr-2.0.0" and an ending. False: it is not of MIMIC's names. */
static bool beside(const char *csv, const char *ending, char ret[TABLE_PATH])
{
    const size_t n = strlen(csv);

    for (size_t i = 0; i < sizeof LABELERS / sizeof LABELERS[0]; i++) {
        const size_t end = strlen(LABELERS[i]);

        if (n > end && strcmp(csv + n - end, LABELERS[i]) == 0) {
            snprintf(ret, TABLE_PATH, "%.*s%s", (int)(n - end), csv, ending);
            return true;
        }
    }
    return false;
}

bool table_format_split(enum table_format format, const char *csv, char ret[TABLE_PATH])
{
    return format == FORMAT_MIMIC && beside(csv, "-split.csv", ret);
}

bool table_format_tested(enum table_format format, const char *csv, char ret[TABLE_PATH])
{
    const char *base = strrchr(csv, '/') ? strrchr(csv, '/') + 1 : csv;

    if (format != FORMAT_CHEXPERT || strcmp(base, "train.csv") != 0)
        return false;
    snprintf(ret, TABLE_PATH, "%.*svalid.csv", (int)(base - csv), csv);
    return true;
}

enum status table_format_files(enum table_format format, const char *csv, char ret_second[TABLE_PATH],
                               size_t *ret_n, struct error *err)
{
    *ret_n = 1;
    if (format != FORMAT_MIMIC)
        return ST_OK;
    *ret_n = 2;
    if (beside(csv, "-metadata.csv", ret_second))
        return ST_OK;
    return error_set(err, ST_INVALID,
                     "must end in \"-chexpert.csv\" or \"-negbio.csv\", so that the table of the pictures, "
                     "\"-metadata.csv\", can be found beside it");
}
