/* jobs/store/feedback.c - what readers say of predictions, as the store has it; see cxrd/kept_scores.h. */
#include "parts.h"

#include "cxrd/kept_scores.h"

#include <string.h>

const char *const SAYS_NAMES[N_SAYS] = { "absent", "present", "unsure" };

/* The one number that a query finds; 0 where it finds nothing. */
static enum status number_of(struct store *s, struct statement *stmt, int64_t *ret, struct error *err)
{
    const enum status st = store_row(s, stmt, err);

    *ret = st == ST_OK ? store_number(stmt, 0) : 0;
    store_done(stmt);
    return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status write_one(struct store *s, int64_t prediction, const struct feedback *f, size_t i,
                             int64_t now, bool *ret_replaced, struct error *err)
{
    int64_t there = 0;
    enum status st =
        number_of(s,
                  store_prepare(s, err,
                                "SELECT 1 FROM feedback WHERE prediction = $1 AND reader = $2 AND"
                                " finding = $3",
                                "itt", prediction, f->reader, f->findings[i]),
                  &there, err);

    *ret_replaced = there != 0;
    return st != ST_OK
               ? st
               : store_finish(s,
                              store_prepare(s, err,
                                            "INSERT INTO feedback(prediction, reader, finding, says, at)"
                                            " VALUES($1, $2, $3, $4, $5)"
                                            " ON CONFLICT(prediction, reader, finding) DO UPDATE"
                                            " SET says = excluded.says, at = excluded.at",
                                            "ittii", prediction, f->reader, f->findings[i],
                                            (int64_t)f->says[i], now),
                              err);
}

static enum status write_all(struct store *s, const struct feedback *f, int64_t now, uint64_t *ret_replaced,
                             int64_t *ret_readers, struct error *err)
{
    int64_t prediction = 0;
    enum status st = number_of(
        s, store_prepare(s, err, "SELECT seq FROM scored WHERE id = $1 AND until > $2", "ti", f->id, now),
        &prediction, err);

    if (st == ST_OK && prediction == 0)
        return error_set(err, ST_NOTFOUND, "no scores are kept of a prediction '%s'", f->id);
    for (size_t i = 0; i < f->n && st == ST_OK; i++) {
        bool replaced = false;

        st = write_one(s, prediction, f, i, now, &replaced, err);
        *ret_replaced |= (uint64_t)replaced << i;
    }
    return st != ST_OK ? st
                       : number_of(s,
                                   store_prepare(s, err,
                                                 "SELECT count(DISTINCT reader) FROM feedback WHERE"
                                                 " prediction = $1",
                                                 "i", prediction),
                                   ret_readers, err);
}

enum status store_feedback_write(struct store *s, const struct feedback *f, int64_t now,
                                 uint64_t *ret_replaced, size_t *ret_readers, struct error *err)
{
    uint64_t replaced = 0;
    int64_t readers = 0;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = store_end(s, write_all(s, f, now, &replaced, &readers, err), err);
    if (st != ST_OK)
        return st;
    atomic_fetch_add(&s->feedback_changes, 1);
    *ret_replaced = replaced;
    *ret_readers = (size_t)readers;
    return ST_OK;
}

uint64_t store_feedback_changes(struct store *s) { return atomic_load(&s->feedback_changes); }

/* ---- reading ---- */

enum status store_feedback_groups(struct store *s, const char *model, json_t **ret, struct error *err)
{
    struct cells cells = CELLS_INIT;
    json_t *groups = json_array();
    enum status st =
        store_query(s, &cells, err,
                    "SELECT model, operating FROM (SELECT DISTINCT prediction FROM feedback) f JOIN"
                    " scored ON seq = prediction WHERE ($1 IS NULL OR model = $1)"
                    " GROUP BY model, operating ORDER BY max(seq) DESC LIMIT 64",
                    "t", model);

