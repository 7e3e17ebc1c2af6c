/* jobs/dataset/discover.c - which pictures are there.
 *
 * Paths come from a job's configuration, so they are walked part by part: each part is opened relative to the folder
 * before it and must not be a symbolic link, which keeps every result below the root whatever the names say. (One
 * openat2() would do the same, but containers with an older system call filter refuse it.) */
#include "cxrd/dataset.h"

#include "dicom_uid.h"
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH = 512, MAX_PART = 255 };

/* A name by which a file is found: its own, or the SOP Instance UID of a DICOM file. */
struct picture {
    char *name;       /* owned */
    const char *file; /* the file's own name */
    uint32_t folder;
};

struct picture_files {
    size_t n, capacity, n_folders, folders_capacity;
    size_t n_files;           /* some of them have two names */
    size_t parts;             /* of a path that are a picture's name */
    size_t links;             /* that matched, and were passed over */
    struct picture *pictures; /* sorted by name */
    int root;                 /* a descriptor; folders are not kept open, as there may be many of them */
    char **folders;      /* "a/b/", owned; below the root. Each has a picture, so there are no more of them */
    char here[PATH_MAX]; /* while pictures are looked for: the folder that is searched, as above */
};

bool relative_path_ok(const char *path, bool pattern)
{
    const size_t n = strlen(path);

    if (n == 0 || n > MAX_PATH || path[0] == '/' || path[n - 1] == '/')
        return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        size_t length;

        part += *part == '/';
        length = strcspn(part, "/");
        if (length == 0 || length > MAX_PART ||
            (part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))))
            return false;
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)part[i] < 32 || part[i] == 127 || part[i] == '\\' ||
                (!pattern && strchr("*?[", part[i])))
                return false;
    }
    return true;
}

bool dataset_path_ok(const char *path)
{
    return relative_path_ok(path, false) && path[0] != '.' && !strstr(path, "/.");
}

/* The next part of *path into `part`; *path moves behind it, and is NULL after the last. */
static void next_part(const char **path, char part[MAX_PART + 1])
{
    const size_t n = strcspn(*path, "/");

    memcpy(part, *path, n);
    part[n] = '\0';
    *path = (*path)[n] == '/' ? *path + n + 1 : NULL;
}

