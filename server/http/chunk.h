/* server/http/chunk.h - the lines of the chunked coding (RFC 9112, section 7.1). */
#ifndef SERVER_HTTP_CHUNK_H
#define SERVER_HTTP_CHUNK_H

#include "syntax.h"

#include <stdint.h>

/* The first line of a text that is not empty, without its end: 1; 0 where it is not there yet; -1 where it is not one, or
 * has more than 1,024 bytes. */
int chunk_line(struct span text, struct span *ret);

/* The size that a chunk's line begins with; UINT64_MAX where it is beyond counting. An extension behind it, such as
 * ;name=value, is read and dropped. False: the line is not of that form. */
bool chunk_size(struct span line, uint64_t *ret);

#endif
