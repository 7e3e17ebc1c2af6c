/* jobs/training/scoring.c - the spine of a job that scores a data set, see cxrd/scoring.h: a run, as a training is one, whose rows
 * are all "test" rows, and whose model is there already. */
#include "cxrd/scoring.h"

#include "../dataset/lists.h"
#include "partial.h"
#include "plots.h"
#include "predictions_file.h"
#include "run.h"
#include "scores_file.h"

#include "cxrd/clock.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SCORES_CSV = 1 << 30, MOST_REASONS = 100000 };

struct scoring {
    const struct score_request *request;
    struct train_request as_training;
    struct score_result *result;
    struct run *run;
    struct partial *partial; /* NULL: nothing is kept */
    struct no_score
        *why; /* [n_why], owned, as its texts are: pictures that could not be scored, in the table's order */
    size_t n_why, why_capacity;
    bool lost; /* without memory for one of these */
};

/* ---- which rows ---- */

static void rows_keep_listed(const struct table *t, const struct name_list *list, struct rows *rows)
{
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++)
        if (list_has(list, table_image(t, rows->index[i])))
            rows->index[n++] = rows->index[i];
    rows->n = n;
}

/* Only the rows of a list that the job names. */
static enum status choose_listed(struct scoring *s)
{
    const char *name = s->request->config->rows;
    struct run *r = s->run;
    struct file_bytes file = FILE_BYTES_INIT;
    struct name_list list = { 0 };
    const size_t before = r->used.n;
    enum status st = run_list_load(r, name, &file);

    if (st == ST_OK)
        st = list_read(file.data ? file.data : "", file.size, name, r->table.name_parts, &list, r->err);
    if (st == ST_NOMEM)
        error_nomem(r->err);
    if (st == ST_OK)
        rows_keep_listed(&r->table, &list, &r->used);
    if (st == ST_OK && r->used.n == 0)
        st = error_set(r->err, ST_UNUSABLE, "no picture of the list '%.100s' is in the table", name);
    r->result->dataset.not_listed = before - r->used.n;
    free(list.names);
    file_bytes_release(&file);
    return st;
}

/* Rows of the table whose pictures are on a list. */
static enum status rows_listed(const struct table *t, const struct name_list *list, struct rows *ret)
{
    ret->n = 0;
    ret->index = malloc((t->n_rows + 1) * sizeof *ret->index);
    if (!ret->index)
        return ST_NOMEM;
    for (size_t i = 0; i < t->n_rows; i++)
        if (list_has(list, table_image(t, i)))
            ret->index[ret->n++] = (uint32_t)i;
    return ST_OK;
}

static bool is_among(const struct rows *rows, uint32_t row)
{
    return bsearch(&row, rows->index, rows->n, sizeof row, row_compare) != NULL;
}

/* Keep the rows of patients who are not in `known`. */
static enum status rows_keep_others(const struct table *t, struct patients *known, struct rows *rows)
{
    enum status st = ST_OK;
    size_t n = 0;

    for (size_t i = 0; i < rows->n && st == ST_OK; i++) {
        bool has;

        st = patients_has(known, t->rows[rows->index[i]].patient, &has);
        if (!has)
            rows->index[n++] = rows->index[i];
    }
    rows->n = n;
    return st;
}

/* Rows that are scored and that the model may have learned from.
 *   known  patients who are known to be learned from, whatever this table has of them; NULL: nobody is */
static enum status hold_against(const struct table *t, const struct split *learned, struct patients *known,
                                const struct rows *scored, struct in_common *ret)
{
    struct rows unseen = { 0, malloc((scored->n + 1) * sizeof *unseen.index) };
    struct flow all, others;
    enum status st = unseen.index ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < scored->n && st == ST_OK; i++) {
        unseen.index[unseen.n++] = scored->index[i];
        ret->pictures += is_among(&learned->part[TRAIN], scored->index[i]);
    }
    if (st == ST_OK)
        st = flow_count(t, scored, &all);
    if (st == ST_OK)
        st = rows_keep_unseen(t, learned, SPLIT_PATIENT, NULL, &unseen);
    if (st == ST_OK && known)
        st = rows_keep_others(t, known, &unseen);
    if (st == ST_OK)
        st = flow_count(t, &unseen, &others);
    if (st == ST_OK) {
        ret->patients = all.patients - others.patients;
        ret->rows = all.rows - others.rows;
    }
    rows_release(&unseen);
    return st;
}

