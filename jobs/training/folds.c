/* jobs/training/folds.c - see folds.h. */
#include "folds.h"

uint8_t fold_of(uint64_t patient)
{
    uint64_t x = (patient + 1) * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9u;
    return (uint8_t)((x >> 32) % N_FOLDS);
}
