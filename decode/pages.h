/* decode/pages.h - memory that is about to be filled as a whole. */
#ifndef DECODE_PAGES_H
#define DECODE_PAGES_H

#include <stddef.h>

/* Have the pages of [n] bytes ready to be written, at once: a fault for each takes the kernel longer. Nothing depends on it: where the
 * kernel does not know how, or has no memory left, a page comes when it is written. */
void pages_ready(void *at, size_t n);

#endif
