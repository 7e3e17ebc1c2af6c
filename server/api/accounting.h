/* server/api/accounting.h - what is counted and kept of requests. */
#ifndef SERVER_API_ACCOUNTING_H
#define SERVER_API_ACCOUNTING_H

#include "../http/http.h"

struct accounting {
    struct audit *audit; /* NULL: none is kept */
    struct metrics *metrics;
    struct drift_monitor *drift;
    struct scrape *scrape;             /* of GET /metrics */
    struct feedback_monitor *feedback; /* likewise */
    long long started;                 /* seconds since 1970 */
};

const struct accounting *app_accounting(const struct app *app);

#endif
