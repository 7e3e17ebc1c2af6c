/* server/http/mhd.h - libmicrohttpd, for daemon.c, reply.c and exchange.h. Nobody else knows it. What it gets wrong, and
 * what is here because of it, is in docs/internals/http.md. */
#ifndef SERVER_HTTP_MHD_H
#define SERVER_HTTP_MHD_H

#include <microhttpd.h>

#endif
