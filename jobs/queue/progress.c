/* jobs/queue/progress.c - see progress.h. */
#include "progress.h"

#include <string.h>

void progress_publish(struct progress *p, const struct snapshot *s)
{
    uint64_t words[SNAPSHOT_WORDS] = { 0 };
    const unsigned before = atomic_load_explicit(&p->sequence, memory_order_relaxed);

    memcpy(words, s, sizeof *s);
    atomic_store_explicit(&p->sequence, before + 1, memory_order_relaxed);
    for (size_t i = 0; i < SNAPSHOT_WORDS; i++) /* release: no word is seen before the odd number is */
        atomic_store_explicit(&p->words[i], words[i], memory_order_release);
    atomic_store_explicit(&p->sequence, before + 2, memory_order_release);
}

void progress_read(struct progress *p, struct snapshot *ret)
{
    uint64_t words[SNAPSHOT_WORDS];
    unsigned before, after;

    do {
        before = atomic_load_explicit(&p->sequence, memory_order_acquire);
        for (size_t i = 0; i < SNAPSHOT_WORDS; i++) /* acquire: the number below is read after every word */
            words[i] = atomic_load_explicit(&p->words[i], memory_order_acquire);
        after = atomic_load_explicit(&p->sequence, memory_order_relaxed);
    } while (before != after || before % 2);
    memcpy(ret, words, sizeof *ret);
}
