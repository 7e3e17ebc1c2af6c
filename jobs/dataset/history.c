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

/* The findings that films showed, and those of which that is not known. */
struct seen {
    uint64_t there, unknown;
};

static void see(struct seen *s, uint64_t there, uint64_t unknown)
{
    s->there |= there;
    s->unknown = (s->unknown | unknown) & ~s->there;
}

/* A patient's films, up to a time. */
struct past {
    struct seen ever, last;
    struct course_of_finding of[MAX_LABELS];
    uint16_t films;
};

_Static_assert(INPUT_MOST_FILMS <= UINT8_MAX, "struct course_of_finding can count so far");

static void past_add(struct past *past, const struct seen *now)
{
    for (size_t k = 0; k < MAX_LABELS; k++) {
        struct course_of_finding *of = &past->of[k];

        if (of->since < INPUT_MOST_FILMS)
            of->since++;
        if (!(now->there >> k & 1))
            continue;
        of->since = 0;
        if (of->films < INPUT_MOST_FILMS)
            of->films++;
    }
    if (past->films < INPUT_MOST_FILMS)
        past->films++;
    see(&past->ever, now->there, now->unknown);
    past->last = *now;
}

/* Put what is said of the findings that were ever seen at the end of the table's courses. */
static enum status course_put(struct table *t, size_t *capacity, const struct past *past)
{
    if (t->n_course + MAX_LABELS > *capacity) {
        const size_t more = 2 * *capacity + MAX_LABELS;
        struct course_of_finding *course = realloc(t->course, more * sizeof *course);

        if (!course)
            return ST_NOMEM;
        t->course = course;
        *capacity = more;
    }
    for (size_t k = 0; k < MAX_LABELS; k++)
        if (past->ever.there >> k & 1)
            t->course[t->n_course++] = past->of[k];
    return ST_OK;
}

static void row_tell(struct table_row *row, const struct past *past, size_t course)
{
    row->history_known = true;
    row->earlier = past->films > 0;
    row->films = past->films;
    row->ever = past->ever.there;
    row->last = past->last.there;
    row->ever_unknown = past->ever.unknown;
    row->last_unknown = past->last.unknown;
    row->course = course;
}

/* Films in the order of time; those of one time see the same history and enter it together. */
static enum status walk(struct table *t, const uint32_t *order, size_t n)
{
    struct past past = { .films = 0 };
    size_t capacity = 0;

    for (size_t from = 0, to; from < n; from = to) {
        const struct table_row *first = &t->rows[order[from]];
        const size_t course = t->n_course;
        struct seen now = { 0 };

        if (from > 0 && t->rows[order[from - 1]].patient != first->patient)
            past = (struct past){ .films = 0 };
        if (course_put(t, &capacity, &past) != ST_OK)
            return ST_NOMEM;
        for (to = from; to < n && same_time(&t->rows[order[to]], first); to++) {
            row_tell(&t->rows[order[to]], &past, course);
            see(&now, t->rows[order[to]].labels, t->rows[order[to]].unknown);
        }
        past_add(&past, &now);
    }
    return ST_OK;
}

enum status table_history(struct table *t)
{
    uint32_t *order = malloc((t->n_rows + 1) * sizeof *order);
    enum status st;
    size_t n = 0;

    if (!order)
        return ST_NOMEM;
    for (size_t i = 0; i < t->n_rows; i++)
        if (has_place(&t->rows[i]))
            order[n++] = (uint32_t)i;
    qsort_r(order, n, sizeof *order, by_time, t);
    st = walk(t, order, n);
    free(order);
    return st;
}
