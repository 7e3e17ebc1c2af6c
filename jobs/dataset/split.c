/* jobs/dataset/split.c - share rows out among training, validation and test, see cxrd/dataset.h.
 *
 * Every way of splitting marks positions: part[i] says where rows->index[i] goes. Test is drawn first, from all;
 * validation then from what is left; the rest trains. All draws come from one generator, in table order, so a split
 * depends on the rows and the seed alone. */
#include "cxrd/dataset.h"

#include "cxrd/rng.h"
#include "lists.h"
#include "row_groups.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const SPLIT_NAMES[N_SPLITS] = { "train", "validation", "test" };

enum { LEFT_OUT = N_SPLITS, FORGOTTEN, RNG_STREAM = 0x73706c74 /* "splt" */ };

struct marking {
    const struct table *t;
    const struct rows *rows;
    uint8_t *part; /* [rows->n] */
    struct row_groups groups;
    size_t equal_left_out, on_both_lists;
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

static const struct table_row *row_at(const struct marking *m, size_t position)
{
    return &m->t->rows[m->rows->index[position]];
}

static uint64_t stratum_of(const struct marking *m, size_t position)
{
    uint32_t key = 0;

    memcpy(&key, row_at(m, position)->stratum, 3);
    return key;
}

static uint64_t patient_of(const struct marking *m, size_t position) { return row_at(m, position)->patient; }
static uint64_t group_of(const struct marking *m, size_t position) { return m->groups.group[position]; }

/* Group the positions whose part is `from`; FORGOTTEN + 1 stands for all of them. */
static enum status groups_make(const struct marking *m, int from,
                               uint64_t (*key)(const struct marking *m, size_t position), struct groups *ret)
{
    struct groups g = { malloc((m->rows->n + 1) * sizeof *g.members),
                        malloc((m->rows->n + 1) * sizeof *g.group), 0, 0 };

    if (!g.members || !g.group) {
        groups_release(&g);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < m->rows->n; i++)
        if (m->part[i] == from || from > FORGOTTEN)
            g.members[g.n_members++] = (struct member){ key(m, i), (uint32_t)i };
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
 * largest remainders, ties at random. (scikit-learn's rounding: it shares out the rows that stay.) */
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
    enum status st = groups_make(m, TRAIN, group_of, &g);

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

/* Of a path: CheXpert's pictures are "patient00001/study1/view1_frontal". */
static size_t parts_of(const char *image)
{
    size_t n = 1;

    for (; *image; image++)
        n += *image == '/';
    return n;
}

static enum status mark_listed(struct marking *m, const struct split_options *o)
{
    struct name_list test = { 0 }, train_val = { 0 }, validation = { 0 };
    const size_t parts = m->rows->n ? parts_of(table_image(m->t, m->rows->index[0])) : 1;
    enum status st = list_read(o->test_list, o->test_list_size, "test_list.txt", parts, &test, m->err);

    if (st == ST_OK)
        st = list_read(o->train_val_list, o->train_val_list_size, "train_val_list.txt", parts, &train_val,
                       m->err);
    if (st == ST_OK && o->validation_list)
        st = list_read(o->validation_list, o->validation_list_size, "validation_list.txt", parts, &validation,
                       m->err);
    for (size_t i = 0; i < m->rows->n && st == ST_OK; i++) {
        const char *image = table_image(m->t, m->rows->index[i]);
        const bool validated = list_has(&validation, image), learned = list_has(&train_val, image);

        m->part[i] = list_has(&test, image) ? TEST : validated ? VALIDATION : learned ? TRAIN : LEFT_OUT;
        m->on_both_lists += m->part[i] == TEST && (validated || learned);
    }
    if (st == ST_OK && train_val.n > 0 && count_part(m, TRAIN) == 0)
        st = error_set(
            m->err, ST_UNUSABLE,
            "the split leaves no row for training: none of the %zu names of 'train_val_list.txt' is "
            "that of a usable row; the list begins '%.*s', the rows '%.80s'",
            train_val.n, (int)(train_val.first.n < 80 ? train_val.first.n : 80), train_val.first.text,
            m->rows->n ? table_image(m->t, m->rows->index[0]) : "");
    free(test.names);
    free(train_val.names);
    free(validation.names);
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
    const enum status st = groups_make(m, FORGOTTEN + 1, patient_of, &g);

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

/* Equal pictures that a draw by image has parted. */
static void keep_equals_together(struct marking *m)
{
    for (size_t i = 0; i < m->rows->n; i++)
        m->part[i] = m->part[m->groups.same_picture[i]];
}

/* Rows of one list whose pictures are equal to those of another, which tests or validates: the last of TRAIN, VALIDATION and TEST
 * keeps its own. */
static enum status leave_out_tested(struct marking *m)
{
    uint8_t *last = calloc(m->rows->n + 1, sizeof *last);

    if (!last)
        return ST_NOMEM;
    for (size_t i = 0; i < m->rows->n; i++)
        if (m->part[i] != LEFT_OUT && m->part[i] > last[m->groups.same_picture[i]])
            last[m->groups.same_picture[i]] = m->part[i];
    for (size_t i = 0; i < m->rows->n; i++)
        if (m->part[i] < last[m->groups.same_picture[i]]) {
            m->part[i] = LEFT_OUT;
            m->equal_left_out++;
        }
    free(last);
    return ST_OK;
}

/* Rows that are left out after all have been shared out, so that nobody else goes where they would not have gone. */
static enum status forget(struct marking *m, const bool *left_out, struct dataset_report *report)
{
    struct groups g;
    enum status st;

    for (size_t i = 0; i < m->rows->n; i++)
        if (left_out[m->rows->index[i]] && m->part[i] != LEFT_OUT)
            m->part[i] = FORGOTTEN;
    report->forgotten_rows = count_part(m, FORGOTTEN);
    st = groups_make(m, FORGOTTEN, patient_of, &g);
    if (st != ST_OK)
        return st;
    report->forgotten_patients = g.n;
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
    if (st == ST_OK && o->by == SPLIT_LIST)
        st = leave_out_tested(m);
    if (st == ST_OK && !(o->by == SPLIT_LIST && o->validation_list))
        st = mark(m, fraction_of(o->val_fraction, count_part(m, TRAIN)), VALIDATION);
    if (st == ST_OK && o->by == SPLIT_IMAGE)
        keep_equals_together(m);
    return st;
}

static enum status report_split(const struct marking *m, const struct split *s, struct dataset_report *report)
{
    const enum status st = count_torn_patients(m, &report->patients_in_both);

    if (st != ST_OK)
        return st;
    report->equal_pictures = m->groups.equal_pictures;
    report->equal_patients = m->groups.equal_patients;
    report->equal_left_out = m->equal_left_out;
    report->not_listed = count_part(m, LEFT_OUT) - m->equal_left_out;
    report->on_both_lists = m->on_both_lists;
    report->usable = s->part[TRAIN].n + s->part[VALIDATION].n + s->part[TEST].n;
    report->train = s->part[TRAIN].n;
    report->validation = s->part[VALIDATION].n;
    report->test = s->part[TEST].n;
    split_census(m->t, s, report);
    return ST_OK;
}

/* Why a part has no row: where everything hangs together it cannot be parted. */
static enum status refuse_empty(const struct marking *m, const char *part, struct error *err)
{
    const char *why = "";
    bool one = m->rows->n > 1;

    for (size_t i = 1; i < m->rows->n; i++)
        one &= m->groups.group[i] == m->groups.group[0];
    if (one && row_at(m, 0)->patient == PATIENT_NONE && row_at(m, m->rows->n - 1)->patient == PATIENT_NONE)
        why = ", and none has a Patient ID, so that all count as one patient's";
    else if (one)
        why = ", and all are of one patient, or of patients with equal pictures";
    return error_set(err, ST_UNUSABLE, "the split leaves no row for %s: %zu usable rows%s", part, m->rows->n,
                     why);
}

enum status split_make(const struct table *t, const struct rows *rows, const struct split_options *options,
                       struct split *ret_split, struct dataset_report *report, struct error *err)
{
    struct marking m = { .t = t, .rows = rows, .part = calloc(rows->n + 1, 1), .err = err };
    struct split s = SPLIT_INIT;
    enum status st = m.part ? ST_OK : ST_NOMEM;

    rng_seed(&m.rng, options->seed, RNG_STREAM);
    if (st == ST_OK)
        st = row_groups_find(t, rows, options->pixels, &m.groups);
    if (st == ST_OK)
        st = mark_all(&m, options);
    if (st == ST_OK)
        st = split_digest(&m, report->split_sha256);
    if (st == ST_OK && options->left_out)
        st = forget(&m, options->left_out, report);
    for (int part = 0; part < N_SPLITS && st == ST_OK; part++)
        st = part_collect(&m, part, &s.part[part]);
    if (st == ST_OK)
        st = report_split(&m, &s, report);
    if (st == ST_NOMEM) {
        st = error_nomem(err);
    } else if (st == ST_OK && s.part[TRAIN].n == 0) {
        st = refuse_empty(&m, "training", err);
    } else if (st == ST_OK && s.part[VALIDATION].n == 0 && options->val_fraction > 0) {
        st = refuse_empty(&m, "validation", err);
    } else if (st == ST_OK) {
        *ret_split = s;
        s = (struct split)SPLIT_INIT;
    }
    split_release(&s);
    row_groups_release(&m.groups);
    free(m.part);
    return st;
}

void split_release(struct split *s)
{
    for (int part = 0; part < N_SPLITS; part++)
        rows_release(&s->part[part]);
}
