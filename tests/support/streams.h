/* tests/support/streams.h - feedback as it comes over time, drawn: two models that score the same pictures, and what a reader says.
 *
 * Each of 14 findings has a prevalence between 3 and 20 %. A picture's score is normal, with another mean where the finding is there, so
 * that the active model's AUROC is 0.80; both models share `shared` of the variance of what is not the finding, and patients have one
 * to three pictures that are alike. */
#ifndef TESTS_STREAMS_H
#define TESTS_STREAMS_H

#include "cxrd/interim.h"
#include "cxrd/rng.h"

enum { STREAM_FINDINGS = 14 };

struct stream {
    struct rng rng;
    double gain;     /* in AUROC, of the candidate */
    size_t findings; /* that are asked for, 1 to STREAM_FINDINGS: one has a prevalence of 20 % */
    struct feedback_rows rows;
    double patient[STREAM_FINDINGS]; /* what the pictures of the latest patient share */
    uint64_t patients;
    int left; /* of its pictures */
};

void stream_begin(struct stream *s, uint64_t seed, double gain, size_t findings);
void stream_more(struct stream *s, size_t pictures);
void stream_end(struct stream *s);

/* Watch a stream to its end by the planned analyses, asked for at every `every` pictures. Returns the verdict at the end.
 *   ret_fixed  whether the 95 % interval at the end alone leaves out 0; may be NULL */
int stream_watch(struct stream *s, size_t pictures, size_t every, int *ret_fixed);

#endif
