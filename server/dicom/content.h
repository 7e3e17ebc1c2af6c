/* server/dicom/content.h - the items of a structured report (PS3.3, C.17.3): a tree of names with values. */
#ifndef SERVER_DICOM_CONTENT_H
#define SERVER_DICOM_CONTENT_H

#include "codes.h"
#include "writer.h"

/* How an item belongs to the one that holds it. */
#define CONTAINS        "CONTAINS"
#define HAS_OBS_CONTEXT "HAS OBS CONTEXT"
#define HAS_ACQ_CONTEXT "HAS ACQ CONTEXT"
#define HAS_CONCEPT_MOD "HAS CONCEPT MOD"

/* A sequence of one code, such as a name or a unit. */
void content_code_sequence(struct dicom_writer *w, struct dicom_tag tag, struct dicom_code code);

/* Which template of PS3.16 an item follows. */
void content_template(struct dicom_writer *w, const char *number);

/* A reference to an instance, as a sequence of one item. */
void content_reference(struct dicom_writer *w, struct dicom_tag tag, const char *sop_class,
                       const char *sop_instance);

/* Items that hold no others. */
void content_text(struct dicom_writer *w, const char *relation, struct dicom_code name, const char *text);
void content_uid(struct dicom_writer *w, const char *relation, struct dicom_code name, const char *uid);
void content_code(struct dicom_writer *w, const char *relation, struct dicom_code name,
                  struct dicom_code value);
void content_number(struct dicom_writer *w, const char *relation, struct dicom_code name, double value,
                    struct dicom_code unit);

/*   name  NULL: without a name */
void content_image(struct dicom_writer *w, const char *relation, const struct dicom_code *name,
                   const char *sop_class, const char *sop_instance);

/* An item that holds those that follow, until it is closed.
 *   template  its number in PS3.16, NULL: none is said */
void content_container_open(struct dicom_writer *w, const char *relation, struct dicom_code name,
                            const char *template);

void content_container_close(struct dicom_writer *w);

#endif
