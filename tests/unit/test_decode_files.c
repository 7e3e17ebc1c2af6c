/* tests/unit/test_decode_files.c - whole files: real ones and hostile ones, each with what must come of it (CXRD_TEST_DATA, folder
 * dicom), decoded in a child of their own as the product does it. */
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "decode/decode.h"
#include "decode/dicom_file.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct image_limits LIMITS = { .max_side = 8192,
                                            .max_pixels = 32u << 20,
                                            .max_bytes = 64u << 20 };

/* ---- in a child ---- */

struct result {
    struct decode_reply reply;
    bool died, has_stored;
    char stored[DIGEST_TEXT_SIZE];
};

static void *shared(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    cr_assert(p != MAP_FAILED);
    return p;
}

/* The stored values as the manifest digests them: of up to 8 bits a byte each, of more a word. */
static void stored_digest(const uint8_t *bytes, size_t n, struct result *ret)
{
    struct dicom_file *f = NULL;
    const struct picture *p;
    const struct pixels *pixels;
    uint8_t *stored;
    size_t width;

    if (dicom_file_open(bytes, n, &LIMITS, &f, NULL) != ST_OK)
        return;
    p = dicom_file_picture(f);
    pixels = dicom_file_pixels(f);
    width = p->stored > 8 ? 2 : 1;
    stored = malloc(p->width * p->height * width);
    for (size_t i = 0; stored && p->channels == 1 && i < p->width * p->height; i++) {
        const uint32_t raw = pixels->allocated == 8 ? ((const uint8_t *)pixels->values)[i]
                                                    : ((const uint16_t *)pixels->values)[i];
        const uint32_t v =
            raw >> (pixels->high_bit + 1 - pixels->stored) & (((uint32_t)1 << pixels->stored) - 1);
        const uint32_t extended =
            p->is_signed && v >> (pixels->stored - 1) ? v - ((uint32_t)1 << pixels->stored) : v;

        stored[i * width] = (uint8_t)extended;
        if (width == 2)
            stored[i * 2 + 1] = (uint8_t)(extended >> 8);
    }
    if (stored && p->channels == 1) {
        ret->has_stored = digest_bytes(stored, p->width * p->height * width, ret->stored) == ST_OK;
    }
    free(stored);
    dicom_file_close(f);
}

static void decode(const uint8_t *bytes, size_t n, struct result *ret, uint8_t *grey)
{
    struct decode_request request = { .format = IMAGE_DICOM, .limits = LIMITS };
    int how;
    pid_t pid;

    memset(ret, 0, sizeof *ret);
    if (n >= 2 && bytes[0] == 0xFF && bytes[1] == 0xD8)
        request.format = IMAGE_JPEG;
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        decode_run(bytes, n, &request, &ret->reply, grey, LIMITS.max_pixels);
        if (request.format == IMAGE_DICOM && ret->reply.status == ST_OK)
            stored_digest(bytes, n, ret);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &how, 0), pid);
    ret->died = how != 0;
}

/* ---- the manifest ---- */

enum { FIELDS = 64 };

/* Cut a line of CSV into its fields, in place. */
static size_t fields_of(char *line, char *fields[FIELDS])
{
    size_t n = 0;

    for (char *from = line, *to = line; n < FIELDS; from++) {
        bool quoted = false;

        for (fields[n++] = to;
             *from && (quoted || *from != ',') && (quoted || *from != '\n') && *from != '\r'; from++)
            if (*from == '"')
                quoted = !quoted;
            else
                *to++ = *from;
        if (*from != ',') {
            *to = 0;
            return n;
        }
        *to++ = 0;
    }
    return n;
}

struct manifest {
    char *names[FIELDS], *fields[FIELDS];
    size_t n;
};

static const char *field(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->names[i], name) == 0)
            return m->fields[i];
    cr_assert_fail("the manifest has no column '%s'", name);
    return NULL;
}

static unsigned http_of(uint32_t status)
{
    switch ((enum status)status) {
    case ST_OK: return 200;
    case ST_FORMAT: return 400;
    case ST_LIMIT: return 413;
    case ST_UNSUPPORTED: return 415;
    case ST_UNUSABLE: return 422;
    case ST_NOMEM:
    case ST_BUSY:
    case ST_CANCELLED:
    case ST_CONFLICT:
    case ST_INVALID:
    case ST_IO:
    case ST_NOTFOUND:
    case ST_NUMERIC: break;
    }
    return 500;
}

