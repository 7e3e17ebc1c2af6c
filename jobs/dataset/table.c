/* jobs/dataset/table.c - tables through libcsv, see cxrd/dataset.h. Columns are found by the names that their format gives them
 * (format.h), and everything else is ignored: three releases of NIH's table alone differ in line endings, in how ages are written and
 * in how many columns there are. */
#include "reader.h"

#include "cxrd/plain_text.h"
#include "cxrd/words.h"
#include "history.h"
#include "join.h"
#include "site_words.h"
#include "studies.h"

#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FIELD_BLOCK is by how much a field's buffer grows; libcsv's own 128 bytes make a long one slow. It is copied each time, so that
 * a file of one field of 128 MiB would still take minutes: a field has an end. */
enum { FIELD_BLOCK = 1 << 16, PIECE = 1 << 18, MOST_FIELD_BYTES = 8 << 20 };

/* ---- the header ---- */

static void two_columns(struct reader *r, const char *name)
{
    if (r->st == ST_OK)
        r->st =
            error_set(r->err, ST_FORMAT, "the table '%." SHOWN "s' has two columns of '%s'", r->name, name);
}

/* A column of the spec that has this name and is not found yet; there must be no other. */
static bool column_place(struct reader *r, const char *text, size_t n, struct place *p)
{
    const char *found = NULL;

    for (size_t c = 0; c < r->file->n; c++) {
        const struct column_spec *column = &r->file->columns[c];

        if (!word_is(text, n, column->name))
            continue;
        if (r->found[c]) {
            found = column->role == ROLE_FINDING ? r->t.labels.names[column->finding] : column->name;
            continue;
        }
        r->found[c] = true;
        *p = (struct place){ column->role, column->needed, c, column->finding };
        if (column->role == ROLE_FINDING)
            r->finding_found |= (uint64_t)1 << column->finding;
        return true;
    }
    if (found)
        two_columns(r, found);
    return found != NULL;
}

/* A column that is named as a finding. */
static void finding_place(struct reader *r, const char *text, size_t n, struct place *p)
{
    const int label = format_label(r->spec, &r->t.labels, text, n);

    if (label == LABEL_NO_FINDING)
        *p = (struct place){ .role = ROLE_NO_FINDING, .needed = true };
    if (label < 0 || label == LABEL_NO_FINDING)
        return;
    if (r->finding_found >> label & 1)
        two_columns(r, r->t.labels.names[label]);
    *p = (struct place){ .role = ROLE_FINDING, .needed = true, .finding = (size_t)label };
    r->finding_found |= (uint64_t)1 << label;
}

