/* server/descriptors.c - see descriptors.h. */
#include "descriptors.h"

#include "http/http.h"

#include <dirent.h>
#include <sys/resource.h>

enum {
    LEAST_CONNECTIONS = 8,
    MOST_CONNECTIONS = 12000,
    LEAST_FILES = 2, /* that are sent; however many read one, it is open once */
    MOST_FILES = 64,
    CONNECTIONS_A_FILE = 16,
};

/* Of the server itself. */
enum {
    STANDARD_STREAMS = 3, /* open even where that cannot be seen */
    STATE_LOCK = 1,
    NETWORK =
        2 + 2 * 2 + 1, /* listening, the acceptor's event; of libmicrohttpd two epolls and three events */
    DATABASE = 5,      /* file, journal, the folder when it is synced, a file for a large statement, a lock */
    REQUESTS =
        2 * 3 + 1, /* two workers: the data sets, one of them, a file in it; what /metrics reads in /proc */
    RELOADED = 2,  /* keys, certificate */
    AUDIT = 4,     /* file, its successor or a look at its end, the folder, the chain's record */
    PUT_ASIDE = 3, /* full ones, each with a line for whose sync one of four threads still waits */
    BODIES = MAX_SHARED_BODIES,
    ARCHIVE = 2 * 7, /* two workers that send to it, with curl as of notices */
    NOTICES = 7,     /* curl: two addresses tried at once, its wake-up, the resolver's, certificates */
};

/* Of the processes that decode. */
enum {
    A_DECODER = 3,        /* a socket, the file, the pixels */
    DECODER_STARTING = 2, /* the other end of the socket, each of them for a moment twice */
};

/* Of the job that runs. */
enum {
    TRAINING =
        5,       /* folder of data sets, of this one, its pictures' root, the cache, a result or checkpoint */
    LOOKING = 2, /* for pictures: a folder, however deep it is, and what is in it */
    A_THREAD = 2,     /* that reads a picture: its folder, the file */
    COUNTING = 4,     /* in the catalogue: the data set, a folder in it, a table or what is in the folder */
    FETCHING = 7 + 7, /* folders, archive, what is written; curl as above */
};

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static size_t decoder_share(size_t helpers) { return helpers ? A_DECODER * helpers + DECODER_STARTING : 0; }

static size_t job_share(const struct descriptor_needs *needs)
{
    const size_t training = needs->training ? TRAINING + larger(LOOKING, A_THREAD * needs->threads) +
                                                  decoder_share(needs->job_decoders)
                                            : 0;

    return larger(training, needs->fetching ? FETCHING : 0) + (needs->training ? COUNTING : 0);
}

bool descriptors_divide(const struct descriptor_needs *needs, size_t limit, size_t open,
                        struct descriptor_plan *ret)
{
    const size_t fixed = open + STATE_LOCK + NETWORK + DATABASE + REQUESTS + BODIES + RELOADED +
                         (needs->audit ? AUDIT + PUT_ASIDE : 0) + (needs->notices ? NOTICES : 0) +
                         (needs->archive ? ARCHIVE : 0) + decoder_share(needs->decoders) + job_share(needs);
    size_t left;

    *ret = (struct descriptor_plan){ .limit = limit, .needed = fixed + LEAST_FILES + LEAST_CONNECTIONS };
    if (limit < ret->needed)
        return false;
    left = limit - fixed;
    ret->files = smaller(larger(left / CONNECTIONS_A_FILE, LEAST_FILES), MOST_FILES);
    ret->connections = smaller(left - ret->files, MOST_CONNECTIONS);
    return true;
}

size_t descriptors_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n > 3 ? n - 3 : 0; /* without ".", ".." and the folder itself */
}

enum status descriptors_plan(const struct descriptor_needs *needs, struct descriptor_plan *ret,
                             struct error *err)
{
    struct rlimit files = { 1024, 1024 };

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    if (descriptors_divide(needs, (size_t)files.rlim_cur, larger(descriptors_open(), STANDARD_STREAMS), ret))
        return ST_OK;
    return error_set(
        err, ST_LIMIT,
        "only %zu files may be open at a time, and %zu are needed with %zu threads: raise the limit "
        "(ulimit -n), or give fewer --threads",
        ret->limit, ret->needed, needs->threads);
}
