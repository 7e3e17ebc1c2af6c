/* server/http/budget.h - how many bytes, or how much of anything, may be held at a time. Any thread may call. */
#ifndef SERVER_HTTP_BUDGET_H
#define SERVER_HTTP_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    size_t limit;
    atomic_size_t held;
};

/* Take n; false, and nothing is taken, where that would be more than the limit. */
static inline bool budget_take(struct budget *b, size_t n)
{
    if (atomic_fetch_add(&b->held, n) + n <= b->limit)
        return true;
    atomic_fetch_sub(&b->held, n);
    return false;
}

/* The same beyond the limit: for what cannot be refused. */
static inline void budget_force(struct budget *b, size_t n) { atomic_fetch_add(&b->held, n); }
static inline void budget_give(struct budget *b, size_t n) { atomic_fetch_sub(&b->held, n); }
static inline bool budget_is_spent(struct budget *b) { return atomic_load(&b->held) >= b->limit; }

#endif
