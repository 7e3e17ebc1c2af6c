/* jobs/training/scan.c - scanning and splitting: table, filter, files; which rows train, validate and test. */
#include "../dataset/division.h"
#include "../dataset/split_table.h"
#include "plots.h"
#include "run.h"

#include "cxrd/digest.h"
#include "cxrd/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MAPPING_MAX_BYTES = 1 << 20 };

/* ---- scanning ---- */

/* The table's files, and its mapping: the caller that loads them owns them. */
struct loaded {
    struct file_bytes file[TABLE_FILES], mapping;
    char second[TABLE_PATH];
    struct table_source source;
};

/* Which division of the data set's own the rows are to be split by. */
static enum division asked_division(const struct run *r, char ret_table[TABLE_PATH])
{
    const struct train_config *c = r->config;

    return c->split_by == SPLIT_LIST
               ? division_of(r->root, (enum table_format)c->table_format, c->csv, ret_table)
               : DIVISION_LISTS;
}

static void loaded_release(struct loaded *l)
{
    for (size_t i = 0; i < TABLE_FILES; i++)
        file_bytes_release(&l->file[i]);
    file_bytes_release(&l->mapping);
}

static enum status file_load(const struct run *r, const char *what, const char *path, size_t most,
                             struct file_bytes *ret)
{
    const int fd = open_beneath(r->root, path, O_RDONLY);
    enum status st;

    if (fd < 0)
        return error_errno(r->err, errno == ENOENT ? ST_NOTFOUND : ST_IO, "cannot open the %s '%s'", what,
                           path);
    st = file_read_fd(fd, path, most, ret, r->err);
    close(fd);
    return st;
}

static enum status files_load(const struct run *r, struct loaded *l)
{
    const struct train_config *c = r->config;
    struct table_source *s = &l->source;
    enum status st;

    *s = (struct table_source){ .format = (enum table_format)c->table_format,
                                .uncertain = (enum uncertain_labels)c->uncertain_labels,
                                .missing = (enum missing_labels)c->missing_labels,
                                .site = r->request->site };
    st = table_format_files(s->format, c->csv, l->second, &s->n_files, r->err);
    if (st == ST_OK && s->n_files == 1 && asked_division(r, l->second) == DIVISION_TABLES)
        s->n_files = 2;
    for (size_t i = 0; i < s->n_files && st == ST_OK; i++) {
        const char *name = i == 0 ? c->csv : l->second;

        st = file_load(r, "table", name, TABLE_MAX_BYTES, &l->file[i]);
        s->file[i] = (struct table_file){ name, l->file[i].data, l->file[i].size };
    }
    if (st == ST_OK && s->format == FORMAT_CSV) {
        st = file_load(r, "mapping", c->mapping, MAPPING_MAX_BYTES, &l->mapping);
        s->mapping = l->mapping.data;
        s->mapping_size = l->mapping.size;
    }
    return st;
}

/* Before it is read: a table that was cut short since must not be called a bad one. */
static enum status check_same_table(struct run *r, const struct table_source *source)
{
    const char *expected = r->request->csv_sha256;
    char sha256[DIGEST_TEXT_SIZE];

    if (!expected)
        return ST_OK;
    if (table_digest(source, sha256) != ST_OK)
        return error_nomem(r->err);
    if (strcmp(expected, sha256) != 0)
        return error_set(r->err, ST_CONFLICT, "the table '%s' has changed since the job began",
                         r->config->csv);
    return ST_OK;
}

static enum status table_load(struct run *r)
{
    struct loaded l = { 0 };
    enum status st = files_load(r, &l);

    if (st == ST_OK)
        st = check_same_table(r, &l.source);
    if (st == ST_OK)
        st = table_read_as(&l.source, &r->config->labels, &r->table, r->err);
    if (st == ST_OK && table_profile(l.file[0].data, l.file[0].size, &r->table, (double)r->config->max_age,
                                     &r->result->dataset.table) != ST_OK)
        st = error_nomem(r->err);
    loaded_release(&l);
    return st;
}

