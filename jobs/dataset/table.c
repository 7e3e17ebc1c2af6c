/* jobs/dataset/table.c - the NIH table through libcsv, see cxrd/dataset.h.
 *
 * Three releases of the table differ in line endings, in how ages are written and in how many columns there are:
 * the Kaggle form's header splits "OriginalImage[Width,Height]" at its commas and ends with one. So the columns that
 * matter are found by name in the header and everything else is ignored. */
#include "cxrd/dataset.h"

#include "cxrd/plain_text.h"
#include "cxrd/words.h"
#include "findings.h"
#include "history.h"
#include "join.h"
#include "names.h"

#include <csv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
    IMAGE,
    FINDINGS,
    PATIENT,
    AGE,
    N_NEEDED,
    SEX = N_NEEDED,
    SEX_2,
    VIEW,
    FOLLOW_UP,
    SCANNER,
    SCANNER_2,
    SCANNER_3,
    N_COLUMNS
};

static const char *const COLUMN_NAMES[N_COLUMNS] = {
    "Image Index",   "Finding Labels", "Patient ID",   "Patient Age", "Patient Gender",    "Patient Sex",
    "View Position", "Follow-up #",    "Manufacturer", "Scanner",     "Manufacturer DICOM" /* PadChest's */
};

enum { MAX_NAME = 255, MAX_FIELDS = 1024, SHOWN_HEADER = 64 };
enum {
    FIELD_BLOCK = 1 << 16
};                  /* by which a field's buffer grows; libcsv's own 128 bytes make a long one slow */
#define SHOWN "128" /* bytes of the table's own name in a sentence: the problem must still fit behind it */

static const struct table_row ROW_BEGUN = { .scanner = SCANNER_NONE,
                                            .age = NAN,
                                            .follow_up = FOLLOW_UP_NONE };

struct reader {
    struct table t; /* being filled */
    size_t rows_capacity, names_capacity;
    size_t place[N_COLUMNS]; /* where each column stands; MAX_FIELDS: nowhere */
    unsigned needed_seen;    /* of this row: bit c for column c */
    size_t field, line;      /* of the field that comes next; rows so far, the header too */
    struct table_row row;    /* being filled */
    struct strange_words strange;
    char header[SHOWN_HEADER]; /* its beginning */
    const char *name;
    struct error *err;
    enum status st;
};

static bool grow(void **memory, size_t *capacity, size_t needed, size_t size)
{
    size_t wanted = *capacity ? *capacity : 1024;
    void *grown;

    if (needed <= *capacity)
        return true;
    while (wanted < needed)
        wanted *= 2;
    grown = realloc(*memory, wanted * size);
    if (!grown)
        return false;
    *memory = grown;
    *capacity = wanted;
    return true;
}

static void fail(struct reader *r, enum status st, const char *what)
{
    if (r->st == ST_OK)
        r->st = error_set(r->err, st, "the table '%." SHOWN "s' %s in line %zu", r->name, what, r->line + 1);
}

static void header_field(struct reader *r, const char *text, size_t n)
{
    const size_t used = strlen(r->header);

    snprintf(r->header + used, sizeof r->header - used, "%s%.*s", r->field ? "," : "",
             (int)(n < SHOWN_HEADER ? n : SHOWN_HEADER), text);
    for (size_t c = 0; c < N_COLUMNS; c++)
        if (r->place[c] == MAX_FIELDS && word_is(text, n, COLUMN_NAMES[c]))
            r->place[c] = r->field;
}

/* A header that is one field, or none that is known: what it is instead. */
static const char *guess_header(const struct reader *r)
{
    if (strstr(r->header, "sep="))
        return "; its first line names a separator: remove it, and separate by commas";
    if (strchr(r->header, ';'))
        return "; its first line is separated by ';': save it with commas";
    if (strchr(r->header, '\t'))
        return "; its first line is separated by tabs: save it with commas";
    return "";
}

static void header_end(struct reader *r)
{
    for (size_t c = 0; c < N_NEEDED; c++)
        if (r->place[c] == MAX_FIELDS && r->st == ST_OK)
            r->st =
                error_set(r->err, ST_FORMAT, "the table '%." SHOWN "s' has no column '%s'%s: it begins '%s'",
                          r->name, COLUMN_NAMES[c], guess_header(r), r->header);
}

