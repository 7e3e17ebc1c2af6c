/* model/image/gate_stats.c - what the input gate counts of a picture. */
#include "cxrd/input_gate.h"

#include <assert.h>
#include <math.h>

/* The grey value that a part `q` of the pixels does not exceed. */
static double quantile(const size_t counts[256], size_t n, double q)
{
    const double wanted = q * (double)n;
    size_t sum = 0;

    for (int v = 0; v < 256; v++) {
        sum += counts[v];
        if ((double)sum >= wanted)
            return v;
    }
    return 255;
}

/* How often each grey value occurs. Neighbours are mostly alike: four tables
 * keep one count from waiting for the one before it. */
static void histogram(const uint8_t *grey, size_t n, size_t ret[256])
{
    uint32_t counts[4][256] = { 0 };

    for (size_t i = 0; i < n / 4 * 4; i += 4)
        for (size_t k = 0; k < 4; k++)
            counts[k][grey[i + k]]++;
    for (size_t i = n / 4 * 4; i < n; i++)
        counts[0][grey[i]]++;
    for (size_t v = 0; v < 256; v++)
        ret[v] = (size_t)counts[0][v] + counts[1][v] + counts[2][v] + counts[3][v];
}

/* The sum of squared differences of two rows of n. */
static uint32_t squares(const uint8_t *a, const uint8_t *b, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        const int step = a[i] - b[i];

        sum += (uint32_t)(step * step);
    }
    return sum;
}

/* The root mean square of the steps to the right and to below. */
static double rms_step(const uint8_t *grey, size_t size)
{
    uint64_t sum = 0;

    for (size_t y = 0; y < size; y++, grey += size)
        sum += (uint64_t)squares(grey, grey + 1, size - 1) +
               (y + 1 < size ? squares(grey, grey + size, size) : 0);
    return sqrt((double)sum / (double)(2 * size * (size - 1)));
}

/* Where part i of a side begins. */
static size_t part_begin(size_t size, size_t i) { return i * size / GATE_SIDE; }

static double part_mean(const uint8_t *grey, size_t size, size_t row, size_t column)
{
    const size_t top = part_begin(size, row), bottom = part_begin(size, row + 1);
    const size_t left = part_begin(size, column), right = part_begin(size, column + 1);
    uint64_t sum = 0;

    for (size_t y = top; y < bottom; y++) {
        uint32_t of_row = 0;

        for (size_t x = left; x < right; x++)
            of_row += grey[y * size + x];
        sum += of_row;
    }
    return (double)sum / (double)((bottom - top) * (right - left));
}

static void part_means(const uint8_t *grey, size_t size, double ret[GATE_PARTS])
{
    assert(size >= GATE_SIDE);
    for (size_t i = 0; i < GATE_PARTS; i++)
        ret[i] = part_mean(grey, size, i / GATE_SIDE, i % GATE_SIDE);
}

void gate_stats(const uint8_t *grey, size_t size, double ret[GATE_STATS])
{
    static const double QUANTILES[] = { 0.05, 0.25, 0.5, 0.75, 0.95 };
    const size_t n = size * size;
    size_t counts[256];
    double sum = 0, sum_of_squares = 0;

    histogram(grey, n, counts);
    for (int v = 0; v < 256; v++) {
        sum += (double)counts[v] * v;
        sum_of_squares += (double)counts[v] * v * v;
    }
    ret[STAT_MEAN] = sum / (double)n;
    ret[STAT_STD] = sqrt(fmax(sum_of_squares / (double)n - ret[STAT_MEAN] * ret[STAT_MEAN], 0));
    for (size_t i = 0; i < 5; i++)
        ret[STAT_Q05 + i] = quantile(counts, n, QUANTILES[i]);
    ret[STAT_STEP] = rms_step(grey, size);
    part_means(grey, size, ret + STAT_PARTS);
}
