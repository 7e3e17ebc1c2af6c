/* jobs/phantom/table.c - who is in the data set and what they have: patients, views and findings.
 *
 * Findings are shared out by quota, not at random, so that a small set keeps the rates: each finding has its number of
 * pictures, and which pictures get it is a weighted choice without replacement (the highest of log weight + Gumbel
 * noise; Yellott 1977). The weights make findings depend on age, sex, view, patient and each other as in life. */
#include "case.h"

#include <math.h>
#include <stdlib.h>

/* How the real table's findings lean, from its 112,120 rows: pictures with it; log odds of AP against PA, of women
 * against men, and of 17 more years of age, each relative to all rows. */
struct leaning {
    float pictures, ap, female, age;
};
static const struct leaning LEANINGS[N_NIH_LABELS] = {
    { 11558, 0.4f, -0.1f, 0.25f }, /* Atelectasis */
    { 2776, 0.1f, 0.4f, 0.05f },   /* Cardiomegaly */
    { 4667, 1.1f, 0.0f, 0.0f },    /* Consolidation */
    { 2302, 2.3f, 0.2f, -0.05f },  /* Edema */
    { 13316, 0.4f, 0.0f, 0.2f },   /* Effusion */
    { 2516, 0.0f, -0.3f, 0.25f },  /* Emphysema */
    { 1686, -1.2f, 0.1f, 0.4f },   /* Fibrosis */
    { 227, -1.3f, 0.6f, 1.0f },    /* Hernia */
    { 19891, 0.5f, 0.0f, -0.05f }, /* Infiltration */
    { 5779, -0.1f, -0.2f, 0.1f },  /* Mass */
    { 6331, -0.3f, -0.1f, 0.15f }, /* Nodule */
    { 3384, -0.5f, -0.2f, 0.25f }, /* Pleural_Thickening */
    { 1430, 0.6f, -0.1f, -0.1f },  /* Pneumonia */
    { 5301, -0.2f, 0.2f, 0.0f },   /* Pneumothorax */
};
#define NIH_PICTURES 112120.0f
#define NIH_ABNORMAL 51759.0f
#define NIH_MOST     19891.0f

enum { ATE, CAR, CON, EDE, EFF, EMP, FIB, HER, INF, MAS, NOD, PLE, PNA, PTX };

/* Findings that come together more, or less, often than by chance: log of the ratio. */
static const struct {
    int a, b;
    float lift;
} TOGETHER[] = {
    { ATE, EFF, 0.8f },  { CON, EFF, 0.8f },  { CAR, EFF, 1.0f },  { EDE, EFF, 0.7f },  { EDE, CAR, 0.8f },
    { EDE, PNA, 1.5f },  { CON, PNA, 0.8f },  { INF, PNA, 0.6f },  { INF, EDE, 0.8f },  { EMP, PTX, 1.5f },
    { MAS, NOD, 0.9f },  { FIB, PLE, 1.0f },  { HER, ATE, 0.4f },  { MAS, CON, 0.7f },  { PTX, EFF, 0.4f },
    { EMP, EDE, -1.5f }, { EMP, CAR, -1.5f }, { PTX, EDE, -1.0f }, { HER, CAR, -0.8f },
};

/* The rare ones choose first, while there is choice. */
static const size_t BY_RARITY[N_NIH_LABELS] = { HER, PNA, FIB, EDE, EMP, CAR, PLE,
                                                CON, PTX, MAS, NOD, ATE, EFF, INF };

static float lift(size_t a, size_t b)
{
    for (size_t i = 0; i < sizeof TOGETHER / sizeof *TOGETHER; i++)
        if ((TOGETHER[i].a == (int)a && TOGETHER[i].b == (int)b) ||
            (TOGETHER[i].a == (int)b && TOGETHER[i].b == (int)a))
            return TOGETHER[i].lift;
    return 0;
}

static float gumbel(struct rng *r) { return -logf(-logf(rng_uniform(r, 0x1p-24f, 1) - 0x1p-25f)); }

/* Bell-shaped in -3..3, mean 0, variance 1: the sum of three uniform numbers. */
static float bell(struct rng *r)
{
    float sum = 0;

    for (int i = 0; i < 3; i++)
        sum += rng_uniform(r, -1, 1);
    return sum;
}

/* ---- patients ---- */

/* How many pictures a patient has: most one, a few dozens, P(at least k) = k^-1.2 as in the real table, cut so that
 * no patient holds more than a twentieth of a small set. */
static size_t pictures_of(struct rng *r, size_t n)
{
    const size_t most = n / 20 < 1 ? 1 : n / 20 > 100 ? 100 : n / 20;
    const double k = pow(1 - rng_unit(r), -1 / 1.2);

    return k < (double)most ? (size_t)k : most;
}

static void draw_patients(struct rng *r, size_t n, struct phantom_case *cases)
{
    uint32_t patient = 0;

    for (size_t i = 0; i < n;) {
        const size_t count = pictures_of(r, n);
        const bool male = rng_unit(r) < 0.565;
        const float age = 47 + 17 * bell(r), bedridden = rng_unit(r) < 0.4 ? 0.75f : 0.17f;

        patient++;
        for (size_t k = 0; k < count && i < n; k++, i++) {
            const float now = fminf(fmaxf(age + (float)k / 12, 1), 95); /* about a picture a month */

            cases[i] = (struct phantom_case){ .patient = patient,
                                              .follow_up = (uint32_t)k,
                                              .age = (uint16_t)now,
                                              .male = male,
                                              .ap = rng_uniform(r, 0, 1) < bedridden,
                                              .detector = (uint8_t)rng_below(r, 4) };
        }
    }
}

