/* jobs/shadow_counts.c - see cxrd/shadow_counts.h. */
#include "cxrd/shadow_counts.h"

#include "cxrd/trainer.h"

#include <math.h>

#define Z95 1.959963984540054

void shadow_count(struct shadow_counts *c, const struct shadow_pair *p)
{
    c->pictures++;
    for (int m = 0; m < N_SHADOW; m++) {
        c->ms[m] += p->ms[m];
        c->most_ms[m] = fmax(c->most_ms[m], p->ms[m]);
    }
    for (size_t k = 0; k < c->labels.n; k++) {
        struct shadow_finding *f = &c->findings[k];
        const double difference =
            (double)p->probability[SHADOW_CANDIDATE][k] - (double)p->probability[SHADOW_ACTIVE][k];

        f->sum += difference;
        f->squares += difference * difference;
        if (p->known[SHADOW_ACTIVE] & p->known[SHADOW_CANDIDATE] & (uint64_t)1 << k)
            f->calls[p->positive[SHADOW_ACTIVE] >> k & 1][p->positive[SHADOW_CANDIDATE] >> k & 1]++;
    }
}

void shadow_counts_add(struct shadow_counts *c, const struct shadow_counts *more)
{
    c->pictures += more->pictures;
    c->failed += more->failed;
    for (int m = 0; m < N_SHADOW; m++) {
        c->ms[m] += more->ms[m];
        c->most_ms[m] = fmax(c->most_ms[m], more->most_ms[m]);
    }
    for (size_t k = 0; k < c->labels.n; k++) {
        struct shadow_finding *f = &c->findings[k];
        const struct shadow_finding *g = &more->findings[k];

        for (int i = 0; i < 4; i++)
            f->calls[i / 2][i % 2] += g->calls[i / 2][i % 2];
        f->sum += g->sum;
        f->squares += g->squares;
    }
}

/* ---- figures ---- */

static const struct estimate NOTHING = { NAN, NAN, NAN, NAN };

static struct estimate share(double part, double n)
{
    const double z2 = Z95 * Z95, p = part / n;
    const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
    const double half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));

    return n > 0
               ? (struct estimate){ p, sqrt(p * (1 - p) / n), fmax(middle - half, 0), fmin(middle + half, 1) }
               : NOTHING;
}

/* NaN where one of the two calls all pictures alike and so does the other: agreement by chance is whole then. */
static struct estimate kappa(const uint64_t calls[2][2], double n)
{
    double p[2][2], row[2], column[2], observed, chance, value, off = 0, on = 0, rest, error;

    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++)
            p[a][b] = (double)calls[a][b] / n;
    for (int a = 0; a < 2; a++) {
        row[a] = p[a][0] + p[a][1];
        column[a] = p[0][a] + p[1][a];
    }
    observed = p[0][0] + p[1][1];
    chance = row[0] * column[0] + row[1] * column[1];
    if (!(n > 0) || !(chance < 1))
        return NOTHING;
    value = (observed - chance) / (1 - chance);
    for (int a = 0; a < 2; a++) {
        const double beside = 1 - (row[a] + column[a]) * (1 - value);

        on += p[a][a] * beside * beside;
        off += p[a][1 - a] * pow(column[a] + row[1 - a], 2);
    }
    rest = value - chance * (1 - value);
    error = sqrt(fmax(on + (1 - value) * (1 - value) * off - rest * rest, 0) / n) / (1 - chance);
    return (struct estimate){ value, error, fmax(value - Z95 * error, -1), fmin(value + Z95 * error, 1) };
}

struct shadow_figures shadow_figures(const struct shadow_counts *c, size_t k)
{
    const struct shadow_finding *f = &c->findings[k];
    const double n = (double)c->pictures;
    const double both = (double)(f->calls[0][0] + f->calls[0][1] + f->calls[1][0] + f->calls[1][1]);
    struct shadow_figures ret = { .discordance = share((double)(f->calls[0][1] + f->calls[1][0]), both),
                                  .kappa = kappa(f->calls, both),
                                  .shift = NOTHING,
                                  .spread = NAN };

