/* jobs/training/scores_read.c - see scores_read.h. */
#include "scores_read.h"

#include "cxrd/file.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

/* Columns: three of the row, then a truth of each finding, then a probability of each. */
enum { IMAGE, PATIENT, SPLIT, TRUTHS, PROBS = TRUTHS + MAX_LABELS };
enum { MAX_FIELDS = 256, MAX_NUMBER = 31 };

struct reader {
    struct read_scores *s;
    const char *split, *path; /* the last part of it */
    size_t capacity, names_capacity, names_size;
    int column[MAX_FIELDS]; /* which column each field is; -1: none that is read */
    size_t field, line, seen;
    struct labels probs; /* in the order of their columns */
    bool ours;           /* this row is of the split */
    struct error *err;
    enum status st;
};

static void fail(struct reader *r, enum status st, const char *what)
{
    if (r->st == ST_OK)
        r->st =
            error_set(r->err, st, "'%.100s' is no file of scores: line %zu %s", r->path, r->line + 1, what);
}

/* A truth or a probability of the next finding of its kind. */
static int finding_column(struct reader *r, struct labels *of, int first, const char *name, size_t n)
{
    struct error why;

    if (labels_add(of, name, n, &why) == ST_OK)
        return first + (int)of->n - 1;
    fail(r, ST_FORMAT,
         labels_find(of, name, n) >= 0 ? "names a column twice"
                                       : "has a column whose name can be no finding");
    return -1;
}

static int column_of(struct reader *r, const char *text, size_t n)
{
    static const char *const NAMES[] = { "image", "patient", "split" };

    for (int c = 0; c < TRUTHS; c++)
        if (strlen(NAMES[c]) == n && memcmp(text, NAMES[c], n) == 0)
            return c;
    if (n > 5 && memcmp(text, "true_", 5) == 0)
        return finding_column(r, &r->s->labels, TRUTHS, text + 5, n - 5);
    if (n > 5 && memcmp(text, "prob_", 5) == 0)
        return finding_column(r, &r->probs, PROBS, text + 5, n - 5);
    return -1;
}

/* A place for another row; false without memory. */
static void row_begin(struct reader *r, const char *name, size_t n)
{
    if (r->names_size + n + 1 > r->names_capacity) {
        const size_t wanted = 2 * (r->names_size + n + 1);
        char *grown = realloc(r->s->names, wanted);

        if (!grown) {
            r->st = error_nomem(r->err);
            return;
        }
        r->s->names = grown;
        r->names_capacity = wanted;
    }
    if (r->s->scores.n == r->capacity) {
        fail(r, ST_FORMAT, "is one too many");
        return;
    }
    memcpy(r->s->names + r->names_size, name, n);
    r->s->names[r->names_size + n] = '\0';
    r->s->name[r->s->scores.n] = r->names_size;
    r->names_size += n + 1;
}

/* FNV-1a, 64 bit. */
static uint64_t patient_of(const char *text, size_t n)
{
    uint64_t h = PATIENT_NONE;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    return h;
}

static void truth_field(struct reader *r, size_t k, const char *text, size_t n)
{
    if (n > 1 || (n == 1 && *text != '0' && *text != '1'))
        fail(r, ST_FORMAT, "has a truth that is neither 0 nor 1 nor empty");
    else
        r->s->scores.truth[r->s->scores.n * r->s->labels.n + k] = n == 0 ? TRUTH_UNKNOWN : *text == '1';
}

static void probability_field(struct reader *r, size_t k, const char *text, size_t n)
{
    char copy[MAX_NUMBER + 1], *end = copy;
    double value = -1;

    if (n > 0 && n <= MAX_NUMBER) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        value = strtod(copy, &end);
    }
    if (end == copy || *end || !(value >= 0 && value <= 1))
        fail(r, ST_FORMAT, "has a probability that is no number from 0 to 1");
    else
        r->s->scores.prob[r->s->scores.n * r->s->labels.n + k] = (float)value;
}

static void field(struct reader *r, int c, const char *text, size_t n)
{
    r->seen++;
    if (c == IMAGE && memchr(text, '\0', n))
        fail(r, ST_FORMAT, "has a NUL byte");
    else if (c == IMAGE)
        row_begin(r, text, n);
    else if (c == PATIENT)
        r->s->scores.patients[r->s->scores.n] = patient_of(text, n);
    else if (c == SPLIT)
        r->ours = strlen(r->split) == n && memcmp(text, r->split, n) == 0;
    else if (c < PROBS)
        truth_field(r, (size_t)(c - TRUTHS), text, n);
    else
        probability_field(r, (size_t)(c - PROBS), text, n);
}

static void on_field(void *text, size_t n, void *arg)
{
    struct reader *r = arg;

    if (r->st == ST_OK && r->field == MAX_FIELDS)
        fail(r, ST_FORMAT, "has too many fields");
    if (r->st != ST_OK)
        return;
    if (r->line == 0) {
        r->column[r->field] = column_of(r, text, n);
        r->seen += r->column[r->field] >= 0;
    } else if (r->column[r->field] >= 0) {
        field(r, r->column[r->field], text, n);
    }
    r->field++;
}

