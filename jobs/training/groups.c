/* jobs/training/groups.c - see groups.h.
 *
 * A group is held against all other groups of its kind of which anything is known, not against each of them: that asks
 * fewer questions, so each answer needs less correction, and of two groups it is the difference between them. Rows of one
 * patient may be on both sides (an age is that of the day, a view that of the film): what a patient adds to both is
 * added before anything is squared, see figure.h. */
#include "groups.h"

#include "grouping.h"
#include "holm.h"
#include "recalibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const GROUP_MEASURES[N_GROUP_MEASURES] = { "auroc", "sensitivity", "specificity" };

static const struct estimate NOT_KNOWN = { NAN, NAN, NAN, NAN };

/* One finding of all rows, as figure.h takes it, and the rows' places in one grouping. */
struct looking {
    const struct scores *s;
    const struct operating_points *points;
    struct patients patients;
    struct partition partition;
    uint8_t *side; /* [rows]: truth, or 2 for rows that take no part, owned */
    float *score;  /* [rows], owned */
    double *hit;   /* [rows], owned */
};

/* Rows of a finding on one side, and whose they are. */
struct counts {
    size_t rows[2], patients[2]; /* without it, with it */
};

/* ---- one side ---- */

/* Whether a part is of the side: the part itself, or all other known parts. */
static bool on_side(const struct looking *l, size_t part, size_t wanted, bool elsewhere)
{
    return elsewhere ? part != wanted && l->partition.parts[part].known : part == wanted;
}

static void side_take(struct looking *l, size_t finding, size_t part, bool elsewhere)
{
    for (size_t i = 0; i < l->s->n; i++)
        l->side[i] =
            on_side(l, l->partition.of[i], part, elsewhere) ? l->s->truth[i * l->s->labels->n + finding] : 2;
}

static enum status side_count(const struct looking *l, struct counts *ret)
{
    enum status st = ST_OK;

    *ret = (struct counts){ 0 };
    for (size_t i = 0; i < l->s->n; i++)
        if (l->side[i] < 2)
            ret->rows[l->side[i]]++;
    for (uint8_t kind = 0; kind < 2 && st == ST_OK; kind++)
        st = patients_with(&l->patients, l->side, 1, kind, &ret->patients[kind]);
    return st;
}

/* Patients that a figure rests on: those of its rows, or, where it needs two kinds of rows, those of the rarer kind. */
static size_t resting_on(enum group_measure measure, const struct counts *c)
{
    if (measure == GROUP_AUROC)
        return c->patients[0] < c->patients[1] ? c->patients[0] : c->patients[1];
    return c->patients[measure == GROUP_SENSITIVITY];
}

static void scores_take(struct looking *l, size_t finding)
{
    for (size_t i = 0; i < l->s->n; i++)
        l->score[i] = l->s->prob[i * l->s->labels->n + finding];
}

/* 1 for the rows that are told rightly: among those with the finding for a sensitivity, without it for a specificity. */
static void hits_take(struct looking *l, size_t finding, enum group_measure measure)
{
    const float threshold = l->points->threshold[OPERATE_YOUDEN][finding];

    for (size_t i = 0; i < l->s->n; i++)
        l->hit[i] = (l->score[i] >= threshold) == (measure == GROUP_SENSITIVITY);
}

static bool asked_for(const struct looking *l, size_t finding, enum group_measure measure,
                      const struct counts *c)
{
    return c->rows[0] >= KIND_LEAST && c->rows[1] >= KIND_LEAST &&
           (measure == GROUP_AUROC || !isnan(l->points->threshold[OPERATE_YOUDEN][finding]));
}

static enum status measure_side(struct looking *l, size_t finding, enum group_measure measure,
                                struct estimate *ret)
{
    if (measure == GROUP_AUROC)
        return auroc_estimate(&l->patients, l->side, l->score, 1, ret);
    hits_take(l, finding, measure);
    return rate_estimate(&l->patients, l->hit, l->side, 1, measure == GROUP_SENSITIVITY, ret);
}

static enum status finding_evaluate(struct looking *l, size_t part, size_t finding, struct group_finding *f)
{
    struct counts c;
    enum status st;

    side_take(l, finding, part, false);
    st = side_count(l, &c);
    f->positives = c.rows[1];
    f->positive_patients = c.patients[1];
    for (enum group_measure m = 0; m < N_GROUP_MEASURES && st == ST_OK; m++) {
        f->of[m] = NOT_KNOWN;
        if (asked_for(l, finding, m, &c))
            st = measure_side(l, finding, m, &f->of[m]);
    }
    f->slope = f->intercept = NOT_KNOWN;
    if (st == ST_OK && asked_for(l, finding, GROUP_AUROC, &c))
        st = recalibrate(&l->patients, l->side, l->score, &f->slope, &f->intercept);
    return st;
}

