/* jobs/store/copy_tables.c - what is copied of a store; see copy.h.
 *
 * Invariant: which columns a table has is asked of both databases, so none is left out; a table of a file that is in neither list here ends
 * the copy, so a new one is not left out either. */
#include "copy.h"

#include <string.h>

/* In an order in which each finds what it refers to. */
static const struct {
    const char *name;
    size_t at_once;
} TABLES[COPIED_TABLES] = {
    { "jobs", 8 },        { "models", 8 },         { "settings", 64 },        { "events", 256 },
    { "notices", 64 },    { "summaries", 64 },     { "captions", 256 },       { "job_links", 256 },
    { "scored", 256 },    { "scored_models", 64 }, { "shadow_scores", 256 },  { "feedback", 256 },
    { "forgotten", 256 }, { "profiles", 8 },       { "profile_choices", 64 }, { "model_signatures", 64 },
    { "leases", 256 },    { "epochs", 256 },       { "generations", 64 },
};

/* Files, which a folder keeps elsewhere; and what only those who have the store open have written of themselves. */
static const char *const FILE_TABLES[] = { "job_files", "model_files" };
static const char *const OF_HANDLES[] = { "replicas", "writers", "schema_version" };

static bool is_among(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* NULL: the table is not copied row by row. */
static struct copied_table *find(struct copied_table *tables, const char *name)
{
    for (size_t i = 0; i < COPIED_TABLES; i++)
        if (strcmp(TABLES[i].name, name) == 0)
            return &tables[i];
    return NULL;
}

/* A lease ends by the clock of its own database, and whoever had it is gone: elsewhere it has run out. */
static const char *value_of(const char *table, const char *column)
{
    return strcmp(table, "leases") == 0 && strcmp(column, "until") == 0 ? "0" : column;
}

static bool add_to(char text[300], const char *more)
{
    const size_t len = strlen(text);

    return snprintf(text + len, 300 - len, "%s%s", len ? ", " : "", more) < (int)(300 - len);
}

static bool add_column(struct copied_table *t, const char *column, char letter)
{
    const size_t n = strlen(t->types);

    if (n >= MOST_VALUES)
        return false;
    t->types[n] = letter;
    t->types[n + 1] = '\0';
    return add_to(t->columns, column) && add_to(t->values, value_of(t->name, column));
}

static enum status take_column(struct store *s, struct statement *row, struct copied_table *tables,
                               struct error *err)
{
    const char *table = store_column(row, 0), *column = store_column(row, 1), *letter = store_column(row, 2);
    struct copied_table *t = table ? find(tables, table) : NULL;

    if (!table || !column || !letter)
        return store_broken(s, err, "column");
    if (t && add_column(t, column, letter[0]))
        return ST_OK;
    if (!t && (s->db->engine->shared || /* others may have tables there, too */
               is_among(FILE_TABLES, sizeof FILE_TABLES / sizeof FILE_TABLES[0], table) ||
               is_among(OF_HANDLES, sizeof OF_HANDLES / sizeof OF_HANDLES[0], table)))
        return ST_OK;
    return error_set(err, ST_UNSUPPORTED, "the table '%.60s' of a job database cannot be copied", table);
}

enum status copied_tables_read(struct store *s, struct copied_table ret[COPIED_TABLES], struct error *err)
{
    struct statement *rows;
    enum status st;

    for (size_t i = 0; i < COPIED_TABLES; i++)
        ret[i] = (struct copied_table){ .name = TABLES[i].name, .at_once = TABLES[i].at_once };
    rows = store_prepare(s, err, s->db->engine->columns_ask, "");
    while ((st = store_row(s, rows, err)) == ST_OK)
        if ((st = take_column(s, rows, ret, err)) != ST_OK)
            break;
    store_done(rows);
    return st == ST_NOTFOUND ? ST_OK : st;
}

bool copied_tables_equal(const struct copied_table *a, const struct copied_table *b)
{
    for (size_t i = 0; i < COPIED_TABLES; i++)
        if (!a[i].columns[0] || strcmp(a[i].columns, b[i].columns) != 0 ||
            strcmp(a[i].types, b[i].types) != 0)
            return false;
    return true;
}

enum status copy_check_unused(struct store *s, struct error *err)
{
    static const char SQL[] =
        "SELECT (SELECT count(*) FROM replicas WHERE until > %s) + (SELECT count(*) FROM leases JOIN jobs"
        " ON jobs.seq = leases.job WHERE state = 'running' AND until > %s)";
    char sql[500];
    int64_t n = 0;
    enum status st;

    if (!s->db->engine->shared)
        return ST_OK;
    snprintf(sql, sizeof sql, SQL, s->db->engine->now_ms, s->db->engine->now_ms);
    st = store_integer(s, sql, &n, err);
    return st == ST_OK && n > 0 ? error_set(err, ST_CONFLICT,
                                            "a server uses the database: stop all of them; one that was not "
                                            "stopped is known to be gone after %d s",
                                            LEASE_S)
                                : st;
}

enum status copy_check_empty(struct store *to, struct error *err)
{
    const size_t n_file_tables = sizeof FILE_TABLES / sizeof FILE_TABLES[0];
    char sql[120], found[200] = "";
    size_t len = 0;
    int64_t n = 0;
    enum status st = ST_OK;

    for (size_t i = 0; i < COPIED_TABLES + n_file_tables && st == ST_OK; i++) {
        const char *name = i < COPIED_TABLES ? TABLES[i].name : FILE_TABLES[i - COPIED_TABLES];

        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", name);
        st = store_integer(to, sql, &n, err);
        if (st == ST_OK && n > 0 && len + 60 < sizeof found)
            len += (size_t)snprintf(found + len, sizeof found - len, "%s%lld in %s", len ? ", " : "",
                                    (long long)n, name);
    }
    return st == ST_OK && len ? error_set(err, ST_CONFLICT, "it is not empty: it has rows, %s", found) : st;
}

enum status copy_check_cells(struct store *from, const struct copied_table *t, struct error *err)
{
    const struct engine *engine = from->db->engine;
    char columns[300], sql[3000], *rest = columns;
    size_t len = (size_t)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE 1 = 0", t->name);
    int64_t n = 0;
    enum status st;

    if (!engine->odd_text)
        return ST_OK;
    snprintf(columns, sizeof columns, "%s", t->columns);
    for (size_t i = 0; t->types[i]; i++) {
        const char *column = strsep(&rest, ",");

        len += (size_t)snprintf(sql + len, sizeof sql - len, " OR ");
        len += (size_t)snprintf(sql + len, sizeof sql - len,
                                t->types[i] == 't'   ? engine->odd_text
                                : t->types[i] == 'b' ? engine->odd_bytes
                                                     : engine->odd_integer,
                                column, column);
        if (len >= sizeof sql)
            return error_set(err, ST_LIMIT, "the table '%s' has too many columns", t->name);
    }
    st = store_integer(from, sql, &n, err);
    return st == ST_OK && n > 0
               ? error_set(err, ST_IO, "the job database is damaged: %lld rows of '%s' cannot be read",
                           (long long)n, t->name)
               : st;
}
