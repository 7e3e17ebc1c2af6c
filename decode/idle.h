/* decode/idle.h - a helper that waits has little memory. */
#ifndef DECODE_IDLE_H
#define DECODE_IDLE_H

/* Give back what only the beginning needed: free memory of the heap, and the pages of all libraries' code, which are in the files that
 * they come from and return when they are called. A child has none of those from its parent anyway. Before the sandbox: where a
 * sanitizer has replaced the heap, the C library's own is set up by this, and asks the kernel for a random number. */
void idle_prepare(void);

#endif
