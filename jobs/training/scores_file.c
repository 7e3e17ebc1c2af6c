/* jobs/training/scores_file.c - see scores_file.h. */
#include "scores_file.h"

#include "cxrd/csv_text.h"
#include "cxrd/encoding.h"
#include "cxrd/file.h"
#include "cxrd/sign.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/random.h>

enum { KEY = 32, PATIENT_BYTES = 8, LINES = 1 << 16 /* bytes that are written at once */ };

struct writer {
    const struct table *t;
    struct file_stream *stream;
    struct buf lines; /* not written yet */
    uint8_t key[KEY];
    struct error *err;
};

/* Nothing for rows that are of nobody known. */
static enum status patient_put(struct writer *w, uint64_t patient)
{
    char text[SIGN_TEXT_SIZE], hex[2 * PATIENT_BYTES + 1];
    uint8_t code[32], id[sizeof patient];
    size_t n;

    if (patient == PATIENT_NONE)
        return ST_OK;
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)(patient >> 8 * i);
    if (sign_hmac(w->key, sizeof w->key, id, sizeof id, text) != ST_OK ||
        base64_decode(text, code, sizeof code, &n) != ST_OK)
        return error_nomem(w->err);
    hex_encode(code, PATIENT_BYTES, hex);
    buf_puts(&w->lines, hex);
    return ST_OK;
}

static const char *view_of(const struct table_row *row)
{
    return row->view == 'P' ? "PA" : row->view == 'A' ? "AP" : row->other_view ? "other" : "";
}

static enum status line_put(struct writer *w, const struct named_scores *set, size_t i)
{
    const struct table_row *row = &w->t->rows[set->scores->rows[i]];
    enum status st;

    csv_text(table_image(w->t, set->scores->rows[i]), &w->lines);
    buf_puts(&w->lines, ",");
    st = patient_put(w, row->patient);
    buf_puts(&w->lines, ",");
    if (!isnan(row->age))
        buf_printf(&w->lines, "%g", (double)row->age);
    buf_printf(&w->lines, ",%.1s,%s,%s", row->sex ? &row->sex : "", view_of(row), set->split);
    scores_csv_row(set->scores, i, &w->lines);
    return st;
}

static enum status flush(struct writer *w)
{
    enum status st = buf_status(&w->lines);

    if (st != ST_OK)
        return error_set(w->err, st, "the scores do not fit in memory");
    st = file_stream_put(w->stream, w->lines.data, w->lines.len, w->err);
    buf_clear(&w->lines);
    return st;
}

static enum status set_put(struct writer *w, const struct named_scores *set)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < set->scores->n && st == ST_OK; i++) {
        st = line_put(w, set, i);
        if (st == ST_OK && w->lines.len >= LINES)
            st = flush(w);
    }
    return st;
}

static enum status all_put(struct writer *w, const struct named_scores *sets, size_t n_sets)
{
    enum status st = ST_OK;

    if (getrandom(w->key, sizeof w->key, 0) != (ssize_t)sizeof w->key)
        return error_errno(w->err, ST_IO, "no random numbers");
    buf_puts(&w->lines, "image,patient,age,sex,view,split");
    scores_csv_head(&w->t->labels, &w->lines);
    for (size_t i = 0; i < n_sets && st == ST_OK; i++)
        st = set_put(w, &sets[i]);
    explicit_bzero(w->key, sizeof w->key);
    return st == ST_OK ? flush(w) : st;
}

enum status scores_file_write(const char *path, const struct table *t, const struct named_scores *sets,
                              size_t n_sets, struct error *err)
{
    struct writer w = { .t = t, .lines = BUF_INIT((size_t)4 * LINES), .err = err };
    enum status st = file_stream_open(path, &w.stream, err);

    if (st == ST_OK)
        st = all_put(&w, sets, n_sets);
    if (st == ST_OK)
        st = file_stream_commit(w.stream, err);
    else
        file_stream_abandon(w.stream);
    buf_release(&w.lines);
    return st;
}
