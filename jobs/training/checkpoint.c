/* jobs/training/checkpoint.c - see checkpoint.h.
 *
 * The file, version 3, is a safetensors file (cxrd/safetensors.h), little-endian:
 *
 *   8 bytes    length of the header
 *   header     JSON: "__metadata__", and of each array its type, shape and place
 *   arrays     flat, of rank 1: pieces_of() has their names, types and lengths, in their order; "ema" where weights are averaged.
 *              Where an epoch has been kept also "kept.weights" (a weights file as it is, cxrd/weights.h), and of the R rows that it
 *              was validated on, with L findings: "kept.rows" U32 [R], "kept.truth" U8 [R * L] (0, 1, 2: not known),
 *              "kept.logits" and "kept.prob" F32 [R * L]
 *
 * The metadata, all strings:
 *   format        "cxrd-checkpoint"
 *   version       "3"; 1 and 2 are read, see FIRST and SECOND
 *   config        the job's configuration as compact JSON with sorted keys, without "webhook"
 *   csv_sha256    of the table;  split_sha256  of which row is in which part
 *   sha256        in hexadecimal, of: the metadata without this as compact JSON with sorted keys and a NUL; then of each array its name
 *                 and a NUL, its type (enum dtype, 4 bytes), its length in bytes (8 bytes) and its bytes
 *
 * On load the digest must match before anything is believed, the version first of all, since a damaged byte may look like another
 * version. Then the configuration and the data must be the job's, and every number that will be an index or a count is held against its
 * limit. Writing goes by file_replace(): a crash leaves the file before or this one, and never half of one. A file that is damaged all
 * the same (ST_FORMAT before the digest has matched) is no end: the training begins again and says so. */
#include "checkpoint.h"

#include "cxrd/json.h"
#include "cxrd/log.h"
#include "cxrd/metrics.h"

#include "cxrd/clock.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/safetensors.h"
#include "cxrd/weights.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT  "cxrd-checkpoint"
#define VERSION "3"

/* Read, too. In both the digest is of the arrays only, and nothing says whether the training began again; in the first, an
 * epoch's report ended before its learning rate. Whatever version comes after these keeps the digest of VERSION, so that what
 * another cxrd wrote can be told from what is damaged. */
#define FIRST  "1"
#define SECOND "2"

enum { MAX_PIECES = 32, N_KEPT = 5, MAX_REST = 1 << 20, MAX_FILE = 768 << 20 };
enum { MOST_ARRAYS = MAX_PIECES + N_KEPT };
_Static_assert(sizeof(size_t) == sizeof(uint64_t) && sizeof(bool) == 1,
               "counts and flags are kept as they are");
_Static_assert(MAX_FILE - 5 * (int64_t)WEIGHTS_MAX_BYTES >= INT64_C(128) * MAX_REST,
               "the weights, two means of Adam's, the average and the kept model, and room for the scores");
_Static_assert(offsetof(struct epoch_report, val_auroc) % 8 == 0 && sizeof(struct running) % 8 == 0 &&
                   offsetof(struct running, known) + 8 == sizeof(struct running),
               "kept as words");

/* A part of a run that has always the same size: where it is, and how much of it there is. */
struct piece {
    const char *name;
    enum dtype dtype;
    size_t n;
    void *at;
};

/* Of an epoch's report: all before the AUROCs, and those of the findings that there are. */
static size_t report_words(const struct run *r)
{
    return offsetof(struct epoch_report, val_auroc) / 8 + r->config->labels.n;
}

static void reports_pack(struct run *r)
{
    const size_t words = report_words(r);

    for (size_t i = 0; i < (size_t)r->config->epochs; i++)
        memcpy(r->reports + i * words, &r->result->epochs[i], words * 8);
}

static void reports_unpack(struct run *r)
{
    const size_t words = report_words(r);

    for (size_t i = 0; i < (size_t)r->config->epochs; i++)
        memcpy(&r->result->epochs[i], r->reports + i * words, words * 8);
}

