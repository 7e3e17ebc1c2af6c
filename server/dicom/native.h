/* server/dicom/native.h - a data set in XML: the Native DICOM Model (PS3.19, A.1). */
#ifndef SERVER_DICOM_NATIVE_H
#define SERVER_DICOM_NATIVE_H

#include "cxrd/buf.h"

#include <jansson.h>

/* Append a data set that is given in DICOM's JSON (PS3.18, annex F): texts, numbers and sequences, of the attributes that a reply of
 * STOW-RS has (PS3.18, I.2). */
void native_xml(const json_t *data_set, struct buf *out);

#endif
