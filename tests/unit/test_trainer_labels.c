/* tests/unit/test_trainer_labels.c - a training of the findings that it is told: of a table's own words, of some of NIH's, of
 * one and of as many as there can be. */
#include "cxrd/model.h"
#include "cxrd/weights.h"
#include "files.h"
#include "support.h"
#include "tiny_dataset.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ROWS = 60, N_NORMAL = 10 };

#define QUICK "\"steps_per_epoch\":2,\"test_fraction\":0.3,\"tsne\":false"

/* The tiny data set with other words in its table: rows i and i + 5 have the same. */
static void table_of_words(const char *const words[TINY_CYCLE])
{
    struct buf csv = BUF_INIT(1 << 20);

    tiny_dataset(datasets, N_ROWS, N_NORMAL);
    buf_puts(&csv,
             "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n");
    for (size_t i = 0; i < N_ROWS + N_NORMAL; i++)
        buf_printf(&csv, "%s,%s,%zu,%zu,%zu,%c,PA\n", tiny_image(i),
                   i < N_ROWS ? words[i % TINY_CYCLE] : "No Finding", i % 2, i / 2 + 1, 20 + i % 60,
                   i % 3 ? 'M' : 'F');
    cr_assert_eq(buf_status(&csv), ST_OK);
    write_bytes(path_in(datasets, "tiny/Data_Entry_2017.csv"), csv.data, csv.len);
    buf_release(&csv);
}

static size_t row_of(const char *image)
{
    size_t i = 0;

    while (strcmp(tiny_image(i), image) != 0)
        i++;
    return i;
}

/* Every scored row has the truth of its row in the table.
 *   bits  of the rows 0..4, which all others repeat; a normal chest has none */
static void check_truths(const struct trial *r, const uint64_t bits[TINY_CYCLE])
{
    for (int set = 0; set < N_SCORED; set++) {
        struct scores_file f = scores_of(r, set);

        cr_assert_gt(f.n, 0);
        for (size_t i = 0; i < f.n; i++) {
            const size_t row = row_of(f.lines[i].image);
            const uint64_t expected = row < N_ROWS ? bits[row % TINY_CYCLE] : 0;

            for (size_t k = 0; k < f.labels->n; k++)
                cr_assert_eq(f.lines[i].truth[k], expected >> k & 1, "row %zu, finding %zu", row, k);
        }
        scores_file_release(&f);
    }
}

/* The weights, written and read again, name the findings, and have all that is of one each. */
static void check_model(const struct trial *r)
{
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *again = NULL;
    struct error err;

    cr_assert(labels_equal(model_labels(r->result.model), &r->config.labels));
    cr_assert_eq(model_network(r->result.model)->n_labels, r->config.labels.n);
    cr_assert_eq(weights_write(r->result.model, &file, &err), ST_OK, "%s", err.text);
    cr_assert_eq(weights_read(file.data, file.len, &again, &err), ST_OK, "%s", err.text);
    cr_assert(labels_equal(model_labels(again), &r->config.labels));
    buf_release(&file);
    model_unref(again);
}

static const char *label_at(const json_t *findings, size_t k)
{
    return json_string_value(json_object_get(json_array_get(findings, k), "label"));
}

/* Every list of findings in the record has those of the job, in their order. */
static void check_record(const struct trial *r)
{
    const struct labels *labels = &r->config.labels;
    json_t *data = dataset_json(&r->result.dataset, &r->config), *e = evaluation_json(&r->result),
           *summary = metrics_json(&r->result), *epoch = epoch_json(&r->result.epochs[0], labels->n);
    const json_t *lists[] = { json_object_get(json_object_get(e, "validation"), "findings"),
                              json_object_get(json_object_get(e, "test"), "findings"),
                              json_object_get(json_object_get(e, "no_finding"), "findings"),
                              json_object_get(json_object_get(e, "decision"), "findings"),
                              json_object_get(json_object_get(summary, "test"), "findings"),
                              json_object_get(
                                  json_array_get(json_object_get(json_object_get(e, "groups"), "groups"), 0),
                                  "findings") };

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        cr_assert_eq(json_array_size(lists[i]), labels->n, "list %zu", i);
        for (size_t k = 0; k < labels->n; k++)
            cr_assert_str_eq(label_at(lists[i], k), labels->names[k], "list %zu", i);
    }
    cr_assert_eq(json_object_size(json_object_get(data, "label_counts")), labels->n);
    cr_assert_eq(json_array_size(json_object_get(data, "cooccurrence")), labels->n);
    cr_assert_eq(json_array_size(json_object_get(epoch, "val_auroc")), labels->n);
    json_decref(epoch);
    json_decref(summary);
    json_decref(e);
    json_decref(data);
}

static size_t count_of(const struct trial *r, const char *name)
{
    return r->result.dataset.label_counts[labels_find(&r->config.labels, name, strlen(name))];
}

