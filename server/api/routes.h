/* server/api/routes.h - what cxrd answers over HTTP. */
#ifndef SERVER_API_ROUTES_H
#define SERVER_API_ROUTES_H

#include "../http/http.h"

extern const struct route_table ROUTES;

#endif
