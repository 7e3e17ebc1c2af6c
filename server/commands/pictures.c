/* server/commands/pictures.c - see pictures.h. */
#include "pictures.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PICTURES = 1000000, MAX_DEPTH = 32 };

static bool ends_in(const char *path, const char *ending)
{
    const size_t n = strlen(path), length = strlen(ending);

    return n > length && strcasecmp(path + n - length, ending) == 0;
}

bool named_dicom(const char *path) { return ends_in(path, ".dcm") || ends_in(path, ".dicom"); }

static bool begins_as_dicom(const char *path)
{
    char head[132] = "";
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    const ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);

    if (fd >= 0)
        close(fd);
    return n == (ssize_t)sizeof head && memcmp(head + 128, "DICM", 4) == 0;
}

static bool is_picture(const char *path)
{
    return ends_in(path, ".png") || ends_in(path, ".jpg") || ends_in(path, ".jpeg") || named_dicom(path) ||
           (!ends_in(path, "/DICOMDIR") && begins_as_dicom(path));
}

/*   path   taken over; NULL without memory
 *   fault  NULL: none */
static enum status add(struct path_list *l, char *path, const char *fault, struct error *err)
{
    char *why = fault ? strdup(fault) : NULL;

    if (path && l->n == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 64;
        struct named_path *grown = realloc(l->of, capacity * sizeof *grown);

        if (grown) {
            l->of = grown;
            l->capacity = capacity;
        }
    }
    if (!path || (fault && !why) || l->n == l->capacity) {
        free(path);
        free(why);
        return error_nomem(err);
    }
    l->of[l->n++] = (struct named_path){ path, why };
    return l->n <= MAX_PICTURES ? ST_OK
                                : error_set(err, ST_LIMIT, "there are more than %d pictures", MAX_PICTURES);
}

/* The file at `path` cannot be used, and others can. */
static enum status add_fault(struct path_list *l, const char *path, struct error *err)
{
    const struct error why = *err;

    return add(l, strdup(path), why.text, err);
}

/*   n_links  that were passed over */
static enum status add_empty(struct path_list *l, const char *folder, size_t n_links, struct error *err)
{
    if (n_links == 0)
        error_set(err, ST_NOTFOUND, "there is no picture in the folder");
    else
        error_set(err, ST_NOTFOUND,
                  "there is no picture in the folder, but %zu links, which are not followed: name what they "
                  "lead to",
                  n_links);
    return add_fault(l, folder, err);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static enum status folder_add(struct path_list *l, const char *folder, int depth, struct error *err);

static enum status entry_add(struct path_list *l, const char *folder, const char *name, int depth,
                             struct error *err)
{
    const size_t n = strlen(folder);
    char path[PATH_MAX];
    struct stat info;

    if (snprintf(path, sizeof path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name) >=
        (int)sizeof path) {
        error_set(err, ST_LIMIT, "a path in the folder is too long");
        return add_fault(l, folder, err);
    }
    if (lstat(path, &info) != 0) {
        if (errno == ENOENT) /* it has gone meanwhile */
            return ST_OK;
        error_errno(err, ST_IO, "cannot look at it");
        return add_fault(l, path, err);
    }
    l->n_links += S_ISLNK(info.st_mode);
    if (S_ISDIR(info.st_mode))
        return folder_add(l, path, depth + 1, err);
    return S_ISREG(info.st_mode) && is_picture(path) ? add(l, strdup(path), NULL, err) : ST_OK;
}

static enum status folder_add(struct path_list *l, const char *folder, int depth, struct error *err)
{
    struct dirent **entries = NULL;
    const int n = depth > MAX_DEPTH ? 0 : scandir(folder, &entries, is_visible, by_name);
    enum status st = ST_OK;

