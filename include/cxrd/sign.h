/* include/cxrd/sign.h - HMAC-SHA256 (RFC 2104) in base64 (RFC 4648), by libcrypto: what proves that a message is ours. */
#ifndef CXRD_SIGN_H
#define CXRD_SIGN_H

#include "cxrd/status.h"

#include <stddef.h>

#define SIGN_TEXT_SIZE 45

/* The code of `n` bytes under a key, as text. Errors: ST_NOMEM. */
MUST_USE enum status sign_hmac(const void *key, size_t n_key, const void *bytes, size_t n,
                               char text[SIGN_TEXT_SIZE]);

#endif
