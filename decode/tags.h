/* decode/tags.h - the elements of a DICOM header that mean something here, and what they say of the picture. */
#ifndef DECODE_TAGS_H
#define DECODE_TAGS_H

#include "dicom.h"
#include "syntax.h"
#include "turn.h"

#include "cxrd/image.h"

#include <stdbool.h>
#include <stdint.h>

/* group << 16 | element (PS3.6) */
#define TAG_CHARACTER_SET    0x00080005u
#define TAG_SOP_CLASS        0x00080016u
#define TAG_SOP_INSTANCE     0x00080018u
#define TAG_STUDY_DATE       0x00080020u
#define TAG_STUDY_TIME       0x00080030u
#define TAG_ACCESSION        0x00080050u
#define TAG_MODALITY         0x00080060u
#define TAG_INTENT           0x00080068u
#define TAG_MANUFACTURER     0x00080070u
#define TAG_REFERRING_NAME   0x00080090u
#define TAG_CODE_VALUE       0x00080100u
#define TAG_PATIENT_NAME     0x00100010u
#define TAG_PATIENT_ID       0x00100020u
#define TAG_PATIENT_BIRTH    0x00100030u
#define TAG_PATIENT_SEX      0x00100040u
#define TAG_PATIENT_AGE      0x00101010u
#define TAG_BODY_PART        0x00180015u
#define TAG_VIEW_POSITION    0x00185101u
#define TAG_STUDY            0x0020000Du
#define TAG_SERIES           0x0020000Eu
#define TAG_STUDY_ID         0x00200010u
#define TAG_ORIENTATION      0x00200020u
#define TAG_SAMPLES          0x00280002u
#define TAG_PHOTOMETRIC      0x00280004u
#define TAG_PLANAR           0x00280006u
#define TAG_FRAMES           0x00280008u
#define TAG_ROWS             0x00280010u
#define TAG_COLUMNS          0x00280011u
#define TAG_ALLOCATED        0x00280100u
#define TAG_STORED           0x00280101u
#define TAG_HIGH_BIT         0x00280102u
#define TAG_SIGNED           0x00280103u
#define TAG_PADDING          0x00280120u
#define TAG_PADDING_LIMIT    0x00280121u
#define TAG_BURNED_IN        0x00280301u
#define TAG_WINDOW_CENTRE    0x00281050u
#define TAG_WINDOW_WIDTH     0x00281051u
#define TAG_INTERCEPT        0x00281052u
#define TAG_SLOPE            0x00281053u
#define TAG_VOI_FUNCTION     0x00281056u
#define TAG_RED_DESCRIPTOR   0x00281101u
#define TAG_GREEN_DESCRIPTOR 0x00281102u
#define TAG_BLUE_DESCRIPTOR  0x00281103u
#define TAG_RED_DATA         0x00281201u
#define TAG_GREEN_DATA       0x00281202u
#define TAG_BLUE_DATA        0x00281203u
#define TAG_RED_SEGMENTS     0x00281221u
#define TAG_GREEN_SEGMENTS   0x00281222u
#define TAG_BLUE_SEGMENTS    0x00281223u
#define TAG_LOSSY            0x00282110u
#define TAG_MODALITY_LUT     0x00283000u
#define TAG_LUT_DESCRIPTOR   0x00283002u
#define TAG_LUT_DATA         0x00283006u
#define TAG_VOI_LUT          0x00283010u
#define TAG_VIEW_CODE        0x00540220u
#define TAG_LUT_SHAPE        0x20500020u
#define TAG_PIXELS_FLOAT     0x7FE00008u
#define TAG_PIXELS_DOUBLE    0x7FE00009u
#define TAG_PIXELS           0x7FE00010u

/* Whether an element of the data set is read, the pixels apart; *ret_sequence: whether it is a sequence. */
bool tags_wanted(uint32_t tag, bool *ret_sequence);

/* The number that begins a text of decimal strings (VR DS or IS), which may hold several. False: it is no finite number. */
bool tags_number(const char *text, double *ret);

/* All that the header says of where the picture comes from; `ret->voi`, `rescaled` and `turned` are left alone. */
void tags_source(struct dicom *d, const struct syntax *syntax, struct image_source *ret);

/* How a frontal picture is to be turned so that the patient's left is on the right and the feet are below (Patient Orientation
 * L\F); none where the header does not say. */
struct turn tags_turn(struct dicom *d);

/* Parts of it: an age as `064Y`, `006M`, `58` is years; NAN: the text is not an age. Dates are YYYYMMDD. */
double tags_age(const char *age, const char *birth, const char *study_date);
bool tags_view_is_lateral(const char *view);
bool tags_part_is_chest(const char *body_part);
struct turn tags_turn_of(const char *orientation);

#endif
