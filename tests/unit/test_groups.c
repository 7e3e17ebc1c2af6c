/* tests/unit/test_groups.c - figures of subgroups: equal to those worked out by hand, and no more said than they carry. */
#include "jobs/training/grouping.h"
#include "jobs/training/groups.h"
#include "jobs/training/holm.h"

#include "cxrd/buf.h"
#include "cxrd/rng.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(groups, .fini = check_no_leaks);

enum { MASS = 9 };

/* A table and its scores, a row after another. */
struct made {
    struct buf csv;
    struct table table;
    struct scores scores;
    struct operating_points points;
};

static void begin(struct made *m, size_t most)
{
    *m = (struct made){ .csv = BUF_INIT(1 << 20), .points = OPERATING_NONE };
    cr_assert_eq(scores_init(&m->scores, &NIH_LABELS, most), ST_OK);
    buf_puts(&m->csv,
             "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position,Manufacturer\n");
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        m->points.threshold[OPERATE_YOUDEN][k] = 0.5f;
}

/* Of Mass; of all other findings the row is negative, with a score of 0.1. */
static void add(struct made *m, unsigned patient, const char *rest, bool positive, float score)
{
    const size_t i = m->scores.n++;

    buf_printf(&m->csv, "%06zu.png,%s,%u,%s\n", i, positive ? "Mass" : "Nodule", patient, rest);
    m->scores.rows[i] = (uint32_t)i;
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        m->scores.truth[i * N_NIH_LABELS + k] = k == MASS && positive;
        m->scores.prob[i * N_NIH_LABELS + k] = k == MASS ? score : 0.1f;
    }
}

static struct groups made_groups(struct made *m)
{
    struct groups g = { 0 };
    struct error err = { 0 };

    if (m->scores.n > 0) {
        cr_assert_eq(table_read(m->csv.data, m->csv.len, "t.csv", &NIH_LABELS, &m->table, &err), ST_OK, "%s",
                     err.text);
        scores_own(&m->scores, &m->table);
    }
    cr_assert_eq(groups_evaluate(&m->scores, &m->table, &m->points, &g), ST_OK);
    return g;
}

static void end(struct made *m, struct groups *g)
{
    groups_release(g);
    scores_release(&m->scores);
    table_release(&m->table);
    buf_release(&m->csv);
}

static const struct group *group_named(const struct groups *g, enum grouping by, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->group[i].by == by && strcmp(g->group[i].name, name) == 0)
            return &g->group[i];
    return NULL;
}

static bool flagged(const struct group_difference *d)
{
    return d->difference.low > 0 || d->difference.high < 0;
}

/* ---- the correction ---- */

Test(groups, a_normal_deviate_and_its_chance_are_those_of_the_tables)
{
    cr_assert_float_eq(two_sided(1.959963984540054), 0.05, 1e-12);
    cr_assert_float_eq(two_sided(-1.959963984540054), 0.05, 1e-12);
    cr_assert_float_eq(two_sided_deviate(0.05), 1.959963984540054, 1e-12);
    /* Python: statistics.NormalDist().inv_cdf(1 - 0.05 / 504 / 2) */
    cr_assert_float_eq(two_sided_deviate(0.05 / 504), 3.892524813, 1e-8);
    cr_assert_float_eq(two_sided_deviate(1), 0, 1e-12);
}

/* The worked example of Holm's paper's method as R has it: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"). */
Test(groups, holms_correction_is_that_of_r)
{
    static const double P[] = { 0.01, 0.02, 0.03, 0.04, 0.05 }, ADJUSTED[] = { 0.05, 0.08, 0.09, 0.09, 0.09 };
    static const double MANY[] = { 0.001, 0.012, 0.02, 0.6 };
    double adjusted[5], level[5];

    holm(5, P, adjusted, level);
    for (size_t i = 0; i < 5; i++)
        cr_assert_float_eq(adjusted[i], ADJUSTED[i], 1e-12);
    holm(4, MANY, adjusted, level); /* two are taken, and so the other two are asked for 0.05 / 2 */
    cr_assert_float_eq(level[0], 0.05 / 4, 1e-12);
    cr_assert_float_eq(level[1], 0.05 / 3, 1e-12);
    cr_assert_float_eq(level[2], 0.05 / 2, 1e-12);
    cr_assert_float_eq(level[3], 0.05, 1e-12);
    cr_assert_float_eq(adjusted[2], 0.04, 1e-12);
    cr_assert_float_eq(adjusted[3], 0.6, 1e-12);
}

