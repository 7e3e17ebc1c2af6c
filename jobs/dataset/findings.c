/* jobs/dataset/findings.c - see findings.h. */
#include "findings.h"

#include "cxrd/buf.h"

#include <stdio.h>
#include <string.h>

static void strange_add(struct strange_words *s, const char *text, size_t n, size_t line)
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
static const char *name_of(const struct labels *labels, const struct label_words *w)
{
    if (w->label == LABEL_NO_FINDING)
        return "No Finding";
    return w->label == LABEL_OTHER ? NIH_LABELS.names[label_of_word(&NIH_LABELS, w->word, w->n)]
                                   : labels->names[w->label];
}

void findings_read(const struct labels *labels, const char *text, size_t n, size_t line,
                   struct table_row *row, struct strange_words *strange)
{
    struct label_words w = label_words_of(labels, text, n);

    while (label_words_next(&w)) {
        if (w.label == LABEL_UNKNOWN) {
            strange_add(strange, w.word, w.n, line);
            continue;
        }
        stratum_set(row, name_of(labels, &w));
        if (w.label == LABEL_NO_FINDING)
            row->no_finding = true;
        else if (w.label == LABEL_OTHER)
            row->other_finding = true;
        else
            row->labels |= (uint64_t)1 << w.label;
    }
}

enum status findings_refuse(const struct strange_words *s, const char *table, struct error *err)
{
    struct buf words = BUF_INIT(1 << 10);
    enum status st;

    for (size_t i = 0; i < s->n; i++)
        buf_printf(&words, "%s'%s' (%zu time%s, first in line %zu)", i ? ", " : "", s->word[i].text,
                   s->word[i].times, s->word[i].times == 1 ? "" : "s", s->word[i].line);
    if (s->others)
        buf_printf(&words, " and others (%zu times)", s->others);
    st = buf_status(&words) == ST_OK
             ? error_set(err, ST_FORMAT,
                         "the table '%.48s' names findings that are not known: %s; docs/data.md "
                         "has the words that are understood, and a job's 'labels' can name others",
                         table, words.data)
             : error_nomem(err);
    buf_release(&words);
    return st;
}
