/* jobs/catalog.c - see cxrd/catalog.h. A request looks, at most every LOOK_SECONDS; data sets that have changed since they were counted are
 * counted by the thread, one data set at a time and without the lock. */
#include "cxrd/catalog.h"

#include "cxrd/clock.h"
#include "cxrd/dataset.h"
#include "cxrd/json.h"
#include "cxrd/pool.h"
#include "cxrd/thread.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double LOOK_SECONDS = 0.5,
                    MEMORY_SECONDS = 1; /* until memory that was lacking is asked for again */

enum { LOOK_ENTRIES = 256 }; /* of a data set's folder, that a look asks about */

struct entry {
    char *name;               /* owned */
    uint64_t state, counted;  /* of its folders, when they were last looked at and when they were counted */
    bool seen;                /* by the look that is under way */
    bool known;               /* it was counted, in this state or an earlier one */
    char at[CLOCK_TEXT_SIZE]; /* when */
    struct dataset_contents contents;
};

struct catalog {
    const char *datasets;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards everything below; never held while something is counted */
    pthread_cond_t wake;  /* something is to be counted, or stop */
    double looked_at;
    size_t n;
    struct entry *entries[CATALOG_MOST]; /* by name */
};

static void entry_free(struct entry *e)
{
    if (e)
        free(e->name);
    free(e);
}

/* ---- a look ---- */

/* A number that is another when a file is (FNV-1a). */
static uint64_t stamp_of(const struct stat *info, const char *name)
{
    const uint64_t parts[] = { (uint64_t)info->st_ino, (uint64_t)info->st_mtim.tv_sec,
                               (uint64_t)info->st_mtim.tv_nsec, (uint64_t)info->st_size };
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = (hash ^ parts[i]) * 0x100000001b3u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

/* The state of a data set: its own files, its folders and the folders `images` in these. Pictures that come or go change
 * the folder that they are in. In any order, so a sum. */
static uint64_t state_of(int datasets, const char *name)
{
    const int fd = openat(datasets, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct stat info;
    uint64_t state = 1;
    size_t n = 0;

    if (!folder) {
        if (fd >= 0)
            close(fd);
        return state;
    }
    if (fstat(fd, &info) == 0)
        state += stamp_of(&info, ".");
    for (struct dirent *e; n < LOOK_ENTRIES && (e = readdir(folder)); n++) {
        char inner[sizeof e->d_name + 8];

        if (e->d_name[0] == '.' || fstatat(fd, e->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        state += stamp_of(&info, e->d_name);
        snprintf(inner, sizeof inner, "%s/images", e->d_name);
        if (S_ISDIR(info.st_mode) && fstatat(fd, inner, &info, AT_SYMLINK_NOFOLLOW) == 0)
            state += stamp_of(&info, inner);
    }
    closedir(folder);
    return state;
}

static struct entry *find(const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->entries[i]->name, name) == 0)
            return c->entries[i];
    return NULL;
}

/* With the lock held, as all that follows. */
static enum status note(struct catalog *c, const char *name, uint64_t state)
{
    struct entry *e = find(c, name);

    if (!e && c->n == CATALOG_MOST)
        return ST_OK;
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e || !(e->name = strdup(name))) {
            entry_free(e);
            return ST_NOMEM;
        }
        c->entries[c->n++] = e;
    }
    e->seen = true;
    e->state = state;
    return ST_OK;
}

static void drop_unseen(struct catalog *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->n; i++)
        if (c->entries[i]->seen)
            c->entries[kept++] = c->entries[i];
        else
            entry_free(c->entries[i]);
    c->n = kept;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct entry *const *)a)->name, (*(struct entry *const *)b)->name);
}

/* A request can say this name, and a path can carry it. */
static bool can_be_named(const char *name)
{
    json_t *text = json_string(name); /* NULL where it is no UTF-8 */
    const bool ok = text && dataset_path_ok(name);

    json_decref(text);
    return ok;
}

/* A folder that a request can name, and no link. */
static bool is_dataset(int datasets, const struct dirent *entry)
{
    struct stat info;

    return can_be_named(entry->d_name) && fstatat(datasets, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(info.st_mode);
}

static enum status look(struct catalog *c, struct error *err)
{
    struct dirent **found = NULL;
    const int datasets = open(c->datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int n = datasets < 0 ? -1 : scandirat(datasets, ".", &found, NULL, alphasort);
    enum status st = n < 0 ? error_errno(err, ST_IO, "the folder of --datasets cannot be read") : ST_OK;

    for (size_t i = 0; i < c->n; i++)
        c->entries[i]->seen = false;
    for (int i = 0, listed = 0; i < n; i++) {
        if (st == ST_OK && listed < CATALOG_MOST && is_dataset(datasets, found[i])) {
            st = note(c, found[i]->d_name, state_of(datasets, found[i]->d_name));
            listed++;
        }
        free(found[i]);
    }
    free(found);
    if (datasets >= 0)
        close(datasets);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st == ST_OK) {
        drop_unseen(c);
        qsort(c->entries, c->n, sizeof(struct entry *), by_name);
    }
    return st;
}

/* ---- the thread ---- */

static struct entry *next_uncounted(const struct catalog *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->entries[i]->counted != c->entries[i]->state)
            return c->entries[i];
    return NULL;
}

