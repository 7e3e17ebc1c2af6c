/* tests/unit/test_drift_monitor.c - changes among some of the pictures, simulated: what is raised, how often it is for nothing, and whom
 * it names. The reference is made by what a training makes it with. */
#include "cxrd/model.h"
#include "cxrd/rng.h"
#include "jobs/training/score_reference.h"
#include "server/api/cmh.h"
#include "server/api/drift.h"
#include "server/api/drift_monitor.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2000, LABELS = 3 };

static const char *const NAMES[LABELS] = { "Mass", "Effusion", "Hernia" };

static double normal(struct rng *rng)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += rng_unit(rng);
    return sum;
}

/* How pictures come to be. */
struct world {
    double ap;            /* share of AP films */
    double unsaid;        /* of films of which no view is said */
    double shift[LABELS]; /* of logits, among those of: */
    bool (*among)(const struct drift_picture *p);
    double distance; /* and of distances */
};
static const struct world AS_BEFORE = { .ap = 0.3 };

static bool is_ap(const struct drift_picture *p) { return p->of[STRATA_VIEW] == 1; }
static bool is_van(const struct drift_picture *p) { return strcmp(p->who, "van") == 0; }
static bool is_old_or_van(const struct drift_picture *p) { return is_van(p) || p->of[STRATA_AGE] >= 80; }
static bool is_any(const struct drift_picture *p) { return p->who != NULL; }

/* AP films are of sicker patients, and so are those of the old: their scores are higher. */
static void draw(const struct world *w, struct rng *rng, float prob[LABELS], struct drift_picture *ret)
{
    const bool ap = rng_unit(rng) < w->ap;
    const double age = 20 + 75 * rng_unit(rng);
    bool shifted;

    *ret = (struct drift_picture){ .probability = prob,
                                   .distance = fabs(normal(rng)) + 4,
                                   .of = { ap, rng_unit(rng) < 0.45, age },
                                   .who = rng_unit(rng) < 0.25  ? "van"
                                          : rng_unit(rng) < 0.5 ? "ward"
                                                                : "icu" };
    shifted = w->among && w->among(ret);
    for (size_t k = 0; k < LABELS; k++)
        prob[k] =
            (float)(1 / (1 + exp(2.5 - normal(rng) - 0.8 * ap - age / 100 - (shifted ? w->shift[k] : 0))));
    if (shifted)
        ret->distance += w->distance;
    if (rng_unit(rng) < w->unsaid)
        ret->of[STRATA_VIEW] = NAN;
}

/* ---- a model with a reference ---- */

static struct labels labels_of(void)
{
    struct labels l = { .n = LABELS };

    for (size_t k = 0; k < LABELS; k++)
        snprintf(l.names[k], LABEL_SIZE, "%s", NAMES[k]);
    return l;
}

static struct table_row row_of(const struct drift_picture *p, size_t patient)
{
    return (struct table_row){ .patient = patient + 1,
                               .view = p->of[STRATA_VIEW] > 0 ? 'A' : 'P',
                               .sex = p->of[STRATA_SEX] > 0 ? 'M' : 'F',
                               .age = (float)p->of[STRATA_AGE] };
}

static json_t *notes_of(struct rng *rng, const struct labels *labels)
{
    struct table_row *rows = calloc(ROWS, sizeof *rows);
    uint32_t index[ROWS];
    double distance[ROWS];
    float *prob = malloc(sizeof *prob * ROWS * LABELS);
    const struct table t = { .n_rows = ROWS, .rows = rows };
    const struct scores s = { .n = ROWS, .labels = labels, .rows = index, .prob = prob };
    const struct tried tried = { ROWS, index, distance };
    char *deciles, *strata;
    json_t *notes;

    for (size_t i = 0; i < ROWS; i++) {
        struct drift_picture p;

        draw(&AS_BEFORE, rng, prob + i * LABELS, &p);
        rows[i] = row_of(&p, i);
        index[i] = (uint32_t)i;
        distance[i] = p.distance;
    }
    deciles = score_reference_text(&s);
    strata = strata_text(&s, &t, &tried);
    cr_assert(deciles && strata);
    notes = json_pack("{s:s,s:s}", DRIFT_NOTE, deciles, STRATA_NOTE, strata);
    free(deciles);
    free(strata);
    free(rows);
    free(prob);
    return notes;
}

