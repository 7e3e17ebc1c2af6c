/* server/commands/pictures.h - the pictures that a command's arguments name: files, and folders with what is in them. */
#ifndef SERVER_COMMANDS_PICTURES_H
#define SERVER_COMMANDS_PICTURES_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct named_path {
    char *path; /* owned, as the next */
    char *
        fault; /* why no picture is there: a folder without one, or that cannot be listed; NULL: it is to be read */
};

struct path_list {
    size_t n, capacity;
    struct named_path *of;
    size_t n_links; /* in folders, passed over */
};
#define PATH_LIST_INIT \
    {                  \
        0, 0, NULL, 0  \
    }

/* Files as they are named, or, where no file has that name, what it matches as a pattern (glob(7)); of a folder, and of folders in it, every picture in the order of names: files that end in .png, .jpg,
 * .jpeg, .dcm or .dicom in any case, and those of any other name whose first bytes are DICOM's, but DICOMDIR. Hidden files and
 * links in a folder are passed over. A folder that cannot be used is in the list, with its fault.
 * Errors: ST_IO, ST_LIMIT (too many), ST_NOMEM. The list is to be released in any case. */
MUST_USE enum status pictures_find(char *const *arguments, size_t n, struct path_list *ret,
                                   struct error *err);

/* Add what a file names, one a line, as arguments would: files, folders, patterns. Empty lines say nothing.
 *   path  "-": standard input
 * Errors: as above; ST_IO of the list itself, ST_NOTFOUND: it names nothing. */
MUST_USE enum status pictures_list(const char *path, struct path_list *ret, struct error *err);
void path_list_release(struct path_list *l); /* safe on PATH_LIST_INIT */

/* Whether a file's name says that it is DICOM. */
bool named_dicom(const char *path);

#endif
