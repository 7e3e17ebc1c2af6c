/* server/api/ui_files.h - the files of server/ui/, the contract and the libraries that the pages use, made by the build
 * (ui_files.cmake). */
#ifndef SERVER_API_UI_FILES_H
#define SERVER_API_UI_FILES_H

#include <stddef.h>

/* A file in one form. */
struct ui_form {
    const unsigned char *bytes;
    const size_t *size;
    const char *etag; /* with its quotes; another one for other bytes */
};

struct ui_file {
    const char *name, *type;
    struct ui_form plain, gzip;
};
extern const struct ui_file UI_FILES[];
extern const size_t N_UI_FILES;

#endif
