/* jobs/training/predictions_file.c - see predictions_file.h. */
#include "predictions_file.h"

#include "cxrd/csv_text.h"
#include "cxrd/file.h"

enum { LINES = 1 << 16 /* bytes that are written at once */ };

struct writer {
    struct file_stream *stream;
    struct buf lines; /* not written yet */
    const struct table *t;
    const struct scores *s;
    const struct no_score *why;
    size_t n_why, next_score, next_why;
};

static void head_put(struct writer *w)
{
    buf_puts(&w->lines, "image");
    for (size_t k = 0; k < w->s->labels->n; k++) {
        buf_puts(&w->lines, ",");
        csv_text(w->s->labels->names[k], &w->lines);
    }
    buf_puts(&w->lines, ",error\n");
}

/* Rows, scores and reasons are all in the order of the table. */
static void line_put(struct writer *w, uint32_t row)
{
    const size_t n = w->s->labels->n;
    const bool scored = w->next_score < w->s->n && w->s->rows[w->next_score] == row;
    const bool told = w->next_why < w->n_why && w->why[w->next_why].row == row;

    csv_text(table_image(w->t, row), &w->lines);
    for (size_t k = 0; k < n; k++) {
        buf_puts(&w->lines, ",");
        if (scored)
            buf_printf(&w->lines, "%.9g", (double)w->s->prob[w->next_score * n + k]);
    }
    buf_puts(&w->lines, ",");
    if (told)
        csv_text(w->why[w->next_why].why, &w->lines);
    else if (!scored)
        buf_puts(&w->lines, "the picture cannot be used");
    buf_puts(&w->lines, "\n");
    w->next_score += scored;
    w->next_why += told;
}

static enum status flush(struct writer *w, struct error *err)
{
    enum status st = buf_status(&w->lines);

    st = st == ST_OK ? file_stream_put(w->stream, w->lines.data, w->lines.len, err)
                     : error_set(err, st, "the predictions do not fit in memory");
    buf_clear(&w->lines);
    return st;
}

enum status predictions_file_write(const char *path, const struct table *t, const struct rows *rows,
                                   const struct scores *s, const struct no_score *why, size_t n,
                                   struct error *err)
{
    struct writer w = { .lines = BUF_INIT((size_t)4 * LINES), .t = t, .s = s, .why = why, .n_why = n };
    enum status st = file_stream_open(path, &w.stream, err);

    if (st != ST_OK)
        return st;
    head_put(&w);
    for (size_t i = 0; i < rows->n && st == ST_OK; i++) {
        line_put(&w, rows->index[i]);
        if (w.lines.len >= LINES)
            st = flush(&w, err);
    }
    if (st == ST_OK)
        st = flush(&w, err);
    if (st == ST_OK)
        st = file_stream_commit(w.stream, err);
    else
        file_stream_abandon(w.stream);
    buf_release(&w.lines);
    return st;
}
