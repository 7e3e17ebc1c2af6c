/* server/api/ui_files.h - the files of server/ui/ and the libraries that they use, made by the build (ui_files.cmake). */
#ifndef SERVER_API_UI_FILES_H
#define SERVER_API_UI_FILES_H

#include <stddef.h>

struct ui_file {
    const char *name, *type;
    const unsigned char *bytes;
    const size_t *size;
};
extern const struct ui_file UI_FILES[];
extern const size_t N_UI_FILES;

#endif
