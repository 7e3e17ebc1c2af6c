/* jobs/dataset/names.h - the names of pictures, as tables, lists and folders write them: one name may stand there with
 * folders before it, and with an ending of a picture's file, in any case or left out. */
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

/* Without the ending of a picture's file, ".png", ".jpg", ".jpeg", ".dcm" or ".dicom", in any case of its letters: a table may name
 * the file that a release has, and the folder hold what was made of it. */
struct name name_stem(struct name a);

/* The same of ".jpg" and ".jpeg" alone: what the tables of some releases call their pictures. */
struct name name_of_picture(struct name a);

/* < 0, 0, > 0: the order of two names that leaves these endings out of account. */
int name_order(struct name a, struct name b);

/* Of two files of one name in one data set that with the lower rank counts: 0 for ".png" and for names without such an ending, then
 * those of the others in the order above. */
size_t name_rank(struct name a);

/* Whether a file of this name may be DICOM: such files often have no ending of their own. */
bool name_may_be_dicom(struct name a);

/* Whether a file's name matches a pattern: as it is, or with the ending of a picture's file in small letters. A pattern that ends in
 * ".png" means the pictures of a release, in whatever form they are there: it matches all these endings. */
bool name_matches(const char *pattern, const char *name);

#endif
