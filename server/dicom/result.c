/* server/dicom/result.c - see result.h; PS3.3, C.7.1.1 (patient), C.7.2.1 (study), C.7.3.1 (series), C.7.5 (equipment). */
#include "result.h"

#include "conform.h"
#include "content.h"
#include "cxrd/clock.h"
#include "cxrd/version.h"
#include "tags.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { ID_CHARACTERS = 64, SHORT_CHARACTERS = 16 };

/* The differences between the kinds. */
static const struct {
    const char *sop_class, *word, *modality, *series_number, *description;
} KINDS[] = {
    [RESULT_REPORT] = { UID_COMPREHENSIVE_3D_SR, "report", "SR", "9901",
                        "cxrd: findings (research use only)" },
    [RESULT_PICTURE] = { UID_SECONDARY_CAPTURE, "picture", "OT", "9902", "cxrd: maps (research use only)" },
};

const char *result_sop_class(enum result_kind kind) { return KINDS[kind].sop_class; }

static enum status check_place(const struct image_source *s, struct error *err)
{
    const struct {
        const char *uid, *name;
    } NEEDED[] = { { s->study_uid, "Study Instance UID" },
                   { s->series_uid, "Series Instance UID" },
                   { s->sop_instance_uid, "SOP Instance UID" },
                   { s->sop_class_uid, "SOP Class UID" } };

    for (size_t i = 0; i < sizeof NEEDED / sizeof NEEDED[0]; i++)
        if (!uid_ok(NEEDED[i].uid)) {
            error_set(err, ST_UNUSABLE, "no DICOM result can be made: the file has no valid %s",
                      NEEDED[i].name);
            return error_reason(err, ST_UNUSABLE, RESULT_NO_STUDY);
        }
    return ST_OK;
}

/* "2026-01-31T23:59:59.123Z" as a date and a time of DICOM. */
static void take_time(struct result *r)
{
    char now[CLOCK_TEXT_SIZE];

    clock_utc(now);
    snprintf(r->date, sizeof r->date, "%.4s%.2s%.2s", now, now + 5, now + 8);
    snprintf(r->time, sizeof r->time, "%.2s%.2s%.6s", now + 11, now + 14, now + 17);
}

enum status result_prepare(struct result *r, enum result_kind kind, const struct image_source *source,
                           const char *model, unsigned number, struct error *err)
{
    const char *const series[] = { "series", KINDS[kind].word, source->study_uid, model, CXRD_BUILD, NULL };
    enum status st = check_place(source, err);

    assert(source->format == IMAGE_DICOM);
    *r = (struct result){ .kind = kind,
                          .source = source,
                          .model = model,
                          .number = number,
                          .charset = charset_kind_of(source->study.character_set) };
    if (st != ST_OK)
        return st;
    take_time(r);
    uid_new(r->sop_instance);
    return uid_of(series, r->series) == ST_OK ? ST_OK : error_nomem(err);
}

/* ---- writing ---- */

/* Where codes of 99CXRD come from. */
static void write_schemes(struct dicom_writer *w)
{
    dicom_sequence_open(w, TAG_CODING_SCHEMES);
    dicom_item_open(w);
    dicom_text(w, TAG_CODE_SCHEME, CODE_SCHEME_OWN);
    dicom_text(w, TAG_SCHEME_NAME, "cxrd private codes, see docs/results.md of cxrd");
    dicom_text(w, TAG_SCHEME_ORGANIZATION, "cxrd");
    dicom_item_close(w);
    dicom_sequence_close(w);
}

/* The picture that another one was made of. */
static void write_derivation(const struct image_source *s, struct dicom_writer *w)
{
    dicom_text(w, TAG_DERIVATION,
               "map of what a finding's score comes from, over the picture; legend burned in");
    dicom_sequence_open(w, TAG_SOURCE_IMAGES);
    dicom_item_open(w);
    dicom_text(w, TAG_REFERENCED_CLASS, s->sop_class_uid);
    dicom_text(w, TAG_REFERENCED_INSTANCE, s->sop_instance_uid);
    content_code_sequence(w, TAG_PURPOSE, CODE_DCM("121322", "Source image for image processing operation"));
    dicom_item_close(w);
    dicom_sequence_close(w);
}

