/* server/dicom/content.c - see content.h. */
#include "content.h"

#include "tags.h"

#include <stdio.h>

void content_code_sequence(struct dicom_writer *w, struct dicom_tag tag, struct dicom_code code)
{
    dicom_sequence_open(w, tag);
    dicom_item_open(w);
    dicom_text(w, TAG_CODE_VALUE, code.value);
    dicom_text(w, TAG_CODE_SCHEME, code.scheme);
    dicom_text(w, TAG_CODE_MEANING, code.meaning);
    dicom_item_close(w);
    dicom_sequence_close(w);
}

void content_reference(struct dicom_writer *w, struct dicom_tag tag, const char *sop_class,
                       const char *sop_instance)
{
    dicom_sequence_open(w, tag);
    dicom_item_open(w);
    dicom_text(w, TAG_REFERENCED_CLASS, sop_class);
    dicom_text(w, TAG_REFERENCED_INSTANCE, sop_instance);
    dicom_item_close(w);
    dicom_sequence_close(w);
}

static void begin(struct dicom_writer *w, const char *relation, const char *type,
                  const struct dicom_code *name)
{
    dicom_text(w, TAG_RELATIONSHIP, relation);
    dicom_text(w, TAG_VALUE_TYPE, type);
    if (name)
        content_code_sequence(w, TAG_CONCEPT_NAME, *name);
}

void content_text(struct dicom_writer *w, const char *relation, struct dicom_code name, const char *text)
{
    dicom_item_open(w);
    begin(w, relation, "TEXT", &name);
    dicom_text(w, TAG_TEXT, text);
    dicom_item_close(w);
}

void content_uid(struct dicom_writer *w, const char *relation, struct dicom_code name, const char *uid)
{
    dicom_item_open(w);
    begin(w, relation, "UIDREF", &name);
    dicom_text(w, TAG_UID, uid);
    dicom_item_close(w);
}

void content_code(struct dicom_writer *w, const char *relation, struct dicom_code name,
                  struct dicom_code value)
{
    dicom_item_open(w);
    begin(w, relation, "CODE", &name);
    content_code_sequence(w, TAG_CONCEPT_CODE, value);
    dicom_item_close(w);
}

void content_number(struct dicom_writer *w, const char *relation, struct dicom_code name, double value,
                    struct dicom_code unit)
{
    char text[32];

    snprintf(text, sizeof text, "%.9g", value); /* of a float32: at most the 16 characters of a DS */
    dicom_item_open(w);
    begin(w, relation, "NUM", &name);
    dicom_sequence_open(w, TAG_MEASURED_VALUE);
    dicom_item_open(w);
    content_code_sequence(w, TAG_UNITS, unit);
    dicom_text(w, TAG_NUMBER, text);
    dicom_item_close(w);
    dicom_sequence_close(w);
    dicom_item_close(w);
}

void content_template(struct dicom_writer *w, const char *number)
{
    dicom_sequence_open(w, TAG_TEMPLATE);
    dicom_item_open(w);
    dicom_text(w, TAG_MAPPING_RESOURCE, "DCMR");
    dicom_text(w, TAG_TEMPLATE_ID, number);
    dicom_item_close(w);
    dicom_sequence_close(w);
}

void content_container_open(struct dicom_writer *w, const char *relation, struct dicom_code name,
                            const char *template)
{
    dicom_item_open(w);
    begin(w, relation, "CONTAINER", &name);
    dicom_text(w, TAG_CONTINUITY, "SEPARATE");
    if (template)
        content_template(w, template);
    dicom_sequence_open(w, TAG_CONTENT);
}

void content_container_close(struct dicom_writer *w)
{
    dicom_sequence_close(w);
    dicom_item_close(w);
}

void content_image(struct dicom_writer *w, const char *relation, const struct dicom_code *name,
                   const char *sop_class, const char *sop_instance)
{
    dicom_item_open(w);
    content_reference(w, TAG_REFERENCED_SOPS, sop_class, sop_instance);
    begin(w, relation, "IMAGE", name);
    dicom_item_close(w);
}
