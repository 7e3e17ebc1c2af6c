/* server/dicom/sr.c - see sr.h. */
#include "sr.h"

#include "content.h"
#include "tags.h"

#include <string.h>

enum { MAX_COMMENT = 1024 };

/* One report being written. */
struct writing {
    const struct result *result;
    const struct sr_report *report;
    struct dicom_writer w;
};

static const struct dicom_code ROOT = { "126000", "DCM", "Imaging Measurement Report" };

/* Which instances it speaks of: viewers look here for what to open beside it. */
static void write_evidence(struct writing *x)
{
    const struct image_source *s = x->result->source;

    dicom_sequence_open(&x->w, TAG_EVIDENCE);
    dicom_item_open(&x->w);
    dicom_sequence_open(&x->w, TAG_REFERENCED_SERIES);
    dicom_item_open(&x->w);
    content_reference(&x->w, TAG_REFERENCED_SOPS, s->sop_class_uid, s->sop_instance_uid);
    dicom_text(&x->w, TAG_SERIES, s->series_uid);
    dicom_item_close(&x->w);
    dicom_sequence_close(&x->w);
    dicom_text(&x->w, TAG_STUDY, s->study_uid);
    dicom_item_close(&x->w);
    dicom_sequence_close(&x->w);
}

/* TID 1204 and 1001: in which language, and that a device has looked. */
static enum status write_context(struct writing *x)
{
    const char *const words[] = { "device", x->result->model, NULL };
    char device[UID_SIZE];
    enum status st = uid_of(words, device);

    if (st != ST_OK)
        return st;
    content_code(&x->w, HAS_CONCEPT_MOD, CODE_DCM("121049", "Language of Content Item and Descendants"),
                 (struct dicom_code){ "en", "RFC5646", "English" });
    content_code(&x->w, HAS_OBS_CONTEXT, CODE_DCM("121005", "Observer Type"), CODE_DCM("121007", "Device"));
    content_uid(&x->w, HAS_OBS_CONTEXT, CODE_DCM("121012", "Device Observer UID"), device);
    content_text(&x->w, HAS_OBS_CONTEXT, CODE_DCM("121013", "Device Observer Name"), "cxrd");
    content_text(&x->w, HAS_OBS_CONTEXT, CODE_DCM("121014", "Device Observer Manufacturer"),
                 RESULT_MANUFACTURER);
    content_text(&x->w, HAS_OBS_CONTEXT, CODE_DCM("121015", "Device Observer Model Name"),
                 x->report->architecture);
    content_text(&x->w, HAS_OBS_CONTEXT, CODE_DCM("121016", "Device Observer Serial Number"),
                 x->result->model);
    content_code(&x->w, HAS_CONCEPT_MOD, CODE_DCM("121058", "Procedure reported"),
                 CODE_SCT("399208008", "Plain chest X-ray"));
    return ST_OK;
}

/* TID 1600: the one picture. */
static void write_library(struct writing *x)
{
    const struct image_source *s = x->result->source;

    content_container_open(&x->w, CONTAINS, CODE_DCM("111028", "Image Library"), "1600");
    content_container_open(&x->w, CONTAINS, CODE_DCM("126200", "Image Library Group"), NULL);
    if (strcmp(s->modality, "CR") == 0)
        content_code(&x->w, HAS_ACQ_CONTEXT, CODE_DCM("121139", "Modality"),
                     CODE_DCM("CR", "Computed Radiography"));
    if (strcmp(s->modality, "DX") == 0)
        content_code(&x->w, HAS_ACQ_CONTEXT, CODE_DCM("121139", "Modality"),
                     CODE_DCM("DX", "Digital Radiography"));
    content_image(&x->w, CONTAINS, NULL, s->sop_class_uid, s->sop_instance_uid);
    content_container_close(&x->w);
    content_container_close(&x->w);
}

static void write_algorithm(struct writing *x)
{
    content_text(&x->w, HAS_CONCEPT_MOD, CODE_DCM("111001", "Algorithm Name"), x->report->architecture);
    content_text(&x->w, HAS_CONCEPT_MOD, CODE_DCM("111003", "Algorithm Version"), x->result->model);
}

