/* server/api/work.h - what requests about jobs and models take. */
#ifndef SERVER_API_WORK_H
#define SERVER_API_WORK_H

#include "../http/http.h"
#include "cxrd/catalog.h"
#include "cxrd/profiles.h"
#include "cxrd/registry.h"
#include "cxrd/runner.h"
#include "cxrd/store.h"

struct work {
    struct store *store;
    struct registry *registry;
    struct runner *runner;
    struct catalog *catalog;
    struct profiles *profiles;
    struct outgoing *outgoing;
    const char *datasets;  /* NULL: none */
    const char *base_path; /* before every path in a link, "" none */
};

const struct work *app_work(const struct app *app);

#endif
