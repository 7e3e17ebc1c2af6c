/* jobs/store/prepared.c - see prepared.h. */
#include "prepared.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct prepared {
    struct prepared *next;
    uint64_t hash;
    void *statement;
    char sql[];
};

static uint64_t hash_of(const char *sql) /* FNV-1a */
{
    uint64_t hash = 0xcbf29ce484222325;

    for (; *sql; sql++)
        hash = (hash ^ (unsigned char)*sql) * 0x100000001b3;
    return hash;
}

void *prepared_find(const struct prepared_set *set, const char *sql)
{
    const uint64_t hash = hash_of(sql);

    for (const struct prepared *p = set->lists[hash % PREPARED_LISTS]; p; p = p->next)
        if (p->hash == hash && strcmp(p->sql, sql) == 0)
            return p->statement;
    return NULL;
}

bool prepared_add(struct prepared_set *set, const char *sql, void *statement)
{
    const size_t size = strlen(sql) + 1;
    struct prepared *p = set->n < MOST_PREPARED ? malloc(sizeof *p + size) : NULL;

    if (!p)
        return false;
    p->hash = hash_of(sql);
    p->statement = statement;
    memcpy(p->sql, sql, size);
    p->next = set->lists[p->hash % PREPARED_LISTS];
    set->lists[p->hash % PREPARED_LISTS] = p;
    set->n++;
    return true;
}

void *prepared_take(struct prepared_set *set)
{
    for (size_t i = 0; i < PREPARED_LISTS; i++) {
        struct prepared *p = set->lists[i];

        if (p) {
            void *statement = p->statement;

            set->lists[i] = p->next;
            set->n--;
            free(p);
            return statement;
        }
    }
    return NULL;
}
