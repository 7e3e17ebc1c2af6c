/* decode/tags.c - see tags.h. */
#include "tags.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t SEQUENCES[] = { TAG_MODALITY_LUT, TAG_VOI_LUT, TAG_VIEW_CODE };
static const uint32_t VALUES[] = {
    TAG_CHARACTER_SET,
    TAG_SOP_CLASS,
    TAG_SOP_INSTANCE,
    TAG_STUDY_DATE,
    TAG_STUDY_TIME,
    TAG_ACCESSION,
    TAG_MODALITY,
    TAG_INTENT,
    TAG_MANUFACTURER,
    TAG_REFERRING_NAME,
    TAG_PATIENT_NAME,
    TAG_PATIENT_ID,
    TAG_PATIENT_BIRTH,
    TAG_PATIENT_SEX,
    TAG_PATIENT_AGE,
    TAG_BODY_PART,
    TAG_VIEW_POSITION,
    TAG_STUDY,
    TAG_SERIES,
    TAG_STUDY_ID,
    TAG_ORIENTATION,
    TAG_SAMPLES,
    TAG_PHOTOMETRIC,
    TAG_PLANAR,
    TAG_FRAMES,
    TAG_ROWS,
    TAG_COLUMNS,
    TAG_ALLOCATED,
    TAG_STORED,
    TAG_HIGH_BIT,
    TAG_SIGNED,
    TAG_PADDING,
    TAG_PADDING_LIMIT,
    TAG_BURNED_IN,
    TAG_WINDOW_CENTRE,
    TAG_WINDOW_WIDTH,
    TAG_INTERCEPT,
    TAG_SLOPE,
    TAG_VOI_FUNCTION,
    TAG_RED_DESCRIPTOR,
    TAG_GREEN_DESCRIPTOR,
    TAG_BLUE_DESCRIPTOR,
    TAG_RED_DATA,
    TAG_GREEN_DATA,
    TAG_BLUE_DATA,
    TAG_RED_SEGMENTS,
    TAG_GREEN_SEGMENTS,
    TAG_BLUE_SEGMENTS,
    TAG_LOSSY,
    TAG_LUT_SHAPE,
};

bool tags_wanted(uint32_t tag, bool *ret_sequence)
{
    *ret_sequence = false;
    for (size_t i = 0; i < sizeof SEQUENCES / sizeof SEQUENCES[0]; i++)
        if (SEQUENCES[i] == tag)
            return *ret_sequence = true;
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++)
        if (VALUES[i] == tag)
            return true;
    return false;
}

bool tags_number(const char *text, double *ret)
{
    char first[32];
    const size_t n = strcspn(text, "\\");
    char *end;
    double x;

    if (n == 0 || n >= sizeof first || strspn(text, "0123456789+-.eE ") < n)
        return false;
    memcpy(first, text, n);
    first[n] = 0;
    x = strtod(first, &end);
    if (end == first || end[strspn(end, " ")] || !isfinite(x))
        return false;
    *ret = x;
    return true;
}

/* ---- age ---- */

/* YYYYMMDD as a number; false: it is no date. */
static bool date_of(const char *date, long *ret)
{
    if (strlen(date) != 8 || strspn(date, "0123456789") != 8)
        return false;
    *ret = strtol(date, NULL, 10);
    return true;
}

static const double DAYS_A_YEAR = 365.2425;
static const double OLDEST = 150;

static double age_of_text(const char *age)
{
    const size_t n = strspn(age, "0123456789");
    double units;

    if (n == 0 || n > 3 || (age[n] && age[n + 1]))
        return NAN;
    units = strtod(age, NULL);
    switch (age[n]) {
    case 0:
    case 'Y': return units;
    case 'M': return units / 12;
    case 'W': return units * 7 / DAYS_A_YEAR;
    case 'D': return units / DAYS_A_YEAR;
    default: return NAN;
    }
}

/* How many have passed from a day to another, both YYYYMMDD. */
static long birthdays(long born, long day) { return (day - born) / 10000; }

double tags_age(const char *age, const char *birth, const char *study_date)
{
    double years = age_of_text(age);
    long born, studied;

    if (isnan(years) && date_of(birth, &born) && date_of(study_date, &studied) && studied >= born)
        years = (double)birthdays(born, studied);
    return years >= 0 && years <= OLDEST ? years : NAN;
}

/* ---- view and body part ---- */

