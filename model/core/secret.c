/* model/core/secret.c - see cxrd/secret.h. */
#include "cxrd/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void secret_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory)); /* whoever allocated it need not tell how much */
    free(memory);
}
