/* server/dicom/meta.c - see meta.h; PS3.10, section 7.1: always explicit VR, little endian. */
#include "meta.h"

#include <stdint.h>
#include <string.h>

enum { PREAMBLE = 128, GROUP = 2, MEDIA_CLASS = 2, MEDIA_INSTANCE = 3 };

/* An attribute of the group. */
struct attribute {
    uint16_t group, element;
    const uint8_t *value;
    size_t size;
};

static uint32_t number(const uint8_t *at, size_t n)
{
    uint32_t v = 0;

    while (n > 0)
        v = v << 8 | at[--n];
    return v;
}

static bool is_long(const uint8_t vr[2])
{
    return memcmp(vr, "OB", 2) == 0 || memcmp(vr, "OW", 2) == 0 || memcmp(vr, "UN", 2) == 0 ||
           memcmp(vr, "UT", 2) == 0;
}

/* The attribute at *at, which moves behind it; false: the attributes have ended, or the file ends in one. */
static bool next(const uint8_t **at, const uint8_t *end, struct attribute *ret)
{
    size_t head = 8;

    if ((size_t)(end - *at) < 12) /* nothing that follows the group is shorter */
        return false;
    ret->group = (uint16_t)number(*at, 2);
    ret->element = (uint16_t)number(*at + 2, 2);
    ret->size = number(*at + 6, 2);
    if (is_long(*at + 4)) {
        head = 12;
        ret->size = number(*at + 8, 4);
    }
    if (ret->size > (size_t)(end - *at) - head)
        return false;
    ret->value = *at + head;
    *at += head + ret->size;
    return true;
}

static void take_uid(const struct attribute *a, char ret[UID_SIZE])
{
    size_t n = a->size;

    while (n > 0 && (a->value[n - 1] == '\0' || a->value[n - 1] == ' '))
        n--;
    if (n >= UID_SIZE)
        return;
    memcpy(ret, a->value, n);
    ret[n] = '\0';
    if (strlen(ret) != n || !uid_ok(ret))
        ret[0] = '\0';
}

bool meta_read(const void *bytes, size_t n, char ret_class[UID_SIZE], char ret_instance[UID_SIZE])
{
    const uint8_t *at = bytes, *end = at + n;
    struct attribute a;

    ret_class[0] = ret_instance[0] = '\0';
    if (n < PREAMBLE + 4 || memcmp(at + PREAMBLE, "DICM", 4) != 0)
        return false;
    at += PREAMBLE + 4;
    while (next(&at, end, &a) && a.group == GROUP) {
        if (a.element == MEDIA_CLASS)
            take_uid(&a, ret_class);
        else if (a.element == MEDIA_INSTANCE)
            take_uid(&a, ret_instance);
    }
    if (ret_class[0] && ret_instance[0])
        return true;
    ret_class[0] = ret_instance[0] = '\0';
    return false;
}
