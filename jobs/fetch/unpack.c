/* jobs/fetch/unpack.c - an archive from a stranger, into a folder of its own.
 *
 * libarchive reads; what is written, and where, is decided here. Its own way to write to disk has options against "..", links
 * and absolute paths, which are repairs: an archive that holds such a thing is not wanted at all. */
#include "packed.h"

#include "cxrd/dataset.h"
#include "cxrd/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, MAX_RATIO = 100, SMALL = 64 << 20, MAX_DEPTH = 8 };

struct opened {
    struct unpack *u;
    struct archive *a;
    struct packed packed;
    char block[BLOCK];
};

/* Of a file that is no tar or zip: what else it is; NULL: not known. */
static const char *kind_of_archive(int fd)
{
    static const struct {
        const char *name, *begins;
        size_t n;
    } KINDS[] = { { "xz",
                    "\xfd"
                    "7zXZ",
                    5 },
                  { "LZMA", "\x5d\0\0", 3 },
                  { "7-Zip", "7z\xbc\xaf\x27\x1c", 6 },
                  { "RAR", "Rar!", 4 } };
    char head[8] = { 0 };

    if (pread(fd, head, sizeof head, 0) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (memcmp(head, KINDS[i].begins, KINDS[i].n) == 0)
            return KINDS[i].name;
    return NULL;
}

static enum status broken(const struct opened *o, struct error *err)
{
    const char *why = archive_error_string(o->a);

    if (o->packed.st != ST_OK)
        return o->packed.st; /* and what it says */
    if (archive_errno(o->a) == ENOMEM)
        return error_nomem(err);
    if (kind_of_archive(o->u->archive))
        return error_set(err, ST_FORMAT,
                         "%s is packed with %s, which is not read: pack it as a zip, or a tar with gzip, "
                         "bzip2 or zstd",
                         o->u->name, kind_of_archive(o->u->archive));
    return error_set(err, ST_FORMAT, "%s cannot be unpacked: %.160s", o->u->name,
                     why ? why : "it is no tar or zip");
}

static enum status refuse(const struct unpack *u, const char *path, const char *why, struct error *err)
{
    return error_set(err, ST_FORMAT, "%s holds '%.120s': %s", u->name, path, why);
}

/* ---- names ---- */

static const char *kind_refusal(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry))
        return "a hard link";
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG: return NULL;
    case AE_IFDIR: /* libarchive would unpack what is in it, to skip it, and ask nobody meanwhile */
        return archive_entry_size(entry) > 0 ? "a folder with bytes of its own" : NULL;
    case AE_IFLNK: return "a symbolic link";
    case AE_IFCHR:
    case AE_IFBLK: return "a device";
    case AE_IFIFO: return "a pipe";
    case AE_IFSOCK: return "a socket";
    default: return "neither a file nor a folder";
    }
}

