/* jobs/store/copy.c - a store as a whole into another; see copy.h.
 *
 * Invariants: both have a transaction open all the while, and one transaction writes at a time, so neither is changed by anybody else; the source's
 * ends without a change. The target's is committed when all that was read has been read back from it, so whatever ends the program before
 * leaves it without a row. */
#include "copy.h"

#include <stdlib.h>
#include <string.h>

struct copy {
    struct store *from, *to;
    const struct copy_folder *folder;
    struct copied_table tables[COPIED_TABLES], of_target[COPIED_TABLES];
    struct copy_sum sums[COPIED_KINDS]; /* the last one is the files' */
};

/* ---- before ---- */

/* Inside a transaction. */
static enum status check_version(struct store *s, int64_t *ret, struct error *err)
{
    int64_t newest;
    const enum status st = store_version(s, ret, &newest, err);

    if (st == ST_OK && *ret > 0 && *ret < newest)
        return error_set(
            err, ST_UNSUPPORTED,
            "the job database was written by an older version of cxrd: a server's start brings it "
            "up to date");
    return st;
}

static enum status begin_unhurried(struct store *s, struct error *err)
{
    const char *sql = s->db->engine->unhurried;
    enum status st = store_begin(s, err);

    if (st == ST_OK && sql && (st = store_run(s, sql, err)) != ST_OK)
        return store_end(s, st, err);
    return st;
}

static enum status check_source(struct store *from, struct error *err)
{
    int64_t version;
    const enum status st = check_version(from, &version, err);

    if (st == ST_OK && version == 0)
        return error_set(err, ST_NOTFOUND, "there is no job database of cxrd");
    return st == ST_OK ? copy_check_unused(from, err) : st;
}

/* A transaction that only looked. */
static enum status end_without_change(struct store *s, enum status st, struct error *err)
{
    const enum status undone = store_end(s, st == ST_OK ? ST_CANCELLED : st, err);

    return st == ST_OK && undone == ST_CANCELLED ? ST_OK : undone;
}

enum status store_copy_source_check(struct store *from, struct error *err)
{
    const enum status st = store_begin(from, err);

    return st == ST_OK ? end_without_change(from, check_source(from, err), err) : st;
}

static enum status check_target(struct store *to, struct error *err)
{
    const enum status st = copy_check_unused(to, err);

    return st == ST_OK ? copy_check_empty(to, err) : st;
}

/* In one transaction, or a copy that is ended here would leave an older version. */
static enum status make_tables(struct store *to, struct error *err)
{
    bool done = false;
    enum status st = ST_OK;

    while (st == ST_OK && !done)
        st = store_change_by_one(to, &done, err);
    return store_end(to, st, err);
}

enum status store_copy_target_begin(struct store *to, struct error *err)
{
    int64_t version = 0;
    enum status st = store_begin(to, err);

    if (st != ST_OK)
        return st;
    st = check_version(to, &version, err);
    if (st == ST_OK && version == 0)
        return make_tables(to, err);
    if (st == ST_OK)
        st = check_target(to, err);
    return end_without_change(to, st, err);
}

/* ---- rows and files ---- */

static enum status tables_read(struct copy *c, struct error *err)
{
    enum status st = copied_tables_read(c->from, c->tables, err);

    if (st == ST_OK)
        st = copied_tables_read(c->to, c->of_target, err);
    if (st == ST_OK && !copied_tables_equal(c->tables, c->of_target))
        st = error_set(err, ST_UNSUPPORTED, "the two job databases have not the same tables");
    return st;
}

static enum status write_all_of(struct copy *c, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < COPIED_TABLES && st == ST_OK; i++) {
        st = copy_check_cells(c->from, &c->tables[i], err);
        if (st == ST_OK)
            st = copy_table(c->from, &c->tables[i], c->to, &c->sums[i], err);
    }
    return st == ST_OK ? copy_files(c->from, c->folder, c->to, &c->sums[COPIED_TABLES], err) : st;
}

static enum status read_back(struct copy *c, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < COPIED_KINDS && st == ST_OK; i++) {
        const bool files = i == COPIED_TABLES;
        struct copy_sum found = { 0 };

        st = files ? copy_files_again(c->to, c->folder, &found, err)
                   : copy_table(c->to, &c->of_target[i], NULL, &found, err);
        if (st == ST_OK && !copy_sums_equal(&found, &c->sums[i]))
            st = error_set(err, ST_IO, "the copy of %s is not the same: %zu, of which there were %zu",
                           files ? "the files" : c->tables[i].name, found.n, c->sums[i].n);
    }
    return st;
}

static enum status tell(const struct copy *c, struct state_copied *ret, struct error *err)
{
    struct copy_sum all = { 0 };
    enum status st = ST_OK;

    for (size_t i = 0; i < COPIED_KINDS && st == ST_OK; i++) {
        char number[24], digest[DIGEST_TEXT_SIZE];
        const char *name = i == COPIED_TABLES ? "files" : c->tables[i].name;
        const struct value parts[] = { { .type = 't', .text = name },
                                       { .type = 't', .text = number },
                                       { .type = 't', .text = digest } };

        snprintf(number, sizeof number, "%zu", c->sums[i].n);
        copy_sum_text(&c->sums[i], digest);
        ret->kinds[i].name = name;
        ret->kinds[i].n = c->sums[i].n;
        st = copy_sum_add(&all, parts, sizeof parts / sizeof parts[0], err);
    }
    ret->file_bytes = c->sums[COPIED_TABLES].bytes;
    copy_sum_text(&all, ret->digest);
    return st;
}

/* Inside both transactions. */
static enum status copy_all(struct copy *c, struct state_copied *ret, struct error *err)
{
    enum status st = check_source(c->from, err);

    if (st == ST_OK)
        st = check_target(c->to, err);
    if (st == ST_OK)
        st = tables_read(c, err);
    if (st == ST_OK)
        st = write_all_of(c, err);
    if (st == ST_OK)
        st = read_back(c, err);
    return st == ST_OK ? tell(c, ret, err) : st;
}

static enum status between(struct copy *c, struct state_copied *ret, struct error *err)
{
    enum status st = begin_unhurried(c->from, err);

    if (st != ST_OK)
        return st;
    st = begin_unhurried(c->to, err);
    if (st == ST_OK)
        st = store_end(c->to, copy_all(c, ret, err), err);
    return end_without_change(c->from, st, err);
}

enum status store_copy(struct store *from, struct store *to, const struct copy_folder *folder,
                       struct state_copied *ret, struct error *err)
{
    struct copy *c = calloc(1, sizeof *c);
    enum status st;

    if (!c)
        return error_nomem(err);
    c->from = from;
    c->to = to;
    c->folder = folder;
    st = between(c, ret, err);
    free(c);
    return st;
}