/* All that changes in a step, an epoch or a validation. A training that remembers more adds a line. */
static size_t pieces_of(struct run *r, struct piece ret[MAX_PIECES])
{
    struct train_result *result = r->result;
    const size_t n_params = r->net->n_params;
    const struct piece pieces[] = {
        { "params", DTYPE_F32, n_params + r->net->n_state, training_params(r->training) },
        { "adam.m", DTYPE_F32, n_params, r->adam.m },
        { "adam.v", DTYPE_F32, n_params, r->adam.v },
        { "adam.steps", DTYPE_U64, 1, &r->adam.steps },
        { "rng.batches", DTYPE_U64, 4, r->batch_rng.s },
        { "rng.validation", DTYPE_U64, 4, r->validation_rng.s },
        { "order.rows", DTYPE_U32, r->order.n, r->order.rows },
        { "order.at", DTYPE_U64, 1, &r->order.at },
        { "epoch.step", DTYPE_U64, 1, &r->progress.step },
        { "epoch.sums", DTYPE_U64, sizeof r->sums / 8, &r->sums },
        { "epochs.done", DTYPE_U64, 1, &result->n_epochs },
        { "epochs.reports", DTYPE_U64, (size_t)r->config->epochs * report_words(r), r->reports },
        { "kept.epoch", DTYPE_U64, 1, &result->kept_epoch },
        { "kept.loss", DTYPE_F64, 1, &result->validation_loss },
        { "kept.top5", DTYPE_F64, 1, &result->top5_accuracy },
        { "unusable", DTYPE_U8, r->table.n_rows, r->unusable },
        { "images.done", DTYPE_U64, 1, &r->images_done },
        { "elapsed", DTYPE_F64, 1, &r->elapsed },
        { "began_again", DTYPE_U8, 1, &result->began_again },
    };

    const size_t n = sizeof pieces / sizeof pieces[0];

    _Static_assert(sizeof pieces / sizeof pieces[0] < MAX_PIECES, "room for all");
    memcpy(ret, pieces, sizeof pieces);
    if (!r->average)
        return n;
    ret[n] = (struct piece){ "ema", DTYPE_F32, n_params + r->net->n_state, r->average };
    return n + 1;
}

/* ---- saving ---- */

static struct array array_of(const char *name, enum dtype dtype, size_t n, const void *data)
{
    struct array a = { .dtype = dtype, .rank = 1, .dims = { n }, .data = data };

    assert(strlen(name) < sizeof a.name);
    memcpy(a.name, name, strlen(name) + 1);
    return a;
}

/* All of a run as arrays, borrowed; `weights` is the kept model's file. Returns how many. */
static size_t arrays_of(struct run *r, const struct buf *weights, struct array arrays[MOST_ARRAYS])
{
    const struct scores *kept = &r->kept_validation;
    struct piece pieces[MAX_PIECES];
    size_t n = pieces_of(r, pieces);

    for (size_t i = 0; i < n; i++)
        arrays[i] = array_of(pieces[i].name, pieces[i].dtype, pieces[i].n, pieces[i].at);
    if (!r->result->model)
        return n;
    arrays[n++] = array_of("kept.weights", DTYPE_U8, weights->len, weights->data);
    arrays[n++] = array_of("kept.rows", DTYPE_U32, kept->n, kept->rows);
    arrays[n++] = array_of("kept.truth", DTYPE_U8, kept->n * kept->labels->n, kept->truth);
    arrays[n++] = array_of("kept.logits", DTYPE_F32, kept->n * kept->labels->n, kept->logits);
    arrays[n++] = array_of("kept.prob", DTYPE_F32, kept->n * kept->labels->n, kept->prob);
    return n;
}

/* All that the metadata say but the digest, for free(). */
static enum status metadata_text(const json_t *metadata, char **ret)
{
    json_t *others;

    json_watch();
    others = json_copy((json_t *)metadata);
    json_object_del(others, "sha256");
    *ret = json_built(others, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(others);
    return *ret ? ST_OK : ST_NOMEM;
}

/* Of all metadata but the digest itself, and of all names, types, sizes and bytes.
 *   metadata  NULL: as the versions before 3 have it, of names, sizes and bytes */
static enum status digest_of(const json_t *metadata, const struct array *arrays, size_t n,
                             char text[DIGEST_TEXT_SIZE])
{
    char *said = NULL;
    struct digest *d = NULL;
    enum status st = metadata ? metadata_text(metadata, &said) : ST_OK;

    if (st == ST_OK)
        st = digest_new(&d);
    if (st == ST_OK && said)
        digest_add(d, said, strlen(said) + 1);
    free(said);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i++) {
        const uint64_t bytes = array_bytes(&arrays[i]);

        digest_add(d, arrays[i].name, strlen(arrays[i].name) + 1);
        if (metadata)
            digest_add(d, &arrays[i].dtype, sizeof arrays[i].dtype);
        digest_add(d, &bytes, sizeof bytes);
        if (bytes > 0)
            digest_add(d, arrays[i].data, bytes);
    }
    digest_finish(d, text);
    return ST_OK;
}

