/* tests/fuzz/fuzz_table.c - a table and the two lists of a split, as a data set's owner could have written them.
 * The input: a byte from 1 to 5 where the table's format is not NIH's; table, NUL; of MIMIC's, CheXpert's and of a table of one's own the
 * other table or the mapping, NUL; test list or table of the parts, NUL, train-and-validation list, and where there is another NUL the
 * list of validation. */
#include "fuzz.h"

#include "cxrd/dataset.h"
#include "jobs/dataset/split_table.h"

#include <stdlib.h>
#include <string.h>

static void check_split(const struct table *t, const struct rows *rows, const struct split *s)
{
    size_t sum = 0;

    for (size_t part = 0; part < N_SPLITS; part++) {
        sum += s->part[part].n;
        for (size_t i = 0; i < s->part[part].n; i++)
            FUZZ_CHECK(s->part[part].index[i] < t->n_rows);
    }
    FUZZ_CHECK(sum <= rows->n);
}

static void split_every_way(const struct table *t, const struct rows *rows, struct split_options *o)
{
    for (int by = SPLIT_IMAGE; by <= SPLIT_LIST; by++) {
        struct dataset_report report = { 0 };
        struct split s = SPLIT_INIT;
        struct error err = { 0 };

        o->by = (enum split_by)by;
        if (split_make(t, rows, o, &s, &report, &err) == ST_OK)
            check_split(t, rows, &s);
        else
            FUZZ_CHECK(err.text[0]);
        split_release(&s);
    }
}

/* Some pictures in pairs, some of which nothing is known. */
static uint64_t *pairs(size_t n)
{
    uint64_t *pixels = malloc((n + 1) * sizeof *pixels);

    for (size_t i = 0; i < n; i++)
        pixels[i] = i % 7 ? i % 5 + i / 10 + 1 : 0;
    return pixels;
}

static void check_row(const struct table *t, size_t i)
{
    const struct table_row *row = &t->rows[i];
    const uint64_t all = t->labels.n < 64 ? ((uint64_t)1 << t->labels.n) - 1 : UINT64_MAX;

    FUZZ_CHECK(row->image < t->names_size && strlen(table_image(t, i)) > 0);
    FUZZ_CHECK(!((row->labels | row->unknown | row->absent | row->uncertain) & ~all));
    FUZZ_CHECK(!(row->labels & row->unknown) && !(row->ever & row->ever_unknown) &&
               !(row->last & row->last_unknown));
    FUZZ_CHECK(!(row->absent & (row->labels | row->uncertain)));
    FUZZ_CHECK(!row->no_finding || !row->labels);
}

/* The lists that a table of the parts stands for, where it is one. */
static void read_parts(struct fuzz_part text, struct buf parts[N_SPLITS], struct split_options *o)
{
    struct error err = { 0 };

    if (split_table_read((const char *)text.data, text.size, "split.csv", parts, &err) != ST_OK) {
        FUZZ_CHECK(err.text[0]);
        return;
    }
    o->test_list = parts[TEST].data;
    o->test_list_size = parts[TEST].len;
    o->train_val_list = parts[TRAIN].data;
    o->train_val_list_size = parts[TRAIN].len;
    o->validation_list = parts[VALIDATION].len ? parts[VALIDATION].data : "";
    o->validation_list_size = parts[VALIDATION].len;
}

static void use(const struct table *t, struct split_options *o)
{
    uint64_t *pixels = pairs(t->n_rows);
    struct dataset_report report = { 0 };
    struct rows used = ROWS_INIT, normal = ROWS_INIT;
    struct error err = { 0 };

    for (size_t i = 0; i < t->n_rows; i++)
        check_row(t, i);
    if (table_filter(t, 120, true, t->format != FORMAT_NIH, &used, &normal, &report, &err) == ST_OK) {
        FUZZ_CHECK(used.n > 0 && used.n + normal.n <= t->n_rows);
        split_every_way(t, &used, o);
        o->pixels = pixels;
        split_every_way(t, &used, o);
    } else {
        FUZZ_CHECK(err.text[0]);
    }
    rows_release(&used);
    rows_release(&normal);
    free(pixels);
}

/* The format that the input's first byte names. */
static enum table_format format_cut(struct fuzz_part *rest)
{
    if (rest->size == 0 || rest->data[0] == 0 || rest->data[0] >= N_TABLE_FORMATS)
        return FORMAT_NIH;
    rest->data++;
    rest->size--;
    return (enum table_format)rest->data[-1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size };
    const enum table_format format = format_cut(&rest);
    const struct fuzz_part csv = fuzz_cut(&rest, '\0');
    const struct fuzz_part second =
        format == FORMAT_MIMIC || format == FORMAT_CHEXPERT || format == FORMAT_CSV
            ? fuzz_cut(&rest, '\0')
            : (struct fuzz_part){ data, 0 };
    const struct fuzz_part tests = fuzz_cut(&rest, '\0'), train_val = fuzz_cut(&rest, '\0');
    struct buf parts[N_SPLITS] = { BUF_INIT(LIST_MAX_BYTES), BUF_INIT(LIST_MAX_BYTES),
                                   BUF_INIT(LIST_MAX_BYTES) };
    char *bytes = fuzz_copy(csv.data, csv.size), *other = fuzz_copy(second.data, second.size),
         *test_list = fuzz_copy(tests.data, tests.size),
         *other_list = fuzz_copy(train_val.data, train_val.size),
         *last_list = fuzz_copy(rest.data, rest.size);
    struct split_options o = { .test_fraction = 0.1,
                               .val_fraction = 0.2,
                               .seed = 1,
                               .test_list = test_list,
                               .test_list_size = tests.size,
                               .train_val_list = other_list,
                               .train_val_list_size = train_val.size,
                               .validation_list = rest.size ? last_list : NULL,
                               .validation_list_size = rest.size };
    const struct table_source source = {
        .format = format,
        .n_files = format == FORMAT_MIMIC || (format == FORMAT_CHEXPERT && second.size) ? 2 : 1,
        .file = { { "table.csv", bytes, csv.size }, { "second.csv", other, second.size } },
        .mapping = format == FORMAT_CSV ? other : NULL,
        .mapping_size = second.size,
        .uncertain = (enum uncertain_labels)(size % 3),
        .missing = (enum missing_labels)(size / 3 % 2)
    };
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    read_parts(tests, parts, &o);
    if (table_read_as(&source, table_format_defaults(format).labels, &t, &err) == ST_OK)
        use(&t, &o);
    else
        FUZZ_CHECK(t.rows == NULL && err.text[0]);
    table_release(&t);
    free(bytes);
    free(other);
    free(test_list);
    free(other_list);
    free(last_list);
    for (size_t i = 0; i < N_SPLITS; i++)
        buf_release(&parts[i]);
    return 0;
}
