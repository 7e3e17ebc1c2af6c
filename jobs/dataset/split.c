/* jobs/dataset/split.c - share rows out among training, validation and test, see cxrd/dataset.h.
 *
 * Every way of splitting marks positions: part[i] says where rows->index[i] goes. Test is drawn first, from all;
 * validation then from what is left; the rest trains. All draws come from one generator, in table order, so a split
 * depends on the rows and the seed alone. */
#include "cxrd/dataset.h"

#include "cxrd/rng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const SPLIT_NAMES[N_SPLITS] = { "train", "validation", "test" };

enum { LEFT_OUT = N_SPLITS, RNG_STREAM = 0x73706c74 /* "splt" */ };

struct marking {
    const struct table *t;
    const struct rows *rows;
    uint8_t *part; /* [rows->n] */
    struct rng rng;
    struct error *err;
};

/* A position among the rows, sorted by what its row belongs to: a stratum or a patient. */
struct member {
    uint64_t group;
    uint32_t position;
};

/* A run of members with the same group. */
struct group {
    size_t begin, n;
    uint32_t first; /* its earliest position: groups are ordered by it, not by their keys */
    size_t share;   /* how many of it are taken */
};

struct groups {
    struct member *members; /* owned */
    struct group *group;    /* owned */
    size_t n_members, n;
};

static void groups_release(struct groups *g)
{
    free(g->members);
    free(g->group);
}

static int by_group(const void *a, const void *b)
{
    const struct member *p = a, *q = b;

    if (p->group != q->group)
        return p->group < q->group ? -1 : 1;
    return (p->position > q->position) - (p->position < q->position);
}

static int by_first(const void *a, const void *b)
{
    const struct group *p = a, *q = b;

    return (p->first > q->first) - (p->first < q->first);
}

static uint64_t stratum_of(const struct table_row *row)
{
    uint32_t key = 0;

    memcpy(&key, row->stratum, 3);
    return key;
}

static uint64_t patient_of(const struct table_row *row) { return row->patient; }

/* Group the positions whose part is `from`; LEFT_OUT + 1 stands for all of them. */
static enum status groups_make(const struct marking *m, int from, uint64_t (*key)(const struct table_row *),
                               struct groups *ret)
{
    struct groups g = { malloc((m->rows->n + 1) * sizeof *g.members),
                        malloc((m->rows->n + 1) * sizeof *g.group), 0, 0 };

    if (!g.members || !g.group) {
        groups_release(&g);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < m->rows->n; i++)
        if (m->part[i] == from || from > LEFT_OUT)
            g.members[g.n_members++] = (struct member){ key(&m->t->rows[m->rows->index[i]]), (uint32_t)i };
    qsort(g.members, g.n_members, sizeof *g.members, by_group);
    for (size_t i = 0; i < g.n_members; i++) {
        if (i == 0 || g.members[i].group != g.members[i - 1].group)
            g.group[g.n++] = (struct group){ .begin = i, .first = g.members[i].position };
        g.group[g.n - 1].n++;
    }
    qsort(g.group, g.n, sizeof *g.group, by_first);
    *ret = g;
    return ST_OK;
}

struct remainder {
    size_t value;
    uint32_t lot, group; /* `lot` decides among equals */
};

static int by_remainder(const void *a, const void *b)
{
    const struct remainder *p = a, *q = b;

    if (p->value != q->value)
        return p->value < q->value ? 1 : -1;
    return (p->lot > q->lot) - (p->lot < q->lot);
}

/* Share `n_taken` among the groups in proportion to their sizes: everyone's whole part first, then one more to the
 * largest remainders, ties by lot. (scikit-learn's rounding: it shares out the rows that stay.) */
static enum status share_out(struct marking *m, struct groups *g, size_t n_taken)
{
    const size_t total = g->n_members;
    uint32_t *lots = malloc((g->n + 1) * sizeof *lots);
    struct remainder *remainders = malloc((g->n + 1) * sizeof *remainders);
    size_t left = n_taken;

    if (!lots || !remainders) {
        free(lots);
        free(remainders);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < g->n; i++)
        lots[i] = (uint32_t)i;
    rng_shuffle(&m->rng, lots, g->n);
    for (size_t i = 0; i < g->n; i++) {
        g->group[i].share = g->group[i].n * n_taken / total;
        left -= g->group[i].share;
        remainders[i] = (struct remainder){ g->group[i].n * n_taken % total, lots[i], (uint32_t)i };
    }
    if (g->n)
        qsort(remainders, g->n, sizeof *remainders, by_remainder);
    assert(left <= g->n); /* fewer than one a group: each has kept less than a whole row back */
    for (size_t i = 0; i < left; i++)
        g->group[remainders[i].group].share++;
    free(lots);
    free(remainders);
    return ST_OK;
}

