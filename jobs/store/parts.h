/* jobs/store/parts.h - what the files behind cxrd/store.h share: store.c opens it, sql.c has statements and transactions, rows.c
 * reads rows, jobs.c keeps the jobs, leases.c their runners, asked.c requests to these, record.c their records, journal.c their
 * events, models.c the models, notices.c the notices to be sent, scores.c the scores of predictions, feedback.c readers' feedback,
 * forgotten.c the patients to be left out, files.c the files of jobs and models. No other file has SQL.
 *
 * SQL is written once for all engines (engine.h): parameters are $1, $2 …; an upsert is ON CONFLICT; what is asked of a configuration
 * or a card has a column of its own, as no two engines read JSON alike. At any time one transaction that writes is open, whatever the
 * engine and however many processes have the store open: what a transaction has read stays true until it ends. Those of
 * store_begin_beside() may be open at once: they write of one job each, whose row they lock. */
#ifndef JOBS_STORE_PARTS_H
#define JOBS_STORE_PARTS_H

#include "cxrd/buf.h"
#include "cxrd/store.h"
#include "cxrd/store_replicas.h"
#include "engine.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

struct store {
    pthread_mutex_t lock; /* guards db, `told` and everything done with them */
    struct database *db;
    char *place;          /* owned; what it was opened as */
    char holder[ID_SIZE]; /* the id by which this process claims jobs, and of its row among the servers */
    atomic_bool leads;    /* of all servers this one does the work that only one has to do */
    bool told;            /* the transaction that is open adds to a journal */
    int64_t noted;        /* how many notices it adds, known at its end */
    bool woken;           /* the transaction changes something else that other servers wait for */
    bool all_noted;       /* the operator has a receiver for all of them */
    atomic_uint_fast64_t changes;          /* of all journals, counted when they are durable */
    atomic_uint_fast64_t feedback_changes; /* likewise, of feedback */
    pthread_mutex_t calling;               /* guards `added`; held while it is called, never with `lock` */
    void (*added)(void *arg);              /* NULL: nobody sends notices */
    void *added_arg;
};

/* ---- a database that is opened: nothing in it is changed by that ---- */
MUST_USE enum status store_open_as_is(const char *place, struct store **ret_store, struct error *err);

/* Inside a transaction: how many of the changes that this program knows of its tables it has had; 0: it has none of them.
 * Errors: ST_UNSUPPORTED (there are more), ST_IO. */
MUST_USE enum status store_version(struct store *s, int64_t *ret, int64_t *ret_newest, struct error *err);

/* Inside a transaction: the first of those that it lacks is made.
 *   ret_done  it had them all */
MUST_USE enum status store_change_by_one(struct store *s, bool *ret_done, struct error *err);

/* ---- statements: prepared, bound by type letters, stepped ---- */

/* "t": text or NULL, "i": int64_t, "b": bytes and a size_t, which must outlive the statement. Returns NULL and sets *err on failure,
 * which the two below pass on. */
struct statement *store_prepare(struct store *s, struct error *err, const char *sql, const char *types, ...);
struct statement *store_vprepare(struct store *s, struct error *err, const char *sql, const char *types,
                                 va_list ap);

/* Do a statement that returns no row, and finish it. In a transaction it may be done, and fail, as late as in store_end(): so only writes
 * of the same transaction may depend on it. */
MUST_USE enum status store_finish(struct store *s, struct statement *stmt, struct error *err);

/* The same; how many rows it changes is added to `changed` by the transaction's end, or before store_changed() returns, which waits. */
MUST_USE enum status store_finish_counted(struct store *s, struct statement *stmt, int64_t *changed,
                                          struct error *err);
MUST_USE enum status store_changed(struct store *s, struct statement *stmt, int64_t *ret, struct error *err);

/* Step to the one row of a query: ST_OK with a row to read, ST_NOTFOUND without one. */
MUST_USE enum status store_row(struct store *s, struct statement *stmt, struct error *err);
void store_done(struct statement *stmt); /* NULL is fine */

/* The cells of that row, until the next step. */
const char *store_column(struct statement *stmt, int i); /* NULL: null, or no text */
int64_t store_number(struct statement *stmt, int i);     /* 0: null, or no number */
json_t *store_json(struct statement *stmt, int i);       /* NULL: not JSON, or no memory */

/* The number that a query without parameters finds. */
MUST_USE enum status store_integer(struct store *s, const char *sql, int64_t *ret, struct error *err);

/* A cell that cannot be read any more, or not now. */
enum status store_broken(struct store *s, struct error *err, const char *what);

MUST_USE enum status store_run(struct store *s, const char *sql, struct error *err);

/* ---- rows: copied with the lock held and read without it, so that nobody waits while JSON is parsed ---- */

struct cells {
    struct buf text, at; /* every cell and a NUL; where each begins, a size_t each */
    size_t n_rows, n_columns;
};
#define CELLS_INIT                                           \
    {                                                        \
        BUF_INIT(SIZE_MAX / 2), BUF_INIT(SIZE_MAX / 2), 0, 0 \
    }
void cells_release(struct cells *r); /* safe on CELLS_INIT */

/* All rows that a query finds; parameters as store_prepare()'s. Takes the lock. */
MUST_USE enum status store_query(struct store *s, struct cells *ret, struct error *err, const char *sql,
                                 const char *types, ...);

const char *cells_text(const struct cells *r, size_t row, size_t column); /* NULL: NULL */
json_t *cells_json(const struct cells *r, size_t row, size_t column);     /* NULL: not JSON, or no memory */

/* A row as JSON; NULL: a cell cannot be read, or no memory. */
typedef json_t *row_fn(const struct cells *r, size_t row);