/* ---- differences ---- */

/* A figure without a fault has no spread, and yet it is not certain: then it has that of one success more and one failure
 * more in as many trials as there are patients of the rarer kind (Agresti & Caffo, American Statistician 2000). */
static double doubt(double value, double patients)
{
    const double rate = 1 / (patients + 2);

    return value > 0 && value < 1 ? 0 : rate * (1 - rate) / patients;
}

static enum status side_add(struct looking *l, struct figure *f, double weight, size_t finding,
                            enum group_measure measure, const struct counts *c, double *ret_value)
{
    const double before = f->value;
    enum status st;

    if (measure == GROUP_AUROC) {
        st = figure_add_auroc(f, weight, l->side, l->score, 1);
    } else {
        hits_take(l, finding, measure);
        st = figure_add_mean(f, weight, l->hit, l->side, 1, measure == GROUP_SENSITIVITY);
    }
    *ret_value = (f->value - before) / weight;
    f->unseen += doubt(*ret_value, (double)resting_on(measure, c));
    return st;
}

/* A difference with the degrees of freedom of its error. */
struct asked {
    struct group_difference d;
    double freedom;
};

/* With p as it is before the correction; NaN where the difference is not defined. */
static enum status difference_make(struct looking *l, size_t part, struct asked *a)
{
    struct group_difference *d = &a->d;
    struct figure f;
    enum status st = figure_init(&f, &l->patients);
    struct counts c;
    size_t fewest = SIZE_MAX; /* patients on a side: their error is hardest to know */
    bool whole = true;

    d->difference = NOT_KNOWN;
    d->p = NAN;
    for (int elsewhere = 0; elsewhere < 2 && st == ST_OK && whole; elsewhere++) {
        side_take(l, d->finding, part, elsewhere);
        st = side_count(l, &c);
        whole = asked_for(l, d->finding, d->measure, &c) && c.patients[0] > 1 && c.patients[1] > 1;
        if (st == ST_OK && whole)
            st = side_add(l, &f, elsewhere ? -1 : 1, d->finding, d->measure, &c,
                          elsewhere ? &d->elsewhere : &d->in_group);
        fewest = resting_on(d->measure, &c) < fewest ? resting_on(d->measure, &c) : fewest;
    }
    f.n_patients = fewest;
    if (st == ST_OK && whole)
        st = figure_spread(&f, &d->difference.error, &a->freedom);
    if (st == ST_OK && d->difference.error > 0) {
        d->difference.value = f.value;
        d->p = two_sided(student_deviate(a->freedom, f.value / d->difference.error));
    }
    figure_release(&f);
    return st;
}

static int by_p(const void *a, const void *b)
{
    const double p = ((const struct asked *)a)->d.p, q = ((const struct asked *)b)->d.p;

    return (p > q) - (p < q);
}

/* Sorted, each with the interval and the p that so many questions ask for. */
static enum status correct(struct asked *all, size_t n)
{
    double *p = malloc(3 * (n + 1) * sizeof *p), *adjusted, *level;

    if (!p)
        return ST_NOMEM;
    adjusted = p + n;
    level = adjusted + n;
    qsort(all, n, sizeof *all, by_p);
    for (size_t i = 0; i < n; i++)
        p[i] = all[i].d.p;
    holm(n, p, adjusted, level);
    for (size_t i = 0; i < n; i++) {
        struct estimate *e = &all[i].d.difference;
        const double reach = student_of(all[i].freedom, two_sided_deviate(level[i])) * e->error;

        e->low = e->value - reach;
        e->high = e->value + reach;
        estimate_cut(e, -1, 1);
        all[i].d.p = adjusted[i];
    }
    free(p);
    return ST_OK;
}

/* ---- all groups ---- */

/* Every difference that may be asked for. */
static size_t most_asked(size_t n_labels)
{
    return (size_t)N_GROUPINGS * MOST_GROUPS * n_labels * N_GROUP_MEASURES;
}

/* The results of a whole evaluation. */
struct gathering {
    struct group *group; /* [N_GROUPINGS * MOST_GROUPS] */
    struct asked *asked; /* [most_asked(labels)] */
    size_t n, n_asked;
};

static enum status group_add(struct looking *l, enum grouping by, size_t part, struct gathering *all)
{
    struct group *g = &all->group[all->n];
    enum status st;

