/* server/dicom/conform.h - values of a stranger's header that are to be said again, as their VRs allow them (PS3.5, 6.2).
 *
 * A value that its VR does not allow is left out: "" comes of it. It is never shortened and never mended where that could make
 * another of it, since half of a patient's number is another patient's. */
#ifndef SERVER_DICOM_CONFORM_H
#define SERVER_DICOM_CONFORM_H

#include "charset.h"
#include "cxrd/image.h"

/* The Specific Character Set to write, or "". */
const char *conform_charset(const char *specific);

/* Person names, long strings of up to 64 characters, short ones of up to 16: the text itself, or "". One value each. */
const char *conform_name(enum charset_kind kind, const char *text);
const char *conform_string(enum charset_kind kind, const char *text, size_t max_characters);
const char *conform_date(const char *text); /* YYYYMMDD, of a day that there is */
const char *conform_time(const char *text); /* HH, HHMM, HHMMSS or HHMMSS.F to .FFFFFF */
const char *conform_sex(const char *text);  /* M, F or O */

#endif
