/* tests/support/dicom_cases.c - results for tests/http/test_dicom_results.py: dicom_cases FOLDER < CASES
 *
 * A line of CASES is "NAME FIELD HEX": what the file of a picture says, byte by byte; one longer than its field comes as "", as
 * from the decoder. Of each name, in the order of lines, NAME.sr and NAME.sc. */
#include "server/dicom/sc.h"
#include "server/dicom/sr.h"

#include "cxrd/encoding.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 5, HEIGHT = 3, MAX_LINE = 1 << 20 };

static const char MODEL[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#define FIELD(name, member)                                                                   \
    {                                                                                         \
        name, offsetof(struct image_source, member), sizeof((struct image_source *)0)->member \
    }
static const struct {
    const char *name;
    size_t at, size;
} FIELDS[] = { FIELD("study_uid", study_uid),
               FIELD("modality", modality),
               FIELD("character_set", study.character_set),
               FIELD("patient_name", study.patient_name),
               FIELD("patient_id", study.patient_id),
               FIELD("patient_birth", study.patient_birth),
               FIELD("patient_sex", study.patient_sex),
               FIELD("study_date", study.study_date),
               FIELD("study_time", study.study_time),
               FIELD("study_id", study.study_id),
               FIELD("accession", study.accession),
               FIELD("referring_name", study.referring_name) };

static const struct image_source PLAIN = { .format = IMAGE_DICOM,
                                           .sop_class_uid = "1.2.840.10008.5.1.4.1.1.1.1",
                                           .sop_instance_uid = "1.2.3.4.5",
                                           .study_uid = "1.2.3",
                                           .series_uid = "1.2.3.4",
                                           .modality = "DX",
                                           .lossy = 1 };

static void check(enum status st, const struct error *err)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "dicom_cases: %s\n", err->text);
    exit(EXIT_FAILURE);
}

static void set(struct image_source *s, const char *field, const char *hex)
{
    const size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        char *to = (char *)s + FIELDS[i].at;

        if (strcmp(FIELDS[i].name, field) != 0)
            continue;
        memset(to, 0, FIELDS[i].size);
        for (size_t j = 0; j < n && n < FIELDS[i].size; j++)
            to[j] = (char)(hex_value(hex[2 * j]) << 4 | hex_value(hex[2 * j + 1]));
        return;
    }
    fprintf(stderr, "dicom_cases: no field '%s'\n", field);
    exit(EXIT_FAILURE);
}

static void save(const char *folder, const char *name, const char *ending, const struct buf *out)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    f = fopen(path, "wb");
    if (!f || fwrite(out->data, 1, out->len, f) != out->len || fclose(f) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static void write(const char *folder, const char *name, const struct image_source *s)
{
    static const struct sr_finding FINDINGS[] = { { "Mass", 0.251953125, SR_ABOVE, 0.25 },
                                                  { "Pleural_Thickening", 1e-38, SR_NO_VERDICT, 0 },
                                                  { "Edema", 0.123456789, SR_BELOW, 0.5 },
                                                  { "Gro\xc3\x9f", 1, SR_NO_VERDICT, 0 } };
    static const char *const COMMENTS[] = { "for research, na\xc3\xafvely" };
    const struct sr_report report = { "cnn4", FINDINGS, sizeof FINDINGS / sizeof FINDINGS[0], COMMENTS, 1 };
    uint8_t rgb[HEIGHT][WIDTH][3];
    struct buf out = BUF_INIT(1 << 20);
    struct result r;
    struct error err;

    for (size_t i = 0; i < sizeof rgb; i++)
        ((uint8_t *)rgb)[i] = (uint8_t)i;
    check(result_prepare(&r, RESULT_REPORT, s, MODEL, 1, &err), &err);
    check(sr_write(&r, &report, &out, &err), &err);
    save(folder, name, "sr", &out);
    buf_clear(&out);
    check(result_prepare(&r, RESULT_PICTURE, s, MODEL, 7, &err), &err);
    check(capture_write(&r, &rgb[0][0][0], WIDTH, HEIGHT, &out, &err), &err);
    save(folder, name, "sc", &out);
    buf_release(&out);
}

int main(int argc, char **argv)
{
    static char line[MAX_LINE];
    struct image_source s = PLAIN;
    char last[256] = "";

    if (argc != 2)
        return EXIT_FAILURE;
    while (fgets(line, sizeof line, stdin)) {
        char *rest = line, *name = strsep(&rest, " \n"), *field = strsep(&rest, " \n"),
             *hex = strsep(&rest, " \n");

        if (last[0] && strcmp(last, name) != 0) {
            write(argv[1], last, &s);
            s = PLAIN;
        }
        snprintf(last, sizeof last, "%s", name);
        if (field && hex)
            set(&s, field, hex);
    }
    if (last[0])
        write(argv[1], last, &s);
    return EXIT_SUCCESS;
}