Test(train, a_tables_own_words_are_learned_beside_nihs)
{
    static const char *const WORDS[TINY_CYCLE] = { "fracture", "Fracture|Mass", "Mass|Edema",
                                                   "Granuloma calcified", "Edema" };
    static const uint64_t BITS[TINY_CYCLE] = { 1, 1 | 4, 4, 2, 0 };
    struct trial r;

    table_of_words(WORDS);
    r = trained("{\"labels\":[\"Fracture\",\"Granuloma calcified\",\"Mass\"]," QUICK "}");
    check_truths(&r, BITS);
    check_model(&r);
    check_record(&r);
    cr_assert_eq(r.result.dataset.dropped_no_finding,
                 N_NORMAL); /* "Edema" alone is a finding, and is asked for no more */
    cr_assert_eq(r.result.dataset.usable, N_ROWS);
    cr_assert(count_of(&r, "Fracture") == 24 && count_of(&r, "Granuloma calcified") == 12 &&
              count_of(&r, "Mass") == 24);
    cr_assert_eq(r.result.dataset.cooccurrence[0][2], 12);
    run_release(&r);
}

/* Which rows there are and where they go does not depend on what is asked of them. */
Test(train, some_of_nihs_findings_are_asked_of_the_same_rows)
{
    static const uint64_t BITS[TINY_CYCLE] = { 2, 2, 0, 1, 0 }; /* of tiny_findings() */
    struct trial all, some;

    tiny_dataset(datasets, N_ROWS, N_NORMAL);
    all = trained("{" QUICK "}");
    some = trained("{\"labels\":[\"Mass\",\"Effusion\"]," QUICK "}");
    cr_assert_str_eq(some.result.dataset.split_sha256, all.result.dataset.split_sha256);
    cr_assert_eq(some.result.dataset.dropped_no_finding, N_NORMAL);
    check_truths(&some, BITS);
    check_model(&some);
    check_record(&some);
    run_release(&all);
    run_release(&some);
}

/* The fourteen, named: the same bits as where nothing is said. */
Test(train, nihs_findings_by_name_are_the_default)
{
    char changes[1024] = "{" QUICK ",\"labels\":[";
    struct trial plain, named;

    tiny_dataset(datasets, N_ROWS, N_NORMAL);
    for (size_t k = 0; k < NIH_LABELS.n; k++)
        snprintf(changes + strlen(changes), sizeof changes - strlen(changes), "%s\"%s\"", k ? "," : "",
                 NIH_LABELS.names[k]);
    snprintf(changes + strlen(changes), sizeof changes - strlen(changes), "]}");
    plain = trained("{" QUICK "}");
    named = trained(changes);
    cr_assert(same_weights(&plain, &named));
    cr_assert_str_eq(plain.result.scores_csv[SCORED_TEST].data, named.result.scores_csv[SCORED_TEST].data);
    run_release(&plain);
    run_release(&named);
}

Test(train, one_finding_is_enough)
{
    static const char *const WORDS[TINY_CYCLE] = { "Fracture", "Edema", "Fracture", "Mass", "Edema" };
    static const uint64_t BITS[TINY_CYCLE] = { 1, 0, 1, 0, 0 };
    struct trial r;

    table_of_words(WORDS);
    r = trained("{\"labels\":[\"Fracture\"],\"inputs\":[\"history\"],\"balance\":\"weight\"," QUICK "}");
    check_truths(&r, BITS);
    check_model(&r);
    check_record(&r);
    run_release(&r);
}

/* The last bit of a mask, too: of findings, of histories, of combinations and of the map. */
Test(train, as_many_as_there_can_be)
{
    static const char *const WORDS[TINY_CYCLE] = { "f63", "f63|f0", "f31", "f32|f62", "Mass" };
    static const uint64_t BITS[TINY_CYCLE] = { (uint64_t)1 << 63, (uint64_t)1 << 63 | 1, (uint64_t)1 << 31,
                                               (uint64_t)1 << 32 | (uint64_t)1 << 62, 0 };
    char changes[2048] =
        "{\"steps_per_epoch\":2,\"test_fraction\":0.5,\"balance\":\"resample\",\"inputs\":[\"history\"],"
        "\"labels\":[";
    struct trial r;
    const json_t *first;

    table_of_words(WORDS);
    for (size_t k = 0; k < MAX_LABELS; k++)
        snprintf(changes + strlen(changes), sizeof changes - strlen(changes), "%s\"f%zu\"", k ? "," : "", k);
    snprintf(changes + strlen(changes), sizeof changes - strlen(changes), "]}");
    r = trained(changes);
    check_truths(&r, BITS);
    check_model(&r);
    check_record(&r);
    cr_assert_eq(model_inputs(r.result.model)->n, 2 * MAX_LABELS + 1);
    first = json_array_get(json_object_get(json_object_get(r.result.plots, "tsne"), "points"), 0);
    cr_assert_eq(json_array_size(first), 4); /* x, y, two words of 32 */
    run_release(&r);
}

/* The names that a finding may have: a JSON object of that member, a column of a file, an input. */
Test(train, a_model_says_its_findings_by_name)
{
    static const char *const WORDS[TINY_CYCLE] = { "Fracture", "Opacity", "Fracture|Opacity", "Edema",
                                                   "Opacity" };
    struct trial r;
    const json_t *notes;

    table_of_words(WORDS);
    r = trained("{\"labels\":[\"Opacity\",\"Fracture\"],\"inputs\":[\"history\"]," QUICK "}");
    notes = model_notes(r.result.model);
    cr_assert(strstr(json_string_value(json_object_get(notes, "inputs")), "\"ever_Opacity\""));
    cr_assert(strstr(json_string_value(json_object_get(notes, "operating_points")), "\"Fracture\""));
    cr_assert_null(strstr(json_string_value(json_object_get(notes, "operating_points")), "\"Mass\""));
    run_release(&r);
}
