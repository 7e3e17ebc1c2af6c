/* jobs/phantom/findings.c - the table of findings, and those that are a change of the anatomy itself. */
#include "lesion.h"

/* Volume is lost: the diaphragm of that side rises. */
static void plan_atelectasis(struct lesion *l, struct chest *c)
{
    c->dome[l->side] -= l->variant ? graded(l, 0.03f, 0.06f) : graded(l, 0.02f, 0.045f);
}

/* The heart takes up more than half of the chest. */
static void plan_cardiomegaly(struct lesion *l, struct chest *c)
{
    c->heart = graded(l, 0.56f, 0.70f);
    c->heart_share += rng_uniform(&l->rng, -0.03f, 0.03f);
}

static void box_heart(struct lesion *l, struct scene *s) { l->box = chest_heart_box(&s->chest); }

/* Congested vessels, a heart that is somewhat large. */
static void plan_edema(struct lesion *l, struct chest *c)
{
    c->markings *= graded(l, 1.15f, 1.5f);
    c->heart += 0.02f;
}

/* Too much air: long dark lungs, flat diaphragm, narrow heart, few vessels, ribs apart. */
static void plan_emphysema(struct lesion *l, struct chest *c)
{
    const float down = graded(l, 0.035f, 0.07f);

    for (int side = 0; side < N_SIDES; side++) {
        c->dome[side] += down;
        c->sulcus[side] *= graded(l, 0.55f, 0.30f);
    }
    c->half_width *= 1.03f;
    c->heart *= graded(l, 0.92f, 0.82f);
    c->lucency *= graded(l, 1.06f, 1.14f);
    c->markings *= graded(l, 0.75f, 0.55f);
    c->rib_pitch *= 1.08f;
}

static void box_lungs(struct lesion *l, struct scene *s)
{
    for (int side = 0; side < N_SIDES; side++) {
        const struct box lung = scene_lung(s, side);

        box_add(&l->box, lung.x0, lung.y0, lung.x1, lung.y1);
    }
}

/* Scarred lungs shrink. */
static void plan_fibrosis(struct lesion *l, struct chest *c)
{
    for (int side = 0; side < N_SIDES; side++)
        c->dome[side] -= graded(l, 0.005f, 0.025f);
}

/* In the order of the labels. */
const struct finding FINDINGS[N_NIH_LABELS] = {
    { plan_atelectasis, paint_atelectasis, 0.35f }, /* variant: a whole lower lobe instead of plates */
    { plan_cardiomegaly, box_heart, 0 },
    { NULL, paint_consolidation, 0 },
    { plan_edema, paint_edema, 0 },
    { NULL, paint_effusion, 0.25f }, /* variant: both sides */
    { plan_emphysema, box_lungs, 0 },
    { plan_fibrosis, paint_fibrosis, 0 },
    { NULL, paint_hernia, 0 },
    { NULL, paint_infiltration, 0.5f }, /* variant: both sides */
    { NULL, paint_mass, 0 },
    { NULL, paint_nodule, 0 },
    { NULL, paint_pleural_thickening, 0.35f }, /* variant: an apical cap instead of a lateral rim */
    { NULL, paint_pneumonia, 0 },
    { NULL, paint_pneumothorax, 0.3f }, /* variant: the lung has come off the whole wall */
};

/* Free air comes first: what fills a lung does not reach into it. */
const size_t PAINT_ORDER[N_NIH_LABELS] = {
    1 /* Cardiomegaly */,  5 /* Emphysema */,    7 /* Hernia */,
    13 /* Pneumothorax */, 4 /* Effusion */,     11 /* Pleural_Thickening */,
    3 /* Edema */,         6 /* Fibrosis */,     2 /* Consolidation */,
    12 /* Pneumonia */,    8 /* Infiltration */, 0 /* Atelectasis */,
    9 /* Mass */,          10 /* Nodule */,
};
