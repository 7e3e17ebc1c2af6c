/* include/cxrd/secret.h - memory that held what must not stay there: pixels, and the files they came in. */
#ifndef CXRD_SECRET_H
#define CXRD_SECRET_H

/* As free(), for anything of malloc()'s, but overwrites all of it first. NULL is fine. */
void secret_free(void *memory);

#endif