/* A configuration in one line; NULL without memory. */
static char *config_text(const struct train_config *c)
{
    json_t *config;
    char *text;

    json_watch();
    config = train_config_json(c);
    json_object_del(config, "webhook"); /* who is told of it is no part of what it is */
    text = json_built(config, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(config);
    return text;
}

/* The header before the arrays; NULL without memory. */
static json_t *metadata_make(const struct run *r, const struct array *arrays, size_t n)
{
    char *config = config_text(r->config), sha256[DIGEST_TEXT_SIZE];
    json_t *metadata = config ? json_pack("{s:s,s:s,s:s,s:s,s:s}", "format", FORMAT, "version", VERSION,
                                          "config", config, "csv_sha256", r->result->dataset.csv_sha256,
                                          "split_sha256", r->result->dataset.split_sha256)
                              : NULL;

    free(config);
    if (!metadata || digest_of(metadata, arrays, n, sha256) != ST_OK ||
        json_object_set_new(metadata, "sha256", json_string(sha256)) != 0) {
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

enum status checkpoint_save(struct run *r)
{
    struct buf weights = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct array arrays[MOST_ARRAYS];
    json_t *metadata = NULL;
    struct error why;
    enum status st = ST_OK;
    size_t n;

    r->elapsed = clock_seconds() - r->started;
    if (r->result->model)
        st = weights_write(r->result->model, &weights, r->err);
    if (st != ST_OK)
        goto out;
    reports_pack(r);
    n = arrays_of(r, &weights, arrays);
    if (!(metadata = metadata_make(r, arrays, n))) {
        st = error_nomem(r->err);
        goto out;
    }
    st = array_file_save(r->request->checkpoint, metadata, arrays, n, &why);
    if (st != ST_OK)
        error_set(r->err, st, "storage: the checkpoint cannot be kept: %s", why.text);
out:
    json_decref(metadata);
    buf_release(&weights);
    return st;
}

/* ---- loading ---- */

static enum status damaged(struct run *r, const char *what)
{
    return error_set(r->err, ST_FORMAT, "the checkpoint is damaged: %s", what);
}

/* A string of the metadata; "" where there is none. */
static const char *text_of(const json_t *metadata, const char *key)
{
    const char *text = json_string_value(json_object_get(metadata, key));

    return text ? text : "";
}

static bool says(const json_t *metadata, const char *key, const char *expected)
{
    return strcmp(text_of(metadata, key), expected) == 0;
}

/* The configuration of a checkpoint, read as a job's own is, whichever cxrd wrote it. */
static enum status config_check(struct run *r, const json_t *metadata)
{
    const char *text = text_of(metadata, "config");
    json_t *object = NULL, *errors = json_array();
    struct train_config theirs;
    enum status st = errors ? json_read(text, strlen(text), 0, &object, NULL) : ST_NOMEM;

    if (st == ST_OK)
        st = train_config_parse_recorded(object, &theirs, errors);
    if (st == ST_OK)
        st = train_config_same(&theirs, r->config,
                               "the checkpoint belongs to a job with another configuration", r->err);
    else if (st == ST_NOMEM)
        error_nomem(r->err);
    else
        st = error_set(r->err, ST_CONFLICT, "the checkpoint holds no configuration that this cxrd knows");
    json_decref(errors);
    json_decref(object);
    return st;
}

static bool is_before(const json_t *metadata)
{
    return says(metadata, "version", FIRST) || says(metadata, "version", SECOND);
}

/* That it is a checkpoint, whole and as it was written, of a version that is known here. Which version it says is believed
 * only after the digest: a bit that was flipped in it makes no checkpoint of another cxrd. */
static enum status whole_check(const struct array_file *f, struct error *err)
{
    char sha256[DIGEST_TEXT_SIZE];

    if (!says(f->metadata, "format", FORMAT) && !json_object_get(f->metadata, "sha256"))
        return error_set(err, ST_CONFLICT, "this is not a checkpoint: its metadata do not say so");
    if (digest_of(is_before(f->metadata) ? NULL : f->metadata, f->arrays, f->n, sha256) != ST_OK)
        return error_nomem(err);
    if (!says(f->metadata, "format", FORMAT) || !says(f->metadata, "sha256", sha256))
        return error_set(err, ST_FORMAT, "the checkpoint is damaged: its digest differs");
    if (!says(f->metadata, "version", VERSION) && !is_before(f->metadata))
        return error_set(err, ST_CONFLICT, "the checkpoint was written by another version of cxrd");
    return ST_OK;
}

static enum status unread(enum status st, const struct error *why, struct error *err)
{
    return st == ST_OK ? ST_OK : error_set(err, st, "the checkpoint cannot be read: %s", why->text);
}

/* The bytes of a checkpoint, whoever's it is. Errors: ST_FORMAT (it is damaged), ST_CONFLICT (it is no checkpoint, or of another
 * version), ST_NOMEM. */
static enum status bytes_load(const void *bytes, size_t n, struct array_file *f, struct error *err)
{
    struct error why;
    enum status st = array_file_read(bytes, n, f, &why);

    if (st == ST_OK)
        st = array_file_whole(f, &why);
    return st == ST_OK ? whole_check(f, err) : unread(st, &why, err);
}

/* That it is of this job and this data. */
static enum status metadata_check(struct run *r, const json_t *metadata)
{
    const enum status st = config_check(r, metadata);

    if (st != ST_OK)
        return st;
    if (!says(metadata, "csv_sha256", r->result->dataset.csv_sha256) ||
        !says(metadata, "split_sha256", r->result->dataset.split_sha256))
        return error_set(r->err, ST_CONFLICT, "the checkpoint belongs to another table or split");
    return ST_OK;
}

/* An array of that name, type and number of values, or NULL. */
static const struct array *expect(const struct array_file *f, const char *name, enum dtype dtype, size_t n)
{
    const struct array *a = array_find(f, name);

    return a && a->dtype == dtype && a->rank == 1 && a->dims[0] == n ? a : NULL;
}

static bool all_bits(const uint8_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] > 1)
            return false;
    return true;
}

static bool all_truths(const uint8_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] > TRUTH_UNKNOWN)
            return false;
    return true;
}

