/* jobs/dataset/cache.c - see cxrd/image_cache.h.
 *
 * The file, "<key>.cache", in the processor's byte order:
 *
 *   at 0             struct header, 64 bytes: the version "cxrd-cache-2" and NULs to 16 bytes, rows of the table, bytes of a slot, the key
 *   at 64            struct entry, 32 bytes for each row: the stamp of the file that it was made from (0: nothing is known), facts of the
 *                    picture, CRC-32 of the slot, whether there is one
 *   next 4096 * n    the slots, of as many bytes as the header says, one behind the other: 8-bit grey [size][size], or what is made of a
 *                    picture. The file has its whole length from the start, and holes where no slot is
 *
 * The key is 32 digits of SHA-256 of all that gives a row and a slot their meaning (key_make()): a table with one byte changed has another
 * file. A stamp is of the picture file's time, size and inode (file_stamp()): who rewrites a file makes its slot void.
 *
 * A slot is written before its entry, and neither is synced. So after a crash an entry may describe a slot that was never written, which
 * its CRC shows, and a slot without an entry is written again. Any other header, of another version too, begins an empty file. One process
 * has it at a time (flock()); another decodes without a cache. */
#include "cxrd/image_cache.h"

#include "cxrd/dataset.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, KEY_DIGITS = 32 };

struct header {
    char magic[16]; /* "cxrd-cache-2" */
    uint64_t n_rows, slot_bytes;
    char key[KEY_DIGITS];
};

struct entry {
    uint64_t stamp; /* 0: nothing is known */
    struct picture_facts facts;
    uint32_t crc, filled; /* of the slot; 1: there is a picture in it */
};

struct image_cache {
    int fd;
    size_t n_rows, slot_bytes;
    off_t entries_at, slots_at;
    struct entry *entries; /* each touched by one thread at a time: that which has the row */
    uint64_t budget;       /* bytes that this cache's slots may take */
    _Atomic uint64_t used; /* that they take */
    atomic_bool writable;  /* off after the first failed write */
};

static void give_up(const char *why, const char *path)
{
    log_event(LOG_WARN, "picture cache not used",
              json_pack("{s:s,s:s,s:s}", "detail", why, "path", path, "error", strerror(errno)));
}

uint64_t file_stamp(int fd)
{
    struct stat s;
    uint64_t h;

    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode))
        return 0;
    h = (uint64_t)s.st_mtim.tv_sec * 1000000007u + (uint64_t)s.st_mtim.tv_nsec;
    h = (h ^ (uint64_t)s.st_size) * 0x9e3779b97f4a7c15u;
    h = (h ^ (uint64_t)s.st_ino) * 0x9e3779b97f4a7c15u;
    return h ? h : 1;
}

/* The meaning of row numbers and slots, as a file name. */
static bool key_make(const struct image_cache_options *o, char key[DIGEST_TEXT_SIZE])
{
    char real[PATH_MAX], text[2 * PATH_MAX + 1024];
    const char *root = realpath(o->root, real) ? real : o->root;

    snprintf(text, sizeof text, "%s|%s|%s|%zu|%s%s%s", o->csv_sha256, root, o->images, o->pre.size,
             resize_name(o->pre.resize), o->made ? "|" : "", o->made ? o->made : "");
    if (digest_bytes(text, strlen(text), key) != ST_OK)
        return false;
    key[KEY_DIGITS] = '\0';
    return true;
}

static bool is_cache_name(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && strcmp(dot, ".cache") == 0 && dot - name == KEY_DIGITS;
}

/* Bytes on disk of all caches but `mine`, and the least recently used of them. */
static uint64_t others_size(const char *folder, const char *mine, char oldest[PATH_MAX])
{
    DIR *d = opendir(folder);
    uint64_t sum = 0;
    struct timespec least = { 0 };

    oldest[0] = '\0';
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat s;

        if (!is_cache_name(e->d_name) || strcmp(e->d_name, mine) == 0 ||
            fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        sum += (uint64_t)s.st_blocks * 512;
        if (!oldest[0] || s.st_mtim.tv_sec < least.tv_sec ||
            (s.st_mtim.tv_sec == least.tv_sec && s.st_mtim.tv_nsec < least.tv_nsec)) {
            least = s.st_mtim;
            snprintf(oldest, PATH_MAX, "%s/%s", folder, e->d_name);
        }
    }
    if (d)
        closedir(d);
    return sum;
}

/* Make room for a cache of `wanted` bytes; returns how much there is. */
static uint64_t make_room(const char *folder, const char *mine, uint64_t wanted, uint64_t max_bytes)
{
    char oldest[PATH_MAX];
    uint64_t others;

    while ((others = others_size(folder, mine, oldest)) > 0 && others + wanted > max_bytes)
        if (unlink(oldest) != 0)
            break;
    return others < max_bytes ? max_bytes - others : 0;
}

static bool header_matches(int fd, const struct header *expected)
{
    struct header found;

    return pread(fd, &found, sizeof found, 0) == (ssize_t)sizeof found &&
           memcmp(&found, expected, sizeof found) == 0;
}

/* Bytes that the slots of the loaded entries take. */
static uint64_t slots_used(const struct image_cache *c)
{
    uint64_t used = 0;

    for (size_t i = 0; i < c->n_rows; i++)
        used += c->entries[i].filled ? c->slot_bytes : 0;
    return used;
}

