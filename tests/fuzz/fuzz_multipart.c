/* tests/fuzz/fuzz_multipart.c - a form's body. The input's first line is the Content-Type. */
#include "fuzz.h"

#include "http/multipart.h"
#include "server/dicom/meta.h"

#include <stdlib.h>
#include <string.h>

static void check_parts(const struct multipart *m, const char *body, size_t size)
{
    const char *behind = body; /* the part before */

    FUZZ_CHECK(m->n <= MULTIPART_MAX_PARTS);
    for (size_t i = 0; i < m->n; i++) {
        const struct part *p = &m->parts[i];

        FUZZ_CHECK(memchr(p->name, '\0', sizeof p->name) != NULL);
        FUZZ_CHECK(p->data >= behind && p->data <= body + size && p->size <= (size_t)(body + size - p->data));
        behind = p->data + p->size;
    }
}

/* Of a body that is no form: the same parts, without names. */
static void check_related(const char *content_type, const char *body, size_t size)
{
    struct multipart m = { .n = 0 };
    struct error err = { 0 };
    char class[UID_SIZE], instance[UID_SIZE];

    if (multipart_related_check(content_type, "application/dicom", &err) != ST_OK) {
        FUZZ_CHECK(err.text[0]);
        return;
    }
    if (multipart_related_parse(content_type, body, size, &m, &err) == ST_OK)
        check_parts(&m, body, size);
    else
        FUZZ_CHECK(err.text[0]);
    for (size_t i = 0; i < m.n; i++)
        FUZZ_CHECK(meta_read(m.parts[i].data, m.parts[i].size, class, instance) == (class[0] && instance[0]));
}

static void check_uses(const struct multipart *m)
{
    const struct part *file = NULL;
    struct error err = { 0 };
    char value[32];

    if (multipart_file(m, &file, &err) == ST_OK)
        FUZZ_CHECK(file->is_file && file->size > 0);
    else
        FUZZ_CHECK(err.text[0]);
    for (size_t i = 0; i < m->n; i++)
        if (multipart_field(m, m->parts[i].name, value, sizeof value, &err) == ST_OK)
            FUZZ_CHECK(strlen(value) < sizeof value);
        else
            FUZZ_CHECK(err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size };
    const struct fuzz_part type = fuzz_cut(&rest, '\n');
    char *content_type = strndup((const char *)type.data, type.size);
    char *body = fuzz_copy(rest.data, rest.size);
    struct multipart m = { .n = 0 };
    struct error err = { 0 };

    FUZZ_CHECK(content_type != NULL);
    if (multipart_is(content_type)) {
        if (multipart_parse(content_type, body, rest.size, &m, &err) == ST_OK) {
            check_parts(&m, body, rest.size);
            check_uses(&m);
        } else {
            FUZZ_CHECK(err.text[0]);
        }
    }
    check_related(content_type, body, rest.size);
    free(body);
    free(content_type);
    return 0;
}
