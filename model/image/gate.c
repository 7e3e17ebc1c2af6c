/* model/image/gate.c - what is to be said of a picture, see cxrd/input_gate.h. Each threshold stands by what was
 * measured for it, on 814 NIH radiographs (710 at 256 pixels, 104 at 1,024) and 3,000 phantoms. */
#include "cxrd/input_gate.h"

#include <math.h>
#include <stdio.h>

const char *const GATE_CODES[N_GATE_CODES] = { "inverted",  "nearly_constant", "colour",         "not_square",
                                               "too_small", "few_bits",        "unlike_training" };

/* The mean grey values of the 4 x 4 parts of 710 NIH chests: dark corners above the shoulders, shoulders, lungs with
 * the mediastinum between, a bright abdomen. */
static const double CHEST[GATE_PARTS] = { 89,  121, 122, 92,  145, 123, 127, 141,
                                          138, 161, 170, 134, 141, 204, 203, 137 };

/* A film's grey values spread by 29 or more (standard deviation), the least of all that were measured. */
static const double LEAST_STD = 10;

/* 11 of the 112,120 films of the NIH table were taken with other proportions, 1 in 1,000 beyond 1.35. A picture that is
 * stretched more than this into a square is another shape than any chest that was seen. */
static const double MOST_ASPECT = 1.5;

/* NIH's RGBA files have equal channels, so they have none of it. A coloured mark in a corner is let pass. */
static const double MOST_COLOUR = 0.01;

/* How the picture's light and dark goes with a chest's: 1 alike, -1 the opposite (Pearson's correlation). */
static double chest_likeness(const double *parts)
{
    double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < GATE_PARTS; i++) {
        mean_a += parts[i] / GATE_PARTS;
        mean_b += CHEST[i] / GATE_PARTS;
    }
    for (size_t i = 0; i < GATE_PARTS; i++) {
        const double a = parts[i] - mean_a, b = CHEST[i] - mean_b;

        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    return aa > 0 ? ab / sqrt(aa * bb) : 0;
}

/* A new warning: where its sentence goes. */
static char *warn(struct gate_warnings *w, enum gate_code code)
{
    w->codes[w->n] = code;
    return w->details[w->n++];
}

enum { DETAIL = sizeof((struct gate_warnings *)0)->details[0] };

/* Detectors give 10 to 14 bits. Written into a PNG of 16 as they are, the picture is so many times darker than it was. */
enum { MOST_BITS = 14 };

static void check_bits(const struct image *img, struct gate_warnings *w)
{
    unsigned bits = 1;

    while (img->greatest >> bits)
        bits++;
    if (img->source.format == IMAGE_PNG && img->bit_depth == 16 && bits <= MOST_BITS)
        snprintf(warn(w, GATE_FEW_BITS), DETAIL,
                 "its 16-bit values end at %u: %u bits stored in 16, %u times darker than they are meant; "
                 "multiply them by %u",
                 (unsigned)img->greatest, bits, 1u << (16 - bits), 1u << (16 - bits));
}

static void check_file(const struct image *img, size_t size, struct gate_warnings *w)
{
    const size_t longer = img->width > img->height ? img->width : img->height;
    const size_t shorter = img->width + img->height - longer;

    if (img->colour > MOST_COLOUR)
        snprintf(warn(w, GATE_COLOUR), DETAIL, "%.0f %% of the pixels are coloured; a radiograph is grey",
                 fmax(img->colour * 100, 1));
    if ((double)longer > MOST_ASPECT * (double)shorter)
        snprintf(warn(w, GATE_NOT_SQUARE), DETAIL,
                 "%zu x %zu pixels are far from square, and the model sees a square", img->width,
                 img->height);
    if (shorter < size)
        snprintf(warn(w, GATE_TOO_SMALL), DETAIL,
                 "%zu x %zu pixels are fewer than the %zu x %zu that the model sees", img->width, img->height,
                 size, size);
    check_bits(img, w);
}

void gate_check(const struct image *img, const double stats[GATE_STATS], size_t size,
                const struct input_gate *gate, struct gate_warnings *ret)
{
    const double likeness = chest_likeness(stats + STAT_PARTS);
    const bool constant = stats[STAT_STD] < LEAST_STD;

    ret->n = 0;
    if (constant)
        snprintf(warn(ret, GATE_NEARLY_CONSTANT), DETAIL,
                 "the picture is nearly one grey: its values spread by %.1f of 255", stats[STAT_STD]);
    else if (likeness < 0) /* 2 of 814 radiographs as they are; 812 of them with black and white swapped */
        snprintf(
            warn(ret, GATE_INVERTED), DETAIL,
            "light and dark lie the other way round than in a frontal chest (correlation %.2f): black and "
            "white may be swapped",
            likeness);
    if (img)
        check_file(img, size, ret);
    if (gate) {
        const double distance = gate_distance(gate, stats);

        if (distance > gate->threshold)
            snprintf(
                warn(ret, GATE_UNLIKE_TRAINING), DETAIL,
                "it is unlike 99 %% of the pictures that the model was trained on: its grey values are at "
                "distance %.1f, and theirs within %.1f",
                distance, gate->threshold);
    }
}
