/* server/http/tls.h - the certificate that connections begin with, which may be exchanged while the server runs. */
#ifndef SERVER_HTTP_TLS_H
#define SERVER_HTTP_TLS_H

#include "cxrd/status.h"

#include <stdint.h>

struct tls;

/* Read a certificate chain and its key, PEM; what was read is in the log.
 *   cert, key  paths; borrowed
 * Errors: ST_NOTFOUND, ST_IO, ST_LIMIT (the files), ST_INVALID (they do not fit each other, or are no PEM), ST_NOMEM. */
MUST_USE enum status tls_open(const char *cert, const char *key, struct tls **ret_tls, struct error *err);
void tls_close(struct tls *t); /* once no connection is left; NULL is fine */

/* Read both files again. Connections that are there go on with what they began with; on failure all stays as it was. Any
 * thread. Errors: tls_open()'s. */
MUST_USE enum status tls_reload(struct tls *t, struct error *err);

/* When the certificate ends, in seconds since 1970. Any thread. */
int64_t tls_expires(struct tls *t);

/* The function for libmicrohttpd's MHD_OPTION_HTTPS_CERT_CALLBACK2. GnuTLS hands such a function nothing of ours, so
 * it serves the one `tls` of the process that asked for it last. */
void *tls_callback(struct tls *t);

#endif