static bool all_below(const uint32_t *values, size_t n, size_t limit)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] >= limit)
            return false;
    return true;
}

/* The reports of a file of the FIRST version. */
static const struct array *reports_of_first(struct run *r, const struct array_file *f)
{
    const size_t n = (size_t)r->config->epochs, words = report_words(r);
    const size_t theirs = offsetof(struct epoch_report, learning_rate) / 8;
    const double unknown = NAN;
    const struct array *a =
        says(f->metadata, "version", FIRST) ? expect(f, "epochs.reports", DTYPE_U64, n * theirs) : NULL;

    for (size_t i = 0; a && i < n; i++) {
        memcpy(r->reports + i * words, (const char *)a->data + i * theirs * 8, theirs * 8);
        for (size_t w = theirs; w < words; w++)
            memcpy(r->reports + i * words + w, &unknown, 8);
    }
    return a;
}

/* An epoch's sums in a file that was written when the findings of all rows were known: all but the last word. */
static const struct array *sums_of_all_known(struct run *r, const struct array_file *f)
{
    const size_t words = offsetof(struct running, known) / 8;
    const struct array *a = expect(f, "epoch.sums", DTYPE_U64, words);

    if (!a)
        return NULL;
    memcpy(&r->sums, a->data, words * 8);
    r->sums.known = r->sums.images * r->net->n_labels;
    return a;
}

/* A piece that is not as it is now, in a file that may have it otherwise. */
static bool piece_of_before(struct run *r, const struct array_file *f, const struct piece *p)
{
    if (p->at == r->reports)
        return reports_of_first(r, f) != NULL;
    if (p->at == &r->sums)
        return sums_of_all_known(r, f) != NULL;
    return p->at == &r->result->began_again && is_before(f->metadata);
}

