/* tests/support/streams.c - see streams.h. */
#include "streams.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SHARED = 0.7,
                    OF_PATIENT = 0.5; /* parts of variances: of both models, and of that of the patient */

static double normal(struct rng *r)
{
    return sqrt(-2 * log(1 - rng_unit(r))) * cos(6.283185307179586 * rng_unit(r));
}

/* The deviate below which a standard normal is with chance p, by bisection. */
static double deviate(double p)
{
    double low = -8, high = 8;

    for (int i = 0; i < 80; i++) {
        const double middle = (low + high) / 2;

        *(0.5 * erfc(-middle / sqrt(2)) < p ? &low : &high) = middle;
    }
    return low;
}

static double prevalence(const struct stream *s, size_t k)
{
    return s->findings == 1 ? 0.2 : 0.03 + 0.17 * (double)k / (STREAM_FINDINGS - 1);
}

void stream_begin(struct stream *s, uint64_t seed, double gain, size_t findings)
{
    *s = (struct stream){ .gain = gain, .findings = findings };
    rng_seed(&s->rng, seed, 20);
    s->rows.labels = NIH_LABELS;
    s->rows.labels.n = findings;
}

void stream_end(struct stream *s) { feedback_rows_release(&s->rows); }

static void next_patient(struct stream *s)
{
    s->patients++;
    s->left = 1 + (int)rng_below(&s->rng, 3);
    for (size_t k = 0; k < s->findings; k++)
        s->patient[k] = normal(&s->rng);
}

static float probability(double score) { return (float)(1 / (1 + exp(-score))); }

static void picture(struct stream *s)
{
    const double there[2] = { sqrt(2) * deviate(0.80), sqrt(2) * deviate(0.80 + s->gain) };
    struct feedback_rows *rows = &s->rows;
    const size_t at = rows->n * s->findings;

    if (s->left-- == 0) {
        next_patient(s);
        s->left--;
    }
    if (feedback_rows_add(rows) != ST_OK)
        abort();
    rows->patients[rows->n - 1] = s->patients;
    for (size_t k = 0; k < s->findings; k++) {
        const bool has = rng_unit(&s->rng) < prevalence(s, k);
        const double both = sqrt(OF_PATIENT) * s->patient[k] + sqrt(1 - OF_PATIENT) * normal(&s->rng);
        double score[2];

        for (int m = 0; m < 2; m++)
            score[m] = has * there[m] + sqrt(SHARED) * both + sqrt(1 - SHARED) * normal(&s->rng);
        rows->truth[at + k] = has;
        rows->prob[at + k] = probability(score[0]);
        rows->other_prob[at + k] = probability(score[1]);
        rows->call[at + k] = score[0] > 0.6;
        rows->other_call[at + k] = score[1] > 0.6;
    }
}

void stream_more(struct stream *s, size_t pictures)
{
    while (pictures-- > 0)
        picture(s);
}

int stream_watch(struct stream *s, size_t pictures, size_t every, int *ret_fixed)
{
    struct feedback_paired *p = malloc(sizeof *p);
    struct interim t = { .n = 0 };

    while (p && s->rows.n < pictures) {
        const size_t left = pictures - s->rows.n, next = interim_next(&t);

        stream_more(s, every < left ? every : left);
        if ((next == 0 || s->rows.n < next) && s->rows.n < pictures)
            continue;
        if (feedback_pair(&s->rows, p) != ST_OK)
            abort();
        interim_analyse(&t, p);
    }
    if (p && ret_fixed)
        *ret_fixed = (p->auroc.macro.gain.low > 0) - (p->auroc.macro.gain.high < 0);
    free(p);
    return interim_verdict(&t);
}
