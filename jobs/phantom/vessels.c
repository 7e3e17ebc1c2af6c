/* jobs/phantom/vessels.c - the lungs' vessels: trees that spread from each hilum and thin out towards the wall. */
#include "chest.h"

#include <math.h>

static void grow(struct plane *lines, struct rng *r, struct point at, float heading, float length, float half,
                 int depth)
{
    enum { PIECES = 3 };

    for (int i = 0; i < PIECES; i++) {
        struct point next;

        heading += rng_uniform(r, -0.18f, 0.18f);
        next =
            (struct point){ at.x + cosf(heading) * length / PIECES, at.y + sinf(heading) * length / PIECES };
        draw_stroke(lines, at, next, half, 0.9f * half, 14 * half + 0.05f);
        half *= 0.9f;
        at = next;
    }
    if (depth == 0)
        return;
    grow(lines, r, at, heading + rng_uniform(r, 0.15f, 0.6f), 0.82f * length, 0.8f * half, depth - 1);
    grow(lines, r, at, heading - rng_uniform(r, 0.15f, 0.6f), 0.82f * length, 0.8f * half, depth - 1);
}

static void draw_lung_vessels(struct scene *s, struct rng *r, int side)
{
    enum { MAIN_BRANCHES = 8 };
    const struct point hilum = chest_hilum(&s->chest, side);
    const struct blob root = {
        hilum.x + side_sign(side) * 0.012f, hilum.y, 0.036f, 0.065f, 0, PROFILE_CLOUD, 0
    };

    draw_blob(&s->lines, &root, 0.22f, BLEND_MAX);
    for (int i = 0; i < MAIN_BRANCHES; i++) {
        /* from straight up (-1.45) to almost straight down; upright, the lower lobes get more blood */
        const float up = -1.45f + 2.75f * ((float)i + rng_uniform(r, 0.1f, 0.9f)) / MAIN_BRANCHES;
        const float heading = side == SIDE_LEFT ? up : 3.14159265f - up;
        const float half = i < MAIN_BRANCHES / 2 ? 0.0055f : 0.0075f;

        grow(&s->lines, r, hilum, heading, rng_uniform(r, 0.07f, 0.10f), half, 4);
    }
}

void draw_vessels(struct scene *s, struct rng *r)
{
    for (int side = 0; side < N_SIDES; side++)
        draw_lung_vessels(s, r, side);
}