/* Mark n_marked rows of those that are TRAIN so far, stratified. */
static enum status mark_stratified(struct marking *m, size_t n_marked, uint8_t mark)
{
    struct groups g;
    uint32_t *positions = NULL;
    enum status st = groups_make(m, TRAIN, stratum_of, &g);

    if (st != ST_OK)
        return st;
    positions = malloc((g.n_members + 1) * sizeof *positions);
    st = positions ? share_out(m, &g, g.n_members - n_marked) : ST_NOMEM;
    for (size_t i = 0; i < g.n && st == ST_OK; i++) {
        const struct group *group = &g.group[i];

        for (size_t k = 0; k < group->n; k++)
            positions[k] = g.members[group->begin + k].position;
        rng_shuffle(&m->rng, positions, group->n);
        for (size_t k = group->share; k < group->n; k++)
            m->part[positions[k]] = mark;
    }
    free(positions);
    groups_release(&g);
    return st;
}

static size_t mark_group(struct marking *m, const struct groups *g, const struct group *group, uint8_t mark)
{
    for (size_t k = 0; k < group->n; k++)
        m->part[g->members[group->begin + k].position] = mark;
    return group->n;
}

/* Mark whole patients of those that are TRAIN so far, up to n_marked rows; where none is small enough, the smallest,
 * unless it is the only one. */
static enum status mark_patients(struct marking *m, size_t n_marked, uint8_t mark)
{
    struct groups g;
    uint32_t *order = NULL;
    size_t marked = 0, smallest = 0;
    enum status st = groups_make(m, TRAIN, patient_of, &g);

    if (st != ST_OK)
        return st;
    order = malloc((g.n + 1) * sizeof *order);
    if (!order) {
        groups_release(&g);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < g.n; i++) {
        order[i] = (uint32_t)i;
        if (g.group[i].n < g.group[smallest].n)
            smallest = i;
    }
    rng_shuffle(&m->rng, order, g.n);
    for (size_t i = 0; i < g.n; i++)
        if (marked + g.group[order[i]].n <= n_marked)
            marked += mark_group(m, &g, &g.group[order[i]], mark);
    if (marked == 0 && n_marked > 0 && g.n > 1)
        mark_group(m, &g, &g.group[smallest], mark);
    free(order);
    groups_release(&g);
    return ST_OK;
}

static size_t count_part(const struct marking *m, int part)
{
    size_t n = 0;

    for (size_t i = 0; i < m->rows->n; i++)
        n += m->part[i] == part;
    return n;
}

static size_t fraction_of(double fraction, size_t n) { return (size_t)ceil(fraction * (double)n); }

/* ---- by list ---- */

struct name {
    const char *text;
    size_t n;
};

struct name_list {
    struct name *names; /* owned; sorted */
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    const struct name *p = a, *q = b;
    const int order = memcmp(p->text, q->text, p->n < q->n ? p->n : q->n);

    return order ? order : (p->n > q->n) - (p->n < q->n);
}