static enum status pieces_load(struct run *r, const struct array_file *f)
{
    struct piece pieces[MAX_PIECES];
    const size_t n = pieces_of(r, pieces);

    for (size_t i = 0; i < n; i++) {
        const struct piece *p = &pieces[i];
        const struct array *a = expect(f, p->name, p->dtype, p->n);

        if (!a && piece_of_before(r, f, p))
            continue;
        if (!a)
            return error_set(r->err, ST_FORMAT, "the checkpoint is damaged: its '%s' is not as it must be",
                             p->name);
        if (p->dtype == DTYPE_U8 && !all_bits(a->data, p->n))
            return damaged(r, "what is yes or no is not made of zeros and ones");
        if (p->n > 0)
            memcpy(p->at, a->data, array_bytes(a));
    }
    reports_unpack(r);
    return ST_OK;
}

/* Every loaded number that will be an index or a count. */
static enum status pieces_check(struct run *r)
{
    const struct train_result *result = r->result;
    const size_t epochs = (size_t)r->config->epochs;
    const uint64_t *s = r->batch_rng.s, *v = r->validation_rng.s;

    if (result->n_epochs > epochs || result->kept_epoch > result->n_epochs ||
        (result->n_epochs == epochs && r->sums.begun))
        return damaged(r, "it counts more epochs than there are");
    if (r->progress.step > r->steps_per_epoch || r->sums.begun > 1 || r->sums.top5_rows > r->sums.images ||
        r->sums.top5_hits > r->sums.top5_rows || r->sums.known > r->sums.images * r->net->n_labels)
        return damaged(r, "it counts more steps than there are");
    if (r->order.at > r->order.n || !all_below(r->order.rows, r->order.n, r->table.n_rows))
        return damaged(r, "its order of rows cannot be");
    if (!(s[0] | s[1] | s[2] | s[3]) || !(v[0] | v[1] | v[2] | v[3]))
        return damaged(r, "a generator is at zero");
    return ST_OK;
}

static enum status kept_scores_load(struct run *r, const struct array_file *f)
{
    struct scores *kept = &r->kept_validation;
    const struct array *rows = array_find(f, "kept.rows"), *truth, *logits, *prob;
    const size_t n_labels = r->table.labels.n;
    size_t n = 0;

    if (rows && rows->rank == 1 && rows->dtype == DTYPE_U32)
        n = rows->dims[0];
    if (n == 0 || n > r->split.part[VALIDATION].n)
        return damaged(r, "the kept model was validated on rows that there are not");
    truth = expect(f, "kept.truth", DTYPE_U8, n * n_labels);
    logits = expect(f, "kept.logits", DTYPE_F32, n * n_labels);
    prob = expect(f, "kept.prob", DTYPE_F32, n * n_labels);
    if (!truth || !logits || !prob || !all_truths(truth->data, n * n_labels))
        return damaged(r, "the kept model's scores are not as they must be");
    if (scores_init(kept, &r->table.labels, n) != ST_OK)
        return error_nomem(r->err);
    kept->n = n;
    memcpy(kept->rows, rows->data, array_bytes(rows));
    memcpy(kept->truth, truth->data, array_bytes(truth));
    memcpy(kept->logits, logits->data, array_bytes(logits));
    memcpy(kept->prob, prob->data, array_bytes(prob));
    if (!all_below(kept->rows, n, r->table.n_rows))
        return damaged(r, "a kept score is of no row of the table");
    scores_own(kept, &r->table);
    return ST_OK;
}

static enum status kept_load(struct run *r, const struct array_file *f)
{
    const struct array *weights = array_find(f, "kept.weights");
    const bool expected = r->result->kept_epoch > 0;
    struct error why;

    if ((weights != NULL) != expected || (weights && weights->dtype != DTYPE_U8))
        return damaged(r, "the kept model is missing, or there should be none");
    if (!weights)
        return ST_OK;
    if (weights_read(weights->data, array_bytes(weights), &r->result->model, &why) != ST_OK)
        return error_set(r->err, ST_FORMAT, "the checkpoint's kept model: %s", why.text);
    if (!labels_equal(model_labels(r->result->model), &r->config->labels))
        return damaged(r, "the kept model answers for other findings");
    if (!network_alike(model_network(r->result->model), r->net) ||
        model_preprocess(r->result->model)->size != r->pre.size)
        return damaged(r, "the kept model is of another size");
    return kept_scores_load(r, f);
}

