/* tests/unit/test_score_writer.c - scores are kept without anybody's waiting for a disk, and none that was taken is lost. */
#include "cxrd/score_writer.h"
#include "jobs/registry/loaded_model.h"
#include "store_case.h"
#include "support.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(writer, .init = store_case_begin, .fini = store_case_end);

static struct score_writer *writer;
static struct loaded_model *by;

static void started(size_t days)
{
    struct error err = { 0 };

    by = loaded_model_new();
    by->model = tiny_model(1, 1, NULL);
    snprintf(by->id, sizeof by->id, "aaaaaaaa");
    cr_assert_eq(score_writer_start(store, days, &writer, &err), ST_OK, "%s", err.text);
}

static void stopped(void)
{
    score_writer_stop(writer);
    loaded_model_release(by);
}

static bool put(int i)
{
    struct kept_scores row = { .model = "aaaaaaaa", .operating = "youden", .at = time(NULL) };

    row.n = model_labels(by->model)->n;
    snprintf(row.id, sizeof row.id, "00000000-%08d", i);
    return score_writer_add(writer, by, &row);
}

/* In text, as asked() has it. */
static const char *in_file(void) { return asked("SELECT count(*) FROM scored"); }

Test(writer, writes_what_it_took)
{
    started(1);
    cr_assert(put(1) && put(2));
    score_writer_flush(writer);
    cr_assert_eq(score_writer_counts(writer).kept, 2);
    cr_assert(put(3));
    stopped(); /* writes what waits */
    cr_assert_str_eq(in_file(), "3");
}

Test(writer, takes_nothing_where_none_are_kept)
{
    started(0);
    cr_assert_not(put(1));
    score_writer_flush(writer);
    stopped(); /* its thread looks into the file at its start */
    cr_assert_str_eq(in_file(), "0");
}

Test(writer, removes_what_was_kept_long_enough_at_its_start)
{
    started(1);
    cr_assert(put(1) && put(2));
    stopped();
    changed("UPDATE scored SET until = 5 WHERE id = '00000000-00000001'");
    started(0);
    while (score_writer_counts(writer).swept == 0) {
        const struct timespec moment = { 0, 1000000 };

        nanosleep(&moment, NULL);
        score_writer_flush(writer);
    }
    stopped();
    cr_assert_str_eq(in_file(), "1");
}

/* Another connection has the file, so nothing can be written: what has room waits, what has none is counted, and all that waited is
 * written when the file is free again. */
Test(writer, sheds_what_finds_no_room_and_loses_nothing_that_did)
{
    enum { ALL = 6000 };
    sqlite3 *other = NULL;
    size_t taken = 0;
    char told[32];

    needs_file();
    started(1);
    cr_assert_eq(sqlite3_open(store_path, &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 60000); /* the writer's thread looks into the file at its start */
    cr_assert_eq(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < ALL; i++)
        taken += put(i);
    cr_assert(taken >= 4096 && taken < ALL); /* and so nobody waited for the disk, which has taken nothing */
    cr_assert_eq(score_writer_counts(writer).kept, 0);
    cr_assert_eq(score_writer_counts(writer).shed, ALL - taken);
    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(other);
    while (score_writer_counts(writer).waiting > 0)
        score_writer_flush(writer);
    snprintf(told, sizeof told, "%zu", taken);
    cr_assert_str_eq(in_file(), told);
    cr_assert(put(ALL));
    stopped();
}
