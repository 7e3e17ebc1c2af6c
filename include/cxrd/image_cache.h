/* include/cxrd/image_cache.h - decoded and resized pictures on disk, so that no picture is decoded twice, and what else is made
 * of every picture at some cost.
 *
 * One sparse file a data set, picture size and resize, with a slot for each row of the table, and an entry of what was
 * seen when the picture was decoded; reused by later jobs.
 * It is read and written with pread and pwrite rather than mapped: 64 KiB out of the page cache cost microseconds,
 * and a full or failing disk is then an error code instead of a SIGBUS. Every slot carries a checksum and the
 * stamp of the file it was made from; what does not match is made anew. A cache never fails a job: where it cannot
 * be used, pictures are simply decoded again. */
#ifndef CXRD_IMAGE_CACHE_H
#define CXRD_IMAGE_CACHE_H

#include "cxrd/preprocess.h"
#include "cxrd/status.h"

struct image_cache;

/* Facts about a picture from when its file was decoded, which the square that is kept no longer shows. */
struct picture_facts {
    uint64_t
        pixels; /* a digest of size and grey values as decoded; 0: one grey everywhere, which makes no picture known */
    uint32_t
        codes; /* bit c: what gate_check() says of the file and its values without a model, enum gate_code c */
    uint32_t spare; /* 0 */
};

struct image_cache_options {
    const char *folder;     /* made if missing; NULL: no cache */
    uint64_t max_bytes;     /* that all caches in the folder may take; the least recently used go first */
    const char *csv_sha256; /* of the table: with `images` what a row number means */
    const char *images;     /* the pattern that names the files */
    const char *root;       /* the data set's folder */
    size_t n_rows;          /* of the table */
    struct preprocess pre;  /* size and resize count, the scaling does not */
    const char
        *made; /* what is made of a picture, and all that it depends on; NULL: it is the picture itself */
    size_t slot_bytes; /* of what is made of it */
};

/* Open or make the cache for these options. NULL where there can be none; why is logged. */
struct image_cache *image_cache_open(const struct image_cache_options *options);
void image_cache_close(struct image_cache *c); /* NULL is fine */

/* Remove all of them from a folder. A process that has one open keeps it until it closes it, and no other finds it. */
void image_cache_clear(const char *folder);

/* Copy the picture of a row [size * size], or what was made of it [slot_bytes]. False: not there, damaged, or made from another file.
 *   stamp  of the file as it is now, see file_stamp()
 * Different rows may be got and put by different threads at the same time. NULL caches hold nothing. */
bool image_cache_get(struct image_cache *c, size_t row, uint64_t stamp, void *ret);
void image_cache_put(struct image_cache *c, size_t row, uint64_t stamp, const struct picture_facts *facts,
                     const void *slot);

/* The facts alone, which are kept where there is no room for the picture too. */
bool image_cache_facts(const struct image_cache *c, size_t row, uint64_t stamp, struct picture_facts *ret);

/* A number that changes when the file behind a descriptor does (size, modification time, inode); 0: no file. */
uint64_t file_stamp(int fd);

#endif