/* Give the counts to the data set that they are of, if that is there still. They are of the state in which the count began: files that
 * have come since are counted again. */
static void keep(struct catalog *c, const char *name, uint64_t state, const struct dataset_contents *contents)
{
    struct entry *e = find(c, name);

    if (!e)
        return;
    e->counted = state;
    e->known = true;
    e->contents = *contents;
    clock_utc(e->at);
}

static void *catalog_main(void *arg)
{
    struct catalog *c = arg;

    thread_set_class(POOL_BACKGROUND);
    pthread_mutex_lock(&c->lock);
    while (!atomic_load(&c->stop)) {
        const struct entry *e = next_uncounted(c);
        struct dataset_contents contents;
        char name[NAME_MAX + 1], path[PATH_MAX];
        struct error err;
        uint64_t state;
        enum status st;

        if (!e) {
            pthread_cond_wait(&c->wake, &c->lock);
            continue;
        }
        state = e->state;
        snprintf(name, sizeof name, "%s", e->name);
        pthread_mutex_unlock(&c->lock);
        snprintf(path, sizeof path, "%s/%s", c->datasets, name);
        st = dataset_count(path, &c->stop, &contents, &err);
        pthread_mutex_lock(&c->lock);
        if (st == ST_OK) /* else nothing is known of it */
            keep(c, name, state, &contents);
        else if (!atomic_load(&c->stop))
            condition_wait(&c->wake, &c->lock, clock_seconds() + MEMORY_SECONDS);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

enum status catalog_open(const char *datasets, struct catalog **ret_catalog, struct error *err)
{
    struct catalog *c = calloc(1, sizeof *c);
    enum status st;

    if (!c)
        return error_nomem(err);
    c->datasets = datasets;
    c->looked_at = -1;
    pthread_mutex_init(&c->lock, NULL);
    condition_init(&c->wake);
    st =
        datasets ? thread_start(&c->thread, catalog_main, c, "the thread that counts data sets", err) : ST_OK;
    if (st != ST_OK) {
        c->datasets = NULL;
        catalog_close(c);
        return st;
    }
    *ret_catalog = c;
    return ST_OK;
}

void catalog_close(struct catalog *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    atomic_store(&c->stop, true);
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->datasets)
        pthread_join(c->thread, NULL);
    for (size_t i = 0; i < c->n; i++)
        entry_free(c->entries[i]);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- the list ---- */

static json_t *count_or_null(bool known, uint64_t n)
{
    return known ? json_integer((json_int_t)n) : json_null();
}

static json_t *labels_json(const struct dataset_contents *d)
{
    json_t *labels = json_object();

    for (size_t k = 0; k < d->labels.n; k++)
        json_object_set_new(labels, d->labels.names[k], json_integer((json_int_t)d->positive[k]));
    return labels;
}

static json_t *entry_json(const struct entry *e)
{
    const struct dataset_contents *d = &e->contents;
    const bool counted = e->known && e->counted == e->state, rows = e->known && d->readable;
    const struct table_defaults defaults = table_format_defaults(d->format);

    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "name", e->name, "state",
                     counted ? "counted" : "counting", "table_format",
                     d->has_table ? json_string(TABLE_FORMAT_NAMES[d->format]) : json_null(), "csv",
                     d->has_table ? json_string(defaults.csv) : json_null(), "rows",
                     count_or_null(rows, d->rows), "pictures", count_or_null(rows, d->pictures),
                     "rows_with_picture", count_or_null(rows, d->with_picture), "complete",
                     rows ? json_boolean(d->rows > 0 && d->with_picture == d->rows) : json_null(), "labels",
                     rows && d->labelled ? labels_json(d) : json_null(), "bytes",
                     count_or_null(e->known, d->bytes), "problem",
                     d->problem[0] ? json_any_text(d->problem) : json_null(), "counted_at",
                     e->known ? json_string(e->at) : json_null());
}

enum status catalog_list(struct catalog *c, json_t **ret_list, struct error *err)
{
    const double now = clock_seconds();
    json_t *list = json_array();
    enum status st = ST_OK;

    json_watch();
    pthread_mutex_lock(&c->lock);
    if (c->datasets && (c->looked_at < 0 || now - c->looked_at >= LOOK_SECONDS)) {
        st = look(c, err);
        c->looked_at = st == ST_OK ? clock_seconds() : -1;
        pthread_cond_signal(&c->wake);
    }
    for (size_t i = 0; i < c->n && st == ST_OK; i++)
        json_array_append_new(list, entry_json(c->entries[i]));
    pthread_mutex_unlock(&c->lock);
    if (st == ST_OK && (!list || json_ran_out()))
        st = error_nomem(err);
    if (st != ST_OK)
        json_decref(list);
    else
        *ret_list = list;
    return st;
}
