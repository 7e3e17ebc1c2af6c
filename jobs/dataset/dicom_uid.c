/* jobs/dataset/dicom_uid.c - see dicom_uid.h.
 *
 * A DICOM file begins with 128 bytes of anything, "DICM", and the File Meta Information (PS3.10, 7.1): elements of group 2 in
 * explicit little endian, whatever the rest is in, in ascending order. (0002,0003) there is the SOP Instance UID. So no decoder is
 * needed, and nothing of the data set is parsed, for a question that is asked of every file of a folder. */
#include "dicom_uid.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { PREAMBLE = 128, MAGIC = 4, READ = 4096 };

struct element {
    unsigned group, number;
    size_t length;
    const char *value;
};

static unsigned two(const uint8_t *at) { return at[0] | (unsigned)at[1] << 8; }

/* The element at *at; *at moves behind it. False: it does not end in what was read. */
static bool element_read(const uint8_t *bytes, size_t n, size_t *at, struct element *ret)
{
    const bool is_long = n - *at >= 12 && memcmp(bytes + *at + 4, "OB", 2) == 0;
    const size_t head = is_long ? 12 : 8;

    if (n - *at < head)
        return false;
    *ret = (struct element){ .group = two(bytes + *at), .number = two(bytes + *at + 2) };
    ret->length = is_long ? two(bytes + *at + 8) | (size_t)two(bytes + *at + 10) << 16 : two(bytes + *at + 6);
    if (n - *at - head < ret->length)
        return false;
    ret->value = (const char *)bytes + *at + head;
    *at += head + ret->length;
    return true;
}

/* Digits and dots; a NUL, or a blank of some writers, makes their number even. */
static bool uid_take(const struct element *e, char ret[DICOM_UID_SIZE])
{
    size_t n = e->length;

    while (n > 0 && (e->value[n - 1] == '\0' || e->value[n - 1] == ' '))
        n--;
    if (n == 0 || n >= DICOM_UID_SIZE)
        return false;
    memcpy(ret, e->value, n);
    ret[n] = '\0';
    return strspn(ret, "0123456789.") == n;
}

bool dicom_uid_read(int fd, char ret[DICOM_UID_SIZE])
{
    uint8_t bytes[READ];
    const ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    size_t at = PREAMBLE + MAGIC;
    struct element e;

    if (n < (ssize_t)at || memcmp(bytes + PREAMBLE, "DICM", MAGIC) != 0)
        return false;
    while (element_read(bytes, (size_t)n, &at, &e) && e.group == 2)
        if (e.number == 3)
            return uid_take(&e, ret);
    return false;
}