static void write_identity(const struct result *r, struct dicom_writer *w)
{
    const char *charset = conform_charset(r->source->study.character_set);

    if (charset[0])
        dicom_text(w, TAG_CHARACTER_SET, charset);
    if (r->kind == RESULT_PICTURE)
        dicom_text(w, TAG_IMAGE_TYPE, "DERIVED\\SECONDARY");
    dicom_text(w, TAG_CREATION_DATE, r->date);
    dicom_text(w, TAG_CREATION_TIME, r->time);
    dicom_text(w, TAG_SOP_CLASS, KINDS[r->kind].sop_class);
    dicom_text(w, TAG_SOP_INSTANCE, r->sop_instance);
}

/* Group 0008, from the study's date on. */
static void write_context(const struct result *r, struct dicom_writer *w)
{
    const struct image_study *study = &r->source->study;

    dicom_text(w, TAG_STUDY_DATE, conform_date(study->study_date));
    dicom_text(w, TAG_CONTENT_DATE, r->date);
    dicom_text(w, TAG_STUDY_TIME, conform_time(study->study_time));
    dicom_text(w, TAG_CONTENT_TIME, r->time);
    dicom_text(w, TAG_ACCESSION, conform_string(r->charset, study->accession, SHORT_CHARACTERS));
    dicom_text(w, TAG_MODALITY, KINDS[r->kind].modality);
    if (r->kind == RESULT_PICTURE)
        dicom_text(w, TAG_CONVERSION_TYPE, "WSD");
    dicom_text(w, TAG_MANUFACTURER, RESULT_MANUFACTURER);
    dicom_text(w, TAG_REFERRING_NAME, conform_name(r->charset, study->referring_name));
    if (r->kind == RESULT_REPORT)
        write_schemes(w);
    dicom_text(w, TAG_UTC_OFFSET, "+0000");
    dicom_text(w, TAG_SERIES_DESCRIPTION, KINDS[r->kind].description);
    dicom_text(w, TAG_MODEL_NAME, "cxrd");
    if (r->kind == RESULT_REPORT) {
        dicom_sequence_open(w, TAG_PERFORMED_STEPS);
        dicom_sequence_close(w);
    } else {
        write_derivation(r->source, w);
    }
}

static void write_patient(const struct result *r, struct dicom_writer *w)
{
    const struct image_study *study = &r->source->study;

    dicom_text(w, TAG_PATIENT_NAME, conform_name(r->charset, study->patient_name));
    dicom_text(w, TAG_PATIENT_ID, conform_string(r->charset, study->patient_id, ID_CHARACTERS));
    dicom_text(w, TAG_PATIENT_BIRTH, conform_date(study->patient_birth));
    dicom_text(w, TAG_PATIENT_SEX, conform_sex(study->patient_sex));
}

void result_begin(const struct result *r, struct dicom_writer *w, struct buf *out)
{
    char software[128], serial[17], number[12];

    snprintf(software, sizeof software, "%.32s\\model %.12s", CXRD_BUILD, r->model);
    snprintf(serial, sizeof serial, "%.16s", r->model);
    snprintf(number, sizeof number, "%u", r->number);
    dicom_begin(w, out, KINDS[r->kind].sop_class, r->sop_instance);
    write_identity(r, w);
    write_context(r, w);
    write_patient(r, w);
    dicom_text(w, TAG_SERIAL_NUMBER, serial);
    dicom_text(w, TAG_SOFTWARE, software);
    dicom_text(w, TAG_STUDY, r->source->study_uid);
    dicom_text(w, TAG_SERIES, r->series);
    dicom_text(w, TAG_STUDY_ID, conform_string(r->charset, r->source->study.study_id, SHORT_CHARACTERS));
    dicom_text(w, TAG_SERIES_NUMBER, KINDS[r->kind].series_number);
    dicom_text(w, TAG_INSTANCE_NUMBER, number);
}
