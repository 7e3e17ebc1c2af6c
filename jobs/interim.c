/* jobs/interim.c - see cxrd/interim.h. */
#include "cxrd/interim.h"

#include <math.h>
#include <stdio.h>

static const double ALPHA = 0.04;
static const size_t PLAN[INTERIM_MOST] = { 250, 500, 1000, 2000 };

/* Of the error, by so many pictures. */
static double spent(size_t pictures)
{
    const double part = fmin((double)pictures / (double)PLAN[INTERIM_MOST - 1], 1);

    return ALPHA * part * part * part;
}

static size_t pictures_so_far(const struct interim *t) { return t->n > 0 ? t->made[t->n - 1].pictures : 0; }

int interim_verdict(const struct interim *t)
{
    const struct interim_analysis *last = t->n > 0 ? &t->made[t->n - 1] : NULL;

    if (!last || !(last->p <= last->level))
        return 0;
    return last->gain > 0 ? 1 : -1;
}

size_t interim_next(const struct interim *t)
{
    if (interim_verdict(t) != 0 || t->n == INTERIM_MOST)
        return 0;
    for (size_t i = 0; i < INTERIM_MOST; i++)
        if (PLAN[i] > pictures_so_far(t))
            return PLAN[i];
    return 0;
}

bool interim_analyse(struct interim *t, const struct feedback_paired *p)
{
    const size_t next = interim_next(t);
    const struct compared *macro = &p->auroc.macro;

    if (next == 0 || p->pictures < next || isnan(macro->p))
        return false;
    t->made[t->n] = (struct interim_analysis){
        p->pictures, p->patients, macro->gain.value, macro->p, spent(p->pictures) - spent(pictures_so_far(t)),
        ""
    };
    clock_utc(t->made[t->n].at);
    t->n++;
    return true;
}

json_t *interim_json(const struct interim *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n; i++) {
        const struct interim_analysis *a = &t->made[i];

        json_array_append_new(list, json_pack("{s:I,s:I,s:f,s:f,s:f,s:s}", "pictures",
                                              (json_int_t)a->pictures, "patients", (json_int_t)a->patients,
                                              "gain", a->gain, "p", a->p, "level", a->level, "at", a->at));
    }
    return list;
}

bool interim_read(const json_t *list, struct interim *ret)
{
    const json_t *one;
    size_t i;

    *ret = (struct interim){ .n = 0 };
    if (!json_is_array(list) || json_array_size(list) > INTERIM_MOST)
        return false;
    json_array_foreach (list, i, one) {
        struct interim_analysis *a = &ret->made[i];
        json_int_t pictures, patients;
        const char *at;

        if (json_unpack((json_t *)one, "{s:I,s:I,s:F,s:F,s:F,s:s}", "pictures", &pictures, "patients",
                        &patients, "gain", &a->gain, "p", &a->p, "level", &a->level, "at", &at) != 0 ||
            patients < 0 || pictures <= (i > 0 ? (json_int_t)ret->made[i - 1].pictures : 0))
            return false;
        a->pictures = (size_t)pictures;
        a->patients = (size_t)patients;
        snprintf(a->at, sizeof a->at, "%s", at);
    }
    ret->n = json_array_size(list);
    return true;
}
