/* jobs/training/grouping.c - see grouping.h. */
#include "grouping.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const GROUPING_NAMES[N_GROUPINGS] = { "sex", "age", "view", "scanner" };

enum { AGE_BAND = 20, OLDEST_BAND = 4 }; /* years; the band of all who are older */

static const char OTHER[] = "other", UNKNOWN[] = "unknown";

static void part_add(struct partition *p, const char *name)
{
    snprintf(p->parts[p->n].name, GROUP_NAME, "%s", name);
    p->parts[p->n++].known = name != OTHER && name != UNKNOWN;
}

/* ---- what a row belongs to ---- */

static size_t sex_of(const struct table_row *row) { return row->sex == 'F' ? 0 : row->sex == 'M' ? 1 : 2; }

static size_t age_of(const struct table_row *row)
{
    if (!(row->age >= 0 && row->age <= INPUT_OLDEST)) /* NaN too */
        return OLDEST_BAND + 1;
    return row->age < AGE_BAND * OLDEST_BAND ? (size_t)row->age / AGE_BAND : OLDEST_BAND;
}

static size_t view_of(const struct table_row *row)
{
    return row->view == 'P' ? 0 : row->view == 'A' ? 1 : row->other_view ? 2 : 3;
}

static const struct {
    const char *parts[MOST_GROUPS];
    size_t (*of)(const struct table_row *row);
} FIXED[] = { [BY_SEX] = { { "F", "M", UNKNOWN }, sex_of },
              [BY_AGE] = { { "0-19", "20-39", "40-59", "60-79", "80+", UNKNOWN }, age_of },
              [BY_VIEW] = { { "PA", "AP", OTHER, UNKNOWN }, view_of } };

static void share_by_row(enum grouping by, const struct table *t, const uint32_t *rows, size_t n,
                         struct partition *p)
{
    for (size_t i = 0; i < MOST_GROUPS && FIXED[by].parts[i]; i++)
        part_add(p, FIXED[by].parts[i]);
    for (size_t i = 0; i < n; i++)
        p->of[i] = (uint8_t)FIXED[by].of(&t->rows[rows[i]]);
}

/* ---- scanners, whose names are the table's ---- */

struct scanner {
    const char *name; /* the table's */
    size_t rows;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct scanner *)a)->name, ((const struct scanner *)b)->name);
}

/* The most rows first; of as many, the first by name. */
static int by_rows(const void *a, const void *b)
{
    const struct scanner *p = a, *q = b;

    return p->rows == q->rows ? by_name(a, b) : (p->rows < q->rows) - (p->rows > q->rows);
}

/* Those of the rows, each once, the commonest first; returns how many there are. */
static size_t scanners_count(const struct table *t, const uint32_t *rows, size_t n, struct scanner *each)
{
    size_t named = 0, distinct = 0;

    for (size_t i = 0; i < n; i++)
        if (table_scanner(t, rows[i]))
            each[named++] = (struct scanner){ table_scanner(t, rows[i]), 1 };
    qsort(each, named, sizeof *each, by_name);
    for (size_t i = 0; i < named; i++)
        if (distinct > 0 && by_name(&each[i], &each[distinct - 1]) == 0)
            each[distinct - 1].rows++;
        else
            each[distinct++] = each[i];
    qsort(each, distinct, sizeof *each, by_rows);
    return distinct;
}

static enum status share_by_scanner(const struct table *t, const uint32_t *rows, size_t n,
                                    struct partition *p)
{
    struct scanner *each = malloc((n + 1) * sizeof *each);
    size_t shown;

    if (!each)
        return ST_NOMEM;
    shown = scanners_count(t, rows, n, each);
    shown = shown < MOST_SCANNERS ? shown : MOST_SCANNERS;
    for (size_t i = 0; i < shown; i++)
        part_add(p, each[i].name);
    part_add(p, OTHER);
    part_add(p, UNKNOWN);
    for (size_t i = 0; i < n; i++) {
        const char *name = table_scanner(t, rows[i]);
        size_t part = 0;

        while (name && part < shown && strcmp(each[part].name, name) != 0)
            part++;
        p->of[i] = (uint8_t)(name ? part : shown + 1);
    }
    free(each);
    return ST_OK;
}

/* ---- either ---- */

enum status partition_make(enum grouping by, const struct table *t, const uint32_t *rows, size_t n,
                           struct partition *ret)
{
    struct partition p = { .of = malloc(n + 1) };
    enum status st = p.of ? ST_OK : ST_NOMEM;

    if (st == ST_OK && by == BY_SCANNER)
        st = share_by_scanner(t, rows, n, &p);
    else if (st == ST_OK)
        share_by_row(by, t, rows, n, &p);
    if (st != ST_OK) {
        partition_release(&p);
        return st;
    }
    for (size_t i = 0; i < n; i++)
        p.parts[p.of[i]].rows++;
    if (p.parts[p.n - 1].rows == n) /* unknown */
        p.n = 0;
    *ret = p;
    return ST_OK;
}

void partition_release(struct partition *p)
{
    free(p->of);
    *p = (struct partition){ 0 };
}