    if (depth > MAX_DEPTH)
        error_set(err, ST_LIMIT, "folders lie more than %d deep in one another", MAX_DEPTH);
    else if (n < 0)
        error_errno(err, ST_IO, "cannot list the folder");
    if (depth > MAX_DEPTH || n < 0)
        return add_fault(l, folder, err);
    for (int i = 0; i < n; i++) {
        if (st == ST_OK)
            st = entry_add(l, folder, entries[i]->d_name, depth, err);
        free(entries[i]);
    }
    free(entries);
    return st;
}

/* The files that a pattern matches, in the order of names; one that matches nothing is a file that is not there, and told as such. */
static enum status pattern_add(struct path_list *l, const char *pattern, struct error *err);

static enum status argument_add(struct path_list *l, const char *argument, bool is_pattern, struct error *err)
{
    const size_t before = l->n, links = l->n_links;
    struct stat info;
    const bool is_there = stat(argument, &info) == 0;
    enum status st;

    if (!is_there && is_pattern && strpbrk(argument, "*?["))
        return pattern_add(l, argument, err);
    if (!is_there || !S_ISDIR(info.st_mode))
        return add(l, strdup(argument), NULL, err);
    st = folder_add(l, argument, 0, err);
    return st == ST_OK && l->n == before ? add_empty(l, argument, l->n_links - links, err) : st;
}

static enum status pattern_add(struct path_list *l, const char *pattern, struct error *err)
{
    glob_t found = { 0 };
    const int rc = glob(pattern, GLOB_NOCHECK, NULL, &found);
    enum status st = rc == GLOB_NOSPACE ? error_nomem(err) : ST_OK;

    if (st == ST_OK && rc != 0)
        st = error_set(err, ST_IO, "cannot list what '%.200s' matches", pattern);
    for (size_t i = 0; i < found.gl_pathc && st == ST_OK; i++)
        st = argument_add(l, found.gl_pathv[i], false, err);
    globfree(&found);
    return st;
}

enum status pictures_find(char *const *arguments, size_t n, struct path_list *ret, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < n && st == ST_OK; i++)
        st = argument_add(ret, arguments[i], true, err);
    return st;
}

/* The next line without its end. *ret_n is 0 for one that is empty; false: there is no other, or *st says why it cannot be had. */
static bool line_read(FILE *list, const char *name, char line[PATH_MAX + 1], size_t *ret_n, enum status *st,
                      struct error *err)
{
    size_t n = 0;
    int c;

    while ((c = getc(list)) != EOF && c != '\n' && c != '\0' && n < PATH_MAX)
        line[n++] = (char)c;
    if (c == '\0')
        *st = error_set(err, ST_FORMAT, "a line of '%.200s' has a NUL byte: lines end with a newline", name);
    else if (c != EOF && c != '\n')
        *st = error_set(err, ST_LIMIT, "a line of '%.200s' is longer than a path can be", name);
    else if (ferror(list))
        *st = error_errno(err, ST_IO, "cannot read '%.200s'", name);
    n -= n > 0 && line[n - 1] == '\r';
    line[n] = '\0';
    *ret_n = n;
    return *st == ST_OK && (c != EOF || n > 0);
}

/* The lines of an open list. Each is a name as it stands, and no pattern. */
static enum status lines_add(FILE *list, const char *name, struct path_list *ret, struct error *err)
{
    char line[PATH_MAX + 1];
    enum status st = ST_OK;
    size_t n;

    while (st == ST_OK && line_read(list, name, line, &n, &st, err))
        if (n > 0)
            st = argument_add(ret, line, false, err);
    return st;
}

enum status pictures_list(const char *path, struct path_list *ret, struct error *err)
{
    const bool is_input = strcmp(path, "-") == 0;
    const char *name = is_input ? "standard input" : path;
    const size_t before = ret->n;
    FILE *list = is_input ? stdin : fopen(path, "re");
    enum status st;

    if (!list)
        return error_errno(err, ST_IO, "cannot open the list '%.200s'", path);
    st = lines_add(list, name, ret, err);
    if (st == ST_OK && ret->n == before)
        st = error_set(err, ST_NOTFOUND, "the list '%.200s' names no picture", name);
    if (!is_input)
        fclose(list);
    return st;
}

void path_list_release(struct path_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->of[i].path);
        free(l->of[i].fault);
    }
    free(l->of);
    *l = (struct path_list)PATH_LIST_INIT;
}
