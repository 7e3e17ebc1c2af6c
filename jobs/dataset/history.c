/* jobs/dataset/history.c - see history.h. */
#include "history.h"

#include <stdlib.h>

static bool has_place(const struct table_row *row)
{
    return row->patient != PATIENT_NONE && row->follow_up != FOLLOW_UP_NONE;
}

/* By patient, then by time. */
static int by_time(const void *a, const void *b, void *arg)
{
    const struct table *t = arg;
    const struct table_row *p = &t->rows[*(const uint32_t *)a], *q = &t->rows[*(const uint32_t *)b];

    if (p->patient != q->patient)
        return p->patient < q->patient ? -1 : 1;
    return (p->follow_up > q->follow_up) - (p->follow_up < q->follow_up);
}

static bool same_time(const struct table_row *p, const struct table_row *q)
{
    return p->patient == q->patient && p->follow_up == q->follow_up;
}

/* What films showed, and of what that is not known. */
struct seen {
    uint64_t there, unknown;
};

static void see(struct seen *s, uint64_t there, uint64_t unknown)
{
    s->there |= there;
    s->unknown = (s->unknown | unknown) & ~s->there;
}

/* Films in the order of time; those of one time see the same history and enter it together. */
static void walk(struct table *t, const uint32_t *order, size_t n)
{
    struct seen ever = { 0 }, last = { 0 };

    for (size_t from = 0, to; from < n; from = to) {
        const struct table_row *first = &t->rows[order[from]];
        const bool earlier = from > 0 && t->rows[order[from - 1]].patient == first->patient;

        struct seen now = { 0 };

        if (!earlier)
            ever = last = now;
        for (to = from; to < n && same_time(&t->rows[order[to]], first); to++) {
            struct table_row *row = &t->rows[order[to]];

            row->history_known = true;
            row->earlier = earlier;
            row->ever = ever.there;
            row->last = last.there;
            row->ever_unknown = ever.unknown;
            row->last_unknown = last.unknown;
            see(&now, row->labels, row->unknown);
        }
        see(&ever, now.there, now.unknown);
        last = now;
    }
}

enum status table_history(struct table *t)
{
    uint32_t *order = malloc((t->n_rows + 1) * sizeof *order);
    size_t n = 0;

    if (!order)
        return ST_NOMEM;
    for (size_t i = 0; i < t->n_rows; i++)
        if (has_place(&t->rows[i]))
            order[n++] = (uint32_t)i;
    qsort_r(order, n, sizeof *order, by_time, t);
    walk(t, order, n);
    free(order);
    return ST_OK;
}