    if (n > 0)
        ret.shift.value = f->sum / n;
    if (n > 1) {
        ret.spread = sqrt(fmax(f->squares - f->sum * f->sum / n, 0) / (n - 1));
        ret.shift.error = ret.spread / sqrt(n);
        ret.shift.low = ret.shift.value - Z95 * ret.shift.error;
        ret.shift.high = ret.shift.value + Z95 * ret.shift.error;
    }
    return ret;
}

/* ---- as JSON ---- */

static json_t *finding_json(const struct shadow_counts *c, size_t k)
{
    const struct shadow_finding *f = &c->findings[k];
    const struct shadow_figures s = shadow_figures(c, k);

    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "label",
                     c->labels.names[k], "both", (json_int_t)f->calls[1][1], "only_active",
                     (json_int_t)f->calls[1][0], "only_candidate", (json_int_t)f->calls[0][1], "neither",
                     (json_int_t)f->calls[0][0], "discordance", number_or_null(s.discordance.value),
                     "discordance_low", number_or_null(s.discordance.low), "discordance_high",
                     number_or_null(s.discordance.high), "kappa", number_or_null(s.kappa.value), "kappa_low",
                     number_or_null(s.kappa.low), "kappa_high", number_or_null(s.kappa.high), "shift",
                     number_or_null(s.shift.value), "shift_low", number_or_null(s.shift.low), "shift_high",
                     number_or_null(s.shift.high), "spread", number_or_null(s.spread));
}

static json_t *latency_json(const struct shadow_counts *c, int m)
{
    return json_pack("{s:o,s:o}", "mean", number_or_null(c->ms[m] / (double)c->pictures), "most",
                     number_or_null(c->pictures ? c->most_ms[m] : NAN));
}

json_t *shadow_counts_json(const struct shadow_counts *c)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < c->labels.n; k++)
        json_array_append_new(findings, finding_json(c, k));
    return json_pack("{s:I,s:I,s:{s:o,s:o},s:o}", "pictures", (json_int_t)c->pictures, "failed",
                     (json_int_t)c->failed, "latency_ms", "active", latency_json(c, SHADOW_ACTIVE),
                     "candidate", latency_json(c, SHADOW_CANDIDATE), "findings", findings);
}

json_t *shadow_counts_state(const struct shadow_counts *c)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < c->labels.n; k++) {
        const struct shadow_finding *f = &c->findings[k];

        json_array_append_new(findings, json_pack("[I,I,I,I,f,f]", (json_int_t)f->calls[0][0],
                                                  (json_int_t)f->calls[0][1], (json_int_t)f->calls[1][0],
                                                  (json_int_t)f->calls[1][1], f->sum, f->squares));
    }
    return json_pack("{s:I,s:I,s:[f,f],s:[f,f],s:o}", "pictures", (json_int_t)c->pictures, "failed",
                     (json_int_t)c->failed, "ms", c->ms[0], c->ms[1], "most_ms", c->most_ms[0], c->most_ms[1],
                     "findings", findings);
}

static bool read_finding(const json_t *row, struct shadow_finding *f)
{
    json_int_t calls[4];

    if (json_unpack((json_t *)row, "[I,I,I,I,F,F]", &calls[0], &calls[1], &calls[2], &calls[3], &f->sum,
                    &f->squares) != 0)
        return false;
    for (int i = 0; i < 4; i++)
        f->calls[i / 2][i % 2] = (uint64_t)calls[i];
    return true;
}

bool shadow_counts_read(const json_t *state, struct shadow_counts *ret)
{
    json_int_t pictures, failed;
    const json_t *findings;
    bool ok = json_unpack((json_t *)state, "{s:I,s:I,s:[F,F],s:[F,F],s:o}", "pictures", &pictures, "failed",
                          &failed, "ms", &ret->ms[0], &ret->ms[1], "most_ms", &ret->most_ms[0],
                          &ret->most_ms[1], "findings", &findings) == 0 &&
              json_array_size(findings) == ret->labels.n;

    for (size_t k = 0; k < ret->labels.n && ok; k++)
        ok = read_finding(json_array_get(findings, k), &ret->findings[k]);
    if (ok) {
        ret->pictures = (uint64_t)pictures;
        ret->failed = (uint64_t)failed;
    }
    return ok;
}
