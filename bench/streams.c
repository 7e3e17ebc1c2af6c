/* bench/streams.c - are two models told apart by readers' feedback when they differ, and only then?
 *
 *     cmake --build --preset release --target bench_streams
 *     build/release/bench_streams [STREAMS [PICTURES [EVERY [FIRST]]]]
 *
 * Streams of feedback as tests/support/streams.h draws them, 200 of 2,000 pictures where nothing else is said, each asked about at every
 * 50, of the seeds from FIRST (0) on. The unit test has the seeds from 0, and the error to spend was chosen on these: a figure to be
 * believed is of others. "By the planned analyses" is the verdict of cxrd/interim.h; beside it whether the 95 % interval leaves out 0 at the end, as it
 * would for one who looks once. */
#include "streams.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    static const struct {
        double gain;
        size_t findings;
    } CASES[] = { { 0, STREAM_FINDINGS }, { 0.03, STREAM_FINDINGS }, { 0, 1 }, { 0.03, 1 } };
    const long streams = argc > 1 ? strtol(argv[1], NULL, 10) : 200;
    const size_t pictures = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;
    const size_t every = argc > 3 ? strtoul(argv[3], NULL, 10) : 50;
    const uint64_t first = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;

    printf("| findings | gain in AUROC | told apart by the planned analyses | of them wrongly | by one look "
           "at the end |\n"
           "|---|---|---|---|---|\n");
    for (size_t c = 0; c < sizeof CASES / sizeof CASES[0]; c++) {
        long told = 0, wrong = 0, fixed = 0;

        for (long i = 0; i < streams; i++) {
            struct stream s;
            int at_end, verdict;

            stream_begin(&s, first + (uint64_t)i, CASES[c].gain, CASES[c].findings);
            verdict = stream_watch(&s, pictures, every, &at_end);
            told += verdict != 0;
            wrong += verdict != 0 && !(CASES[c].gain > 0 && verdict > 0);
            fixed += at_end != 0;
            stream_end(&s);
        }
        printf("| %zu | %.2f | %ld of %ld | %ld | %ld |\n", CASES[c].findings, CASES[c].gain, told, streams,
               wrong, fixed);
        fflush(stdout);
    }
    return 0;
}
