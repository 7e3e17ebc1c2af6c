/* jobs/phantom/draw.c - one row of the table becomes one picture. */
#include "case.h"
#include "lesion.h"

void phantom_rng(struct rng *r, uint64_t seed, enum phantom_stream use, size_t part, size_t index)
{
    rng_seed(r, seed, (uint64_t)use << 56 | (uint64_t)part << 48 | index);
}

static void lesion_draw(struct lesion *l, uint64_t seed, size_t index, size_t label)
{
    *l = (struct lesion){ 0 };
    phantom_rng(&l->rng, seed, STREAM_LESION, label, index);
    l->side = (int)rng_below(&l->rng, N_SIDES);
    l->variant = rng_uniform(&l->rng, 0, 1) < FINDINGS[label].variant;
    l->grade = rng_uniform(&l->rng, 0, 1);
}

void phantom_draw(struct scene *s, uint64_t seed, size_t index, const struct phantom_case *row, uint8_t *grey,
                  struct box boxes[N_NIH_LABELS])
{
    struct lesion lesions[N_NIH_LABELS];
    struct rng patient, image;

    phantom_rng(&patient, seed, STREAM_PATIENT, 0, row->patient);
    phantom_rng(&image, seed, STREAM_IMAGE, 0, index);
    chest_draw(&s->chest, row->male, row->age, &patient);
    chest_pose(&s->chest, row->ap, &image);
    texture_draw(&s->texture, &image);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        lesion_draw(&lesions[k], seed, index, k);
        if (row->findings >> k & 1 && FINDINGS[k].plan)
            FINDINGS[k].plan(&lesions[k], &s->chest);
    }
    scene_draw_chest(s, &image);
    for (size_t i = 0; i < N_NIH_LABELS; i++) {
        const size_t k = PAINT_ORDER[i];

        if (row->findings >> k & 1)
            FINDINGS[k].paint(&lesions[k], s);
        boxes[k] = lesions[k].box;
    }
    scene_develop(s, row->ap, &image, grey, boxes, N_NIH_LABELS);
}