/* ---- which rows belong together ---- */

Test(groups, rows_are_parted_by_what_the_table_says)
{
    static const char *const REST[] = { "19,F,PA,Acme",  "20,M,AP,Acme", "39,female,ap,Zenith",
                                        "80,m,LL,",      "150,,,Acme",   ",x,PA,Zenith\xc3\xa9",
                                        "007Y,F,PA,Acme" };
    static const struct {
        enum grouping by;
        const char *name;
        size_t rows; /* 0: no such group */
    } EXPECTED[] = { { BY_SEX, "F", 3 },        { BY_SEX, "M", 2 },          { BY_SEX, "unknown", 2 },
                     { BY_AGE, "0-19", 2 },     { BY_AGE, "20-39", 2 },      { BY_AGE, "40-59", 0 },
                     { BY_AGE, "80+", 2 },      { BY_AGE, "unknown", 1 },    { BY_VIEW, "PA", 3 },
                     { BY_VIEW, "AP", 2 },      { BY_VIEW, "other", 1 },     { BY_VIEW, "unknown", 1 },
                     { BY_SCANNER, "Acme", 4 }, { BY_SCANNER, "Zenith", 1 }, { BY_SCANNER, "unknown", 1 },
                     { BY_SCANNER, "other", 0 } };
    struct made m;
    struct groups g;

    begin(&m, 16);
    for (size_t i = 0; i < sizeof REST / sizeof REST[0]; i++)
        add(&m, (unsigned)i, REST[i], i % 2, 0.5f);
    g = made_groups(&m);
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++) {
        const struct group *found = group_named(&g, EXPECTED[i].by, EXPECTED[i].name);

        cr_assert_eq(found ? found->rows : 0, EXPECTED[i].rows, "%s %s", GROUPING_NAMES[EXPECTED[i].by],
                     EXPECTED[i].name);
        cr_assert(!found || found->patients == found->rows);
        cr_assert(!found || found->known == (strcmp(found->name, "other") && strcmp(found->name, "unknown")));
    }
    cr_assert_str_eq(g.group[0].name, "F");
    cr_assert_eq(g.n_compared, 0, "of so few nothing is known");
    end(&m, &g);
}

static const char SCANNERS[] =
    "Image Index,Finding Labels,Patient ID,Patient Age,scanner,Manufacturer_DICOM,View Position\n"
    "a.png,Mass,1,50,,Acme,PA\n"
    "b.png,Mass,1,50,Zenith,Acme,PA\n"
    "c.png,Mass,1,50,,,PA\n"
    "c.png,Nodule,1,50,Late,,PA\n"
    "d.png,Mass,1,50,123456789012345678901234567890123456789\xc3\xa9 and more,,PA\n"
    "e.png,Mass,1,50,,,PA\n";

/* Cut between two characters; of two columns the first that says something, of two rows of one picture the first. */
Test(groups, a_scanner_is_read_where_it_is_named)
{
    static const char *const NAMES[] = { "Acme", "Zenith", "Late", "123456789012345678901234567890123456789",
                                         NULL };
    struct table t = TABLE_INIT;
    struct error err = { 0 };

    cr_assert_eq(table_read(SCANNERS, sizeof SCANNERS - 1, "t.csv", &NIH_LABELS, &t, &err), ST_OK, "%s",
                 err.text);
    cr_assert_eq(t.n_rows, 5);
    for (size_t i = 0; i < t.n_rows; i++)
        if (NAMES[i])
            cr_assert_str_eq(table_scanner(&t, i), NAMES[i]);
        else
            cr_assert_null(table_scanner(&t, i));
    table_release(&t);
}