static bool contains_any(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

bool tags_part_is_chest(const char *body_part)
{
    static const char *const CHEST[] = { "CHEST", "THORAX", "TORAX", "LUNG" };

    return contains_any(body_part, CHEST, sizeof CHEST / sizeof CHEST[0]);
}

bool tags_view_is_lateral(const char *view)
{
    static const char *const WORDS[] = { "LAT", "OBL" };
    static const char *const TERMS[] = { "LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO" };

    if (contains_any(view, WORDS, sizeof WORDS / sizeof WORDS[0]))
        return true;
    for (size_t i = 0; i < sizeof TERMS / sizeof TERMS[0]; i++)
        if (strcmp(view, TERMS[i]) == 0)
            return true;
    return false;
}

/* Codes of View Code Sequence (PS3.16, CID 4010), of SNOMED CT and of its older notation. */
static const struct {
    const char *code, *view; /* view: "PA", "AP", or "" for one that is not frontal */
} VIEW_CODES[] = {
    { "272479007", "PA" },
    { "R-10214", "PA" },
    { "R-40888", "PA" },
    { "399348003", "AP" },
    { "R-10206", "AP" },
    /* from the side */
    { "399067008", "" },
    { "R-102CD", "" },
    { "399198007", "" },
    { "R-10232", "" },
    { "399173006", "" },
    { "R-10236", "" },
    { "399260004", "" },
    { "R-10224", "" },
    { "399352003", "" },
    { "R-10228", "" },
    { "30730003", "" },
    { "G-A145", "" },
    { "399074003", "" },
    { "399108003", "" },
    /* oblique */
    { "399182000", "" },
    { "R-102C1", "" },
    { "399160007", "" },
    { "R-10204", "" },
    { "399312000", "" },
    { "R-10208", "" },
    { "399059000", "" },
    { "R-10216", "" },
    { "399038007", "" },
    { "R-10210", "" },
    { "399006002", "" },
    { "R-10212", "" },
    { "399135007", "" },
    { "R-10220", "" },
    { "399356000", "" },
    { "R-40985", "" },
    { "399236003", "" },
    { "R-10234", "" },
    { "399184004", "" },
    { "R-10238", "" },
    { "399368009", "" },
    { "R-10226", "" },
    { "399099002", "" },
    { "R-10230", "" },
    { "260427002", "" },
    { "R-40783", "" },
    { "260426006", "" },
    { "R-40782", "" },
    { "399004004", "" },
    { "R-10246", "" },
    { "399288005", "" },
    { "R-10248", "" },
    { "399225005", "" },
    { "R-10250", "" },
    { "399132005", "" },
    { "R-10252", "" },
    { "399325008", "" },
    { "R-10254", "" },
};

static void view_of_code(struct dicom *d, struct image_source *ret)
{
    char code[17];

    dicom_text_in(d, TAG_VIEW_CODE, TAG_CODE_VALUE, code, sizeof code);
    for (size_t i = 0; i < sizeof VIEW_CODES / sizeof VIEW_CODES[0]; i++)
        if (strcmp(code, VIEW_CODES[i].code) == 0) {
            memcpy(ret->view, VIEW_CODES[i].view, strlen(VIEW_CODES[i].view) + 1);
            ret->lateral = ret->view[0] == 0;
        }
}

static void view_read(struct dicom *d, struct image_source *ret)
{
    if (strcmp(ret->view_text, "PA") == 0 || strcmp(ret->view_text, "AP") == 0)
        memcpy(ret->view, ret->view_text, sizeof ret->view);
    else if (tags_view_is_lateral(ret->view_text))
        ret->lateral = 1;
    else /* a View Position such as PORTABLE says nothing of it */
        view_of_code(d, ret);
}

/* ---- orientation ---- */

static bool is_one_of(char c, const char *letters) { return c && strchr(letters, c); }

/* Where rows go to the patient's front or back, the picture was taken from the side. */
static bool orientation_is_lateral(const char *orientation) { return is_one_of(orientation[0], "AP"); }

/* "L\F": rows run to the patient's left, columns to the feet. The first letter of each counts. */
struct turn tags_turn_of(const char *orientation)
{
    const char *second = strchr(orientation, '\\');
    const char row = orientation[0], column = second ? second[1] : 0;

    if (is_one_of(row, "LR") && is_one_of(column, "FH"))
        return (struct turn){ .mirrored = row == 'R', .upside_down = column == 'H' };
    if (is_one_of(row, "FH") && is_one_of(column, "LR"))
        return (struct turn){ .transposed = true, .mirrored = column == 'R', .upside_down = row == 'H' };
    return (struct turn){ 0 };
}

struct turn tags_turn(struct dicom *d)
{
    char orientation[17];

    dicom_text_of(d, TAG_ORIENTATION, orientation, sizeof orientation);
    return tags_turn_of(orientation);
}

/* ---- all of it ---- */

/* A code string, of which everything that none may hold becomes an underscore. */
static void code_read(struct dicom *d, uint32_t tag, char *ret, size_t size)
{
    dicom_text_of(d, tag, ret, size);
    for (char *p = ret; *p; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
        else if (!(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') && !strchr(" _-\\", *p))
            *p = '_';
    }
}

/* A UID, or nothing where the text is not one. */
static void uid_read(struct dicom *d, uint32_t tag, char *ret, size_t size)
{
    dicom_text_of(d, tag, ret, size);
    if (ret[strspn(ret, "0123456789.")])
        ret[0] = 0;
}

static void study_read(struct dicom *d, struct image_study *s)
{
    dicom_text_of(d, TAG_CHARACTER_SET, s->character_set, sizeof s->character_set);
    dicom_text_of(d, TAG_PATIENT_NAME, s->patient_name, sizeof s->patient_name);
    dicom_text_of(d, TAG_PATIENT_ID, s->patient_id, sizeof s->patient_id);
    dicom_text_of(d, TAG_PATIENT_BIRTH, s->patient_birth, sizeof s->patient_birth);
    dicom_text_of(d, TAG_PATIENT_SEX, s->patient_sex, sizeof s->patient_sex);
    dicom_text_of(d, TAG_STUDY_DATE, s->study_date, sizeof s->study_date);
    dicom_text_of(d, TAG_STUDY_TIME, s->study_time, sizeof s->study_time);
    dicom_text_of(d, TAG_STUDY_ID, s->study_id, sizeof s->study_id);
    dicom_text_of(d, TAG_ACCESSION, s->accession, sizeof s->accession);
    dicom_text_of(d, TAG_REFERRING_NAME, s->referring_name, sizeof s->referring_name);
}

static void patient_read(struct dicom *d, struct image_source *ret)
{
    char text[65];
    double age;

    dicom_text_of(d, TAG_PATIENT_AGE, text, sizeof text);
    age = tags_age(text, ret->study.patient_birth, ret->study.study_date);
    ret->age_known = (uint8_t)(isnan(age) ? 0 : 1);
    ret->age = ret->age_known ? age : 0;
    if (strcmp(ret->study.patient_sex, "M") == 0 || strcmp(ret->study.patient_sex, "F") == 0)
        ret->sex = ret->study.patient_sex[0];
}

static bool is_lossy(struct dicom *d, const struct syntax *syntax)
{
    char said[17];

    dicom_text_of(d, TAG_LOSSY, said, sizeof said);
    if (strcmp(said, "01") == 0 || syntax->loss == SYNTAX_LOSSY)
        return true;
    return syntax->loss == SYNTAX_EITHER && strcmp(said, "00") != 0;
}

void tags_source(struct dicom *d, const struct syntax *syntax, struct image_source *ret)
{
    char text[17];

    ret->format = IMAGE_DICOM;
    memcpy(ret->transfer_syntax, syntax->uid, strlen(syntax->uid) + 1);
    uid_read(d, TAG_SOP_CLASS, ret->sop_class_uid, sizeof ret->sop_class_uid);
    uid_read(d, TAG_SOP_INSTANCE, ret->sop_instance_uid, sizeof ret->sop_instance_uid);
    uid_read(d, TAG_STUDY, ret->study_uid, sizeof ret->study_uid);
    uid_read(d, TAG_SERIES, ret->series_uid, sizeof ret->series_uid);
    code_read(d, TAG_MODALITY, ret->modality, sizeof ret->modality);
    code_read(d, TAG_BODY_PART, ret->body_part, sizeof ret->body_part);
    code_read(d, TAG_VIEW_POSITION, ret->view_text, sizeof ret->view_text);
    ret->is_chest = tags_part_is_chest(ret->body_part);
    view_read(d, ret);
    dicom_text_of(d, TAG_ORIENTATION, text, sizeof text);
    if (orientation_is_lateral(text))
        ret->lateral = 1;
    code_read(d, TAG_BURNED_IN, text, sizeof text);
    ret->burned_in = strcmp(text, "YES") == 0;
    ret->lossy = is_lossy(d, syntax);
    study_read(d, &ret->study);
    patient_read(d, ret);
}
