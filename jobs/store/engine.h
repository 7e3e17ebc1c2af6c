/* jobs/store/engine.h - what a database does for the store. Each engine is one file, which alone includes its library's header.
 *
 * A connection is one thread's at a time: the store calls with its lock held. */
#ifndef JOBS_STORE_ENGINE_H
#define JOBS_STORE_ENGINE_H

#include "cxrd/status.h"

#include <stddef.h>
#include <stdint.h>

struct engine;

/* An open connection, and a statement of it that has begun; an engine's own structs begin with these. */
struct database {
    const struct engine *engine;
    enum status failed; /* why the last statement could not be prepared */
};
struct statement {
    struct database *db;
};

struct value {
    char type;        /* 't', 'i' or 'b' */
    const char *text; /* of 't'; NULL: null */
    int64_t integer;
    const void *bytes; /* of 'b' */
    size_t size;
};
enum { MOST_VALUES = 16 };

struct engine {
    const char *name;
    bool shared;                   /* other processes may have the same store open */
    const char *const *migrations; /* up to a NULL, see schema.h */

    /* SQL: the database's clock in milliseconds since 1970; 32 random digits of 0-9a-f. */
    const char *now_ms, *random_hex;

    /* SQL: hear what others say. NULL: there are no others. */
    const char *listen;

    /* SQL, behind a SELECT of rows of `jobs`: lock them to the end of the transaction; pass over those that another has locked. */
    const char *lock_row, *lock_free_row;

    /* SQL: the column `id` holds a text without a NUL; true where another cannot be. A planner that is asked what it knows to be true takes it for
     * rare, and reads all rows. */
    const char *id_is_text;

    /* Errors: ST_IO (cannot be opened, or is damaged), ST_NOMEM. */
    enum status (*open)(const char *place, struct database **ret, struct error *err);
    void (*close)(struct database *db);

    /* SQL: a place for the count of migrations, NULL where it needs none; what that is; that it is so many, of printf() with one %lld. */
    const char *version_make, *version_ask, *version_set;

    /* For whoever reads or writes all of it, see copy.h. SQL:
     * - a transaction may be silent for long; NULL: any may
     * - a query's rows come piece by piece, of printf() with a name of ours and the query; the next ones, with their number and that name;
     *   NULL: they do so by themselves
     * - what stands before the values of rows that bring their numbers with them
     * - the number of a table's next row, of printf() with its name; that this is one, with its name, %lld, and its name again
     * - tables, columns and letters, in this order: 't' text, 'i' integer, 'b' bytes, 'n' the number of the row
     * - a cell is neither null nor a text, an integer, bytes, of printf() with its column's name, twice; NULL: it always is */
    const char *unhurried, *cursor_open, *cursor_next, *numbered, *next_ask, *next_set, *columns_ask;
    const char *odd_text, *odd_integer, *odd_bytes;

    /* begin: no other connection writes until the end, so the rows that were read stay as they are; with `beside` others may that were
     * begun so too, and only rows that are locked stay. commit: the writes are on the disk; with `wake` those that listen are woken then.
     * rollback: the database is as before, also where the connection is lost. */
    enum status (*begin)(struct database *db, bool beside, struct error *err);
    enum status (*commit)(struct database *db, bool wake, struct error *err);
    void (*rollback)(struct database *db);

    /* Statements without parameters and rows. */
    enum status (*run)(struct database *db, const char *sql, struct error *err);

    /* NULL: db->failed and *err say why. */
    struct statement *(*prepare)(struct database *db, const char *sql, const struct value *values, size_t n,
                                 struct error *err);
    /* To the next row. Errors: ST_NOTFOUND (no more rows), ST_IO, ST_NOMEM. */
    enum status (*step)(struct statement *stmt, struct error *err);
    void (*done)(struct statement *stmt);

    /* Instead of both, for a statement without rows. Inside a transaction an engine may do it later, and tell that it failed later: when
     * a statement is stepped, by arrive(), or by commit().
     *   changed  how many rows it has changed is added to it when that is known, so it must outlive the transaction; NULL: nobody asks */
    enum status (*finish)(struct statement *stmt, int64_t *changed, struct error *err);
    enum status (*arrive)(struct database *db, struct error *err); /* all that were finished are done */

    size_t (*columns)(struct statement *stmt);
    bool (*is_null)(struct statement *stmt, int column);
    const char *(*text)(struct statement *stmt, int column); /* NULL: null, or no memory */
    int64_t (*integer)(struct statement *stmt, int column);
    const void *(*bytes)(struct statement *stmt, int column, size_t *ret_size); /* NULL: null, or no memory */
    bool (*ran_out)(struct database *db); /* of memory, in the last call */

    /* Of a connection that listens: readable when something was said; take it, false where the connection is lost. */
    int (*socket)(struct database *db);
    bool (*hear)(struct database *db);
};

extern const struct engine SQLITE, POSTGRESQL; /* the latter where cxrd is built with libpq */

#endif