/* By the names of the pictures that its training had, by this table's patients, and by those whom its training knew. */
static enum status count_common(struct scoring *s)
{
    struct run *r = s->run;
    struct name_list list = { 0 };
    struct split learned = SPLIT_INIT;
    enum status st;

    if (!s->request->learned)
        return ST_OK;
    st = list_read(s->request->learned, s->request->learned_size, "of the model's rows", r->table.name_parts,
                   &list, r->err);
    if (st == ST_OK)
        st = rows_listed(&r->table, &list, &learned.part[TRAIN]);
    if (st == ST_OK)
        st = hold_against(&r->table, &learned, s->request->learned_patients, &r->split.part[TEST],
                          &s->result->in_common);
    s->result->in_common_known = st == ST_OK;
    if (st == ST_NOMEM)
        error_nomem(r->err);
    split_release(&learned);
    free(list.names);
    return st;
}

/* As split_make() has it of a split. */
static enum status digest_rows(struct run *r)
{
    const struct rows *rows = &r->split.part[TEST];
    struct digest *d = NULL;

    if (digest_new(&d) != ST_OK)
        return error_nomem(r->err);
    for (size_t i = 0; i < rows->n; i++) {
        const char *image = table_image(&r->table, rows->index[i]);

        digest_add(d, image, strlen(image));
        digest_add(d, ",test\n", strlen(",test\n"));
    }
    digest_finish(d, r->result->dataset.split_sha256);
    return ST_OK;
}

/* Rows of patients who are to be forgotten are not looked at. */
static enum status leave_out(struct run *r)
{
    struct dataset_report *report = &r->result->dataset;
    struct flow before, after;
    size_t n = 0;
    enum status st = run_ask_patients(r);

    if (st != ST_OK)
        return st;
    if (flow_count(&r->table, &r->used, &before) != ST_OK)
        return error_nomem(r->err);
    for (size_t i = 0; i < r->used.n; i++)
        if (!r->left_out[r->used.index[i]])
            r->used.index[n++] = r->used.index[i];
    r->used.n = n;
    run_leave_out(r);
    if (flow_count(&r->table, &r->used, &after) != ST_OK)
        return error_nomem(r->err);
    report->forgotten_rows += before.rows - after.rows;
    report->forgotten_patients += before.patients - after.patients;
    return n > 0 ? ST_OK : error_set(r->err, ST_UNUSABLE, "all rows are of patients who are to be forgotten");
}

/* The rows that are left are tested, and it is written whose they are. As run_split(): a patient who is to be left out meanwhile finds that,
 * or is found. */
static enum status test_without(struct run *r)
{
    enum status st = ST_OK;
    bool final = false;

    while (st == ST_OK && !final) {
        st = leave_out(r);
        if (st != ST_OK)
            return st;
        r->split.part[TEST] = r->used;
        st = run_write_patients(r, &final);
        if (st != ST_OK || final)
            r->used = (struct rows)ROWS_INIT;
        else
            r->split.part[TEST] = (struct rows)ROWS_INIT;
    }
    return st;
}

/* All rows are tested, and the observer is told of them. */
static enum status choose_rows(struct scoring *s)
{
    struct run *r = s->run;
    struct dataset_report *report = &r->result->dataset;
    enum status st = ST_OK;

    s->result->has = r->table.has;
    if (s->request->config->rows[0])
        st = choose_listed(s);
    if (st == ST_OK)
        st = test_without(r);
    if (st != ST_OK)
        return st;
    r->base_split = TEST; /* no constant could do better on them */
    report->usable = report->test = r->split.part[TEST].n;
    split_census(&r->table, &r->split, report);
    st = digest_rows(r);
    if (st == ST_OK && (flow_count(&r->table, &r->split.part[TEST], &report->flow[FLOW_PICTURES]) != ST_OK ||
                        flow_end(&r->table, &r->split, report->flow) != ST_OK))
        st = error_nomem(r->err);
    if (st == ST_OK)
        st = count_common(s);
    if (st != ST_OK)
        return st;
    run_tell_dataset(r);
    return ST_OK;
}

/* ---- their scores ---- */

static bool on_recall(void *arg, struct stretch_scores *t)
{
    const struct scoring *s = arg;

    return s->partial && partial_recall(s->partial, t);
}

static enum status on_keep(void *arg, const struct stretch_scores *t, struct error *err)
{
    const struct scoring *s = arg;
    struct error why;

    if (!s->partial || partial_keep(s->partial, t, &why) == ST_OK)
        return ST_OK;
    return error_set(err, why.code, "storage: %s", why.text);
}