    *g = (struct group){ .by = by,
                         .known = l->partition.parts[part].known,
                         .rows = l->partition.parts[part].rows };
    memcpy(g->name, l->partition.parts[part].name, sizeof g->name);
    for (size_t i = 0; i < l->s->n; i++)
        l->side[i] = l->partition.of[i] == part;
    st = patients_with(&l->patients, l->side, 1, 1, &g->patients);
    for (size_t k = 0; k < l->s->labels->n && st == ST_OK; k++) {
        scores_take(l, k);
        st = finding_evaluate(l, part, k, &g->findings[k]);
    }
    all->n++;
    return st;
}

/* The group that was added last. */
static enum status differences_add(struct looking *l, size_t part, struct gathering *all)
{
    enum status st = ST_OK;

    for (size_t k = 0; k < l->s->labels->n && st == ST_OK; k++) {
        scores_take(l, k);
        for (enum group_measure m = 0; m < N_GROUP_MEASURES && st == ST_OK; m++) {
            struct asked *a = &all->asked[all->n_asked];

            *a = (struct asked){ .d = { .group = all->n - 1, .finding = k, .measure = m } };
            st = difference_make(l, part, a);
            if (!isnan(a->d.p))
                all->n_asked++;
        }
    }
    return st;
}

/* Of two groups one difference says all: the other's is the same with the other sign. */
static enum status partition_evaluate(struct looking *l, enum grouping by, struct gathering *all)
{
    size_t known = 0, left;
    enum status st = ST_OK;

    for (size_t part = 0; part < l->partition.n; part++)
        known += l->partition.parts[part].known && l->partition.parts[part].rows > 0;
    left = known > 2 ? known : known / 2;
    for (size_t part = 0; part < l->partition.n && st == ST_OK; part++) {
        if (l->partition.parts[part].rows == 0)
            continue;
        st = group_add(l, by, part, all);
        if (st == ST_OK && left > 0 && l->partition.parts[part].known) {
            st = differences_add(l, part, all);
            left--;
        }
    }
    return st;
}

static enum status looking_init(struct looking *l, const struct scores *s,
                                const struct operating_points *points)
{
    *l = (struct looking){ .s = s,
                           .points = points,
                           .side = malloc(s->n + 1),
                           .score = malloc((s->n + 1) * sizeof *l->score),
                           .hit = malloc((s->n + 1) * sizeof *l->hit) };
    return l->side && l->score && l->hit ? patients_group(s->n, s->patients, &l->patients) : ST_NOMEM;
}

static void looking_release(struct looking *l)
{
    patients_release(&l->patients);
    free(l->side);
    free(l->score);
    free(l->hit);
}

/* Everything but the correction. */
static enum status gather(const struct scores *s, const struct table *t,
                          const struct operating_points *points, struct gathering *all)
{
    struct looking l;
    enum status st = looking_init(&l, s, points);

    for (enum grouping by = 0; by < N_GROUPINGS && st == ST_OK && s->n > 0; by++) {
        st = partition_make(by, t, s->rows, s->n, &l.partition);
        if (st == ST_OK)
            st = partition_evaluate(&l, by, all);
        partition_release(&l.partition);
    }
    looking_release(&l);
    return st;
}

/* Hand over what was gathered. */
static enum status groups_make(struct gathering *all, struct groups *ret)
{
    struct groups g = { .n = all->n, .n_compared = all->n_asked, .group = all->group };

    g.compared = malloc((all->n_asked + 1) * sizeof *g.compared);
    if (!g.compared)
        return ST_NOMEM;
    for (size_t i = 0; i < all->n_asked; i++)
        g.compared[i] = all->asked[i].d;
    all->group = NULL;
    *ret = g;
    return ST_OK;
}

enum status groups_evaluate(const struct scores *s, const struct table *t,
                            const struct operating_points *points, struct groups *ret_groups)
{
    struct gathering all = { .group = calloc((size_t)N_GROUPINGS * MOST_GROUPS, sizeof *all.group),
                             .asked = calloc(most_asked(s->labels->n), sizeof *all.asked) };
    enum status st = all.group && all.asked ? gather(s, t, points, &all) : ST_NOMEM;

    if (st == ST_OK)
        st = correct(all.asked, all.n_asked);
    if (st == ST_OK)
        st = groups_make(&all, ret_groups);
    free(all.group);
    free(all.asked);
    return st;
}

void groups_release(struct groups *g)
{
    free(g->group);
    free(g->compared);
    *g = (struct groups){ 0 };
}
