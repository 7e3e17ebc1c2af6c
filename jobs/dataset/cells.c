/* jobs/dataset/cells.c - what the cells of a row say, see reader.h. */
#include "reader.h"

#include "cxrd/words.h"
#include "names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 255, FIRST_DATE = 19000101 /* yyyymmdd; MIMIC's dates are moved to 2100 and after */ };

static const struct table_row ROW_BEGUN = { .image = IMAGE_NONE,
                                            .patient = PATIENT_NONE,
                                            .scanner = SCANNER_NONE,
                                            .age = NAN,
                                            .follow_up = FOLLOW_UP_NONE };

void row_begin(struct reader *r)
{
    r->row = ROW_BEGUN;
    r->birth = NAN;
    r->view_column = 0;
    r->lateral = false;
    r->n_seen = 0;
}

bool reader_grow(void **memory, size_t *capacity, size_t needed, size_t size)
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

void reader_fail(struct reader *r, enum status st, const char *what)
{
    if (r->st == ST_OK)
        r->st = error_set(r->err, st, "the table '%." SHOWN "s' %s in line %zu", r->name, what, r->line + 1);
}

/* A text among the names; ret_offset is where. */
static void keep_text(struct reader *r, const char *text, size_t n, uint32_t *ret_offset)
{
    if (!reader_grow((void **)&r->t.names, &r->names_capacity, r->t.names_size + n + 1, 1)) {
        r->st = error_nomem(r->err);
        return;
    }
    *ret_offset = (uint32_t)r->t.names_size;
    memcpy(r->t.names + r->t.names_size, text, n);
    r->t.names[r->t.names_size + n] = '\0';
    r->t.names_size += n + 1;
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

/* FNV-1a, 64 bit (Fowler, Noll, Vo). */
uint64_t patient_key(const char *text, size_t n)
{
    uint64_t h = PATIENT_NONE;

    n = without_decimals(text, n);
    while (n > 1 && *text == '0')
        text++, n--;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    return h;
}

/* Folders before a picture are part of its name where the format says so; then they are parted by '/'. */
static void picture_cell(struct reader *r, const char *text, size_t n)
{
    const struct name tail = name_tail(text, n, r->spec->name_parts);
    const struct name name = r->spec->jpeg ? name_of_picture(tail) : tail;
    const struct name base = name_base(text, n);

    if (base.n == 0 || name.n > MAX_NAME) {
        reader_fail(r, ST_FORMAT, "has an image name that is empty or too long");
        return;
    }
    keep_text(r, name.text, name.n, &r->row.image);
    for (size_t i = 0; r->st == ST_OK && i < name.n; i++)
        if (name.text[i] == '\\')
            r->t.names[r->row.image + i] = '/';
    if (r->spec->alone) {
        const struct name stem = name_stem(name);

        r->row.patient = patient_key(stem.text, stem.n);
    }
    if (r->spec->patient_part) {
        const struct name patient = name_part(text, n, r->spec->patient_part);

        if (patient.n == 0)
            reader_fail(r, ST_FORMAT, "has a path without its patient's folder");
        r->row.patient = patient_key(patient.text, patient.n);
    }
}

/* Cut where a character of UTF-8 begins. Of several such columns the first that says something counts. */
static void scanner_cell(struct reader *r, const char *text, size_t n)
{
    size_t kept = n < TABLE_SCANNER ? n : TABLE_SCANNER;

    while (kept < n && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--;
    if (kept > 0 && r->row.scanner == SCANNER_NONE)
        keep_text(r, text, kept, &r->row.scanner);
}

/* One of the numbers beside the picture; what is there and not understood is kept once, for the sentence that says so. */
static double value_of(struct reader *r, enum input_kind kind, const char *text, size_t n)
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
static void sex_cell(struct reader *r, const char *text, size_t n)
{
    const double value = value_of(r, INPUT_SEX, text, n);
    const char sex = isnan(value) ? 0 : value > 0 ? 'M' : 'F';

    if (sex && r->row.sex && sex != r->row.sex)
        r->t.n_two_sexes++;
    if (!r->row.sex)
        r->row.sex = sex;
}

/* Of several columns that say something the last of the spec counts. */
static void view_cell(struct reader *r, size_t column, const char *text, size_t n)
{
    double view;

    if (n == 0 || ((r->row.view || r->row.other_view) && r->view_column > column))
        return;
    for (size_t i = 0; i < r->spec->n_views; i++)
        if (word_is(text, n, r->spec->views[i].word)) {
            text = r->spec->views[i].means;
            n = strlen(text);
        }
    view = value_of(r, INPUT_VIEW, text, n);
    r->row.view = isnan(view) ? 0 : view > 0 ? 'A' : 'P';
    r->row.other_view = isnan(view);
    r->view_column = column;
}

/* 0, 000, 12.0: a whole number, which may be a date. */
static void follow_up_cell(struct reader *r, const char *text, size_t n)
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

static void birth_cell(struct reader *r, const char *text, size_t n)
{
    double year;

    if (input_read(INPUT_AGE, text, n, &year)) /* a plain number, too */
        r->birth = year;
}

void row_cell(struct reader *r, const struct place *p, const char *text, size_t n)
{
    r->n_seen += p->needed;
    switch (p->role) {
    case ROLE_PICTURE: picture_cell(r, text, n); break;
    case ROLE_FINDINGS:
        if (r->t.labels.n > 0)
            findings_read(&r->findings, text, n, r->line + 1, &r->row);
        break;
    case ROLE_FINDING: finding_read(&r->findings, p->finding, text, n, r->line + 1, &r->row); break;
    case ROLE_NO_FINDING: finding_read(&r->findings, LABEL_NO_FINDING, text, n, r->line + 1, &r->row); break;
    case ROLE_PATIENT: r->row.patient = patient_key(text, n); break;
    case ROLE_STUDY: r->row.study = patient_key(text, n); break;
    case ROLE_READER: r->row.reader = patient_key(text, n); break;
    case ROLE_AGE: r->row.age = (float)value_of(r, INPUT_AGE, text, n); break;
    case ROLE_BIRTH: birth_cell(r, text, n); break;
    case ROLE_SEX: sex_cell(r, text, n); break;
    case ROLE_VIEW: view_cell(r, p->column, text, n); break;
    case ROLE_PLANE: r->lateral = word_is(text, n, "Lateral"); break;
    case ROLE_FOLLOW_UP: follow_up_cell(r, text, n); break;
    case ROLE_SCANNER: scanner_cell(r, text, n); break;
    case ROLE_NONE: break;
    }
}

void row_finish(struct reader *r)
{
    if (r->lateral) {
        r->row.view = 0;
        r->row.other_view = true;
    }
    if (isnan(r->row.age) && !isnan(r->birth) && r->row.follow_up >= FIRST_DATE) {
        const int32_t year = r->row.follow_up / 10000;
        const double age = (double)year - r->birth; /* of whole years */

        r->row.age = age >= 0 ? (float)age : NAN;
    }
}