    for (size_t i = 0; st == ST_OK && i < cells.n_rows; i++) {
        const char *id = cells_text(&cells, i, 0), *operating = cells_text(&cells, i, 1);

        if (!id || !operating)
            st = error_set(err, ST_IO, "the job database holds kept scores that cannot be read");
        else if (json_array_append_new(groups, json_pack("[s,s]", id, operating)) != 0)
            st = error_nomem(err);
    }
    cells_release(&cells);
    if (st == ST_OK && groups) {
        *ret = groups;
        return ST_OK;
    }
    json_decref(groups);
    return st == ST_OK ? error_nomem(err) : st;
}

#define READINGS                                                                                          \
    "SELECT p.seq, p.id, p.model, p.operating, p.at, p.patient, p.known, p.positive, p.scores, f.reader," \
    " f.finding, f.says, f.at, x.known, x.positive, x.scores FROM"                                        \
    " (SELECT DISTINCT prediction FROM feedback JOIN scored ON seq = prediction"                          \
    "  WHERE prediction < $1 AND ($3 IS NULL OR model = $3) ORDER BY prediction DESC LIMIT $2) w"         \
    " JOIN scored p ON p.seq = w.prediction JOIN feedback f ON f.prediction = p.seq"                      \
    " LEFT JOIN shadow_scores x ON x.prediction = p.seq AND x.model = $4"                                 \
    " ORDER BY p.seq DESC, f.reader, f.finding"

/* Floats of a cell, copied, as a database aligns nothing. Returns how many. */
static size_t copy_floats(struct statement *stmt, int column, float ret[MAX_LABELS])
{
    size_t size = 0;
    const void *bytes = stmt->db->engine->bytes(stmt, column, &size);
    const size_t n = size / sizeof *ret;

    if (!bytes || n > MAX_LABELS)
        return 0;
    memcpy(ret, bytes, n * sizeof *ret);
    return n;
}

static enum status tell(struct store *s, struct statement *stmt, reading_fn *fn, void *arg, struct error *err)
{
    float probability[MAX_LABELS], other[MAX_LABELS];
    struct reading r = { .seq = store_number(stmt, 0),
                         .id = store_column(stmt, 1),
                         .model = store_column(stmt, 2),
                         .operating = store_column(stmt, 3),
                         .at = store_number(stmt, 4),
                         .patient = (uint64_t)store_number(stmt, 5),
                         .known = (uint64_t)store_number(stmt, 6),
                         .positive = (uint64_t)store_number(stmt, 7),
                         .n = copy_floats(stmt, 8, probability),
                         .probability = probability,
                         .reader = store_column(stmt, 9),
                         .finding = store_column(stmt, 10),
                         .says = (enum reading_says)store_number(stmt, 11),
                         .given = store_number(stmt, 12),
                         .other_known = (uint64_t)store_number(stmt, 13),
                         .other_positive = (uint64_t)store_number(stmt, 14),
                         .other_probability = other };

    if (!r.id || !r.model || !r.operating || !r.reader || !r.finding || r.n == 0 || r.says >= N_SAYS)
        return store_broken(s, err, "reading");
    r.other = copy_floats(stmt, 15, other) == r.n;
    return fn(arg, &r);
}

enum status store_readings(struct store *s, const struct readings_asked *asked, reading_fn *fn, void *arg,
                           int64_t *ret_last, struct error *err)
{
    struct statement *stmt;
    enum status st;

    *ret_last = 0;
    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, READINGS, "iitt", asked->before, (int64_t)asked->most, asked->model,
                         asked->candidate);
    while ((st = store_row(s, stmt, err)) == ST_OK) {
        *ret_last = store_number(stmt, 0);
        st = tell(s, stmt, fn, arg, err);
        if (st != ST_OK)
            break;
    }
    store_done(stmt);
    pthread_mutex_unlock(&s->lock);
    if (st == ST_NOMEM)
        return error_nomem(err);
    return st == ST_NOTFOUND ? ST_OK : st;
}