/* The name of a row, and which of its cells may be broken. */
struct kind {
    const char *name, *part;
    row_fn *row;
};

/* The row that a query with one parameter finds. Takes the lock.
 * Errors: ST_NOTFOUND, ST_IO, ST_NOMEM. */
MUST_USE enum status store_find(struct store *s, const char *sql, const char *id, const struct kind *kind,
                                json_t **ret, struct error *err);

/* The one id that a query finds, "" where there is none. With `arg` for its parameter, if it has one. Takes the lock. */
MUST_USE enum status store_id(struct store *s, const char *sql, const char *types, int64_t arg,
                              char ret_id[ID_SIZE], struct error *err);

/* A page of a list. What `row` makes null of is left out. Takes the lock, for each of its rows a moment.
 *   sql  finds rows of ever smaller seq, their first column: below $1, at most $2 of them; of the page's state $3, type $4 and
 *        text $5, which are NULL where it has none, and all of which it must name */
MUST_USE enum status store_list(struct store *s, const struct page *page, const char *sql,
                                const struct kind *kind, json_t **ret_items, int64_t *ret_next,
                                struct error *err);

/* Whether a page's text is in a column, in small letters or capitals, or a column begins so; null where it is null. */
#define TEXT_IS_IN(column)  "replace(lower(" column "), lower($5), '') <> lower(" column ")"
#define TEXT_BEGINS(column) "substr(" column ", 1, length($5)) = lower($5)"

/* ---- transactions: begin takes the lock, end gives it back ---- */
MUST_USE enum status store_begin(struct store *s, struct error *err);
/* The same for what reads and writes of one job alone, whose row it locks: others may do so at once of other jobs. NULL: it locks by itself
 * the row that it takes. */
MUST_USE enum status store_begin_beside(struct store *s, const char *job, struct error *err);
MUST_USE enum status store_end(struct store *s, enum status st, struct error *err);

/* ---- with the lock held: a job ---- */

/* Errors: ST_NOTFOUND, ST_IO, ST_NOMEM. */
MUST_USE enum status store_job_state(struct store *s, const char *id, enum job_state *ret_state,
                                     struct error *err);

/* No two engines write what is true or false alike. */
#define ONE_IF(condition) "CASE WHEN " condition " THEN 1 ELSE 0 END"
#define IS_ACTIVE         "EXISTS (SELECT 1 FROM settings WHERE name = 'active_model' AND value = models.id)"

/* ---- inside a transaction: the runner of a job, see leases.c ---- */

/* The next job that may be claimed is claimed: the claim's token, what was asked, the job's id, type and config. The caller calls store_done(), also
 * after a failure. Errors: ST_NOTFOUND (no job waits), ST_IO. */
MUST_USE enum status store_claim_next(struct store *s, const struct able *able, struct statement **ret_row,
                                      struct error *err);

/* Whether that claim may write to its job, to the end of the transaction.
 *   ret_state  of the job, also with ST_CONFLICT
 *   ret_last   the claim is the last that there was of it, though the job may have ended
 * Errors: ST_NOTFOUND, ST_CONFLICT, ST_IO. */
MUST_USE enum status store_fence(struct store *s, const struct claim *c, enum job_state *ret_state,
                                 bool *ret_last, struct error *err);

/* A record as it is written: whole, and what a list shows of it. Made before the lock is taken. */
struct record_texts {
    char *whole, *summary; /* owned; NULL: no record */
};
MUST_USE enum status record_texts_make(const json_t *record, struct record_texts *ret, struct error *err);
/* The record's AUROC of the test split, borrowed; null where there is none. */
json_t *record_macro_auroc(const json_t *record);

void record_texts_release(struct record_texts *t); /* safe on zeroes */

enum asked store_asked(const char *name); /* by what the store has of it; NULL: nothing */
const char *store_asked_name(enum asked asked);

/* ---- inside a transaction: its state, its record, and its journal ---- */
MUST_USE enum status store_write_state(struct store *s, const char *id, enum job_state to, struct error *err);
MUST_USE enum status store_write_record(struct store *s, const char *id, const struct record_texts *record,
                                        struct error *err); /* one without texts changes nothing */
MUST_USE enum status store_tell(struct store *s, const char *id, const char *name, const char *data,
                                struct error *err); /* data: JSON */
MUST_USE enum status store_tell_state(struct store *s, const char *id, enum job_state state, const char *at,
                                      struct error *err);

enum { STATE_EVENT_SIZE = 80 };
void state_event_data(enum job_state state, const char *at, char ret[STATE_EVENT_SIZE]); /* as JSON */

/* ---- inside a transaction: what is called so: a row of captions or models, found by $1 ---- */
MUST_USE enum status store_write_caption(struct store *s, const char *table, const char *where,
                                         const char *id, const struct caption *c, struct error *err);

/* ---- inside a transaction: the file of a model that was added in it ---- */
MUST_USE enum status store_model_file_add(struct store *s, const char *id, const struct model_file *file,
                                          struct error *err);

/* ---- inside a transaction: other servers are to take up a change of this kind, see generations.c ---- */
MUST_USE enum status store_shared_changed(struct store *s, enum shared_kind kind, struct error *err);

/* ---- inside a transaction: what happened becomes notices ---- */

/* The jobs of a WHERE clause with one parameter have ended. With `all` the operator's receiver hears of it too. */
MUST_USE enum status store_note_ended(struct store *s, const char *where, const char *parameter, bool all,
                                      struct error *err);
MUST_USE enum status store_note_activated(struct store *s, const char *model, struct error *err);

#endif
