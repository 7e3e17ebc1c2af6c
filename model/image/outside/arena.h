/* model/image/outside/arena.h - memory that is shared with another process, and never mapped by this one. Its bytes are copied
 * before they are looked at, and a process that cuts or fills it harms itself alone. */
#ifndef MODEL_IMAGE_OUTSIDE_ARENA_H
#define MODEL_IMAGE_OUTSIDE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    int fd; /* above those that the other process gets; -1: closed */
    size_t size;
};
#define ARENA_INIT \
    {              \
        -1, 0      \
    }

/* Nobody can make it another size. False: errno says why, as for the next two. */
bool arena_open(struct arena *a, const char *name, size_t size);
bool arena_write(const struct arena *a, const void *bytes, size_t n); /* from its beginning on */
bool arena_read(const struct arena *a, size_t at, void *ret, size_t n);

/* Give all its pages back: it is zero, and takes no memory. False: something may still stand in it. */
bool arena_clear(const struct arena *a);
void arena_close(struct arena *a); /* safe on ARENA_INIT and twice */

#endif