static int folder_open(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Close, and leave errno as it is. */
static void close_quietly(int fd)
{
    const int saved = errno;

    close(fd);
    errno = saved;
}

int open_beneath(int root, const char *path, int flags)
{
    char part[MAX_PART + 1];
    int at = root, found;

    if (!relative_path_ok(path, false)) {
        errno = EXDEV;
        return -1;
    }
    for (;;) {
        next_part(&path, part);
        found = path ? folder_open(at, part)
                     : openat(at, part, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (at != root)
            close_quietly(at);
        if (found < 0 || !path)
            return found;
        at = found;
    }
}

/* The last parts of the path of a file in the folder that is searched, for free(); NULL without memory. */
static char *picture_path(const struct picture_files *f, const char *name)
{
    const size_t before = strlen(f->here), n = strlen(name);
    char *path = malloc(before + n + 1);
    struct name tail;

    if (!path)
        return NULL;
    memcpy(path, f->here, before);
    memcpy(path + before, name, n + 1);
    tail = f->parts == 1 ? (struct name){ path + before, n } : name_tail(path, before + n, f->parts);
    memmove(path, tail.text, tail.n);
    path[tail.n] = '\0';
    return path;
}

/*   name  taken over, NULL without memory
 *   file  borrowed, as long as there are pictures; NULL: it is the name */
static enum status name_add(struct picture_files *f, char *name, const char *file, uint32_t folder,
                            struct error *err)
{
    if (name && f->n == f->capacity) {
        const size_t capacity = f->capacity ? 2 * f->capacity : 1024;
        struct picture *grown = realloc(f->pictures, capacity * sizeof *grown);

        if (!grown) {
            free(name);
            return error_nomem(err);
        }
        f->pictures = grown;
        f->capacity = capacity;
    }
    if (!name)
        return error_nomem(err);
    f->pictures[f->n++] = (struct picture){ name, file ? file : name, folder };
    return ST_OK;
}

static enum status picture_add(struct picture_files *f, const char *name, struct error *err)
{
    if (f->n == TABLE_MAX_ROWS)
        return error_set(err, ST_LIMIT, "there are more than %d picture files", TABLE_MAX_ROWS);
    return name_add(f, picture_path(f, name), NULL, (uint32_t)f->n_folders, err);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Whether an entry only looked like one of ours: it is something else, or has gone since its folder was listed. Any other
 * reason not to open it is an error. */
static bool is_another(int why) { return why == ENOTDIR || why == ELOOP || why == ENOENT; }

/* S_IFREG, S_IFLNK ...; 0: it has gone. */
static enum status kind_of(int at, const struct dirent *entry, mode_t *ret, struct error *err)
{
    struct stat info;

    *ret = entry->d_type == DT_UNKNOWN ? 0 : (mode_t)DTTOIF(entry->d_type);
    if (entry->d_type != DT_UNKNOWN) /* which some file systems answer */
        return ST_OK;
    if (fstatat(at, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        *ret = info.st_mode & S_IFMT;
    else if (!is_another(errno))
        return error_errno(err, ST_IO, "cannot look at '%s'", entry->d_name);
    return ST_OK;
}

/* A folder of pictures, walked to from the root. */
static int walk(const struct picture_files *f, const char *path)
{
    char part[MAX_PART + 1];
    int at = f->root;

    while (*path && at >= 0) {
        const size_t n = strcspn(path, "/");
        const int before = at;

        memcpy(part, path, n);
        part[n] = '\0';
        at = folder_open(before, part);
        if (before != f->root)
            close_quietly(before);
        path += n + 1;
    }
    return at;
}

static void leave(const struct picture_files *f, int at)
{
    if (at >= 0 && at != f->root)
        close_quietly(at);
}

/* Whether an entry of the folder `at` is one of ours: its name matches, it is no link, and a file where pictures are. */
static enum status entry_check(struct picture_files *f, int at, const struct dirent *entry, const char *part,
                               bool pictures, bool *ret_is_ours, struct error *err)
{
    mode_t kind = 0;
    enum status st;

    *ret_is_ours = false;
    if (!name_matches(part, entry->d_name))
        return ST_OK;
    st = kind_of(at, entry, &kind, err);
    f->links += kind == S_IFLNK;
    *ret_is_ours = st == ST_OK && kind == (pictures ? S_IFREG : S_IFDIR);
    return st;
}

/* The entries of the folder that are ours; the caller frees entries and array. */
static enum status folder_list(struct picture_files *f, int at, const char *part, bool pictures,
                               struct dirent ***ret_entries, int *ret_n, struct error *err)
{
    enum status st = ST_OK;
    int kept = 0;
    const int n = scandirat(at, ".", ret_entries, is_visible, by_name);

    *ret_n = 0;
    if (n < 0)
        return error_errno(err, ST_IO, "cannot list a picture folder");
    for (int i = 0; i < n; i++) {
        bool ours = false;

        if (st == ST_OK)
            st = entry_check(f, at, (*ret_entries)[i], part, pictures, &ours, err);
        if (ours)
            (*ret_entries)[kept++] = (*ret_entries)[i];
        else
            free((*ret_entries)[i]);
    }
    *ret_n = kept;
    return st;
}

static enum status search(struct picture_files *f, const char *pattern, struct error *err);

static enum status search_inside(struct picture_files *f, const char *name, const char *pattern,
                                 struct error *err)
{
    const size_t n = strlen(f->here);
    enum status st;

    if (snprintf(f->here + n, sizeof f->here - n, "%s/", name) < (int)(sizeof f->here - n))
        st = search(f, pattern, err);
    else
        st = error_set(err, ST_LIMIT, "a path of a picture folder is too long");
    f->here[n] = '\0';
    return st;
}

static enum status folder_keep(struct picture_files *f, struct error *err)
{
    if (f->n_folders == f->folders_capacity) {
        const size_t wanted = f->folders_capacity ? 2 * f->folders_capacity : 64;
        char **grown = realloc(f->folders, wanted * sizeof *grown);

        if (!grown)
            return error_nomem(err);
        f->folders = grown;
        f->folders_capacity = wanted;
    }
    f->folders[f->n_folders] = strdup(f->here);
    if (!f->folders[f->n_folders])
        return error_nomem(err);
    f->n_folders++;
    return ST_OK;
}

/* All matches below f->here. No folder is kept open while one in it is searched: a pattern may have more parts than files may
 * be open. */
static enum status search(struct picture_files *f, const char *pattern, struct error *err)
{
    char part[MAX_PART + 1];
    struct dirent **entries = NULL;
    const size_t before = f->n;
    const int at = walk(f, f->here);
    enum status st;
    int n;

    if (at < 0)
        return is_another(errno)
                   ? ST_OK
                   : error_errno(err, ST_IO, "cannot open the picture folder '%.128s'", f->here);
    next_part(&pattern, part);
    st = folder_list(f, at, part, !pattern, &entries, &n, err);
    leave(f, at);
    for (int i = 0; i < n; i++) {
        if (st == ST_OK)
            st = pattern ? search_inside(f, entries[i]->d_name, pattern, err)
                         : picture_add(f, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return st == ST_OK && !pattern && f->n > before ? folder_keep(f, err) : st;
}

static struct name name_of(const char *text) { return (struct name){ text, strlen(text) }; }

static int compare(const void *a, const void *b)
{
    const struct picture *p = a, *q = b;
    const int order = name_order(name_of(p->name), name_of(q->name));
    const size_t rank = name_rank(name_of(p->file)), other = name_rank(name_of(q->file));

    if (order)
        return order;
    return rank != other ? (rank > other) - (rank < other)
                         : (p->folder > q->folder) - (p->folder < q->folder);
}

static void sort(struct picture_files *f)
{
    if (f->n)
        qsort(f->pictures, f->n, sizeof *f->pictures, compare);
}

/* Of files of one name that have different endings those of the first rank are kept. */
static void keep_first_rank(struct picture_files *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++) {
        const struct picture *head = kept ? &f->pictures[kept - 1] : NULL;

        if (head && name_order(name_of(head->name), name_of(f->pictures[i].name)) == 0 &&
            name_rank(name_of(head->file)) != name_rank(name_of(f->pictures[i].file)))
            free(f->pictures[i].name);
        else
            f->pictures[kept++] = f->pictures[i];
    }
    f->n = kept;
}

/* A table may name the pictures of a DICOM file's by their SOP Instance UID: it is a second name of each. */
static enum status add_uids(struct picture_files *f, struct error *err)
{
    const size_t n = f->n;
    enum status st = ST_OK;

    for (size_t i = 0; i < n && st == ST_OK; i++) {
        const struct picture p = f->pictures[i];
        char uid[DICOM_UID_SIZE];
        int fd;

        if (!name_may_be_dicom(name_of(p.name)))
            continue;
        fd = picture_open(f, (int32_t)i);
        if (fd >= 0 && dicom_uid_read(fd, uid) && name_order(name_of(uid), name_of(p.name)) != 0)
            st = name_add(f, strdup(uid), p.file, p.folder, err);
        if (fd >= 0)
            close(fd);
    }
    return st;
}

enum status discover(int root, const char *pattern, size_t parts, struct picture_files **ret_files,
                     struct error *err)
{
    struct picture_files *f;
    enum status st;

    if (!relative_path_ok(pattern, true))
        return error_set(err, ST_INVALID, "'%.64s' is not a pattern below the data set's folder", pattern);
    f = calloc(1, sizeof *f);
    if (!f)
        return error_nomem(err);
    f->parts = parts;
    f->root = fcntl(root, F_DUPFD_CLOEXEC, 0);
    st = f->root < 0 ? error_errno(err, ST_IO, "cannot keep the data set's folder open")
                     : search(f, pattern, err);
    if (st == ST_OK) {
        sort(f);
        keep_first_rank(f);
        f->n_files = f->n;
        st = add_uids(f, err);
    }
    if (st != ST_OK) {
        picture_files_free(f);
        return st;
    }
    sort(f);
    *ret_files = f;
    return ST_OK;
}

void picture_files_free(struct picture_files *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        free(f->pictures[i].name);
    for (size_t i = 0; i < f->n_folders; i++)
        free(f->folders[i]);
    free(f->folders);
    if (f->root >= 0)
        close(f->root);
    free(f->pictures);
    free(f);
}

size_t picture_count(const struct picture_files *f) { return f->n_files; }

size_t picture_links(const struct picture_files *f) { return f->links; }
const char *picture_name(const struct picture_files *f, int32_t i) { return f->pictures[i].file; }

static bool same_name(const struct picture_files *f, size_t i, const char *name)
{
    return name_order(name_of(f->pictures[i].name), name_of(name)) == 0;
}

int32_t picture_find(const struct picture_files *f, const char *name)
{
    size_t low = 0, high = f->n;

    while (low < high) { /* the first that is not before `name` */
        const size_t middle = low + (high - low) / 2;

        if (name_order(name_of(f->pictures[middle].name), name_of(name)) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->n && same_name(f, low, name) ? (int32_t)low : PICTURE_MISSING;
}

size_t picture_copies(const struct picture_files *f, int32_t i)
{
    size_t n = 1;

    while ((size_t)i + n < f->n && same_name(f, (size_t)i + n, f->pictures[i].name))
        n++;
    return n;
}

int picture_open(const struct picture_files *f, int32_t i)
{
    const struct picture *p = &f->pictures[i];
    const char *slash = strrchr(p->file, '/'), *name = slash ? slash + 1 : p->file;
    const int at = walk(f, f->folders[p->folder]);
    const int fd = at < 0 ? -1 : openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    leave(f, at);
    return fd;
}

size_t rows_keep_found(const struct table *t, const struct picture_files *f, struct rows *rows)
{
    const size_t before = rows->n;
    size_t kept = 0;

    for (size_t i = 0; i < before; i++)
        if (picture_find(f, table_image(t, rows->index[i])) != PICTURE_MISSING)
            rows->index[kept++] = rows->index[i];
    rows->n = kept;
    return before - kept;
}
