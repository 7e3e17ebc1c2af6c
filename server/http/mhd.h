/* server/http/mhd.h - libmicrohttpd, for daemon.c, reply.c and exchange.h. Nobody else knows it. Its defects, and
 * the remedies here, are in docs/internals/http.md. */
#ifndef SERVER_HTTP_MHD_H
#define SERVER_HTTP_MHD_H

#include <microhttpd.h>

#endif