/* Of a column that says nothing, or is not there, no groups are made. */
Test(groups, of_what_the_table_does_not_say_there_are_no_groups)
{
    struct made m;
    struct groups g;

    begin(&m, 8);
    for (unsigned i = 0; i < 8; i++)
        add(&m, i, i % 2 ? "50,F,," : "60,M,,", i % 2, 0.5f);
    g = made_groups(&m);
    for (size_t i = 0; i < g.n; i++)
        cr_assert(g.group[i].by == BY_SEX || g.group[i].by == BY_AGE);
    end(&m, &g);
}

Test(groups, scanners_beyond_the_commonest_are_one_group)
{
    struct made m;
    struct groups g;

    begin(&m, 64);
    for (unsigned i = 0; i < 11; i++) /* "s10" has one row, "s0" has eleven */
        for (unsigned j = i; j < 11; j++)
            if (m.scores.n < 64) {
                char rest[40];

                snprintf(rest, sizeof rest, "50,F,PA,s%u", i);
                add(&m, j, rest, j % 2, 0.5f);
            }
    g = made_groups(&m);
    cr_assert_eq(group_named(&g, BY_SCANNER, "s0")->rows, 11);
    cr_assert_not_null(group_named(&g, BY_SCANNER, "s7"));
    cr_assert_null(group_named(&g, BY_SCANNER, "s8"));
    cr_assert_eq(group_named(&g, BY_SCANNER, "other")->rows, 64 - (11 + 10 + 9 + 8 + 7 + 6 + 5 + 4));
    cr_assert_null(group_named(&g, BY_SCANNER, "unknown"));
    end(&m, &g);
}

/* ---- figures ---- */

/* Two films of each of 120 patients, from numbers that a page of Python makes as well. Women are told apart worse. */
static void films(struct made *m)
{
    uint32_t lot = 12345;

    begin(m, 240);
    for (unsigned i = 0; i < 240; i++) {
        const unsigned patient = i / 2;
        const bool woman = patient % 3 == 0, positive = (patient * 7 + i % 2 * 3) % 5 < 2;
        char rest[40];

        lot = lot * 1664525u + 1013904223u;
        snprintf(rest, sizeof rest, "%u,%c,%s,", 15 + patient % 80, woman ? 'F' : 'M', i % 4 ? "PA" : "AP");
        add(m, patient, rest, positive,
            (float)((lot >> 8) % 1000 / 1000.0 * 0.7 + (positive ? (woman ? 0.05 : 0.3) : 0)));
    }
}

static void check_figure(const struct estimate *e, double value, double error, const char *what)
{
    cr_assert_float_eq(e->value, value, 1e-9, "%s: %.12g, not %.12g", what, e->value, value);
    cr_assert_float_eq(e->error, error, 1e-9, "%s: error %.12g, not %.12g", what, e->error, error);
}

static const struct {
    enum grouping by;
    const char *name;
    size_t rows, patients, positives, positive_patients;
    double of[6]; /* AUROC, sensitivity, specificity, each with its error */
} OF_PAIRS[] = {
    { BY_SEX,
      "F",
      80,
      40,
      32,
      32,
      { 0.53515625, 0.0699416400237, 0.375, 0.086951042955, 0.729166666667, 0.0695334187852 } },
    { BY_SEX,
      "M",
      160,
      80,
      64,
      64,
      { 0.8642578125, 0.0279871185481, 0.75, 0.054554472559, 0.71875, 0.0478931560374 } },
    { BY_VIEW,
      "PA",
      180,
      120,
      72,
      72,
      { 0.777520576132, 0.0356310843343, 0.638888888889, 0.057003814617, 0.75, 0.0408380903198 } },
    { BY_VIEW,
      "AP",
      60,
      60,
      24,
      24,
      { 0.69212962963, 0.0724813524451, 0.583333333333, 0.102798992457, 0.638888888889, 0.0811893512622 } },
    { BY_AGE,
      "20-39",
      80,
      40,
      32,
      32,
      { 0.776692708333, 0.0544299541234, 0.6875, 0.0832492855728, 0.6875, 0.0711593803192 } },
    { BY_AGE,
      "80+",
      30,
      15,
      12,
      12,
      { 0.634259259259, 0.0991777160815, 0.416666666667, 0.148647097503, 0.666666666667, 0.104990131391 } },
};

