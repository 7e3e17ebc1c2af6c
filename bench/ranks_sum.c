/* bench/ranks_sum.c - what a step's exchange between ranks costs: mpirun -n 2 bench_ranks_sum [MB] [times]. Each rank has one vector. */
#include "cxrd/clock.h"
#include "server/commands/ranks_mpi.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST = 1000, MB = 1 << 20 };

static bool never(void) { return false; }

static int double_compare(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

static size_t parts_for(const struct ranks *r)
{
    size_t parts = 1;

    while (parts < ranks_n(r))
        parts *= 2;
    return parts;
}

int main(int argc, char **argv)
{
    const double mb = argc > 1 ? strtod(argv[1], NULL) : 9.4;
    const size_t asked = argc > 2 ? strtoul(argv[2], NULL, 10) : 30, times = asked < MOST ? asked : MOST;
    const size_t n = (size_t)(mb * MB / sizeof(float));
    struct ranks *r;
    struct error err = { 0 };
    static double seconds[MOST];
    float *parts[2], *room;
    enum status st = ranks_mpi_open(never, 30, &r, &err);

    parts[0] = calloc(n, sizeof(float));
    parts[1] = calloc(n, sizeof(float));
    room = calloc(ranks_sum_room(r, parts_for(r), n) + 1, sizeof(float));
    for (size_t i = 0; i < times && st == ST_OK; i++) {
        const double began = clock_seconds();

        st = ranks_sum(r, parts_for(r), 1, parts, n, room, &err);
        seconds[i] = clock_seconds() - began;
    }
    qsort(seconds, times, sizeof *seconds, double_compare);
    if (st != ST_OK)
        fprintf(stderr, "%s\n", err.text);
    else if (ranks_me(r) == 0)
        printf("%zu ranks, %.1f MB: least %.1f ms, median %.1f ms of %zu\n", ranks_n(r), mb, 1e3 * seconds[0],
               1e3 * seconds[times / 2], times);
    st = ranks_end(r, st, &err);
    free(parts[0]);
    free(parts[1]);
    free(room);
    ranks_mpi_close(r, st == ST_OK ? 0 : 1);
    return st == ST_OK ? 0 : 1;
}