static enum status root_open(struct run *r)
{
    const int datasets = open(r->request->datasets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (datasets < 0)
        return error_inner(
            r->err, error_errno(r->err, ST_NOTFOUND, "cannot open the folder of data sets, --datasets"),
            r->request->datasets);
    r->root = open_beneath(datasets, r->config->dataset, O_RDONLY | O_DIRECTORY);
    close(datasets);
    if (r->root < 0)
        return error_errno(r->err, ST_NOTFOUND, "cannot open the data set '%s'", r->config->dataset);
    snprintf(r->root_path, sizeof r->root_path, "%s/%s", r->request->datasets, r->config->dataset);
    return ST_OK;
}

/* For the sentences about rows without a picture: a name of each side, and what was passed over. */
static void note_names(struct run *r)
{
    struct dataset_report *report = &r->result->dataset;
    const char *missing = NULL;

    for (size_t i = 0; i < r->used.n && !missing; i++) {
        const char *name = table_image(&r->table, r->used.index[i]);

        if (picture_find(r->files, name) == PICTURE_MISSING)
            missing = name;
    }
    report->links = picture_links(r->files);
    snprintf(report->missing_name, sizeof report->missing_name, "%s", missing ? missing : "");
    snprintf(report->file_name, sizeof report->file_name, "%s",
             picture_count(r->files) ? picture_name(r->files, 0) : "");
}

static enum status refuse_no_picture(const struct run *r)
{
    const struct dataset_report *d = &r->result->dataset;
    char files[64], names[160] = "";

    snprintf(files, sizeof files, d->links ? "%zu files, %zu links passed over" : "%zu files",
             picture_count(r->files), d->links);
    if (d->file_name[0])
        snprintf(names, sizeof names, ": the table has '%s', the folder '%s'", d->missing_name, d->file_name);
    return error_set(r->err, ST_UNUSABLE,
                     "no picture found: of %zu rows none has a file that matches '%.100s' (%s)%s",
                     d->missing_images, r->config->images, files, names);
}

/* Files of one name in two folders, of the rows that will be used. */
static enum status check_copies(struct run *r)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < r->used.n && st == ST_OK; i++) {
        size_t copies;

        st = picture_check_copies(r->files, table_image(&r->table, r->used.index[i]), &copies, r->err);
        r->result->dataset.same_names += copies;
        if (st == ST_OK && copies)
            st = run_check_cancelled(r);
    }
    return st;
}

/* Which rows have a picture; the others are left out. */
static enum status find_pictures(struct run *r)
{
    struct dataset_report *report = &r->result->dataset;
    const enum status st = discover(r->root, r->config->images, r->table.name_parts, &r->files, r->err);

    if (st != ST_OK)
        return st;
    note_names(r);
    report->missing_images = rows_keep_found(&r->table, r->files, &r->used);
    rows_keep_found(&r->table, r->files, &r->normal);
    if (r->used.n == 0)
        return refuse_no_picture(r);
    if (r->config->missing_images == MISSING_FAIL && report->missing_images > 0)
        return error_set(r->err, ST_UNUSABLE, "%zu rows have no picture, and 'missing_images' is \"fail\"",
                         report->missing_images);
    return check_copies(r);
}

/* The sources of the inputs. */
static enum status check_columns(const struct run *r)
{
    const unsigned asked = r->config->inputs;

    if (asked & (1u << INPUT_HISTORY | 1u << INPUT_COURSE) && !r->table.has_follow_up)
        return error_set(r->err, ST_UNUSABLE,
                         "'inputs' has \"%s\", and the table '%.128s' has no column %s, which "
                         "says in what order the films of a patient were taken",
                         INPUT_NAMES[asked >> INPUT_HISTORY & 1 ? INPUT_HISTORY : INPUT_COURSE],
                         r->config->csv, r->table.format == FORMAT_NIH ? "'Follow-up #'" : "of follow-ups");
    return ST_OK;
}

/* A table that need not have all findings has one, where they count. */
static enum status check_findings(const struct run *r)
{
    char names[LABELS_TEXT_SIZE];

    if (r->table.has || !r->request->site || r->request->site->unlabelled)
        return ST_OK;
    return error_set(
        r->err, ST_UNUSABLE,
        "the table has none of the model's findings (%.160s): name its words for them in 'labels'",
        labels_text(&r->table.labels, names));
}

static enum status scan(struct run *r)
{
    enum status st = root_open(r);

    if (st == ST_OK)
        st = table_load(r);
    if (st == ST_OK)
        st = check_findings(r);
    if (st == ST_OK)
        st = check_columns(r);
    if (st == ST_OK)
        st = table_filter(&r->table, (int)r->config->max_age, r->config->drop_no_finding,
                          r->config->views == VIEWS_FRONTAL, &r->used, &r->normal, &r->result->dataset,
                          r->err);
    if (st == ST_OK && (flow_begin(&r->table, (int)r->config->max_age, r->result->dataset.flow) != ST_OK ||
                        flow_count(&r->table, &r->used, &r->result->dataset.flow[FLOW_FINDINGS]) != ST_OK))
        st = error_nomem(r->err);
    return st == ST_OK && train_config_sees(r->config) ? find_pictures(r) : st;
}

/* ---- splitting ---- */