/* The expected figures are those of a page of Python that counts pairs: an AUROC is the mean over pairs of a positive and a
 * negative of [first is higher] + [equal]/2; a row's influence its own mean over pairs less the AUROC, over how many rows of
 * its kind there are, or for a rate its distance from the rate over the rows; SE = sqrt(G/(G-1) * sum over patients of (sum of
 * influences)^2), G the patients who have such rows. */
Test(groups, figures_are_those_that_pairs_and_patients_give)
{
    struct made m;
    struct groups g;

    films(&m);
    g = made_groups(&m);
    for (size_t i = 0; i < sizeof OF_PAIRS / sizeof OF_PAIRS[0]; i++) {
        const struct group *found = group_named(&g, OF_PAIRS[i].by, OF_PAIRS[i].name);
        const struct group_finding *f = &found->findings[MASS];

        cr_assert(found->rows == OF_PAIRS[i].rows && found->patients == OF_PAIRS[i].patients);
        cr_assert(f->positives == OF_PAIRS[i].positives &&
                  f->positive_patients == OF_PAIRS[i].positive_patients);
        for (size_t k = 0; k < N_GROUP_MEASURES; k++) {
            check_figure(&f->of[k], OF_PAIRS[i].of[2 * k], OF_PAIRS[i].of[2 * k + 1], GROUP_MEASURES[k]);
            cr_assert(f->of[k].low < f->of[k].value && f->of[k].value < f->of[k].high);
        }
    }
    cr_assert(isnan(group_named(&g, BY_AGE, "0-19")->findings[MASS].of[GROUP_AUROC].value), "8 positives");
    end(&m, &g);
}

static const struct group_difference *difference_of(const struct groups *g, enum grouping by,
                                                    enum group_measure measure)
{
    for (size_t i = 0; i < g->n_compared; i++)
        if (g->group[g->compared[i].group].by == by && g->compared[i].measure == measure)
            return &g->compared[i];
    return NULL;
}

Test(groups, differences_are_of_the_group_and_all_others)
{
    static const struct {
        enum grouping by;
        enum group_measure measure;
        double value, error;
        bool flagged;
    } EXPECTED[] = { { BY_SEX, GROUP_AUROC, -0.3291015625, 0.0756427938519, true },
                     { BY_SEX, GROUP_SENSITIVITY, -0.375, 0.102881861469, true },
                     { BY_SEX, GROUP_SPECIFICITY, 0.0104166666667, 0.0846053061622, false },
                     { BY_VIEW, GROUP_AUROC, 0.0853909465021, 0.0802193127647, false },
                     { BY_VIEW, GROUP_SENSITIVITY, 0.0555555555556, 0.117945980217, false },
                     { BY_VIEW, GROUP_SPECIFICITY, 0.111111111111, 0.0864071545364, false } };
    struct made m;
    struct groups g;

    films(&m);
    g = made_groups(&m);
    /* women or men, PA or AP: one each; four bands of age, as the fifth has 8 positives */
    cr_assert_eq(g.n_compared, (1 + 1 + 4) * 3);
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++) {
        const struct group_difference *d = difference_of(&g, EXPECTED[i].by, EXPECTED[i].measure);

        check_figure(&d->difference, EXPECTED[i].value, EXPECTED[i].error,
                     GROUP_MEASURES[EXPECTED[i].measure]);
        cr_assert_float_eq(d->in_group - d->elsewhere, d->difference.value, 1e-12);
        cr_assert_eq(flagged(d), EXPECTED[i].flagged);
        cr_assert_eq(d->p < 0.05, EXPECTED[i].flagged);
    }
    for (size_t i = 1; i < g.n_compared; i++)
        cr_assert_leq(g.compared[i - 1].p, g.compared[i].p);
    end(&m, &g);
}