/* The real table has 16 rows like these: a unit of months or days lost, a digit too many. */
static void mistype_ages(struct rng *r, size_t n, struct phantom_case *cases)
{
    for (size_t i = 0; i < n; i++)
        if (rng_below(r, 7000) == 0)
            cases[i].age = (uint16_t)(rng_below(r, 2) ? 148 + rng_below(r, 8) : 411 + rng_below(r, 4));
}

/* ---- findings ---- */

struct ranked {
    float score;
    uint32_t row;
};

struct sharing {
    struct rng *rng;
    struct phantom_case *cases; /* [n] */
    bool *ill;                  /* [n]: has findings */
    struct ranked *ranked;      /* [n], scratch */
    uint64_t seed;
    size_t n;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* A patient's proneness stays from picture to picture. Part 0 is being ill at all. */
static float prone(const struct sharing *s, uint32_t patient, size_t part)
{
    struct rng r;

    phantom_rng(&r, s->seed, STREAM_TABLE, 1 + part, patient);
    return bell(&r);
}

static void choose_ill(struct sharing *s, size_t quota)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct phantom_case *c = &s->cases[i];

        s->ranked[i] = (struct ranked){ gumbel(s->rng) + prone(s, c->patient, 0) + (c->ap ? 0.35f : -0.2f) +
                                            0.1f * ((float)c->age - 47) / 17,
                                        (uint32_t)i };
    }
    qsort(s->ranked, s->n, sizeof *s->ranked, by_score);
    for (size_t i = 0; i < quota; i++)
        s->ill[s->ranked[i].row] = true;
}

static float inclination(const struct sharing *s, const struct phantom_case *c, size_t label)
{
    const struct leaning *k = &LEANINGS[label];
    float w = 0.7f * prone(s, c->patient, 1 + label);

    w += (c->ap ? 0.6f : -0.4f) * k->ap + (c->male ? -0.44f : 0.56f) * k->female +
         ((float)c->age - 47) / 17 * k->age;
    for (size_t other = 0; other < N_NIH_LABELS; other++)
        if (c->findings >> other & 1)
            w += lift(label, other);
    return w;
}

/* Give a finding to `quota` more of the ill: of those without any, or of those without this one. */
static void share(struct sharing *s, size_t label, size_t quota, bool first)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct phantom_case *c = &s->cases[i];

        if (s->ill[i] && (first ? c->findings == 0 : !(c->findings >> label & 1)))
            s->ranked[n++] = (struct ranked){ inclination(s, c, label) + gumbel(s->rng), (uint32_t)i };
    }
    qsort(s->ranked, n, sizeof *s->ranked, by_score);
    for (size_t i = 0; i < quota && i < n; i++)
        s->cases[s->ranked[i].row].findings |= (uint16_t)(1u << label);
}

/* The share of all pictures that a finding has. Flattened, none falls below 6 % and the order stays. */
static float rate(size_t label, bool nih_rates)
{
    return nih_rates ? LEANINGS[label].pictures / NIH_PICTURES
                     : 0.064f + 0.07f * LEANINGS[label].pictures / NIH_MOST;
}

static void share_findings(struct sharing *s, bool nih_rates)
{
    const size_t ill = (size_t)lroundf((float)s->n * (nih_rates ? NIH_ABNORMAL / NIH_PICTURES : 0.5f));
    size_t quotas[N_NIH_LABELS], firsts[N_NIH_LABELS], total = 0, placed = 0;
    float carried = 0;

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        total += quotas[k] = (size_t)lroundf((float)s->n * rate(k, nih_rates));
    choose_ill(s, ill);
    for (size_t i = 0; i < N_NIH_LABELS; i++) { /* every ill picture gets one finding first … */
        const size_t k = BY_RARITY[i];

        carried += (float)quotas[k] * (float)ill / (float)(total ? total : 1);
        firsts[k] = carried + 0.5f > (float)placed ? (size_t)(carried + 0.5f) - placed : 0;
        placed += firsts[k];
        share(s, k, firsts[k], true);
    }
    share(s, INF, s->n, true); /* … whatever rounding left over */
    for (size_t i = 0; i < N_NIH_LABELS; i++) {
        const size_t k = BY_RARITY[i];
        size_t have = 0;

        for (size_t row = 0; row < s->n; row++)
            have += s->cases[row].findings >> k & 1;
        if (quotas[k] > have) /* … and the rest come on top, where they go together */
            share(s, k, quotas[k] - have, false);
    }
}

enum status phantom_table(uint64_t seed, size_t n, bool nih_rates, struct phantom_case *cases,
                          struct error *err)
{
    struct rng rng;
    struct sharing s = { .rng = &rng,
                         .cases = cases,
                         .ill = calloc(n, sizeof *s.ill),
                         .ranked = calloc(n, sizeof *s.ranked),
                         .seed = seed,
                         .n = n };
    enum status st = ST_OK;

    if (s.ill && s.ranked) {
        phantom_rng(&rng, seed, STREAM_TABLE, 0, 0);
        draw_patients(&rng, n, cases);
        share_findings(&s, nih_rates);
        mistype_ages(&rng, n, cases);
    } else {
        st = error_nomem(err);
    }
    free(s.ill);
    free(s.ranked);
    return st;
}