/* The largest file that this run could have written. */
static size_t file_limit(struct run *r)
{
    struct piece pieces[MAX_PIECES];
    const size_t n = pieces_of(r, pieces), rows = r->split.part[VALIDATION].n;
    size_t bytes = WEIGHTS_MAX_BYTES + MAX_REST +
                   rows * (sizeof(uint32_t) + r->config->labels.n * (1 + 2 * sizeof(float)));

    for (size_t i = 0; i < n; i++)
        bytes += pieces[i].n * dtype_size(pieces[i].dtype);
    return bytes;
}

/* Begin with nothing: a training always ends with the same weights, so a damaged checkpoint costs only time. */
static enum status begin_again(struct run *r)
{
    log_text(LOG_WARN, "a checkpoint is damaged: the training begins again", "'%s': %s",
             r->request->checkpoint, r->err->text);
    r->result->began_again = true;
    return ST_OK;
}

/* The file of rank 0, which others need not have. */
static enum status file_of_ranks(struct run *r, struct file_bytes *file, bool *ret_there)
{
    struct error why;
    enum status st = ST_OK;

    if (ranks_me(r->ranks) == 0)
        st = file_read(r->request->checkpoint, file_limit(r), file, &why);
    *ret_there = ranks_me(r->ranks) == 0 && st == ST_OK;
    st = unread(st == ST_NOTFOUND ? ST_OK : st, &why, r->err);
    if (st == ST_OK)
        st = ranks_or(r->ranks, ret_there, 1, r->err);
    return st == ST_OK ? ranks_broadcast(r->ranks, &file->data, &file->size, r->err) : st;
}

static enum status go_on_from(struct run *r, const struct array_file *f)
{
    enum status st = metadata_check(r, f->metadata);

    if (st == ST_OK)
        st = pieces_load(r, f);
    if (st == ST_OK)
        st = pieces_check(r);
    if (st == ST_OK)
        st = kept_load(r, f);
    r->sums.started = clock_seconds() - r->sums.seconds;
    return st;
}

enum status checkpoint_load(struct run *r)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct array_file f = { 0 };
    bool there;
    enum status st = file_of_ranks(r, &file, &there);

    if (st == ST_OK && there) {
        st = bytes_load(file.data, file.size, &f, r->err);
        if (st == ST_FORMAT)
            st = begin_again(r);
        else if (st == ST_OK)
            st = go_on_from(r, &f);
    }
    array_file_release(&f);
    file_bytes_release(&file);
    return st;
}

/* ---- the kept model alone, for a run that will not go on ---- */

static void figure(const struct array_file *f, const char *name, enum dtype dtype, void *ret)
{
    const struct array *a = expect(f, name, dtype, 1);

    if (a)
        memcpy(ret, a->data, dtype_size(dtype));
}

static enum status best_read(const struct array_file *f, struct model **ret_model,
                             struct checkpoint_figures *ret_figures, struct error *err)
{
    const struct array *weights = array_find(f, "kept.weights");

    if (!weights)
        return error_set(err, ST_NOTFOUND, "the checkpoint holds no finished epoch");
    *ret_figures = (struct checkpoint_figures){ 0, NAN, NAN };
    figure(f, "kept.epoch", DTYPE_U64, &ret_figures->kept_epoch);
    figure(f, "kept.loss", DTYPE_F64, &ret_figures->validation_loss);
    figure(f, "kept.top5", DTYPE_F64, &ret_figures->top5_accuracy);
    return weights_read(weights->data, array_bytes(weights), ret_model, err);
}

enum status checkpoint_best(const char *path, struct model **ret_model,
                            struct checkpoint_figures *ret_figures, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct array_file f = { 0 };
    struct error why;
    enum status st = unread(file_read(path, MAX_FILE, &file, &why), &why, err);

    if (st == ST_OK)
        st = bytes_load(file.data, file.size, &f, err);
    if (st == ST_OK)
        st = best_read(&f, ret_model, ret_figures, err);
    array_file_release(&f);
    file_bytes_release(&file);
    return st;
}