enum status run_list_load(struct run *r, const char *name, struct file_bytes *ret)
{
    const int fd = open_beneath(r->root, name, O_RDONLY);
    enum status st;

    if (fd < 0)
        return error_errno(r->err, ST_NOTFOUND, "cannot open the list '%s'", name);
    st = file_read_fd(fd, name, LIST_MAX_BYTES, ret, r->err);
    close(fd);
    return st;
}

/* A run that goes on must do so on the rows that it began with. */
static enum status check_same_split(struct run *r)
{
    const char *expected = r->request->split_sha256;

    if (expected && strcmp(expected, r->result->dataset.split_sha256) != 0)
        return error_set(r->err, ST_CONFLICT,
                         "the split of the rows is another than when the job began: pictures or lists have "
                         "been added, removed or changed");
    return ST_OK;
}

/* The results of looking at the pictures: of those that train, the gate's verdict; of all, whether they can be read. */
static void count_looks(struct run *r)
{
    const struct rows *train = &r->split.part[TRAIN];
    struct dataset_report *report = &r->result->dataset;

    for (size_t i = 0; i < train->n; i++)
        for (size_t code = 0; code < N_GATE_CODES; code++)
            report->gate[code] += r->codes[train->index[i]] >> code & 1;
    for (int part = 0; part < N_SPLITS; part++)
        for (size_t i = 0; i < r->split.part[part].n; i++)
            report->unreadable += r->unusable[r->split.part[part].index[i]];
}

/* Data that a run began with were good: what is wrong with them now has come since, and may go again. */
static enum status blame_change(struct run *r, enum status st)
{
    struct error why = *r->err;

    if (st == ST_OK || st == ST_CANCELLED || status_is_outside(st) || !r->request->split_sha256)
        return st;
    return error_set(r->err, ST_CONFLICT, "the data have changed since the job began: %.240s", why.text);
}

/* The rest of the flow. The rows are those that have a picture, or all where none is looked at. */
enum status run_count_flow(struct run *r)
{
    struct flow *flow = r->result->dataset.flow;

    if (flow_count(&r->table, &r->used, &flow[FLOW_PICTURES]) != ST_OK ||
        flow_end(&r->table, &r->split, flow) != ST_OK ||
        flow_count(&r->table, &r->normal, &flow[FLOW_NORMAL]) != ST_OK)
        return error_nomem(r->err);
    return ST_OK;
}

/* The lists that a split is given by: files, or what a table of the data set's own says. */
struct listed {
    struct file_bytes test, train_val, validation;
    struct buf part[N_SPLITS];
};

static void listed_release(struct listed *l)
{
    file_bytes_release(&l->test);
    file_bytes_release(&l->train_val);
    file_bytes_release(&l->validation);
    for (size_t i = 0; i < N_SPLITS; i++)
        buf_release(&l->part[i]);
}

/* A list that may be missing: *ret_there says whether it is there. */
static enum status list_load_optional(struct run *r, const char *name, struct file_bytes *ret,
                                      bool *ret_there)
{
    const int fd = open_beneath(r->root, name, O_RDONLY);

    *ret_there = fd >= 0 || errno != ENOENT;
    if (fd >= 0)
        close(fd);
    return *ret_there ? run_list_load(r, name, ret) : ST_OK;
}

static enum status lists_load(struct run *r, struct listed *l, struct split_options *o)
{
    bool there;
    enum status st = run_list_load(r, TEST_LIST, &l->test);

    if (st == ST_OK)
        st = run_list_load(r, "train_val_list.txt", &l->train_val);
    if (st == ST_OK)
        st = list_load_optional(r, "validation_list.txt", &l->validation, &there);
    o->test_list = l->test.data;
    o->test_list_size = l->test.size;
    o->train_val_list = l->train_val.data;
    o->train_val_list_size = l->train_val.size;
    if (st == ST_OK && there) {
        o->validation_list = l->validation.data ? l->validation.data : "";
        o->validation_list_size = l->validation.size;
    }
    return st;
}

static void use_parts(const struct listed *l, struct split_options *o)
{
    o->train_val_list = l->part[TRAIN].data;
    o->train_val_list_size = l->part[TRAIN].len;
    o->test_list = l->part[TEST].data;
    o->test_list_size = l->part[TEST].len;
}

/* Of a table that says each picture's part. */
static enum status column_load(struct run *r, const char *name, struct listed *l, struct split_options *o)
{
    enum status st = run_list_load(r, name, &l->test);

    if (st == ST_OK)
        st = split_table_read(l->test.data, l->test.size, name, l->part, r->err);
    use_parts(l, o);
    o->validation_list = l->part[VALIDATION].len ? l->part[VALIDATION].data : "";
    o->validation_list_size = l->part[VALIDATION].len;
    return st;
}

