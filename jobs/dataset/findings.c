/* jobs/dataset/findings.c - see findings.h. */
#include "findings.h"

#include "cxrd/buf.h"

#include <stdio.h>
#include <string.h>

void strange_add(struct strange_words *s, const char *text, size_t n, size_t line)
{
    const size_t length = n < STRANGE_TEXT ? n : STRANGE_TEXT;
    size_t i = 0;

    while (i < s->n && (strlen(s->word[i].text) != length || memcmp(s->word[i].text, text, length) != 0))
        i++;
    if (i == STRANGE_WORDS) {
        s->others++;
        return;
    }
    if (i == s->n) {
        memcpy(s->word[i].text, text, length);
        s->word[i].text[length] = '\0';
        s->word[i].times = 0;
        s->word[i].line = line;
        s->n++;
    }
    s->word[i].times++;
}

/* The seed's strata are the first three characters of the cell; of a cell in the table's own words they are these. */
static void stratum_set(struct table_row *row, const char *name)
{
    if (!row->stratum[0])
        memcpy(row->stratum, name, sizeof row->stratum - 1);
}

/* The name of what a word names, as the list has it that knows it. */
static const char *name_of(const struct labels *labels, int label, const char *word, size_t n)
{
    if (label == LABEL_NO_FINDING)
        return "No Finding";
    return label == LABEL_OTHER ? NIH_LABELS.names[label_of_word(&NIH_LABELS, word, n)]
                                : labels->names[label];
}

static uint64_t bit(size_t finding) { return (uint64_t)1 << finding; }

/* A word that is no finding of the table's labels. */
static void word_unknown(struct findings_reader *f, const struct label_words *w, size_t line,
                         struct table_row *row)
{
    if (!f->spec->open) {
        strange_add(&f->words, w->word, w->n, line);
        return;
    }
    row->silent = row->silent || w->n == 0;
    row->other_finding = row->other_finding || w->n > 0;
    f->other_words += w->n > 0;
}

static bool is_quote_or(char c, char bracket) { return c == '\'' || c == '"' || c == bracket; }

/* A list as Python writes it, "['Mass', 'Nodule']", that lacks one of its ends: the part that was cut off may have named findings. A
 * bracket without a quote beside it is a part of a word, "Erguss [links]". */
static bool is_half_a_list(const char *text, size_t n)
{
    bool opens, closes;

    while (n > 0 && text[0] == ' ')
        text++, n--;
    while (n > 0 && text[n - 1] == ' ')
        n--;
    if (n == 0)
        return false;
    opens = text[0] == '[' && (n == 1 || is_quote_or(text[1], ']'));
    closes = text[n - 1] == ']' && (n == 1 || is_quote_or(text[n - 2], '['));
    return opens != closes;
}

void findings_read(struct findings_reader *f, const char *text, size_t n, size_t line, struct table_row *row)
{
    struct label_words w = label_words_of(f->labels, text, n);

    if (is_half_a_list(text, n)) {
        strange_add(&f->words, text, n, line);
        return;
    }
    while (label_words_next(&w)) {
        const int label = format_label(f->spec, f->labels, w.word, w.n);

        if (label == LABEL_UNKNOWN) {
            word_unknown(f, &w, line, row);
            continue;
        }
        if (label == LABEL_SILENT) {
            row->silent = true;
            continue;
        }
        if (f->spec->n_meanings == 0)
            stratum_set(row, name_of(f->labels, label, w.word, w.n));
        if (label == LABEL_NO_FINDING)
            row->no_finding = true;
        else if (label == LABEL_OTHER)
            row->other_finding = true;
        else
            row->labels |= bit((size_t)label);
    }
}

void finding_read(struct findings_reader *f, size_t finding, const char *text, size_t n, size_t line,
                  struct table_row *row)
{
    const enum cell cell = format_cell(f->spec, text, n);

    if (cell == CELL_NONE)
        strange_add(&f->cells, text, n, line);
    else if (finding == LABEL_NO_FINDING)
        row->no_finding = cell == CELL_THERE;
    else if (cell == CELL_THERE)
        row->labels |= bit(finding);
    else if (cell == CELL_ABSENT)
        row->absent |= bit(finding);
    else if (cell == CELL_UNCERTAIN)
        row->uncertain |= bit(finding);
}

static enum status refuse(const struct strange_words *s, const char *table, const char *what,
                          const char *advice, struct error *err)
{
    struct buf words = BUF_INIT(1 << 10);
    enum status st;

    for (size_t i = 0; i < s->n; i++)
        buf_printf(&words, "%s'%s' (%zu time%s, first in line %zu)", i ? ", " : "", s->word[i].text,
                   s->word[i].times, s->word[i].times == 1 ? "" : "s", s->word[i].line);
    if (s->others)
        buf_printf(&words, " and others (%zu times)", s->others);
    st = buf_status(&words) == ST_OK
             ? error_set(err, ST_FORMAT, "the table '%.48s' %s: %s; %s", table, what, words.data, advice)
             : error_nomem(err);
    buf_release(&words);
    return st;
}

enum status findings_check(const struct findings_reader *f, const char *table, struct error *err)
{
    if (f->words.n > 0)
        return refuse(&f->words, table, "names findings that are not known",
                      "docs/data.md has the words that are understood, and a job's 'labels' can name others",
                      err);
    if (f->cells.n > 0)
        return refuse(&f->cells, table, "has values that are no label in its columns of findings",
                      f->spec->n_values       ? "its mapping's 'values' are the only ones"
                      : f->spec->no_uncertain ? "1 and 0 are the only ones"
                                              : "1, 0, -1 and nothing are the only ones",
                      err);
    return ST_OK;
}

/* ---- what is made of them ---- */

static void row_settle(const struct table_source *source, uint64_t all, uint64_t devices, bool lists,
                       struct table_row *row, struct table_misfits *misfits)
{
    const uint64_t found = row->labels & ~devices;
    uint64_t missing;

    if (row->no_finding && (found || row->other_finding))
        misfits->contradictions++;
    if (row->no_finding && !found && !row->other_finding)
        row->absent |= all & ~(row->labels | row->uncertain | devices);
    if (lists && !row->silent)
        row->absent |= all & ~(row->labels | row->uncertain);
    missing = all & ~(row->labels | row->absent | row->uncertain);
    row->unknown = source->missing == LABELS_UNKNOWN || row->silent ? missing : 0;
    if (source->uncertain == UNCERTAIN_IGNORE)
        row->unknown |= row->uncertain;
    else if (source->uncertain == UNCERTAIN_ONES)
        row->labels |= row->uncertain;
    row->no_finding = row->no_finding && !row->labels && !row->other_finding;
}

void findings_settle(const struct table_source *source, const struct format_spec *spec, struct table *t)
{
    const struct labels *l = &t->labels;
    const uint64_t all = l->n < 64 ? bit(l->n) - 1 : UINT64_MAX;
    const int devices = spec->devices ? labels_find(l, spec->devices, strlen(spec->devices)) : -1;

    for (size_t i = 0; i < t->n_rows; i++) {
        struct table_row *row = &t->rows[i];

        row_settle(source, all, devices >= 0 ? bit((size_t)devices) : 0, !t->matrix, row, &t->misfits);
        for (size_t k = 0; k < l->n && !row->stratum[0]; k++)
            if (row->labels >> k & 1)
                stratum_set(row, l->names[k]);
        if (row->no_finding)
            stratum_set(row, "No Finding");
    }
}
