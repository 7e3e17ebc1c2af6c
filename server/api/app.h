/* server/api/app.h - everything that is behind cxrd's handlers. `cxrd serve` makes it; a handler sees the part that is its
 * own, see serving.h, work.h and accounting.h. Read only once the server runs. */
#ifndef SERVER_API_APP_H
#define SERVER_API_APP_H

#include "accounting.h"
#include "serving.h"
#include "work.h"

#include "cxrd/notices.h"

struct app {
    struct accounting accounting;
    struct work work;
    struct serving serving;
    struct notices *notices;       /* NULL: nobody is told anything */
    struct signers *model_signers; /* owned; NULL: nobody need sign a model */
    char *s3_credentials;          /* owned; NULL: none */
};

#endif
