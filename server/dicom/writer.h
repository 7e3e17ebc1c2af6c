/* server/dicom/writer.h - a DICOM file (PS3.10), byte by byte: explicit VR, little endian, which every reader must read.
 *
 * Own code, since what is written is small and all of it ours, and the libraries that write DICOM also read it: those are kept
 * out of this process. Attributes are written in the order of their tags, as the standard asks; another order is a bug of ours and
 * an assert. Values were made conforming before, see conform.h; the writer pads them. Sequences and items have no length but an
 * end, so nothing written is touched again. */
#ifndef SERVER_DICOM_WRITER_H
#define SERVER_DICOM_WRITER_H

#include "cxrd/buf.h"

#include <stdint.h>

struct dicom_tag {
    uint32_t number; /* group, element */
    char vr[3];
};

enum { DICOM_MAX_DEPTH = 16 };

struct dicom_writer {
    struct buf *out;                    /* borrowed; its failure is the writer's, see buf_status() */
    uint32_t last[DICOM_MAX_DEPTH + 1]; /* the tag that was written last, by depth of items */
    size_t depth;
    bool in_sequence; /* where only items may follow */
};

/* Begin a file: preamble, and what PS3.10 has before the data set. */
void dicom_begin(struct dicom_writer *w, struct buf *out, const char *sop_class, const char *sop_instance);

/* A value of characters; several have a backslash between them, "" is no value. At most 65,534 bytes where the VR is not UT. */
void dicom_text(struct dicom_writer *w, struct dicom_tag tag, const char *text);
void dicom_u16(struct dicom_writer *w, struct dicom_tag tag, uint16_t value);                /* US */
void dicom_bytes(struct dicom_writer *w, struct dicom_tag tag, const void *bytes, size_t n); /* OB */

/* Sequences hold items, items hold attributes; each is closed before what holds it. */
void dicom_sequence_open(struct dicom_writer *w, struct dicom_tag tag);
void dicom_sequence_close(struct dicom_writer *w);
void dicom_item_open(struct dicom_writer *w);
void dicom_item_close(struct dicom_writer *w);

#endif
