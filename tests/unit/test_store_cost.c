/* tests/unit/test_store_cost.c - what the database does for a list and an event, counted: nothing here is timed. */
#include "store_case.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *opened_database;
static int64_t steps; /* of SQLite's machine, in statements that write to the journal */

static int on_profile(unsigned trace, void *arg, void *stmt, void *x)
{
    (void)trace, (void)arg, (void)x;
    if (strncmp(sqlite3_sql(stmt), "INSERT INTO events", 18) == 0)
        steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1); /* and from 0 on: it is kept */
    return 0;
}

static int on_open(sqlite3 *db, char **error, const struct sqlite3_api_routines *api)
{
    (void)error, (void)api;
    opened_database = db;
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, on_profile, NULL);
}

/* From the next opening on. */
static void watch_database(void)
{
    sqlite3_auto_extension((void (*)(void))on_open);
    closed();
    store_reopen();
}

static int64_t pages_looked_at(void)
{
    int hits = 0, misses = 0, high;

    sqlite3_db_status(opened_database, SQLITE_DBSTATUS_CACHE_HIT, &hits, &high, 1);
    sqlite3_db_status(opened_database, SQLITE_DBSTATUS_CACHE_MISS, &misses, &high, 1);
    return hits + misses;
}

static int64_t pages_of_a_list(void)
{
    pages_looked_at();
    free(list_text());
    return pages_looked_at();
}

Test(database, reads_no_record_for_a_list)
{
    static char record[300000] = "{\"epochs\":[\"";
    struct id ids[8];
    int64_t small;

    needs_file();
    watch_database();
    for (size_t i = 0; i < 8; i++) {
        ids[i] = added("{}");
        recorded(ids[i], "{\"epochs\":[]}");
    }
    small = pages_of_a_list();
    memset(record + strlen(record), 'x', 290000);
    memcpy(record + strlen(record), "\"]}", 4);
    for (size_t i = 0; i < 8; i++)
        recorded(ids[i], record);
    cr_assert_leq(pages_of_a_list(), small + 20, "a list of long records looks at more pages");
}

static int64_t steps_of_an_event(struct id id)
{
    steps = 0;
    tell(id, "epoch", "{}", NULL);
    return steps;
}

Test(journal, that_is_long_costs_no_more)
{
    const struct id id = added("{}");
    int64_t first;

    needs_file();
    watch_database();
    begun();
    first = steps_of_an_event(id);
    cr_assert_gt(first, 0);
    for (size_t i = 0; i < 50; i++)
        tell(id, "phase", "{}", NULL);
    cr_assert_leq(steps_of_an_event(id), first + 5);
}
