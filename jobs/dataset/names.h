/* jobs/dataset/names.h - the names of pictures, as tables, lists and folders write them: one name may stand there with
 * folders before it, and with its ".png" in any case or left out. */
#ifndef JOBS_DATASET_NAMES_H
#define JOBS_DATASET_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct name {
    const char *text; /* borrowed; no NUL at its end */
    size_t n;
};

/* Without blanks around it and the folders before it: "images_001/images/a.png" and "images\a.png" are "a.png". */
struct name name_base(const char *text, size_t n);

/* The same with the last `parts` parts of the path, 1 for name_base(); all of it where it has fewer. */
struct name name_tail(const char *text, size_t n, size_t parts);

/* The part of a path that is `from_end`th from its end, 1 for name_base(); n = 0 where it has fewer. */
struct name name_part(const char *text, size_t n, size_t from_end);

/* Without ".png", in any case of its letters. */
struct name name_stem(struct name a);

/* Without ".jpg" or ".jpeg": the picture is one, and its PNG file is called as it was. */
struct name name_of_picture(struct name a);

/* < 0, 0, > 0: the order of two names that leaves ".png" out of account, in any case of its letters. */
int name_order(struct name a, struct name b);

/* Whether a file's name matches a pattern as it is, or with its ".PNG" in small letters. */
bool name_matches(const char *pattern, const char *name);

#endif
