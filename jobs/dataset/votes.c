/* jobs/dataset/votes.c - what several readers say of one picture, see join.h. With "any of them" a finding would be the more common
 * the more readers there are, and one reader's slip would be a truth; with most of them neither. */
#include "join.h"

#include <stdlib.h>

/* By reader, then by place. */
static int by_reader(const void *a, const void *b, void *arg)
{
    const struct table *t = arg;
    const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    const uint64_t x = t->rows[p].reader, y = t->rows[q].reader;

    return x == y ? (p > q) - (p < q) : x < y ? -1 : 1;
}

struct votes {
    size_t readers, normal; /* normal: readers who name no finding */
    size_t silent;          /* readers of whom no more is known than what they name */
    size_t there[MAX_LABELS], absent[MAX_LABELS];
    uint64_t uncertain; /* findings that a reader calls so */
};

/* All rows of one reader together. A list has all that its reader saw. */
static void vote(const struct table *t, const uint32_t *order, size_t n, struct votes *v)
{
    struct table_row all = { 0 };

    for (size_t i = 0; i < n; i++) {
        const struct table_row *row = &t->rows[order[i]];

        all.labels |= row->labels;
        all.absent |= row->absent;
        all.uncertain |= row->uncertain;
        all.no_finding |= row->no_finding;
        all.other_finding |= row->other_finding;
        all.silent |= row->silent;
    }
    v->readers++;
    v->silent += all.silent;
    v->uncertain |= all.uncertain;
    v->normal += all.no_finding && !all.labels && !all.other_finding;
    for (size_t k = 0; k < t->labels.n; k++) {
        const bool there = all.labels >> k & 1;

        v->there[k] += there;
        v->absent[k] += !there && (all.absent >> k & 1 || (!t->matrix && !all.silent));
    }
}

void votes_count(struct table *t, uint32_t *order, size_t n)
{
    struct table_row *first = &t->rows[order[0]];
    struct votes v = { 0 };

    qsort_r(order, n, sizeof *order, by_reader, t);
    for (size_t from = 0, to; from < n; from = to) {
        to = from + 1;
        while (to < n && t->rows[order[to]].reader == t->rows[order[from]].reader)
            to++;
        vote(t, order + from, to - from, &v);
    }
    first->labels = first->absent = first->uncertain = 0;
    for (size_t k = 0; k < t->labels.n; k++) {
        const uint64_t bit = (uint64_t)1 << k;

        if (v.there[k] > v.absent[k])
            first->labels |= bit;
        else if (v.there[k] < v.absent[k])
            first->absent |= bit;
        else if (v.there[k] > 0 || v.uncertain & bit)
            first->uncertain |= bit;
        t->misfits.ties += v.there[k] > 0 && v.there[k] == v.absent[k];
    }
    first->silent = v.silent == v.readers;
    first->no_finding = 2 * v.normal > v.readers;
    first->other_finding = !first->no_finding;
}