static void on_left_out(void *arg, uint32_t row, const struct error *why)
{
    struct scoring *s = arg;

    s->run->unusable[row] = true;
    if (s->n_why == MOST_REASONS)
        return;
    if (s->n_why == s->why_capacity) {
        const size_t capacity = 2 * s->why_capacity + 16;
        struct no_score *more = realloc(s->why, capacity * sizeof *more);

        s->lost = s->lost || !more;
        if (!more)
            return;
        s->why = more;
        s->why_capacity = capacity;
    }
    s->why[s->n_why].row = row;
    s->why[s->n_why].why = strdup(why->text);
    s->lost = s->lost || !s->why[s->n_why].why;
    s->n_why += s->why[s->n_why].why != NULL;
}

/* The first of them by name, for the record. */
static void tell_unusable(const struct scoring *s)
{
    for (size_t i = 0; i < s->n_why && i < MOST_UNUSABLE_SHOWN; i++)
        json_array_append_new(s->result->unusable,
                              json_pack("{s:o,s:o}", "image",
                                        json_any_text(table_image(&s->run->table, s->why[i].row)), "detail",
                                        json_any_text(s->why[i].why)));
}

/* All that the scores depend on besides the rows that each stretch names. */
static enum status partial_begin(struct scoring *s)
{
    const struct train_config *c = &s->request->config->data;
    struct run *r = s->run;
    struct buf text = BUF_INIT(1 << 14);
    char key[DIGEST_TEXT_SIZE];
    enum status st;

    if (!s->request->partial)
        return ST_OK;
    buf_printf(&text, "1,%s,%d,%s,%s,%s", s->request->model_sha256, (int)model_precision(s->request->model),
               r->table.sha256, c->dataset, c->images);
    st = buf_status(&text);
    if (st == ST_OK)
        st = digest_bytes(text.data, text.len, key);
    buf_release(&text);
    return st == ST_OK ? partial_open(s->request->partial, key, r->table.labels.n, &s->partial, r->err)
                       : error_nomem(r->err);
}

static enum status score(struct scoring *s, struct scores *ret)
{
    struct run *r = s->run;
    const struct rows *rows = &r->split.part[TEST];
    const struct stretch_memory memory = { s, on_recall, on_keep, on_left_out };
    struct scoring_hooks hooks = run_hooks(r);
    enum status st = partial_begin(s);

    hooks.memory = &memory;
    r->images_total = rows->n;
    r->started = clock_seconds();
    if (st == ST_OK)
        st = scorer_new(&r->pictures, r->pool, &r->scorer, r->err);
    if (st == ST_OK)
        st = scorer_run(r->scorer, s->request->model, rows->index, rows->n,
                        r->config->missing_images == MISSING_FAIL, &hooks, ret, r->err);
    if (st != ST_OK)
        return st;
    tell_unusable(s);
    if (s->lost)
        return error_nomem(r->err);
    return ret->n > 0 ? ST_OK
                      : error_set(r->err, ST_UNUSABLE, "no picture of %zu could be scored: %.200s", rows->n,
                                  s->n_why > 0 ? s->why[0].why : "there is none");
}

/* ---- what they are worth ---- */

/* Those of normal chests once more: on them every positive is a false one. */
static enum status normal_scores(const struct scores *all, const struct table *t, struct scores *ret)
{
    const size_t n = all->labels->n;

    if (scores_init(ret, all->labels, all->n) != ST_OK)
        return ST_NOMEM;
    for (size_t i = 0; i < all->n; i++) {
        if (!t->rows[all->rows[i]].no_finding)
            continue;
        ret->rows[ret->n] = all->rows[i];
        ret->patients[ret->n] = all->patients[i];
        memcpy(ret->truth + ret->n * n, all->truth + i * n, n);
        memcpy(ret->prob + ret->n * n, all->prob + i * n, n * sizeof *ret->prob);
        memcpy(ret->logits + ret->n * n, all->logits + i * n, n * sizeof *ret->logits);
        ret->n++;
    }
    return ST_OK;
}

static enum status plot(struct run *r, const struct model *m, const struct scores *all)
{
    json_t *plots = r->result->plots;
    enum status st = ST_OK;

    if (plots_combinations(plots, &r->table, &r->split.part[TEST]) != ST_OK)
        return error_nomem(r->err);
    if (train_config_sees(r->config))
        st = plots_samples(plots, &r->pictures, &r->split.part[TEST], 0, r->err);
    return st == ST_OK && train_config_sees(r->config) ? plots_worst(plots, &r->pictures, m, all, r->err)
                                                       : st;
}

