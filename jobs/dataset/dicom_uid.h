/* jobs/dataset/dicom_uid.h - the name that a DICOM file has for itself. */
#ifndef JOBS_DATASET_DICOM_UID_H
#define JOBS_DATASET_DICOM_UID_H

#include <stdbool.h>

enum { DICOM_UID_SIZE = 65 }; /* 64 digits and dots (PS3.5, 9) */

/* The SOP Instance UID of a file, as its File Meta Information says it. False: it is no DICOM file, or says none. Never more than
 * its first kibibytes are read: the picture is not looked at. */
bool dicom_uid_read(int fd, char ret[DICOM_UID_SIZE]);

#endif