static void write_verdict(struct writing *x, const struct sr_finding *f)
{
    if (f->verdict == SR_NO_VERDICT)
        return;
    content_number(&x->w, CONTAINS, CODE_OWN("OPERATING_POINT", "Operating point of probability"),
                   f->threshold, (struct dicom_code){ "1", "UCUM", "no units" });
    content_code(&x->w, CONTAINS, CODE_OWN("AT_OR_ABOVE", "At or above operating point"),
                 f->verdict == SR_ABOVE ? CODE_SCT("373066001", "Yes") : CODE_SCT("373067005", "No"));
}

/* TID 1501. The same finding of the same picture by the same model has the same tracking UID in every report. */
static enum status write_finding(struct writing *x, const struct sr_finding *f)
{
    static const struct dicom_code SOURCE = { "121112", "DCM", "Source of Measurement" };
    const struct image_source *s = x->result->source;
    const char *const words[] = { "finding", s->sop_instance_uid, x->result->model, f->label, NULL };
    struct finding_code code;
    char tracking[UID_SIZE], name[LABEL_SIZE];
    enum status st = uid_of(words, tracking);

    if (st == ST_OK)
        st = finding_code_of(f->label, x->result->charset, &code);
    if (st != ST_OK)
        return st;
    charset_show(x->result->charset, f->label, name, sizeof name);
    content_container_open(&x->w, CONTAINS, CODE_DCM("125007", "Measurement Group"), "1501");
    content_text(&x->w, HAS_OBS_CONTEXT, CODE_DCM("112039", "Tracking Identifier"), name);
    content_uid(&x->w, HAS_OBS_CONTEXT, CODE_DCM("112040", "Tracking Unique Identifier"), tracking);
    content_code(&x->w, CONTAINS, CODE_DCM("121071", "Finding"), code.code);
    write_algorithm(x);
    content_image(&x->w, CONTAINS, &SOURCE, s->sop_class_uid, s->sop_instance_uid);
    content_number(&x->w, CONTAINS, CODE_OWN("PROBABILITY", "Probability of finding"), f->probability,
                   (struct dicom_code){ "1", "UCUM", "no units" });
    write_verdict(x, f);
    content_container_close(&x->w);
    return ST_OK;
}

static enum status write_findings(struct writing *x)
{
    enum status st = ST_OK;

    content_container_open(&x->w, CONTAINS, CODE_DCM("126010", "Imaging Measurements"), NULL);
    for (size_t i = 0; i < x->report->n_findings && st == ST_OK; i++)
        st = write_finding(x, &x->report->findings[i]);
    content_container_close(&x->w);
    return st;
}

static void write_comment(struct writing *x, const char *comment)
{
    char text[MAX_COMMENT];

    charset_show(x->result->charset, comment, text, sizeof text);
    content_text(&x->w, CONTAINS, CODE_DCM("121106", "Comment"), text);
}

static enum status write_content(struct writing *x)
{
    enum status st;

    dicom_sequence_open(&x->w, TAG_CONTENT);
    st = write_context(x);
    write_library(x);
    if (st == ST_OK)
        st = write_findings(x);
    for (size_t i = 0; i < x->report->n_comments; i++)
        write_comment(x, x->report->comments[i]);
    dicom_sequence_close(&x->w);
    return st;
}

/* The root is no item but the data set itself, so its parts stand among those of the document. */
static enum status write_document(struct writing *x)
{
    dicom_text(&x->w, TAG_VALUE_TYPE, "CONTAINER");
    content_code_sequence(&x->w, TAG_CONCEPT_NAME, ROOT);
    dicom_text(&x->w, TAG_CONTINUITY, "SEPARATE");
    dicom_sequence_open(&x->w, TAG_PERFORMED_CODES);
    dicom_sequence_close(&x->w);
    write_evidence(x);
    dicom_text(&x->w, TAG_COMPLETION, "PARTIAL");
    dicom_text(&x->w, TAG_VERIFICATION, "UNVERIFIED");
    dicom_text(&x->w, TAG_PRELIMINARY, "PRELIMINARY");
    content_template(&x->w, "1500");
    return write_content(x);
}

enum status sr_write(const struct result *result, const struct sr_report *report, struct buf *out,
                     struct error *err)
{
    struct writing x = { .result = result, .report = report };
    enum status st;

    result_begin(result, &x.w, out);
    st = write_document(&x);
    if (st == ST_OK)
        st = buf_status(out);
    return st == ST_OK ? ST_OK : error_set(err, st, "the report could not be written: %s", status_text(st));
}
