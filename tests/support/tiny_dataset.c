/* tests/support/tiny_dataset.c - see tiny_dataset.h. */
#include "tiny_dataset.h"

#include "cxrd/buf.h"
#include "cxrd/image.h"
#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const FINDINGS[TINY_CYCLE] = { "Effusion", "Atelectasis|Effusion", "Cardiomegaly",
                                                  "Mass|Nodule", "Infiltration" };

const char *tiny_findings(size_t row) { return FINDINGS[row % TINY_CYCLE]; }

uint64_t tiny_labels(size_t row)
{
    uint64_t labels = 0;

    for (size_t k = 0; k < NIH_LABELS.n; k++) /* no name is part of another among those above */
        if (strstr(tiny_findings(row), NIH_LABELS.names[k]))
            labels |= (uint64_t)1 << k;
    return labels;
}

const char *tiny_image(size_t row)
{
    static char name[48];

    snprintf(name, sizeof name, "%08zu_%03zu.png", row / 2 + 1, row % 2);
    return name;
}

const char *tiny_image_path(const char *datasets, size_t row)
{
    return path_in(datasets, "tiny/images_001/images/%s", tiny_image(row));
}

/* A grey chest, a bright band whose place says which findings there are, and a grain that is the row's own. */
static void paint(size_t row, uint8_t grey[TINY_SIZE * TINY_SIZE])
{
    const size_t band = row % TINY_CYCLE * 12;
    uint32_t grain = (uint32_t)row * 2654435761u + 1;

    for (size_t i = 0; i < (size_t)TINY_SIZE * TINY_SIZE; i++) {
        grain = grain * 1664525u + 1013904223u;
        grey[i] = (uint8_t)((i / TINY_SIZE - band < 12 ? 190 : 90) + (grain >> 27));
    }
}

void tiny_picture(const char *path, size_t row)
{
    uint8_t grey[TINY_SIZE * TINY_SIZE];
    struct buf png = BUF_INIT(1 << 20);
    struct error err = { 0 };

    paint(row, grey);
    cr_assert_eq(image_encode_png(grey, TINY_SIZE, TINY_SIZE, 1, &png, &err), ST_OK, "%s", err.text);
    write_bytes(path, png.data, png.len);
    buf_release(&png);
}

void tiny_dataset(const char *datasets, size_t n_rows, size_t n_normal)
{
    struct buf csv = BUF_INIT(1 << 20);

    buf_puts(&csv, "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
                   "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n");
    for (size_t i = 0; i < n_rows + n_normal; i++) {
        buf_printf(&csv, "%s,%s,%zu,%zu,%zu,%c,PA,64,64,0.1,0.1,\n", tiny_image(i),
                   i < n_rows ? tiny_findings(i) : "No Finding", i % 2, i / 2 + 1, 20 + i % 60,
                   i % 3 ? 'M' : 'F');
        tiny_picture(tiny_image_path(datasets, i), i);
    }
    cr_assert_eq(buf_status(&csv), ST_OK);
    write_bytes(path_in(datasets, "tiny/Data_Entry_2017.csv"), csv.data, csv.len);
    buf_release(&csv);
}

json_t *tiny_job(const char *changes)
{
    json_error_t why;
    json_t *job = json_pack("{s:s,s:i,s:i,s:i}", "dataset", "tiny", "image_size", TINY_SIZE, "batch_size", 8,
                            "epochs", 1);
    json_t *more = json_loads(changes, 0, &why);

    cr_assert_not_null(more, "the test's own JSON is broken: %s", why.text);
    json_object_update(job, more);
    json_decref(more);
    return job;
}

struct train_config tiny_config(const char *changes)
{
    struct train_config c;
    json_t *job = tiny_job(changes), *errors = json_array();
    const enum status st = train_config_parse(job, &c, errors);
    char *text = json_dumps(errors, 0);

    cr_assert_eq(st, ST_OK, "%s", text);
    free(text);
    json_decref(errors);
    json_decref(job);
    return c;
}
