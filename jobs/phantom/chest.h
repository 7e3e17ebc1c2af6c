/* jobs/phantom/chest.h - a phantom's anatomy as numbers, and the scene in which one picture of it is drawn.
 *
 * Directions are the picture's: the patient's right side lies on its left. Side 0 is the patient's right. */
#ifndef JOBS_PHANTOM_CHEST_H
#define JOBS_PHANTOM_CHEST_H

#include "canvas.h"
#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stdint.h>

enum side { SIDE_RIGHT, SIDE_LEFT, N_SIDES };

static inline float side_sign(int side) { return side == SIDE_RIGHT ? -1.0f : 1.0f; }

/* Lengths in image widths, attenuations in units of the film (see film.c). Constant for a patient but for what a
 * picture's pose and its findings change. */
struct chest {
    float midline, apex;   /* x of the spine, y of the lungs' tips */
    float half_width;      /* midline to the inner chest wall, at its widest */
    float dome[N_SIDES];   /* y of the diaphragm's top */
    float sulcus[N_SIDES]; /* from there down to the costophrenic angle */
    float wall, bulk;      /* soft tissue beside the ribs; attenuation of what is before and behind */
    float shoulder;        /* y of the shoulder at the neck */
    float arms;            /* gap between trunk and arms; 0: they are out of the picture */
    float heart;           /* cardiothoracic ratio */
    float heart_share;     /* the part of the heart on the patient's right */
    float pedicle, knob;   /* half width of the upper mediastinum, radius of the aortic arch */
    float rib_pitch;       /* from rib to rib */
    float rib_half;        /* half the width of one */
    float rib_drop, bone;  /* slope of the ribs, density of all bone: 1 is usual */
    float clavicle;        /* how much its lateral end lies above its medial one */
    float lucency;         /* of the lungs, and … */
    float markings;        /* … strength of their vessels: 1 is usual */
    float breast, gas;     /* radius of the breast shadows and of the stomach's bubble, or 0 */
};

/* The anatomy of a patient. */
void chest_draw(struct chest *c, bool male, unsigned age, struct rng *r);

/* The variation from picture to picture: where the patient stands, how deep the breath, which way the beam goes.
 * AP pictures are taken in bed with the film behind: a larger heart and less breath. */
void chest_pose(struct chest *c, bool ap, struct rng *r);

float chest_base(const struct chest *c, int side);             /* y of the costophrenic angle */
float chest_lateral(const struct chest *c, int side, float y); /* midline to the lung's outer edge; 0 above */
float chest_medial(const struct chest *c, int side, float y);  /* midline to its inner edge, heart left out */
float chest_floor(const struct chest *c, int side, float d);   /* y of the diaphragm, d from the midline */
struct point chest_hilum(const struct chest *c, int side);     /* where vessels and bronchi enter the lung */
float chest_heart(const struct chest *c, int side, float y);   /* midline to the heart's edge; 0: none here */
struct box chest_heart_box(const struct chest *c);

/* One picture in the making; memory for one size, used again for the next picture. */
struct scene {
    size_t size;
    struct chest chest;
    struct texture texture;
    struct plane tissue; /* attenuation of all but lung */
    struct plane air;    /* thickness of lung, 0..1 */
    struct plane fill;   /* the part of it that something else has replaced; below 0: air outside the lung */
    struct plane lines;  /* vessels and what else is seen only inside the lungs; scratch before that */
    float *lateral[N_SIDES], *medial[N_SIDES]; /* [size], chest_lateral() and chest_medial() by row */
    float *floor;                              /* [size], chest_floor() by column */
};

MUST_USE enum status scene_init(struct scene *s, size_t size, struct error *err); /* ST_NOMEM */
void scene_release(struct scene *s);                                              /* safe on zeroes */

/* Draw the healthy chest s->chest, layer by layer; `r` decides the course of the vessels. */
void scene_draw_chest(struct scene *s, struct rng *r);
void draw_soft_tissue(struct scene *s); /* parts of it, one a file */
void draw_bones(struct scene *s);
void draw_vessels(struct scene *s, struct rng *r);

/* A place in a lung. u runs from the mediastinum (0) to the chest wall (1), v from the apex to the diaphragm. */
struct spot {
    int side;
    float x, y, u, v;
    float rim; /* distance to the chest wall */
};

/* Blend pattern(spot, arg), once for each pixel of the box that lies in a lung, into a layer. Returns the box of
 * the pixels that it changed visibly. */
struct box scene_paint(struct scene *s, struct plane *target, const struct box *where, enum blend how,
                       float (*pattern)(const struct scene *s, const struct spot *p, const void *arg),
                       const void *arg);

/* The box around one lung. */
struct box scene_lung(const struct scene *s, int side);

/* Develop the film: expose, turn by a degree or two, add grain, and quantise to `grey` [size][size]. The boxes turn
 * with it and are cut to the picture. */
void scene_develop(struct scene *s, bool ap, struct rng *r, uint8_t *grey, struct box *boxes, size_t n_boxes);

#endif