/* The input gate that the model came with, on these pictures. */
static enum status try_gate(struct run *r, const struct model *m)
{
    if (!model_gate(m) || !train_config_sees(r->config))
        return ST_OK;
    r->gate = malloc(sizeof *r->gate);
    if (!r->gate)
        return error_nomem(r->err);
    *r->gate = *model_gate(m);
    return run_gate_try(r, TEST);
}

static enum status write_scores(struct scoring *s, const struct scores *all)
{
    const struct run *r = s->run;
    const struct named_scores set = { SCORED_NAMES[SCORED_TEST], all };
    const struct rows *rows = &r->split.part[TEST];
    struct error why;
    const enum status st =
        s->request->config->validates
            ? scores_file_write(s->request->scores, &r->table, &set, 1, &why)
            : predictions_file_write(s->request->scores, &r->table, rows, all, s->why, s->n_why, &why);

    return st == ST_OK ? st : error_set(r->err, st, "storage: the scores cannot be kept: %s", why.text);
}

static enum status evaluate_all(struct scoring *s, const struct scores *all)
{
    const struct model *m = s->request->model;
    struct run *r = s->run;
    struct scores normal = { 0 };
    enum status st = normal_scores(all, &r->table, &normal);

    r->result->operating = *model_operating(m);
    r->result->calibration = model_calibration(m)->method;
    if (st != ST_OK)
        return error_nomem(r->err);
    st = run_evaluate_set(r, SCORED_TEST, all);
    if (st == ST_OK)
        st = run_evaluate_set(r, SCORED_NO_FINDING, &normal);
    if (st == ST_OK)
        st = plot(r, m, all);
    if (st == ST_OK)
        st = try_gate(r, m);
    r->result->evaluated = st == ST_OK;
    scores_release(&normal);
    return st;
}

/* ---- the whole ---- */

static enum status work(struct scoring *s)
{
    struct run *r = s->run;
    struct scores all = { 0 };
    enum status st;

    run_tell_phase(r, PHASE_SCANNING);
    st = run_scan(r);
    if (st == ST_OK)
        st = run_open(r);
    if (st == ST_OK)
        st = choose_rows(s);
    if (st == ST_OK)
        run_tell_phase(r, PHASE_SCORING);
    if (st == ST_OK)
        st = score(s, &all);
    if (st == ST_OK && s->request->config->validates) {
        run_tell_phase(r, PHASE_EVALUATING);
        st = evaluate_all(s, &all);
    }
    if (st == ST_OK)
        st = run_check_cancelled(r);
    if (st == ST_OK)
        st = write_scores(s, &all);
    scores_release(&all);
    return st;
}

static void scoring_release(struct scoring *s)
{
    for (size_t i = 0; i < s->n_why; i++)
        free((char *)s->why[i].why);
    free(s->why);
    partial_close(s->partial);
    run_close(s->run);
}

enum status score_run(const struct score_request *request, const struct train_observer *observer,
                      struct score_result *ret_result, struct error *err)
{
    struct scoring s = { .request = request,
                         .as_training = { .config = &request->config->data,
                                          .datasets = request->datasets,
                                          .cache_folder = request->cache_folder,
                                          .cache_bytes = request->cache_bytes,
                                          .init = request->model,
                                          .threads = request->threads,
                                          .class = request->class,
                                          .csv_sha256 = request->csv_sha256,
                                          .patients_path = request->patients,
                                          .site = &request->config->site },
                         .result = ret_result,
                         .run = calloc(1, sizeof *s.run) };
    struct train_result *result = &ret_result->as_training;
    enum status st;

    *ret_result = (struct score_result){ .unusable = json_array() };
    for (int i = 0; i < N_SCORED; i++)
        result->scores_csv[i] = (struct buf)BUF_INIT(MAX_SCORES_CSV);
    result->plots = json_object();
    if (!s.run || !result->plots || !ret_result->unusable) {
        free(s.run);
        return error_nomem(err);
    }
    *s.run = (struct run){ .config = &request->config->data,
                           .request = &s.as_training,
                           .observer = observer,
                           .result = result,
                           .err = err,
                           .root = -1 };
    result->labels = request->config->data.labels;
    st = work(&s);
    result->unreadable = run_unusable(s.run);
    scoring_release(&s);
    return st;
}

void score_result_release(struct score_result *r)
{
    train_result_release(&r->as_training);
    json_decref(r->unusable);
    *r = (struct score_result){ 0 };
}
