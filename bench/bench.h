/* bench/bench.h - measuring: a thing is run some times, and the times are summed up. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <jansson.h>
#include <stddef.h>

struct timing {
    double median, p99, best; /* seconds */
    size_t runs;
};

/* Run fn(arg) for at least `seconds` and `min_runs` times, after two that do not count. */
struct timing measure(void (*fn)(void *arg), void *arg, double seconds, size_t min_runs);

/* Two things in turns, by the processor time of this thread: what else runs disturbs both alike. */
struct timing_pair {
    struct timing a, b;
};
struct timing_pair measure_pair(void (*fn)(void *arg), void *a, void *b, double seconds, size_t min_runs);

/* As bench/turns.py asks: read a number from each line of the standard input, run fn(arg) so often, answer with a line of so many
 * seconds; until the input ends. On one core by the process's time, which others disturb little, on several by the clock's. */
void answer_in_turns(void (*fn)(void *arg), void *arg, size_t cores);

/* A table of NIH's form, from its file to a stratified split. Ends the program where the file is no such table. */
struct timing measure_table(const char *path, double seconds);

/* GFLOP/s of independent multiply-adds on one core in the kernels' instruction set: what no program can exceed. */
double peak_gflops(void);

/* The same on `threads` cores at once, summed. */
double peak_gflops_shared(size_t threads);

#endif
