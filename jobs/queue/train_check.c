/* jobs/queue/train_check.c - whether what a configuration names is there: the data set's folder and the files in it. The rest of
 * a configuration is checked without a disk, in training/config.c. */
#include "../dataset/division.h"

#include "cxrd/buf.h"
#include "cxrd/file.h"
#include "cxrd/image_cache.h"
#include "cxrd/runner.h"
#include "cxrd/scoring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* A request can say this name, and a path can carry it. */
static bool can_be_named(const char *name)
{
    json_t *text = json_string(name); /* NULL where it is no UTF-8 */
    const bool ok = text && dataset_path_ok(name);

    json_decref(text);
    return ok;
}

/* How many data sets there are; ": one, two", as many names as fit, into `all`, and the last name into `last`. */
static size_t list_datasets(const char *datasets, struct buf *all, char *last, size_t size)
{
    struct dirent **entries = NULL;
    size_t folders = 0;
    const int n = scandir(datasets, &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char path[PATH_MAX];
        struct stat info;

        snprintf(path, sizeof path, "%s/%s", datasets, name);
        if (can_be_named(name) && lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
            if (all->len + strlen(name) + 2 <= all->max)
                buf_printf(all, "%s%s", all->len ? ", " : ": ", name);
            snprintf(last, size, "%s", name);
            folders++;
        }
        free(entries[i]);
    }
    free(entries);
    return folders;
}

/* The only folder in `datasets`, or a complaint that says which there are. */
static void resolve_dataset(struct train_config *c, const char *datasets, json_t *errors)
{
    struct buf all = BUF_INIT(200);
    const size_t folders = list_datasets(datasets, &all, c->dataset, sizeof c->dataset);

    if (folders == 0)
        config_error(errors, "dataset", "is needed, and there is no data set");
    else if (folders > 1)
        config_error(errors, "dataset", "is needed, there are several%s", all.data ? all.data : "");
    if (folders != 1)
        c->dataset[0] = '\0';
    buf_release(&all);
}

static void no_such_dataset(const char *datasets, json_t *errors)
{
    struct buf all = BUF_INIT(200);
    char last[NAME_MAX + 1];

    list_datasets(datasets, &all, last, sizeof last);
    config_error(errors, "dataset", "is not one of the data sets (a link does not count)%s",
                 all.data ? all.data : "");
    buf_release(&all);
}

static bool ends_with(const char *name, size_t n, const char *end)
{
    const size_t length = strlen(end);

    return n > length && strcasecmp(name + n - length, end) == 0;
}

/* A table, or one that is still packed: its name tells the user what to do. */
static int is_table(const struct dirent *entry)
{
    static const char *const ENDS[] = { ".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zst", ".csv.zip" };
    const size_t n = strlen(entry->d_name);
    bool table = false;

    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++)
        table = table || ends_with(entry->d_name, n, ENDS[i]);
    return (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN) && entry->d_name[0] != '.' && table;
}

/* "; the folder has: one.csv, two.csv", as many as fit; nothing where there is none that can be named. */
static void list_tables(int root, struct buf *all)
{
    struct dirent **entries = NULL;
    const int n = scandirat(root, ".", &entries, is_table, alphasort);

    for (int i = 0; i < n; i++) {
        if (can_be_named(entries[i]->d_name) && all->len + strlen(entries[i]->d_name) + 32 <= all->max)
            buf_printf(all, "%s%s", all->len ? ", " : "; the folder has: ", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void no_such_file(int root, const char *field, const char *path, json_t *errors)
{
    struct buf all = BUF_INIT(200);
    const bool is_csv = strcmp(field, "csv") == 0;

    if (is_csv)
        list_tables(root, &all);
    config_error(errors, field,
                 "needs the file '%.100s': it is not in the data set's folder, or a link is on its way%s",
                 path, all.data ? all.data : "");
    buf_release(&all);
}

/* Whether the error is the name's own, so that the client can give another name. */
static bool is_wrong_name(int why)
{
    return why == ENOENT || why == ENOTDIR || why == ELOOP || why == ENAMETOOLONG || why == EXDEV ||
           why == ENXIO;
}

static enum status check_file(int root, const char *field, const char *path, json_t *errors,
                              struct error *err)
{
    const int fd = open_beneath(root, path, O_RDONLY);

    if (fd < 0 && !is_wrong_name(errno))
        return error_errno(err, ST_IO, "cannot look for '%.200s'", path);
    if (fd < 0)
        no_such_file(root, field, path, errors);
    else if (file_stamp(fd) == 0)
        config_error(errors, field, "is not a regular file");
    if (fd >= 0)
        close(fd);
    return ST_OK;
}

/* The other files that a table is made of. */
static enum status check_table_files(int root, const struct train_config *c, json_t *errors,
                                     struct error *err)
{
    char second[TABLE_PATH];
    size_t n = 1;
    enum status st = table_format_files((enum table_format)c->table_format, c->csv, second, &n, err);

    if (st == ST_OK && n == 2)
        st = check_file(root, "csv", second, errors, err);
    return st == ST_OK && c->mapping[0] ? check_file(root, "mapping", c->mapping, errors, err) : st;
}

static enum status check_files(const struct train_config *c, const char *rows, int folder,
                               const char *datasets, json_t *errors, struct error *err)
{
    const int root = open_beneath(folder, c->dataset, O_RDONLY | O_DIRECTORY);
    char table[TABLE_PATH];
    enum status st;

    if (root < 0 && !is_wrong_name(errno))
        return error_errno(err, ST_IO, "cannot look for the data set '%.200s'", c->dataset);
    if (root < 0) {
        no_such_dataset(datasets, errors);
        return ST_OK;
    }
    st = check_file(root, "csv", c->csv, errors, err);
    if (st == ST_OK)
        st = check_table_files(root, c, errors, err);
    if (st == ST_OK && c->split_by == SPLIT_LIST &&
        division_of(root, (enum table_format)c->table_format, c->csv, table) == DIVISION_LISTS) {
        st = check_file(root, "split_by", TEST_LIST, errors, err);
        if (st == ST_OK)
            st = check_file(root, "split_by", "train_val_list.txt", errors, err);
    }
    if (st == ST_OK && rows && *rows)
        st = check_file(root, "rows", rows, errors, err);
    close(root);
    return st;
}

/*   rows  a list of them that must be there, too; NULL or "": none */
static enum status config_check(struct train_config *c, const char *rows, const char *datasets,
                                json_t *errors, struct error *err)
{
    enum status st = ST_OK;
    int folder;

    if (!datasets) {
        config_error(errors, "dataset", "this server was started without --datasets");
        return ST_OK;
    }
    folder = open(datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && !is_wrong_name(errno))
        return error_errno(err, ST_IO, "cannot look into the folder of data sets");
    if (folder < 0) {
        config_error(errors, "dataset", "cannot be looked for: the folder of --datasets cannot be read: %s",
                     strerror(errno));
        return ST_OK;
    }
    if (!c->dataset[0])
        resolve_dataset(c, datasets, errors);
    if (c->dataset[0] && !dataset_path_ok(c->dataset))
        config_error(errors, "dataset", "is no data set's name where a part of it begins with a dot");
    else if (c->dataset[0])
        st = check_files(c, rows, folder, datasets, errors, err);
    close(folder);
    return st;
}

enum status train_config_check(struct train_config *c, const char *datasets, json_t *errors,
                               struct error *err)
{
    return config_check(c, NULL, datasets, errors, err);
}

enum status score_config_check(struct score_config *c, const char *datasets, json_t *errors,
                               struct error *err)
{
    return config_check(&c->data, c->rows, datasets, errors, err);
}