static struct model *model_of(struct rng *rng)
{
    const struct labels labels = labels_of();
    const struct network *net;
    const struct preprocess pre = { 64, RESIZE_AREA, 128, 64 };
    struct model *m;
    struct error err = { 0 };
    float *params;
    json_t *notes = notes_of(rng, &labels);

    cr_assert_eq(network_new(&(struct network_spec){ "mlp", 64, LABELS }, &net, &err), ST_OK, "%s", err.text);
    params = calloc(net->n_params + net->n_state, sizeof *params);
    cr_assert_eq(model_new(net, &labels, &pre, params, notes, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(params);
    return m;
}

/* ---- a run: so many pictures of one world after another ---- */

struct stretch {
    const struct world *world;
    size_t n;
};

/* The alerts of a run, an array. */
static json_t *run(struct rng *rng, struct drift_monitor *w, const struct stretch *stretches, size_t n)
{
    struct model *m = model_of(rng);
    const struct loaded_model by = { .id = "m", .model = m };
    json_t *all = json_array();

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < stretches[i].n; k++) {
            float prob[LABELS];
            struct drift_picture p;
            json_t *alerts;

            draw(stretches[i].world, rng, prob, &p);
            drift_monitor_add(w, &by, &p, &alerts);
            if (alerts)
                json_array_extend(all, alerts);
            json_decref(alerts);
        }
    model_unref(m);
    return all;
}

static const char *text_in(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The alert of a kind, NULL: none was raised. */
static json_t *of_kind(json_t *alerts, const char *kind)
{
    size_t i;
    json_t *alert;

    json_array_foreach (alerts, i, alert)
        if (strcmp(text_in(alert, "kind"), kind) == 0)
            return alert;
    return NULL;
}

/* Whether it names these and no others: "view AP", in any order. */
static bool names(const json_t *alert, size_t n, const char *const *wanted)
{
    const json_t *strata = json_object_get(alert, "strata");
    size_t i, found = 0;
    json_t *s;

    json_array_foreach (strata, i, s)
        for (size_t k = 0; k < n; k++) {
            char text[64];

            snprintf(text, sizeof text, "%s %s", text_in(s, "by"), text_in(s, "name"));
            found += strcmp(text, wanted[k]) == 0;
        }
    return json_array_size(strata) == n && found == n;
}

struct tally {
    size_t scores, mix, named,
        late; /* runs in which it was raised; named what it should, then; and in the end */
};

/* The change that is raised in the end. */
static bool names_late(struct drift_monitor *w, size_t n, const char *const *wanted)
{
    json_t *state = drift_monitor_json(w), *scores = of_kind(json_object_get(state, "raised"), "scores");
    const bool named = scores && names(scores, n, wanted);

    json_decref(state);
    return named;
}

static struct tally simulate(size_t trials, const struct stretch *stretches, size_t n, size_t n_wanted,
                             const char *const *wanted)
{
    struct tally t = { 0 };

    for (size_t trial = 0; trial < trials; trial++) {
        struct drift_monitor *w;
        struct rng rng;
        json_t *alerts, *scores, *mix;

        rng_seed(&rng, trial + 1, 77);
        cr_assert_eq(drift_monitor_new(&w, NULL), ST_OK);
        alerts = run(&rng, w, stretches, n);
        scores = of_kind(alerts, "scores");
        mix = of_kind(alerts, "mix");
        t.scores += scores != NULL;
        t.mix += mix != NULL;
        if (scores || mix)
            t.named += names(scores ? scores : mix, n_wanted, wanted);
        t.late += names_late(w, n_wanted, wanted);
        json_decref(alerts);
        drift_monitor_free(w);
    }
    printf("%zu trials: scores %zu, mix %zu, named %zu, in the end %zu\n", trials, t.scores, t.mix, t.named,
           t.late);
    return t;
}

/* 100 runs of 20 looks are ten times what the level is of, in which half a run would be raised wrongly. */
Test(drift_monitor, without_a_change_hardly_anything_is_raised)
{
    const struct world unsaid = { .ap = 0.3, .unsaid = 0.4 };
    const struct stretch plain[] = { { &AS_BEFORE, 10000 } }, some[] = { { &unsaid, 10000 } };
    struct tally t = simulate(100, plain, 1, 0, NULL);

    cr_assert_leq(t.scores + t.mix, 2);
    t = simulate(50, some, 1, 0, NULL);
    cr_assert_leq(t.scores + t.mix, 1);
}

Test(drift_monitor, a_change_among_some_names_them)
{
    static const struct {
        bool (*among)(const struct drift_picture *p);
        size_t n;
        const char *wanted[2];
    } CASES[] = { { is_ap, 1, { "view AP" } },
                  { is_van, 1, { "key van" } },
                  { is_old_or_van, 2, { "key van", "age 80+" } } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct world changed = { .ap = 0.3, .shift = { 0.8, 0, -0.3 }, .among = CASES[i].among };
        const struct stretch stretches[] = { { &AS_BEFORE, 3000 }, { &changed, 7000 } };
        const struct tally t = simulate(40, stretches, 2, CASES[i].n, CASES[i].wanted);

        cr_assert_geq(t.scores, 38, "case %zu: raised in %zu of 40", i, t.scores);
        if (CASES[i].n == 1) /* of two only the stronger is seen at first */
            cr_assert_geq(t.named, 32, "case %zu: named in %zu of 40", i, t.named);
        cr_assert_geq(t.late, CASES[i].n == 1 ? 32 : 20, "case %zu: named in %zu of 40 in the end", i,
                      t.late);
        cr_assert_leq(t.mix, 1);
    }
}

Test(drift_monitor, pictures_that_look_otherwise_are_a_change_of_the_input)
{
    static const char *const VAN[] = { "key van" };
    const struct world changed = { .ap = 0.3, .distance = 0.6, .among = is_van };
    const struct stretch stretches[] = { { &AS_BEFORE, 3000 }, { &changed, 7000 } };
    struct drift_monitor *w;
    struct rng rng;
    json_t *alerts, *alert;

    rng_seed(&rng, 5, 5);
    cr_assert_eq(drift_monitor_new(&w, NULL), ST_OK);
    alerts = run(&rng, w, stretches, 2);
    alert = of_kind(alerts, "scores");
    cr_assert_not_null(alert);
    cr_assert_str_eq(text_in(alert, "column"), "input");
    cr_assert(names(alert, 1, VAN));
    json_decref(alerts);
    drift_monitor_free(w);
}

Test(drift_monitor, a_change_everywhere_is_told_as_such)
{
    static const char *const ALL[] = { "all all" };
    const struct world changed = { .ap = 0.3, .shift = { 0.7, 0.7, 0.7 }, .among = is_any };
    const struct stretch stretches[] = { { &AS_BEFORE, 1000 }, { &changed, 6000 } };
    const struct tally t = simulate(20, stretches, 2, 1, ALL);

    cr_assert_eq(t.scores, 20);
    cr_assert_geq(t.named, 18);
}

/* Twice as many AP films, whose scores are higher: all scores together have moved, and those of no film have. */
Test(drift_monitor, more_films_of_one_kind_are_a_mix_and_no_change_of_scores)
{
    static const char *const AP[] = { "view AP" };
    const struct world changed = { .ap = 0.6 };
    const struct stretch stretches[] = { { &AS_BEFORE, 2000 }, { &changed, 8000 } };
    const struct tally t = simulate(40, stretches, 2, 1, AP);

    cr_assert_eq(t.mix, 40);
    cr_assert_leq(t.scores, 1);
    cr_assert_geq(t.named, 38);
}

Test(drift_monitor, it_is_told_once_and_again_after_a_while_without)
{
    const struct world changed = { .ap = 0.3, .shift = { 1.5, 0, 0 }, .among = is_any };
    const struct stretch stretches[] = { { &changed, 10000 }, { &AS_BEFORE, 60000 }, { &changed, 20000 } };
    struct drift_monitor *w;
    struct rng rng;
    json_t *alerts, *state;

    rng_seed(&rng, 9, 9);
    cr_assert_eq(drift_monitor_new(&w, NULL), ST_OK);
    alerts = run(&rng, w, stretches, 1);
    cr_assert_eq(json_array_size(alerts), 1);
    state = drift_monitor_json(w);
    cr_assert_eq(json_array_size(json_object_get(state, "raised")), 1);
    json_decref(state);
    json_decref(alerts);
    drift_monitor_free(w);
    cr_assert_eq(drift_monitor_new(&w, NULL), ST_OK);
    alerts = run(&rng, w, stretches, 3);
    cr_assert_eq(json_array_size(alerts), 2);
    json_decref(alerts);
    drift_monitor_free(w);
}

/* A stranger has no name of a key; and yet, whatever names come, strata stay few. */
Test(drift_monitor, callers_beyond_the_first_are_one)
{
    struct drift_monitor *w;
    struct rng rng;
    struct model *m;
    json_t *state, *entry;
    size_t i, n = 0;

    rng_seed(&rng, 3, 3);
    m = model_of(&rng);
    cr_assert_eq(drift_monitor_new(&w, NULL), ST_OK);
    for (i = 0; i < DRIFT_LOOK; i++) {
        const struct loaded_model by = { .id = "m", .model = m };
        char who[100];
        float prob[LABELS];
        struct drift_picture p;
        json_t *alerts;

        draw(&AS_BEFORE, &rng, prob, &p);
        snprintf(who, sizeof who, "%090zu", i);
        p.who = who;
        drift_monitor_add(w, &by, &p, &alerts);
        json_decref(alerts);
    }
    state = drift_monitor_json(w);
    json_array_foreach (json_object_get(state, "strata"), i, entry)
        n += strcmp(text_in(entry, "by"), "key") == 0;
    cr_assert_leq(n, DRIFT_KEYS + 1);
    json_decref(state);
    model_unref(m);
    drift_monitor_free(w);
}

Test(cmh, chi_squared_is_that_of_tables)
{
    static const struct {
        double x, p;
        size_t freedom;
    } TABLE[] = { { 3.841458820694124, 0.05, 1 },   { 16.918977604620448, 0.05, 9 },
                  { 18.307038053275146, 0.05, 10 }, { 5.991464547107979, 0.05, 2 },
                  { 27.877164871256568, 0.001, 9 }, { 0, 1, 9 },
                  { 7.814727903251179, 0.05, 3 } };

    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++)
        cr_assert_float_eq(chi_squared_above(TABLE[i].x, TABLE[i].freedom), TABLE[i].p, 1e-9);
}

/* With one stratum it is Pearson's statistic, times (n - 1) / n. */
Test(cmh, one_stratum_is_pearsons_test)
{
    const double a[CMH_BINS] = { 10, 20, 30, 5 }, b[CMH_BINS] = { 12, 9, 40, 11 };
    double n_a = 65, n_b = 72, pearson = 0;
    struct cmh c = { { 0 } };
    size_t freedom;

    for (size_t i = 0; i < 4; i++) {
        const double t = a[i] + b[i], e_a = t * n_a / (n_a + n_b), e_b = t * n_b / (n_a + n_b);

        pearson += (a[i] - e_a) * (a[i] - e_a) / e_a + (b[i] - e_b) * (b[i] - e_b) / e_b;
    }
    cmh_add(&c, a, b);
    cr_assert_float_eq(cmh_statistic(&c, &freedom), pearson * (n_a + n_b - 1) / (n_a + n_b), 1e-9);
    cr_assert_eq(freedom, 3);
}

/* Strata of other shares in the two samples, alike within each: no difference. */
Test(cmh, a_mix_is_no_difference)
{
    const double a[2][CMH_BINS] = { { 100, 300, 600 }, { 60, 30, 10 } },
                 b[2][CMH_BINS] = { { 10, 30, 60 }, { 600, 300, 100 } };
    struct cmh c = { { 0 } };
    size_t freedom;

    for (int i = 0; i < 2; i++)
        cmh_add(&c, a[i], b[i]);
    cr_assert_float_eq(cmh_statistic(&c, &freedom), 0, 1e-9);
    cr_assert_eq(freedom, 2);
}