/* Read the entries of a cache that is as expected and within its budget, or begin an empty one. */
static bool entries_load(struct image_cache *c, const struct header *expected)
{
    const size_t bytes = c->n_rows * sizeof *c->entries;
    const off_t whole = c->slots_at + (off_t)(c->n_rows * c->slot_bytes);

    if (header_matches(c->fd, expected) && pread(c->fd, c->entries, bytes, c->entries_at) == (ssize_t)bytes &&
        slots_used(c) <= c->budget) {
        c->used = slots_used(c);
        return true;
    }
    memset(c->entries, 0, bytes);
    return ftruncate(c->fd, 0) == 0 && ftruncate(c->fd, whole) == 0 &&
           pwrite(c->fd, expected, sizeof *expected, 0) == (ssize_t)sizeof *expected;
}

/* The file, locked for us; one that another process holds is not waited for. */
static int file_open(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    if (fd >= 0)
        futimens(fd, NULL); /* used now: the last to be removed */
    return fd;
}

struct image_cache *image_cache_open(const struct image_cache_options *o)
{
    struct header header = { .magic = "cxrd-cache-2",
                             .n_rows = o->n_rows,
                             .slot_bytes = o->made ? o->slot_bytes : o->pre.size * o->pre.size };
    char key[DIGEST_TEXT_SIZE], path[PATH_MAX], name[KEY_DIGITS + 8];
    struct image_cache *c;

    if (!o->folder || o->max_bytes == 0 || !key_make(o, key))
        return NULL;
    memcpy(header.key, key, KEY_DIGITS);
    snprintf(name, sizeof name, "%.*s.cache", KEY_DIGITS, key);
    if (snprintf(path, sizeof path, "%s/%s", o->folder, name) >= (int)sizeof path ||
        folder_make(o->folder, NULL) != ST_OK) {
        give_up("its folder cannot be made", o->folder);
        return NULL;
    }
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->n_rows = o->n_rows;
    c->slot_bytes = header.slot_bytes;
    c->entries_at = sizeof header;
    c->slots_at = (off_t)((sizeof header + c->n_rows * sizeof *c->entries + PAGE - 1) / PAGE * PAGE);
    c->budget = make_room(o->folder, name, c->n_rows * c->slot_bytes, o->max_bytes);
    c->entries = calloc(c->n_rows + 1, sizeof *c->entries);
    c->fd = file_open(path);
    atomic_init(&c->writable, true);
    if (c->fd < 0 || !c->entries || !entries_load(c, &header)) {
        give_up("it cannot be opened", path);
        image_cache_close(c);
        return NULL;
    }
    return c;
}

void image_cache_close(struct image_cache *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd); /* and unlock */
    free(c->entries);
    free(c);
}

static off_t slot_at(const struct image_cache *c, size_t row)
{
    return c->slots_at + (off_t)(row * c->slot_bytes);
}

bool image_cache_get(struct image_cache *c, size_t row, uint64_t stamp, void *ret)
{
    if (!c || stamp == 0 || c->entries[row].stamp != stamp || !c->entries[row].filled)
        return false;
    return pread(c->fd, ret, c->slot_bytes, slot_at(c, row)) == (ssize_t)c->slot_bytes &&
           libdeflate_crc32(0, ret, c->slot_bytes) == c->entries[row].crc;
}

/* Room for one more slot: taken, or refused. */
static bool room_take(struct image_cache *c)
{
    if (atomic_fetch_add(&c->used, c->slot_bytes) + c->slot_bytes <= c->budget)
        return true;
    atomic_fetch_sub(&c->used, c->slot_bytes);
    return false;
}

bool image_cache_facts(const struct image_cache *c, size_t row, uint64_t stamp, struct picture_facts *ret)
{
    if (!c || stamp == 0 || c->entries[row].stamp != stamp)
        return false;
    *ret = c->entries[row].facts;
    return true;
}

static bool entry_write(const struct image_cache *c, size_t row, const struct entry *e)
{
    return pwrite(c->fd, e, sizeof *e, c->entries_at + (off_t)(row * sizeof *e)) == (ssize_t)sizeof *e;
}

void image_cache_put(struct image_cache *c, size_t row, uint64_t stamp, const struct picture_facts *facts,
                     const void *slot)
{
    struct entry e = { .stamp = stamp, .facts = *facts };

    if (!c || stamp == 0 || !atomic_load(&c->writable))
        return;
    e.filled = c->entries[row].filled || room_take(c);
    if (e.filled)
        e.crc = libdeflate_crc32(0, slot, c->slot_bytes);
    if ((!e.filled || pwrite(c->fd, slot, c->slot_bytes, slot_at(c, row)) == (ssize_t)c->slot_bytes) &&
        entry_write(c, row, &e))
        c->entries[row] = e;
    else if (atomic_exchange(&c->writable, false))
        give_up("it cannot be written", "");
}

void image_cache_clear(const char *folder)
{
    DIR *d = opendir(folder);

    for (struct dirent *e; d && (e = readdir(d));)
        if (is_cache_name(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) != 0)
            give_up("it could not be removed", e->d_name);
    if (d)
        closedir(d);
}