/* The columns come in any order, and each of them once; probabilities are put in the order of the truths. Then it is known how
 * wide a row is. */
static void header_end(struct reader *r)
{
    const struct labels *labels = &r->s->labels;

    if (r->seen != TRUTHS + 2 * labels->n || r->probs.n != labels->n || labels->n == 0)
        fail(r, ST_FORMAT, "does not name the columns of all rows' scores, once each");
    for (size_t i = 0; i < MAX_FIELDS && r->st == ST_OK; i++) {
        const char *name = r->column[i] >= PROBS ? r->probs.names[r->column[i] - PROBS] : NULL;
        const int k = name ? labels_find(labels, name, strlen(name)) : 0;

        if (k < 0)
            fail(r, ST_FORMAT, "names a probability of a finding without its truth");
        if (name)
            r->column[i] = PROBS + k;
        for (size_t j = 0; j < i; j++)
            if (r->column[i] >= 0 && r->column[i] == r->column[j])
                fail(r, ST_FORMAT, "names a column twice");
    }
    if (r->st == ST_OK && scores_init(&r->s->scores, labels, r->capacity) != ST_OK)
        r->st = error_nomem(r->err);
}

static void row_end(struct reader *r)
{
    if (r->seen != TRUTHS + 2 * r->s->labels.n)
        fail(r, ST_FORMAT, "lacks a field");
    if (r->ours)
        r->s->scores.n++;
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
    r->field = r->seen = 0;
    r->ours = false;
}

/* As many rows as there can be: a row ends with a line. */
static size_t count_lines(const char *bytes, size_t n)
{
    size_t lines = 1;

    for (const char *at = bytes; at && (at = memchr(at, '\n', n - (size_t)(at - bytes))) != NULL; at++)
        lines++;
    return lines;
}

static enum status parse(struct reader *r, const char *bytes, size_t n)
{
    struct csv_parser csv;

    if (csv_init(&csv, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return error_nomem(r->err);
    if (csv_parse(&csv, bytes, n, on_field, on_row, r) != n || csv_fini(&csv, on_field, on_row, r) != 0)
        fail(r, csv_error(&csv) == CSV_ENOMEM ? ST_NOMEM : ST_FORMAT, "cannot be parsed");
    csv_free(&csv);
    if (r->st == ST_OK && r->line == 0)
        fail(r, ST_FORMAT, "is not there");
    return r->st;
}

static int by_name(const void *a, const void *b, void *arg)
{
    const struct read_scores *s = arg;

    return strcmp(scores_name(s, *(const size_t *)a), scores_name(s, *(const size_t *)b));
}

static enum status sort(struct reader *r)
{
    struct read_scores *s = r->s;

    for (size_t i = 0; i < s->scores.n; i++)
        s->by_name[i] = i;
    qsort_r(s->by_name, s->scores.n, sizeof *s->by_name, by_name, s);
    for (size_t i = 1; i < s->scores.n; i++)
        if (strcmp(scores_name(s, s->by_name[i - 1]), scores_name(s, s->by_name[i])) == 0)
            return error_set(r->err, ST_FORMAT, "'%.100s' is no file of scores: '%.80s' is in it twice",
                             r->path, scores_name(s, s->by_name[i]));
    return ST_OK;
}

static enum status read_whole(struct reader *r, const struct file_bytes *file)
{
    struct read_scores *s = r->s;

    r->capacity = count_lines(file->data, file->size);
    if (r->capacity > TABLE_MAX_ROWS + 1)
        return error_set(r->err, ST_LIMIT, "'%.100s' has too many rows", r->path);
    s->name = malloc((r->capacity + 1) * sizeof *s->name);
    s->by_name = malloc((r->capacity + 1) * sizeof *s->by_name);
    if (!s->name || !s->by_name)
        return error_nomem(r->err);
    parse(r, file->data, file->size);
    return r->st == ST_OK ? sort(r) : r->st;
}

enum status scores_read(const char *path, const char *split, struct read_scores *ret, struct error *err)
{
    const char *slash = strrchr(path, '/');
    struct file_bytes file = FILE_BYTES_INIT;
    struct read_scores s = { 0 };
    struct reader r = { .s = &s, .split = split, .path = slash ? slash + 1 : path, .err = err };
    enum status st = file_read(path, TABLE_MAX_BYTES, &file, err);

    for (size_t i = 0; i < MAX_FIELDS; i++)
        r.column[i] = -1;
    if (st == ST_OK)
        st = read_whole(&r, &file);
    file_bytes_release(&file);
    if (st != ST_OK) {
        read_scores_release(&s);
        return st;
    }
    *ret = s;
    ret->scores.labels = &ret->labels;
    return ST_OK;
}

void read_scores_release(struct read_scores *s)
{
    scores_release(&s->scores);
    free(s->names);
    free(s->name);
    free(s->by_name);
    *s = (struct read_scores){ 0 };
}