static size_t count_lines(const char *bytes, size_t size)
{
    size_t lines = size > 0 && bytes[size - 1] != '\n';

    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* `name` is for the sentence of an error. */
static enum status list_read(const char *bytes, size_t size, const char *name, struct name_list *ret,
                             struct error *err)
{
    const size_t lines = count_lines(bytes, size);
    struct name_list list = { 0 };

    if (lines > TABLE_MAX_ROWS)
        return error_set(err, ST_LIMIT, "the list '%s' has %zu lines, the limit is %d", name, lines,
                         TABLE_MAX_ROWS);
    list.names = malloc((lines + 1) * sizeof *list.names);
    if (!list.names)
        return ST_NOMEM;
    for (size_t at = 0; at < size;) { /* without a list `bytes` is NULL, which must not be added to */
        const char *line = bytes + at, *newline = memchr(line, '\n', size - at);
        const char *stop = newline ? newline : bytes + size;

        at = newline ? (size_t)(newline - bytes) + 1 : size;
        while (stop > line && (stop[-1] == '\r' || stop[-1] == ' '))
            stop--;
        if (stop > line)
            list.names[list.n++] = (struct name){ line, (size_t)(stop - line) };
    }
    qsort(list.names, list.n, sizeof *list.names, by_text);
    *ret = list;
    return ST_OK;
}

static bool list_has(const struct name_list *list, const char *image)
{
    const struct name key = { image, strlen(image) };

    return bsearch(&key, list->names, list->n, sizeof key, by_text) != NULL;
}

static enum status mark_listed(struct marking *m, const struct split_options *o)
{
    struct name_list test = { 0 }, train_val = { 0 };
    enum status st = list_read(o->test_list, o->test_list_size, "test_list.txt", &test, m->err);

    if (st == ST_OK)
        st = list_read(o->train_val_list, o->train_val_list_size, "train_val_list.txt", &train_val, m->err);
    for (size_t i = 0; i < m->rows->n && st == ST_OK; i++) {
        const char *image = table_image(m->t, m->rows->index[i]);

        if (list_has(&test, image))
            m->part[i] = TEST;
        else if (!list_has(&train_val, image))
            m->part[i] = LEFT_OUT;
    }
    free(test.names);
    free(train_val.names);
    return st;
}

/* ---- the result ---- */

static enum status part_collect(const struct marking *m, int part, struct rows *ret)
{
    struct rows r = { 0, malloc((m->rows->n + 1) * sizeof *r.index) };

    if (!r.index)
        return ST_NOMEM;
    for (size_t i = 0; i < m->rows->n; i++)
        if (m->part[i] == part)
            r.index[r.n++] = m->rows->index[i];
    *ret = r;
    return ST_OK;
}

static enum status split_digest(const struct marking *m, char text[DIGEST_TEXT_SIZE])
{
    struct digest *d = NULL;

    if (digest_new(&d) != ST_OK)
        return ST_NOMEM;
    for (size_t i = 0; i < m->rows->n; i++) {
        const char *image = table_image(m->t, m->rows->index[i]);

        if (m->part[i] == LEFT_OUT)
            continue;
        digest_add(d, image, strlen(image));
        digest_add(d, ",", 1);
        digest_add(d, SPLIT_NAMES[m->part[i]], strlen(SPLIT_NAMES[m->part[i]]));
        digest_add(d, "\n", 1);
    }
    digest_finish(d, text);
    return ST_OK;
}

static enum status count_torn_patients(const struct marking *m, size_t *ret_patients)
{
    struct groups g;
    const enum status st = groups_make(m, LEFT_OUT + 1, patient_of, &g);

    if (st != ST_OK)
        return st;
    *ret_patients = 0;
    for (size_t i = 0; i < g.n; i++) {
        unsigned parts = 0;

        for (size_t k = 0; k < g.group[i].n; k++)
            parts |= 1u << m->part[g.members[g.group[i].begin + k].position];
        parts &= (1u << N_SPLITS) - 1;
        *ret_patients += (parts & (parts - 1)) != 0; /* more than one bit */
    }
    groups_release(&g);
    return ST_OK;
}

static enum status mark_all(struct marking *m, const struct split_options *o)
{
    enum status (*mark)(struct marking *, size_t, uint8_t) =
        o->by == SPLIT_IMAGE ? mark_stratified : mark_patients;
    enum status st;

    if (o->by == SPLIT_LIST)
        st = mark_listed(m, o);
    else
        st = mark(m, fraction_of(o->test_fraction, m->rows->n), TEST);
    if (st == ST_OK)
        st = mark(m, fraction_of(o->val_fraction, count_part(m, TRAIN)), VALIDATION);
    return st;
}

static enum status report_split(const struct marking *m, const struct split *s, struct dataset_report *report)
{
    const enum status st = count_torn_patients(m, &report->patients_in_both);

    if (st != ST_OK)
        return st;
    report->not_listed = count_part(m, LEFT_OUT);
    report->usable = m->rows->n - report->not_listed;
    report->train = s->part[TRAIN].n;
    report->validation = s->part[VALIDATION].n;
    report->test = s->part[TEST].n;
    split_census(m->t, s, report);
    return split_digest(m, report->split_sha256);
}

enum status split_make(const struct table *t, const struct rows *rows, const struct split_options *options,
                       struct split *ret_split, struct dataset_report *report, struct error *err)
{
    struct marking m = { .t = t, .rows = rows, .part = calloc(rows->n + 1, 1), .err = err };
    struct split s = SPLIT_INIT;
    enum status st = m.part ? ST_OK : ST_NOMEM;

    rng_seed(&m.rng, options->seed, RNG_STREAM);
    if (st == ST_OK)
        st = mark_all(&m, options);
    for (int part = 0; part < N_SPLITS && st == ST_OK; part++)
        st = part_collect(&m, part, &s.part[part]);
    if (st == ST_OK)
        st = report_split(&m, &s, report);
    if (st == ST_NOMEM) {
        st = error_nomem(err);
    } else if (st == ST_OK && s.part[TRAIN].n == 0) {
        st = error_set(err, ST_UNUSABLE, "the split leaves no row for training: %zu usable rows", rows->n);
    } else if (st == ST_OK && s.part[VALIDATION].n == 0 && options->val_fraction > 0) {
        st = error_set(err, ST_UNUSABLE, "the split leaves no row for validation: %zu usable rows", rows->n);
    } else if (st == ST_OK) {
        *ret_split = s;
        s = (struct split)SPLIT_INIT;
    }
    split_release(&s);
    free(m.part);
    return st;
}

void split_release(struct split *s)
{
    for (int part = 0; part < N_SPLITS; part++)
        rows_release(&s->part[part]);
}
