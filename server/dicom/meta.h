/* server/dicom/meta.h - which instance a file says it is, so that a refusal can name it. All else of a stranger's DICOM is read by
 * another process, see cxrd/decode.h. */
#ifndef SERVER_DICOM_META_H
#define SERVER_DICOM_META_H

#include "uids.h"

/* Read the UIDs of the class and the instance in what PS3.10 has before the data set. False: one of them is not there, or is no UID;
 * both are "" then. Reads nothing outside of bytes[0..n). */
bool meta_read(const void *bytes, size_t n, char ret_class[UID_SIZE], char ret_instance[UID_SIZE]);

#endif
