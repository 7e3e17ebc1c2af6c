/* server/commands/profile_file.h - a site's profile in a file, as GET /profiles/{id} gives it. */
#ifndef SERVER_COMMANDS_PROFILE_FILE_H
#define SERVER_COMMANDS_PROFILE_FILE_H

#include "cxrd/file.h"

#include <jansson.h>

/* A file of profiles is no longer. */
enum { PROFILE_FILE_MOST = 1 << 20 };

struct profile_file {
    json_t *exported; /* its `profile` is read from `canonical` again */
    char *canonical;  /* the profile's bytes that are signed, a text */
};
#define PROFILE_FILE_INIT \
    {                     \
        NULL, NULL        \
    }

/*   ret  release it in any case
 * Errors: ST_FORMAT, ST_NOMEM. */
MUST_USE enum status profile_file_parse(const struct file_bytes *file, struct profile_file *ret,
                                        struct error *err);
void profile_file_release(struct profile_file *p);

#endif