/* The second table's rows are tested; of the first's some validate, which are drawn. */
static enum status tables_divide(struct run *r, struct listed *l, struct split_options *o)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < r->table.n_rows; i++)
        buf_printf(&l->part[r->table.rows[i].file ? TEST : TRAIN], "%s\n", table_image(&r->table, i));
    use_parts(l, o);
    for (size_t i = 0; i < N_SPLITS && st == ST_OK; i++)
        if (buf_status(&l->part[i]) != ST_OK)
            st = error_set(r->err, buf_status(&l->part[i]), "the tables have too many rows");
    return st;
}

static enum status division_load(struct run *r, struct listed *l, struct split_options *o)
{
    char name[TABLE_PATH];

    switch (asked_division(r, name)) {
    case DIVISION_COLUMN: return column_load(r, name, l, o);
    case DIVISION_TABLES: return tables_divide(r, l, o);
    case DIVISION_LISTS: break;
    }
    return lists_load(r, l, o);
}

/* Which rows train, validate and test. */
static enum status split_rows(struct run *r)
{
    struct listed listed = { FILE_BYTES_INIT, FILE_BYTES_INIT, FILE_BYTES_INIT, { BUF_INIT(0) } };
    struct split_options options = { .by = (enum split_by)r->config->split_by,
                                     .test_fraction = r->config->test_fraction,
                                     .val_fraction = r->config->val_fraction,
                                     .seed = (uint64_t)r->config->split_seed,
                                     .pixels = r->pixels,
                                     .left_out = r->left_out };
    enum status st = ST_OK;

    for (size_t i = 0; i < N_SPLITS; i++)
        listed.part[i] = (struct buf)BUF_INIT(LIST_MAX_BYTES);
    if (options.by == SPLIT_LIST)
        st = division_load(r, &listed, &options);
    if (st == ST_OK)
        st = split_make(&r->table, &r->used, &options, &r->split, &r->result->dataset, r->err);
    listed_release(&listed);
    return st;
}

/* Which normal chests are tested on. Patients come first: of whom is learned needs no look at its picture. */
static enum status choose_normal(struct run *r)
{
    const enum split_by by = (enum split_by)r->config->split_by;
    struct dataset_report *report = &r->result->dataset;
    size_t others;
    enum status st = ST_OK;

    if (by != SPLIT_IMAGE && rows_keep_unseen(&r->table, &r->split, by, NULL, &r->normal) != ST_OK)
        return error_nomem(r->err);
    others = r->normal.n;
    st = run_look_at(r, &r->normal);
    if (st == ST_OK && rows_keep_unseen(&r->table, &r->split, by, r->pixels, &r->normal) != ST_OK)
        st = error_nomem(r->err);
    report->equal_normal = others - r->normal.n;
    return st;
}

/* A patient who is to be left out while this goes on is either found in the file that names them, or found here. */
static enum status split_without(struct run *r)
{
    enum status st = ST_OK;
    bool final = false;

    while (st == ST_OK && !final) {
        split_release(&r->split);
        r->split = (struct split)SPLIT_INIT;
        st = run_ask_patients(r);
        if (st == ST_OK)
            st = split_rows(r);
        if (st == ST_OK)
            st = run_write_patients(r, &final);
    }
    return st;
}

static enum status share_out(struct run *r)
{
    enum status st = split_without(r);

    if (st != ST_OK)
        return st;
    run_leave_out(r);
    count_looks(r);
    if (st == ST_OK)
        st = run_agree_split(r);
    if (st == ST_OK)
        st = check_same_split(r);
    if (st == ST_OK)
        st = choose_normal(r);
    if (st == ST_OK)
        st = run_count_flow(r);
    if (st != ST_OK)
        return st;
    if (r->request->init)
        r->result->dataset.init_split =
            lineage_of(model_trained_rows(r->request->init), r->result->dataset.split_sha256);
    if (plots_combinations(r->result->plots, &r->table, &r->used) != ST_OK)
        return error_nomem(r->err);
    if (train_config_sees(r->config))
        st = plots_samples(r->result->plots, &r->pictures, &r->split.part[TRAIN], (uint64_t)r->config->seed,
                           r->err);
    if (st != ST_OK)
        return st;
    run_tell_dataset(r);
    return ST_OK;
}

enum status run_scan(struct run *r)
{
    const enum status st = blame_change(r, scan(r));

    return st == ST_OK ? run_agree_table(r) : st;
}

enum status run_split(struct run *r) { return blame_change(r, share_out(r)); }