/* Whether it is as the manifest says it. View and body part are for the server to judge: those files decode. Some rows leave a choice
 * in their note, as "422 or 400". */
static bool is_expected(const struct manifest *m, unsigned http, const struct decode_reply *reply)
{
    const char *reason = field(m, "reason");
    const bool judged = strcmp(reason, "view") == 0 || strcmp(reason, "body_part") == 0;
    char text[16];

    snprintf(text, sizeof text, "%u", http);
    if (field(m, "http")[0] == 0)
        return true;
    if (judged)
        return http == 200 && (strcmp(reason, "view") == 0 ? reply->source.lateral : !reply->source.is_chest);
    return strcmp(field(m, "http"), text) == 0 ||
           (strstr(field(m, "note"), " or ") && strstr(field(m, "note"), text));
}

static void check_grey(const struct manifest *m, const char *name, const struct result *r,
                       const uint8_t *grey)
{
    const size_t n = (size_t)r->reply.width * r->reply.height;
    const double within = strcmp(field(m, "exact"), "tolerance") == 0 ? 2 : 1;
    double sum = 0;
    int least = 255, greatest = 0;
    char digest[DIGEST_TEXT_SIZE];

    cr_assert_eq(digest_bytes(grey, n, digest), ST_OK);
    if (strcmp(digest, field(m, "grey8_sha256")) == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        sum += grey[i];
        least = grey[i] < least ? grey[i] : least;
        greatest = grey[i] > greatest ? grey[i] : greatest;
    }
    cr_assert(within > 1 || r->reply.source.turned, "%s: the grey is not exact", name);
    cr_assert(fabs(least - strtod(field(m, "grey8_min"), NULL)) <= within, "%s: the least is %d", name,
              least);
    cr_assert(fabs(greatest - strtod(field(m, "grey8_max"), NULL)) <= within, "%s: the greatest is %d", name,
              greatest);
    cr_assert(fabs(sum / (double)n - strtod(field(m, "grey8_mean"), NULL)) <= 0.05, "%s: the mean is %.3f",
              name, sum / (double)n);
}

static void check_row(const struct manifest *m, struct result *r, uint8_t *grey)
{
    const char *name = field(m, "file");
    struct file_bytes file = FILE_BYTES_INIT;
    struct error err = { 0 };
    char relative[256];

    snprintf(relative, sizeof relative, "dicom/%s", name);
    cr_assert_eq(file_read(test_data(relative), 64u << 20, &file, &err), ST_OK, "%s", err.text);
    decode(file.data, file.size, r, grey);
    file_bytes_release(&file);
    cr_assert_not(r->died, "%s killed its decoder", name);
    cr_assert(is_expected(m, http_of(r->reply.status), &r->reply), "%s: %u (%s)", name,
              http_of(r->reply.status), r->reply.text);
    cr_assert_eq(r->reply.text[0] == 0, r->reply.status == ST_OK, "%s", name);
    if (r->reply.status != ST_OK)
        return;
    if (field(m, "grey8_sha256")[0])
        check_grey(m, name, r, grey);
    if (r->has_stored && strncmp(field(m, "exact"), "stored", 6) == 0)
        cr_assert_str_eq(r->stored, field(m, "stored_sha256"), "%s: the stored values differ", name);
}

Test(decode_files, come_out_as_the_manifest_says)
{
    FILE *f = fopen(test_data("dicom/manifest.csv"), "r");
    static char head[8192], line[8192];
    struct manifest m;
    struct result *r = shared(sizeof *r);
    uint8_t *grey = shared(LIMITS.max_pixels);
    size_t n = 0;

    cr_assert_not_null(f);
    cr_assert(decode_warm_up());
    cr_assert_not_null(fgets(head, sizeof head, f));
    m.n = fields_of(head, m.names);
    while (fgets(line, sizeof line, f)) {
        cr_assert_eq(fields_of(line, m.fields), m.n);
        check_row(&m, r, grey);
        n++;
    }
    fclose(f);
    cr_assert_gt(n, 100);
    munmap(r, sizeof *r);
    munmap(grey, LIMITS.max_pixels);
}
