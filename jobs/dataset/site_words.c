/* jobs/dataset/site_words.c - see site_words.h. */
#include "site_words.h"

#include <stdlib.h>
#include <string.h>

enum status site_spec(const struct format_spec *spec, const struct site_words *site, struct format_spec *ret,
                      struct meaning **ret_memory)
{
    const size_t n = site ? site->n : 0;
    struct meaning *all = calloc(n + spec->n_meanings + 1, sizeof *all);

    *ret = *spec;
    *ret_memory = all;
    if (!all)
        return ST_NOMEM;
    for (size_t i = 0; i < n; i++)
        all[i] = (struct meaning){ site->of[i].word, site->of[i].means };
    if (spec->n_meanings)
        memcpy(all + n, spec->meanings, spec->n_meanings * sizeof *all);
    ret->meanings = all;
    ret->n_meanings = n + spec->n_meanings;
    if (site)
        ret->open = spec->open || site->other_words || site->unlabelled;
    return ST_OK;
}

/* Findings that a list names in any row: of one that it never names nobody knows whether it would. */
static uint64_t named(const struct table *t)
{
    uint64_t found = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        found |= t->rows[i].labels | t->rows[i].uncertain;
    return found;
}

void site_settle(const struct site_words *site, uint64_t columns, struct table *t)
{
    const uint64_t all = t->labels.n < 64 ? ((uint64_t)1 << t->labels.n) - 1 : UINT64_MAX;

    t->has = all;
    if (!site)
        return;
    t->unlabelled = site->unlabelled;
    t->has = (t->matrix ? columns : named(t)) & (site->chosen ? site->asked : all);
    for (size_t i = 0; i < t->n_rows; i++) {
        struct table_row *row = &t->rows[i];

        row->labels &= t->has;
        row->absent &= t->has;
        row->uncertain &= t->has;
        row->unknown |= all & ~t->has;
    }
}
