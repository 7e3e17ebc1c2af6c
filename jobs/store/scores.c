/* jobs/store/scores.c - the scores that are kept of predictions, as the store has them; see cxrd/kept_scores.h. */
#include "parts.h"

#include "cxrd/kept_scores.h"

#include <stdlib.h>
#include <string.h>

static enum status write_labels(struct store *s, const char *model, const struct labels *labels,
                                struct error *err)
{
    char text[LABELS_TEXT_SIZE];

    return store_finish(s,
                        store_prepare(s, err,
                                      "INSERT INTO scored_models(model, labels) VALUES($1, $2)"
                                      " ON CONFLICT(model) DO NOTHING",
                                      "tt", model, labels_text(labels, text)),
                        err);
}

static enum status write_answer(struct store *s, const struct kept_scores *row, int64_t until,
                                struct error *err)
{
    return store_finish(
        s,
        store_prepare(s, err,
                      "INSERT INTO scored(id, model, operating, at, until, patient, known, positive, scores)"
                      " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                      "tttiiiiib", row->id, row->model, row->operating, row->at, until, (int64_t)row->patient,
                      (int64_t)row->known, (int64_t)row->positive, row->probability,
                      row->n * sizeof *row->probability),
        err);
}

static enum status write_shadow(struct store *s, const struct kept_scores *row, struct error *err)
{
    return store_finish(s,
                        store_prepare(s, err,
                                      "INSERT INTO shadow_scores(prediction, model, known, positive, scores)"
                                      " SELECT seq, $2, $3, $4, $5 FROM scored WHERE id = $1"
                                      " ON CONFLICT(prediction, model) DO UPDATE SET known = excluded.known,"
                                      " positive = excluded.positive, scores = excluded.scores",
                                      "ttiib", row->id, row->model, (int64_t)row->known,
                                      (int64_t)row->positive, row->probability,
                                      row->n * sizeof *row->probability),
                        err);
}

enum status store_scores_write(struct store *s, const struct kept_scores *rows,
                               const struct labels *const *labels, size_t n, int64_t until, struct error *err)
{
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        if (i == 0 || strcmp(rows[i].model, rows[i - 1].model) != 0)
            st = write_labels(s, rows[i].model, labels[i], err);
        if (st == ST_OK)
            st = rows[i].shadow ? write_shadow(s, &rows[i], err) : write_answer(s, &rows[i], until, err);
    }
    return store_end(s, st, err);
}

enum status store_scores_sweep(struct store *s, int64_t now, size_t most, size_t *ret, struct error *err)
{
    static const char SQL[] = "DELETE FROM scored WHERE seq IN"
                              " (SELECT seq FROM scored WHERE until <= $1 ORDER BY until LIMIT $2)";
    int64_t changed;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_changed(s, store_prepare(s, err, SQL, "ii", now, (int64_t)most), &changed, err);
    *ret = (size_t)changed;
    if (st == ST_OK && *ret > 0)
        st = store_run(s,
                       "DELETE FROM scored_models WHERE NOT EXISTS (SELECT 1 FROM scored WHERE scored.model ="
                       " scored_models.model) AND NOT EXISTS (SELECT 1 FROM shadow_scores WHERE"
                       " shadow_scores.model = scored_models.model)",
                       err);
    st = store_end(s, st, err);
    if (st == ST_OK && *ret > 0)
        atomic_fetch_add(&s->feedback_changes, 1);
    return st;
}

enum status store_scores_count(struct store *s, struct scores_kept *ret, struct error *err)
{
    struct statement *stmt;
    enum status st;

    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(
        s, err,
        "SELECT (SELECT count(*) FROM scored), (SELECT count(DISTINCT prediction) FROM"
        " feedback), (SELECT count(*) FROM feedback), coalesce((SELECT min(at) FROM scored), 0)",
        "");
    st = store_row(s, stmt, err);
    if (st == ST_OK)
        *ret = (struct scores_kept){ store_number(stmt, 0), store_number(stmt, 1), store_number(stmt, 2),
                                     store_number(stmt, 3) };
    store_done(stmt);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_scores_span(struct store *s, int64_t *ret, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = store_integer(
        s, "SELECT coalesce((SELECT max(seq) FROM scored) - (SELECT min(seq) FROM scored) + 1, 0)", ret, err);
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* One text that a query with a text and a number finds. */
static enum status find_text(struct store *s, const char *sql, const char *id, int64_t number, char *ret,
                             size_t size, struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(s, &cells, err, sql, "ti", id, number);
    const char *text = st == ST_OK && cells.n_rows > 0 ? cells_text(&cells, 0, 0) : NULL;

    if (st == ST_OK && cells.n_rows == 0)
        st = ST_NOTFOUND;
    else if (st == ST_OK && (!text || (size_t)snprintf(ret, size, "%s", text) >= size))
        st = error_set(err, ST_IO, "the job database holds kept scores that cannot be read");
    cells_release(&cells);
    return st;
}

enum status store_scores_labels(struct store *s, const char *model, struct labels *ret, struct error *err)
{
    char text[LABELS_TEXT_SIZE];
    enum status st = find_text(s, "SELECT labels FROM scored_models WHERE model = $1 AND $2 = 0", model, 0,
                               text, sizeof text, err);

    if (st == ST_NOTFOUND)
        return error_set(err, st, "no scores are kept of the model '%s'", model);
    if (st == ST_OK && labels_parse(text, ret, NULL) != ST_OK)
        st = error_set(err, ST_IO, "the job database holds kept scores that cannot be read");
    return st;
}

enum status store_scores_model(struct store *s, const char *id, int64_t now, char ret_model[ID_SIZE],
                               struct error *err)
{
    const enum status st = find_text(s, "SELECT model FROM scored WHERE id = $1 AND until > $2", id, now,
                                     ret_model, ID_SIZE, err);

    if (st == ST_NOTFOUND)
        return error_set(err, st,
                         "no scores are kept of a prediction '%s': it was never answered here, or its time "
                         "is over",
                         id);
    return st;
}