/* Every folder costs an inode that no count of files would see. */
static int depth_of(const char *path)
{
    int depth = 1;

    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* The path below the folder, from an entry's own. NULL: it leads elsewhere, or is no name. */
static const char *path_below(const char *path, bool is_folder, char ret[PATH_MAX])
{
    size_t n;

    while (path[0] == '.' && path[1] == '/')
        path += 2;
    n = strlen(path);
    while (is_folder && n > 0 && path[n - 1] == '/')
        n--;
    if (is_folder && (n == 0 || (n == 1 && path[0] == '.')))
        return ""; /* the folder itself */
    if (n + sizeof "images/" > PATH_MAX)
        return NULL;
    snprintf(ret, PATH_MAX, "%s%.*s", is_folder || memchr(path, '/', n) ? "" : "images/", (int)n, path);
    return relative_path_ok(ret, false) && depth_of(ret) <= MAX_DEPTH ? ret : NULL;
}

/* ---- files ---- */

/* The folder in which the path's last part is to be, made where it is missing; *path becomes that part. -1 and errno. */
static int folder_of(int root, char **path)
{
    int at = dup(root);

    for (char *slash; at >= 0 && (slash = strchr(*path, '/')); *path = slash + 1) {
        int next;

        *slash = '\0';
        if (mkdirat(at, *path, 0700) != 0 && errno != EEXIST)
            next = -1;
        else
            next = openat(at, *path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = next;
    }
    return at;
}

static enum status check_size(const struct unpack *u, struct error *err)
{
    if (u->bytes > u->max_bytes)
        return error_set(err, ST_LIMIT, "%s unpacks to more than is left of --data-bytes", u->name);
    if (u->bytes > SMALL && u->bytes / MAX_RATIO > u->size)
        return error_set(err, ST_LIMIT, "%s unpacks to more than %d times its size", u->name, MAX_RATIO);
    return ST_OK;
}

static enum status copy(struct opened *o, int fd, struct error *err)
{
    struct unpack *u = o->u;
    enum status st = ST_OK;

    while (st == ST_OK) {
        la_ssize_t n;

        packed_next(&o->packed);
        n = archive_read_data(o->a, o->block, BLOCK);
        if (n ==
            0) /* libarchive takes a read that was refused between two parts for the end of the last one */
            return o->packed.st;
        if (n < 0)
            return broken(o, err);
        u->bytes += (uint64_t)n;
        u->packed = (uint64_t)archive_filter_bytes(o->a, -1);
        st = check_size(u, err);
        if (st == ST_OK && !write_all(fd, o->block, (size_t)n))
            st = error_errno(err, ST_IO, "cannot write what was unpacked");
        if (st == ST_OK && u->cancelled(u->arg))
            st = error_set(err, ST_CANCELLED, "stopped");
        u->progress(u->arg, u);
    }
    return st;
}

static enum status write_file(struct opened *o, const char *told, char *path, struct error *err)
{
    const int folder = folder_of(o->u->folder, &path);
    int fd = -1;
    enum status st;

    if (folder >= 0)
        fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        st = copy(o, fd, err);
    else if (errno == EEXIST || errno == ENOTDIR || errno == EISDIR)
        st = refuse(o->u, told, "a name that is there already", err);
    else
        st = error_errno(err, ST_IO, "cannot write what was unpacked");
    if (fd >= 0 && close(fd) != 0 && st == ST_OK)
        st = error_errno(err, ST_IO, "cannot write what was unpacked");
    if (folder >= 0)
        close(folder);
    return st;
}

/* Of the ways to pack a file into a zip those that everybody uses: others say themselves how much memory they take. */
static bool packing_is_known(struct archive *a)
{
    const char *format = archive_format_name(a);

    return archive_format(a) != ARCHIVE_FORMAT_ZIP || strstr(format, "(uncompressed)") ||
           strstr(format, "(deflation)");
}

static enum status take_entry(struct opened *o, struct archive_entry *entry, struct error *err)
{
    const struct unpack *u = o->u;
    const char *told = archive_entry_pathname(entry), *why = kind_refusal(entry);
    const bool is_folder = archive_entry_filetype(entry) == AE_IFDIR;
    char path[PATH_MAX];
    const char *below;

    if (!told)
        return error_set(err, ST_FORMAT, "%s holds a name that cannot be read", u->name);
    if (why)
        return refuse(u, told, why, err);
    if (!packing_is_known(o->a))
        return refuse(u, told, "a file that is neither stored nor deflated", err);
    below = path_below(told, is_folder, path);
    if (!below)
        return refuse(u, told, "a path that is absolute, leads elsewhere or cannot be a name", err);
    return is_folder ? ST_OK : write_file(o, told, path, err);
}

static enum status take_all(struct opened *o, struct error *err)
{
    struct unpack *u = o->u;
    struct archive_entry *entry;
    enum status st;
    int rc;

    for (;;) {
        packed_next(&o->packed);
        rc = archive_read_next_header(o->a, &entry);
        if (rc == ARCHIVE_EOF && o->packed.st != ST_OK) /* as in copy() */
            return o->packed.st;
        if (rc == ARCHIVE_EOF)
            break;
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return broken(o, err);
        if (++u->files > u->max_files)
            return error_set(err, ST_LIMIT, TOO_MANY_ENTRIES, u->name);
        u->packed = (uint64_t)archive_filter_bytes(o->a, -1);
        if (u->cancelled(u->arg))
            return error_set(err, ST_CANCELLED, "stopped");
        st = take_entry(o, entry, err);
        if (st != ST_OK)
            return st;
    }
    return u->files == 0 ? error_set(err, ST_FORMAT, "%s is empty", u->name) : ST_OK;
}

/* The kinds that a data set comes in, and no more: each is a parser. Not xz: a file of that says how much memory it takes, up
 * to 4 GiB, and libarchive 3.6 has no limit for it. */
static bool kinds_allow(struct archive *a)
{
    return archive_read_support_format_tar(a) == ARCHIVE_OK &&
           archive_read_support_format_zip(a) == ARCHIVE_OK &&
           archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
           archive_read_support_filter_bzip2(a) == ARCHIVE_OK &&
           archive_read_support_filter_zstd(a) == ARCHIVE_OK;
}

enum status unpack_run(struct unpack *u, struct error *err)
{
    struct opened *o = malloc(sizeof *o);
    const locale_t names = newlocale(LC_CTYPE_MASK, "C.UTF-8", 0), before = uselocale(names);
    struct stat info;
    enum status st = ST_OK;

    if (!o) {
        st = error_nomem(err);
        goto out;
    }
    u->size = fstat(u->archive, &info) == 0 ? (uint64_t)info.st_size : 0;
    o->u = u;
    o->packed = (struct packed){ .u = u, .err = err };
    o->a = archive_read_new();
    if (!o->a)
        st = error_nomem(err);
    else if (!kinds_allow(o->a) || !packed_open(&o->packed, o->a))
        st = broken(o, err);
    if (st == ST_OK)
        st = take_all(o, err);
    if (o->a)
        archive_read_free(o->a);
out:
    free(o);
    uselocale(before);
    if (names)
        freelocale(names);
    return st;
}
