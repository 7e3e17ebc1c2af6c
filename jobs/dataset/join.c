/* jobs/dataset/join.c - see join.h.
 *
 * Tables of other makers have a row a finding. Read row by row, a picture would be positive for one of its findings and
 * negative for the others. */
#include "join.h"

#include "names.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROW_JOINED UINT32_MAX /* as a row's image: it goes */
#define ROW_NONE   UINT32_MAX

/* Pictures that are refused: how many, and the earliest row that is to blame. */
struct refused {
    size_t n;
    uint32_t row;
};

struct joining {
    struct table *t;
    const struct format_spec *spec;
    uint32_t *order;         /* [n_rows]: by name, then by place */
    struct refused patients; /* of two patients */
    struct refused contradictions,
        denied; /* with No Finding and a finding; with one that is there and is not */
};

static struct name name_of(const struct table *t, uint32_t row)
{
    const char *text = table_image(t, row);

    return (struct name){ text, strlen(text) };
}

static int by_name(const void *a, const void *b, void *arg)
{
    const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    const int order = name_order(name_of(arg, p), name_of(arg, q));

    return order ? order : (p > q) - (p < q);
}

/* Add a row's findings; false: they contradict those of an earlier row. */
static bool add_findings(struct table_row *row, const struct table_row *other)
{
    row->labels |= other->labels;
    row->absent |= other->absent;
    row->uncertain = (row->uncertain | other->uncertain) & ~(row->labels | row->absent);
    row->silent = row->silent && other->silent;
    row->no_finding |= other->no_finding;
    row->other_finding |= other->other_finding;
    return !(row->labels & row->absent);
}

static void add(struct table_row *row, const struct table_row *other)
{
    row->scanner = row->scanner == SCANNER_NONE ? other->scanner : row->scanner;
    row->age = isnan(row->age) ? other->age : row->age;
    row->sex = row->sex ? row->sex : other->sex;
    row->view = row->view ? row->view : other->view;
    row->follow_up = row->follow_up == FOLLOW_UP_NONE ? other->follow_up : row->follow_up;
    row->other_view = (row->other_view || other->other_view) && !row->view;
}

static void blame(struct refused *refused, uint32_t row)
{
    if (row == ROW_NONE)
        return;
    refused->n++;
    refused->row = row < refused->row ? row : refused->row;
}

/* Other formats say such things, and the finding counts: see findings_settle(). */
static bool contradicts_itself(const struct joining *j, const struct table_row *row)
{
    return j->t->format == FORMAT_NIH && row->no_finding && (row->labels || row->other_finding);
}

/* The rows order[from..to) name one picture: the first takes over what the others say, which become nameless. */
static void join(struct joining *j, size_t from, size_t to)
{
    struct table_row *first = &j->t->rows[j->order[from]];
    uint32_t stranger = ROW_NONE, denial = ROW_NONE,
             contradiction = contradicts_itself(j, first) ? j->order[from] : ROW_NONE;

    for (size_t i = from + 1; i < to; i++) {
        struct table_row *other = &j->t->rows[j->order[i]];

        if (stranger == ROW_NONE && other->patient != first->patient)
            stranger = j->order[i];
        if (!j->spec->votes && !add_findings(first, other) && denial == ROW_NONE)
            denial = j->order[i];
        add(first, other);
        if (contradiction == ROW_NONE && contradicts_itself(j, first))
            contradiction = j->order[i];
        other->image = ROW_JOINED;
    }
    if (j->spec->votes)
        votes_count(j->t, j->order + from, to - from);
    blame(&j->patients, stranger);
    blame(&j->contradictions, contradiction);
    blame(&j->denied, denial);
}

static void close_gaps(struct table *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        if (t->rows[i].image != ROW_JOINED)
            t->rows[kept++] = t->rows[i];
    t->n_joined = t->n_rows - kept;
    t->n_rows = kept;
}

/* The line of a row in its file: rows are in the order of the files. */
static size_t line_of(const struct table *t, uint32_t row)
{
    size_t line = 2;

    while (row > 0 && t->rows[row - 1].file == t->rows[row].file)
        row--, line++;
    return line;
}

static enum status refuse(const struct joining *j, const struct table_source *source, struct error *err)
{
    const struct refused *r = j->patients.n         ? &j->patients
                              : j->contradictions.n ? &j->contradictions
                                                    : &j->denied;
    const char *plural = r->n == 1 ? "" : "s", *name = source->file[j->t->rows[r->row].file].name;
    const size_t line = line_of(j->t, r->row);

    if (j->patients.n)
        return error_set(
            err, ST_FORMAT,
            "the table '%.128s' gives %zu picture%s to more than one patient, the first again in line %zu",
            name, r->n, plural, line);
    if (j->contradictions.n)
        return error_set(
            err, ST_FORMAT,
            "the table '%.128s' says of %zu picture%s both No Finding and a finding, the first in line %zu",
            name, r->n, plural, line);
    return error_set(err, ST_FORMAT,
                     "the table '%.128s' says of %zu picture%s in one row that a finding is there and in "
                     "another that it is not, the first again in line %zu",
                     name, r->n, plural, line);
}

enum status table_join(struct table *t, const struct format_spec *spec, const struct table_source *source,
                       struct error *err)
{
    struct joining j = {
        t, spec, malloc((t->n_rows + 1) * sizeof *j.order), { 0, ROW_NONE }, { 0, ROW_NONE }, { 0, ROW_NONE }
    };

    if (!j.order)
        return error_nomem(err);
    for (size_t i = 0; i < t->n_rows; i++)
        j.order[i] = (uint32_t)i;
    qsort_r(j.order, t->n_rows, sizeof *j.order, by_name, t);
    for (size_t from = 0, to; from < t->n_rows; from = to) {
        to = from + 1;
        while (to < t->n_rows && name_order(name_of(t, j.order[from]), name_of(t, j.order[to])) == 0)
            to++;
        join(&j, from, to);
    }
    free(j.order);
    if (j.patients.n || j.contradictions.n || j.denied.n)
        return refuse(&j, source, err);
    close_gaps(t);
    return ST_OK;
}