/* A text among the names; ret_offset is where. */
static void keep_text(struct reader *r, const char *text, size_t n, uint32_t *ret_offset)
{
    if (!grow((void **)&r->t.names, &r->names_capacity, r->t.names_size + n + 1, 1)) {
        r->st = error_nomem(r->err);
        return;
    }
    *ret_offset = (uint32_t)r->t.names_size;
    memcpy(r->t.names + r->t.names_size, text, n);
    r->t.names[r->t.names_size + n] = '\0';
    r->t.names_size += n + 1;
}

static void image_field(struct reader *r, const char *text, size_t n)
{
    const struct name base = name_base(text, n);

    if (base.n == 0 || base.n > MAX_NAME)
        fail(r, ST_FORMAT, "has an image name that is empty or too long");
    else
        keep_text(r, base.text, base.n, &r->row.image);
}

/* Cut where a character of UTF-8 begins. Of several such columns the first that says something counts. */
static void scanner_field(struct reader *r, const char *text, size_t n)
{
    size_t kept = n < TABLE_SCANNER ? n : TABLE_SCANNER;

    while (kept < n && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--;
    if (kept > 0 && r->row.scanner == SCANNER_NONE)
        keep_text(r, text, kept, &r->row.scanner);
}

/* A whole number that a spreadsheet or a data frame wrote as a decimal one, "12.0", without what it added. */
static size_t without_decimals(const char *text, size_t n)
{
    size_t digits = 0, end;

    while (digits < n && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    for (end = digits + 1; end < n && text[end] == '0'; end++)
        continue;
    return digits > 0 && digits + 1 < n && text[digits] == '.' && end == n ? digits : n;
}

/* FNV-1a, 64 bit (Fowler, Noll, Vo), without leading zeros: "1", "00000001" and "1.0" are one patient. */
static void patient_field(struct reader *r, const char *text, size_t n)
{
    uint64_t h = PATIENT_NONE;

    n = without_decimals(text, n);
    while (n > 1 && *text == '0')
        text++, n--;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    r->row.patient = h;
}

/* One of the numbers beside the picture; what is there and not understood is kept once, for the sentence that says so. */
static double value_field(struct reader *r, enum input_kind kind, const char *text, size_t n)
{
    char *odd = r->t.odd[kind];
    double value;

    if (input_read(kind, text, n, &value))
        return value;
    if (!odd[0] && n > 0)
        snprintf(odd, sizeof r->t.odd[kind], "%.*s", (int)(n < TABLE_ODD ? n : TABLE_ODD), text);
    return NAN;
}

/* Of two such columns the first that says something counts. */
static void sex_field(struct reader *r, const char *text, size_t n)
{
    const double value = value_field(r, INPUT_SEX, text, n);
    const char sex = isnan(value) ? 0 : value > 0 ? 'M' : 'F';

    if (sex && r->row.sex && sex != r->row.sex)
        r->t.n_two_sexes++;
    if (!r->row.sex)
        r->row.sex = sex;
}

static void view_field(struct reader *r, const char *text, size_t n)
{
    const double view = value_field(r, INPUT_VIEW, text, n);

    r->row.view = isnan(view) ? 0 : view > 0 ? 'A' : 'P';
    r->row.other_view = isnan(view) && n > 0;
}

/* 0, 000, 12.0: a whole number, which may be a date. */
static void follow_up_field(struct reader *r, const char *text, size_t n)
{
    int64_t value = 0;
    size_t i = 0;

    for (; i < n && text[i] >= '0' && text[i] <= '9' && value <= INT32_MAX; i++)
        value = value * 10 + (text[i] - '0');
    if (i == 0 || value > INT32_MAX)
        return;
    if (i < n && text[i] == '.')
        for (i++; i < n && text[i] == '0'; i++)
            continue;
    if (i == n)
        r->row.follow_up = (int32_t)value;
}

static void findings_field(struct reader *r, const char *text, size_t n)
{
    if (r->t.labels.n > 0)
        findings_read(&r->t.labels, text, n, r->line + 1, &r->row, &r->strange);
}

static void row_field(struct reader *r, const char *text, size_t n)
{
    for (size_t c = 0; c < N_COLUMNS; c++) {
        if (r->place[c] != r->field)
            continue;
        if (c < N_NEEDED)
            r->needed_seen |= 1u << c;
        switch ((enum column)c) {
        case IMAGE: image_field(r, text, n); break;
        case FINDINGS: findings_field(r, text, n); break;
        case PATIENT: patient_field(r, text, n); break;
        case AGE: r->row.age = (float)value_field(r, INPUT_AGE, text, n); break;
        case SEX:
        case SEX_2: sex_field(r, text, n); break;
        case VIEW: view_field(r, text, n); break;
        case FOLLOW_UP: follow_up_field(r, text, n); break;
        case SCANNER:
        case SCANNER_2:
        case SCANNER_3: scanner_field(r, text, n); break;
        case N_COLUMNS: break;
        }
        return;
    }
}

static void row_end(struct reader *r)
{
    if (r->needed_seen != (1u << N_NEEDED) - 1)
        fail(r, ST_FORMAT, "lacks columns");
    else if (r->t.n_rows == TABLE_MAX_ROWS)
        fail(r, ST_LIMIT, "has too many rows");
    else if (!grow((void **)&r->t.rows, &r->rows_capacity, r->t.n_rows + 1, sizeof *r->t.rows))
        r->st = error_nomem(r->err);
    else
        r->t.rows[r->t.n_rows++] = r->row;
    r->row = ROW_BEGUN;
    r->needed_seen = 0;
}

static void on_field(void *text, size_t n, void *arg)
{
    struct reader *r = arg;

    if (r->st != ST_OK)
        return;
    if (memchr(text, '\0', n)) /* names are C strings from here on: the rest would be lost, and no one told */
        fail(r, ST_FORMAT, "has a NUL byte");
    else if (r->line == 0)
        header_field(r, text, n);
    else
        row_field(r, text, n);
    if (++r->field == MAX_FIELDS)
        fail(r, ST_FORMAT, "has too many fields");
}

static void on_row(int terminator, void *arg)
{
    struct reader *r = arg;

    (void)terminator;
    if (r->st != ST_OK)
        return;
    if (r->line == 0)
        header_end(r);
    else
        row_end(r);
    r->line++;
    r->field = 0;
}

/* What libcsv gave up for. */
static void parse_fail(struct reader *r, int why)
{
    if (why == CSV_ENOMEM && r->st == ST_OK)
        r->st = error_nomem(r->err);
    fail(r, ST_FORMAT, why == CSV_EPARSE ? "has broken quotes" : "cannot be parsed");
}

static enum status parse(struct reader *r, const char *bytes, size_t n_bytes)
{
    struct csv_parser csv;

    if (csv_init(&csv, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return error_nomem(r->err);
    csv_set_blk_size(&csv, FIELD_BLOCK);
    if (csv_parse(&csv, bytes, n_bytes, on_field, on_row, r) != n_bytes ||
        csv_fini(&csv, on_field, on_row, r) != 0)
        parse_fail(r, csv_error(&csv));
    csv_free(&csv);
    if (r->st == ST_OK && r->line == 0)
        r->st = error_set(r->err, ST_FORMAT, "the table '%." SHOWN "s' is empty", r->name);
    return r->st;
}

enum status table_read(const void *bytes, size_t n_bytes, const char *name, const struct labels *labels,
                       struct table *ret_table, struct error *err)
{
    const struct plain_text text = plain_text_of(bytes, n_bytes);
    struct reader r = { .name = name, .err = err, .row = ROW_BEGUN };
    char what[192];
    enum status st;

    if (labels)
        r.t.labels = *labels;
    for (size_t c = 0; c < N_COLUMNS; c++)
        r.place[c] = MAX_FIELDS;
    snprintf(what, sizeof what, "the table '%." SHOWN "s'", name);
    st = plain_text_check(bytes, n_bytes, what, err);
    if (st == ST_OK)
        st = parse(&r, text.at, text.n);
    if (st == ST_OK && r.strange.n > 0)
        st = findings_refuse(&r.strange, name, err);
    if (st == ST_OK)
        st = table_join(&r.t, name, err);
    r.t.has_follow_up = r.place[FOLLOW_UP] != MAX_FIELDS;
    if (st == ST_OK && r.t.has_follow_up && table_history(&r.t) != ST_OK)
        st = error_nomem(err);
    if (st == ST_OK && digest_bytes(bytes, n_bytes, r.t.sha256) != ST_OK)
        st = error_nomem(err);
    if (st != ST_OK) {
        table_release(&r.t);
        return st;
    }
    *ret_table = r.t;
    return ST_OK;
}

void table_release(struct table *t)
{
    free(t->rows);
    free(t->names);
    *t = (struct table)TABLE_INIT;
}
