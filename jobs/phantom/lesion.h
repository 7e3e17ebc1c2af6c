/* jobs/phantom/lesion.h - the 14 findings as what a radiologist would see, one small pair of functions each. */
#ifndef JOBS_PHANTOM_LESION_H
#define JOBS_PHANTOM_LESION_H

#include "chest.h"

/* One finding in one picture. It has a generator of its own, so that a picture with it and one without differ by
 * nothing else. */
struct lesion {
    struct rng rng;
    struct box box; /* of what can be seen of it */
    int side;
    bool variant;
    float grade; /* 0 slight .. 1 marked */
};

struct finding {
    void (*plan)(struct lesion *l, struct chest *c);  /* changes of the anatomy itself; NULL: none */
    void (*paint)(struct lesion *l, struct scene *s); /* what is added to the picture, and the box */
    float variant;                                    /* how often the variant form is taken */
};

/* Large findings are painted first, so that small ones find a place beside them. */
extern const size_t PAINT_ORDER[N_NIH_LABELS];

extern const struct finding FINDINGS[N_NIH_LABELS];

/* Patterns, by where they live. */
void paint_atelectasis(struct lesion *l, struct scene *s);
void paint_consolidation(struct lesion *l, struct scene *s);
void paint_edema(struct lesion *l, struct scene *s);
void paint_effusion(struct lesion *l, struct scene *s);
void paint_fibrosis(struct lesion *l, struct scene *s);
void paint_hernia(struct lesion *l, struct scene *s);
void paint_infiltration(struct lesion *l, struct scene *s);
void paint_mass(struct lesion *l, struct scene *s);
void paint_nodule(struct lesion *l, struct scene *s);
void paint_pleural_thickening(struct lesion *l, struct scene *s);
void paint_pneumonia(struct lesion *l, struct scene *s);
void paint_pneumothorax(struct lesion *l, struct scene *s);

/* A number between `slight` and `marked`, by the lesion's grade. */
static inline float graded(const struct lesion *l, float slight, float marked)
{
    return slight + (marked - slight) * l->grade;
}

/* A box around a point. */
static inline struct box box_around(struct point p, float rx, float ry)
{
    return (struct box){ p.x - rx, p.y - ry, p.x + rx, p.y + ry };
}

/* The point at (u, v) of a lung, see struct spot. */
struct point lung_point(const struct chest *c, int side, float u, float v);

/* A random point of a lung, u and v within the given bounds, where lung can be seen `radius` around: neither heart nor
 * another finding hides it, for what cannot be seen is not reported. Where all is hidden, the least bad place. */
struct region {
    float u0, u1, v0, v1;
};
struct point lung_place(struct lesion *l, const struct scene *s, int side, const struct region *within,
                        float radius);

#endif
