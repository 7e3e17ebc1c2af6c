/* server/dicom/uids.h - unique identifiers (PS3.5, section 9 and annex B): those of the standard, and new ones. New ones are
 * "2.25." and the decimal number of a UUID (ITU-T X.667), so nobody has to be asked for a root. */
#ifndef SERVER_DICOM_UIDS_H
#define SERVER_DICOM_UIDS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { UID_SIZE = 65 };

#define UID_EXPLICIT_LITTLE_ENDIAN "1.2.840.10008.1.2.1"
#define UID_COMPREHENSIVE_3D_SR    "1.2.840.10008.5.1.4.1.1.88.34"
#define UID_SECONDARY_CAPTURE      "1.2.840.10008.5.1.4.1.1.7"
#define UID_IMPLEMENTATION \
    "2.25.300272256195100957114317740391125607570" /* this program as a writer of files */

void uid_new(char ret[UID_SIZE]); /* at random */

/* The same words, the same UID; others, another. By SHA-256, so nobody finds the words.
 *   words  NULL at the end
 * Errors: ST_NOMEM. */
MUST_USE enum status uid_of(const char *const *words, char ret[UID_SIZE]);

/* Whether a text is one: numbers without leading zeros, dots between them, 64 characters at most. */
bool uid_ok(const char *text);

#endif