static void header_field(struct reader *r, const char *text, size_t n)
{
    const size_t used = strlen(r->header);
    struct place *p = &r->place[r->field];

    snprintf(r->header + used, sizeof r->header - used, "%s%.*s", r->field ? "," : "",
             (int)(n < SHOWN_HEADER ? n : SHOWN_HEADER), text);
    if (n > 0)
        r->n_named = r->field + 1;
    *p = (struct place){ .role = ROLE_NONE };
    if (!column_place(r, text, n, p) && r->file->matrix)
        finding_place(r, text, n, p);
    r->n_needed += p->needed;
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

static bool has_role(const struct reader *r, enum role role)
{
    for (size_t c = 0; c < r->file->n; c++)
        if (r->found[c] && r->file->columns[c].role == role)
            return true;
    return false;
}

static void no_column(struct reader *r, const char *name)
{
    if (r->st == ST_OK)
        r->st = error_set(r->err, ST_FORMAT, "the table '%." SHOWN "s' has no column '%s'%s: it begins '%s'",
                          r->name, name, guess_header(r), r->header);
}

/* Of a table that need not have all findings, no column of these is needed; nor of any where findings are ignored. */
static bool is_needed(const struct reader *r, const struct column_spec *column)
{
    if (column->role == ROLE_FINDINGS && r->site && r->site->unlabelled)
        return false;
    return column->needed && !(column->role == ROLE_FINDING && r->site);
}

static void header_end(struct reader *r)
{
    for (size_t c = 0; c < r->file->n; c++)
        if (is_needed(r, &r->file->columns[c]) && !r->found[c])
            no_column(r, r->file->columns[c].name);
    if (r->file->matrix && !has_role(r, ROLE_FINDINGS)) {
        r->t.matrix = true;
        for (size_t k = 0; k < r->t.labels.n; k++)
            if (!r->site && !(r->finding_found >> k & 1))
                no_column(r, r->t.labels.names[k]);
    }
    r->t.matrix = r->t.matrix || has_role(r, ROLE_FINDING);
    r->columns_found |= r->finding_found;
    r->t.has_follow_up = r->t.has_follow_up || has_role(r, ROLE_FOLLOW_UP);
}

/* ---- rows ---- */

static void row_end(struct reader *r)
{
    row_finish(r);
    if (r->n_seen != r->n_needed)
        reader_fail(r, ST_FORMAT, "lacks columns");
    else if (r->t.n_rows == TABLE_MAX_ROWS)
        reader_fail(r, ST_LIMIT, "has too many rows");
    else if (!reader_grow((void **)&r->t.rows, &r->rows_capacity, r->t.n_rows + 1, sizeof *r->t.rows))
        r->st = error_nomem(r->err);
    else
        r->t.rows[r->t.n_rows++] = r->row;
    row_begin(r);
}

static void on_field(void *text, size_t n, void *arg)
{
    struct reader *r = arg;

    r->unended = 0;
    if (r->st != ST_OK)
        return;
    if (memchr(text, '\0', n)) /* names are C strings from here on: the rest would be lost, and no one told */
        reader_fail(r, ST_FORMAT, "has a NUL byte");
    else if (r->line == 0)
        header_field(r, text, n);
    else if (n > 0 && r->field >= r->n_named) /* the cells before it may be each other's */
        reader_fail(r, ST_FORMAT,
                    "has a field that its header does not name, as a comma without quotes makes one,");
    else
        row_cell(r, &r->place[r->field], text, n);
    if (++r->field == MAX_FIELDS)
        reader_fail(r, ST_FORMAT, "has too many fields");
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

/* The reason why libcsv gave up. */
static void parse_fail(struct reader *r, int why)
{
    if (why == CSV_ENOMEM && r->st == ST_OK)
        r->st = error_nomem(r->err);
    reader_fail(r, ST_FORMAT, why == CSV_EPARSE ? "has broken quotes" : "cannot be parsed");
}

static void parse_piece(struct reader *r, struct csv_parser *csv, const char *bytes, size_t n)
{
    if (csv_parse(csv, bytes, n, on_field, on_row, r) != n)
        parse_fail(r, csv_error(csv));
    r->unended += n;
    if (r->unended > MOST_FIELD_BYTES)
        reader_fail(r, ST_LIMIT, "has a field of more than 8 MiB");
}

static enum status parse(struct reader *r, const char *bytes, size_t n_bytes)
{
    struct csv_parser csv;

    if (csv_init(&csv, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return error_nomem(r->err);
    csv_set_blk_size(&csv, FIELD_BLOCK);
    for (size_t at = 0; at < n_bytes && r->st == ST_OK; at += PIECE)
        parse_piece(r, &csv, bytes + at, n_bytes - at < PIECE ? n_bytes - at : PIECE);
    if (r->st == ST_OK && csv_fini(&csv, on_field, on_row, r) != 0)
        parse_fail(r, csv_error(&csv));
    csv_free(&csv);
    if (r->st == ST_OK && r->line == 0)
        r->st = error_set(r->err, ST_FORMAT, "the table '%." SHOWN "s' is empty", r->name);
    return r->st;
}

/* ---- the whole ---- */

/* One of its files, behind what is in r->t.rows.
 *   number  of the file */
static enum status file_parse(struct reader *r, const struct table_source *source, size_t number)
{
    const size_t spec = number < r->spec->n_files ? number : r->spec->n_files - 1;
    const struct table_file *file = &source->file[number];
    const size_t before = r->t.n_rows;
    const struct plain_text text = plain_text_of(file->bytes, file->n);
    char what[192];
    enum status st;

    r->file = &r->spec->file[spec];
    r->name = file->name;
    r->line = r->field = r->n_needed = r->n_named = r->unended = 0;
    r->header[0] = '\0';
    r->finding_found = 0;
    memset(r->found, 0, sizeof r->found);
    memset(r->place, 0, sizeof r->place);
    for (size_t i = 0; i < MAX_FIELDS; i++)
        r->place[i].role = ROLE_NONE;
    row_begin(r);
    snprintf(what, sizeof what, "the table '%." SHOWN "s'", file->name);
    st = plain_text_check(file->bytes, file->n, what, r->err);
    if (st == ST_OK)
        st = parse(r, text.at, text.n);
    for (size_t i = before; i < r->t.n_rows; i++)
        r->t.rows[i].file = (uint8_t)number;
    return st == ST_OK ? findings_check(&r->findings, file->name, r->err) : st;
}

/* The table of the studies before that of their pictures, which takes over what they say. */
static enum status studies_parse(struct reader *r, const struct table_source *source)
{
    struct table_row *studies;
    size_t n;
    enum status st = file_parse(r, source, 0);

    studies = r->t.rows;
    n = r->t.n_rows;
    r->t.rows = NULL;
    r->t.n_rows = r->rows_capacity = 0;
    if (st == ST_OK)
        st = file_parse(r, source, 1);
    if (st == ST_OK)
        st = studies_join(studies, n, source->file[0].name, &r->t, r->err);
    free(studies);
    return st;
}

static enum status make(struct reader *r, const struct table_source *source)
{
    enum status st = r->spec->n_files == 2 ? studies_parse(r, source) : file_parse(r, source, 0);

    for (size_t i = r->spec->n_files; i < source->n_files && st == ST_OK; i++)
        st = file_parse(r, source, i);
    if (st == ST_OK)
        st = table_join(&r->t, r->spec, source, r->err);
    if (st != ST_OK)
        return st;
    findings_settle(source, r->spec, &r->t);
    site_settle(source->site, r->columns_found, &r->t);
    r->t.misfits.other_words = r->findings.other_words;
    if ((r->t.has_follow_up && table_history(&r->t) != ST_OK) || table_digest(source, r->t.sha256) != ST_OK)
        return error_nomem(r->err);
    return ST_OK;
}

static enum status read_by(const struct table_source *source, const struct format_spec *spec,
                           const struct labels *labels, struct table *ret_table, struct error *err)
{
    struct reader *r = calloc(1, sizeof *r);
    struct meaning *words = NULL;
    struct format_spec own;
    enum status st = site_spec(spec, source->site, &own, &words);

    if (!r || st != ST_OK) {
        free(words);
        free(r);
        return error_nomem(err);
    }
    r->spec = &own;
    r->site = source->site;
    r->err = err;
    if (labels)
        r->t.labels = *labels;
    r->t.format = source->format;
    r->t.name_parts = spec->name_parts;
    r->t.votes = spec->votes;
    r->findings = (struct findings_reader){ .spec = &own, .labels = &r->t.labels };
    st = make(r, source);
    if (st == ST_OK)
        *ret_table = r->t;
    else
        table_release(&r->t);
    free(words);
    free(r);
    return st;
}

enum status table_read_as(const struct table_source *source, const struct labels *labels,
                          struct table *ret_table, struct error *err)
{
    struct mapping *mapping = NULL;
    enum status st = ST_OK;

    if (source->format == FORMAT_CSV)
        st = mapping_read(source->mapping, source->mapping_size, labels, source->site != NULL, &mapping, err);
    if (st == ST_OK)
        st = read_by(source, mapping ? mapping_spec(mapping) : format_spec_of(source->format), labels,
                     ret_table, err);
    mapping_free(mapping);
    return st;
}

enum status table_read(const void *bytes, size_t n_bytes, const char *name, const struct labels *labels,
                       struct table *ret_table, struct error *err)
{
    return table_read_as(
        &(struct table_source){ .format = FORMAT_NIH, .n_files = 1, .file = { { name, bytes, n_bytes } } },
        labels, ret_table, err);
}

enum status table_digest(const struct table_source *source, char ret[DIGEST_TEXT_SIZE])
{
    struct digest *d = NULL;

    if (digest_new(&d) != ST_OK)
        return ST_NOMEM;
    for (size_t i = 0; i < source->n_files; i++)
        digest_add(d, source->file[i].bytes, source->file[i].n);
    if (source->mapping)
        digest_add(d, source->mapping, source->mapping_size);
    digest_finish(d, ret);
    return ST_OK;
}

void table_release(struct table *t)
{
    free(t->rows);
    free(t->course);
    free(t->names);
    *t = (struct table)TABLE_INIT;
}