/* 40 tables in which no group differs: of all differences that are asked for, hardly one may be borne out. Without the
 * correction one in twenty is, in most tables several. */
Test(groups, of_no_difference_hardly_any_is_borne_out)
{
    enum { TABLES = 40 };
    size_t tables = 0;
    struct rng rng;

    rng_seed(&rng, 4, 4);
    for (int table = 0; table < TABLES; table++) {
        size_t borne_out = 0;
        struct made m;
        struct groups g;

        begin(&m, 400);
        for (unsigned i = 0; i < 400; i++) {
            const bool positive = rng_unit(&rng) < 0.3;
            char rest[40];

            snprintf(rest, sizeof rest, "%d,%c,%s,s%d", (int)(rng_unit(&rng) * 99),
                     rng_unit(&rng) < 0.5 ? 'F' : 'M', rng_unit(&rng) < 0.5 ? "PA" : "AP",
                     (int)(rng_unit(&rng) * 4));
            add(&m, i / 2, rest, positive, (float)(0.6 * rng_unit(&rng) + (positive ? 0.25 : 0)));
        }
        g = made_groups(&m);
        cr_assert_gt(g.n_compared, 20);
        for (size_t i = 0; i < g.n_compared; i++)
            borne_out += flagged(&g.compared[i]);
        tables += borne_out > 0;
        end(&m, &g);
    }
    cr_assert_leq(tables, 5, "in %zu of %d tables", tables, TABLES);
}

/* ---- odd sizes ---- */

Test(groups, of_few_rows_nothing_is_said)
{
    static const size_t SIZES[] = { 0, 1, 2, 19, 20, 21 };

    for (size_t size = 0; size < sizeof SIZES / sizeof SIZES[0]; size++)
        for (int kind = 0; kind < 4; kind++) { /* no positive, only positives, ties, one patient */
            struct made m;
            struct groups g;

            begin(&m, 32);
            for (unsigned i = 0; i < SIZES[size]; i++)
                add(&m, kind == 3 ? 7 : i, i % 2 ? "50,F,PA,a" : "30,M,AP,b",
                    kind ? kind == 1 || i % 4 < 2 : 0, kind == 2 ? 0.5f : (float)i / 32);
            g = made_groups(&m);
            cr_assert_eq(g.n_compared, 0);
            for (size_t i = 0; i < g.n; i++) {
                const struct estimate *e = g.group[i].findings[MASS].of;

                cr_assert(isnan(e[0].value) && isnan(e[1].low) && isnan(e[2].error));
                cr_assert_leq(g.group[i].patients, g.group[i].rows);
            }
            end(&m, &g);
        }
}

/* All of them told apart without a fault, in both groups: no spread, and no difference. In one only: a difference that is
 * not certain for all that. */
Test(groups, without_a_fault_is_not_without_a_doubt)
{
    for (int faults = 0; faults < 2; faults++) {
        struct made m;
        struct groups g;

        begin(&m, 96);
        for (unsigned i = 0; i < 96; i++) {
            const bool woman = i % 2, positive = i % 4 < 2, wrong = faults && woman && i % 8 == 1;

            add(&m, i, woman ? "50,F,," : "50,M,,", positive, positive != wrong ? 0.9f : 0.2f);
        }
        g = made_groups(&m);
        cr_assert_eq(g.n_compared, 3);
        for (size_t i = 0; i < 3; i++)
            cr_assert(g.compared[i].difference.error > 0 && g.compared[i].p > 0);
        if (!faults)
            cr_assert_eq(g.compared[0].p, 1);
        end(&m, &g);
    }
}

Test(groups, a_threshold_that_is_not_known_leaves_the_auroc)
{
    struct made m;
    struct groups g;
    const struct group_finding *f;

    films(&m);
    m.points = OPERATING_NONE;
    g = made_groups(&m);
    f = &group_named(&g, BY_SEX, "M")->findings[MASS];
    cr_assert(!isnan(f->of[GROUP_AUROC].value) && isnan(f->of[GROUP_SENSITIVITY].value) &&
              isnan(f->of[GROUP_SPECIFICITY].value));
    end(&m, &g);
}
