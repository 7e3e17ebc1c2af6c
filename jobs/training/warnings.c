/* jobs/training/warnings.c - what a person must know of a training's data and figures, as the record, the report and the
 * page show it. */
#include "cxrd/trainer.h"

#include "cxrd/buf.h"
#include "cxrd/json.h"

/* Of the usable rows: above it a column is said to be unknown. */
static const double MOSTLY_KNOWN = 0.05;

static void warn(json_t *list, const char *code, json_t *detail)
{
    json_array_append_new(list, json_pack("{s:s,s:o}", "code", code, "detail", detail));
}

/* A warning of rows, where there are any: "<before>3 of the 40 <after>". */
static void warn_of_rows(json_t *list, const char *code, size_t n, size_t of, const char *before,
                         const char *after)
{
    if (n > 0)
        warn(list, code, json_sprintf("%s%zu of the %zu %s", before, n, of, after));
}

static double percent(size_t n, size_t of) { return of ? 100.0 * (double)n / (double)of : 0; }

/* The last warning quotes a text of the data: a cell of the table, a file's name. A copy that is sent on leaves it out. */
static void quote(json_t *list, const char *text)
{
    json_t *last = json_array_get(list, json_array_size(list) - 1), *quotes = json_object_get(last, "quotes");

    if (!text[0])
        return;
    if (!quotes) {
        quotes = json_array();
        json_object_set_new(last, "quotes", quotes);
    }
    json_array_append_new(quotes, json_any_text(text));
}

/* ", such as 'LL'"; an empty text where there is nothing to show. The caller's to free. */
static json_t *such_as(const char *odd)
{
    json_t *text = json_any_text(odd);
    json_t *phrase = odd[0] ? json_sprintf(", such as '%s'", json_string_value(text)) : json_string("");

    json_decref(text);
    return phrase;
}

static void warn_of_values(const struct dataset_report *d, json_t *list)
{
    static const char *const COLUMNS[N_INPUT_COLUMNS] = { "Patient Age", "Patient Gender", "View Position",
                                                          "Follow-up #" };

    for (size_t kind = 0; kind < N_INPUT_COLUMNS; kind++) {
        json_t *example = such_as(d->odd[kind]);

        if ((double)d->unknown[kind] > MOSTLY_KNOWN * (double)d->usable) {
            warn(list, "unknown_values",
                 json_sprintf("'%s' is not known of %zu of the %zu usable rows (%.0f %%): the column is "
                              "missing, empty or "
                              "not understood%s",
                              COLUMNS[kind], d->unknown[kind], d->usable,
                              percent(d->unknown[kind], d->usable), json_string_value(example)));
            quote(list, d->odd[kind]);
        }
        json_decref(example);
    }
    warn_of_rows(list, "contradicting_sex", d->two_sexes, d->rows,
                 "'Patient Gender' and 'Patient Sex' differ in ",
                 "rows of the table: the column that comes first counts");
    warn_of_rows(list, "unknown_values", d->nobodys > 1 ? d->nobodys : 0, d->usable,
                 "'Patient ID' is empty in ",
                 "usable rows: all of these count as one patient's, in the split and in every interval");
    if (d->other_views > 0) {
        json_t *example = such_as(d->odd[INPUT_VIEW]);

        warn(list, "other_views",
             json_sprintf(
                 "%zu of the %zu usable rows have a view that is neither PA nor AP%s: the model is for "
                 "frontal radiographs",
                 d->other_views, d->usable, json_string_value(example)));
        quote(list, d->odd[INPUT_VIEW]);
        json_decref(example);
    }
}

/* Findings that no training row has: the model learns that nobody ever has them. */
static void warn_of_findings(const struct train_result *r, json_t *list)
{
    const size_t *counts = r->dataset.part[TRAIN].label_counts;
    struct buf names = BUF_INIT((size_t)MAX_LABELS * (LABEL_SIZE + 2));
    size_t n = 0;

    for (size_t k = 0; k < r->labels.n && r->dataset.train > 0; k++)
        if (counts[k] == 0)
            buf_printf(&names, "%s%s", n++ ? ", " : "", r->labels.names[k]);
    if (n > 0 && buf_status(&names) == ST_OK)
        warn(list, "findings_without_rows",
             json_sprintf(
                 "no training row has %zu of the %zu findings: the model cannot learn them, and its figures "
                 "say nothing of them: %.*s",
                 n, r->labels.n, (int)names.len, (const char *)names.data));
    buf_release(&names);
}

static void warn_of_missing(const struct dataset_report *d, json_t *list)
{
    const size_t wanted =
        d->missing_images + d->not_listed + d->equal_left_out + d->forgotten_rows + d->usable;
    json_t *row = json_any_text(d->missing_name), *file = json_any_text(d->file_name);

    if ((double)d->missing_images > MOSTLY_KNOWN * (double)wanted) {
        warn(list, "missing_images",
             json_sprintf("%zu of %zu rows (%.0f %%) have no picture, such as '%s'; the first picture that "
                          "was found is '%s'",
                          d->missing_images, wanted, percent(d->missing_images, wanted),
                          json_string_value(row), json_string_value(file)));
        quote(list, d->missing_name);
        quote(list, d->file_name);
    }
    if (d->links > 0)
        warn(list, "links",
             json_sprintf("%zu links were passed over: pictures and their folders must be files and folders "
                          "of the data set",
                          d->links));
    json_decref(row);
    json_decref(file);
}

static void warn_of_table(const struct dataset_report *d, json_t *list)
{
    warn_of_rows(list, "dropped_unlabelled", d->dropped_unlabelled, d->rows, "of ",
                 "rows of the table no finding is known: they are left out");
    warn_of_rows(list, "on_both_lists", d->on_both_lists, d->usable, "",
                 "usable rows are on test_list.txt and on another list: they are tested");
    warn_of_rows(list, "contradicting_findings", d->misfits.contradictions, d->rows, "",
                 "rows of the table have No Finding and a finding: the finding counts");
    if (d->misfits.without_study > 0 || d->misfits.without_pictures > 0)
        warn(list, "unmatched_studies",
             json_sprintf("%zu pictures are of a study that the table of findings does not have, and %zu "
                          "studies of that table have no picture",
                          d->misfits.without_study, d->misfits.without_pictures));
}

static void warn_of_copies(const struct dataset_report *d, json_t *list)
{
    warn_of_rows(
        list, "joined_rows", d->votes ? 0 : d->joined, d->rows, "",
        "rows of the table name a picture that an earlier row names: they were joined, and the picture "
        "has the findings of all");
    if (d->same_names > 0)
        warn(list, "same_names",
             json_sprintf("%zu picture files have the name and the bytes of a file in another folder: the "
                          "first was taken",
                          d->same_names));
    if (d->equal_pictures > 0)
        warn(list, "equal_pictures",
             json_sprintf("%zu rows have a picture whose pixels are those of another row's%s: equal pictures "
                          "were kept on "
                          "one side of the split",
                          d->equal_pictures,
                          d->equal_patients ? ", among them rows of different patients" : ""));
}

static void warn_of_pictures(const struct dataset_report *d, json_t *list)
{
    static const char *const SAYS[GATE_UNLIKE_TRAINING] = {
        [GATE_INVERTED] =
            "light and dark the other way round than in a frontal chest: black and white may be swapped",
        [GATE_NEARLY_CONSTANT] = "nearly one grey",
        [GATE_COLOUR] = "in colour",
        [GATE_NOT_SQUARE] = "far from square",
        [GATE_TOO_SMALL] = "smaller than what the network sees",
        [GATE_FEW_BITS] =
            "16-bit values of 14 bits or fewer, and so many times too dark: multiply them, 12 bits by 16"
    };

    for (size_t code = 0; code < GATE_UNLIKE_TRAINING; code++)
        if ((double)d->gate[code] > MOSTLY_KNOWN * (double)d->train)
            warn(list, "unlike_a_chest",
                 json_sprintf("the pictures of %zu of the %zu training rows (%.0f %%) are %s (%s)",
                              d->gate[code], d->train, percent(d->gate[code], d->train), SAYS[code],
                              GATE_CODES[code]));
    if ((double)d->unreadable > MOSTLY_KNOWN * (double)d->usable)
        warn(list, "unreadable_images",
             json_sprintf("the pictures of %zu of the %zu usable rows (%.0f %%) cannot be read, and are left "
                          "out of training "
                          "and figures",
                          d->unreadable, d->usable, percent(d->unreadable, d->usable)));
}

bool train_beats_base_rates(const struct train_result *r)
{
    return r->validation_loss < r->baseline.loss; /* false for NaN */
}

json_t *start_warnings(const struct train_result *r)
{
    const struct dataset_report *d = &r->dataset;
    json_t *list = lineage_warnings(d->init_split);

    warn_of_values(d, list);
    warn_of_missing(d, list);
    warn_of_table(d, list);
    warn_of_copies(d, list);
    warn_of_pictures(d, list);
    warn_of_findings(r, list);
    if (r->began_again)
        warn(list, "began_again",
             json_string(
                 "the checkpoint was damaged, so the training began again; it ends with the same model"));
    for (size_t i = 0; i < r->n_slow; i++)
        warn(list, "slow_rank",
             json_sprintf(
                 "rank %zu (%s) took %.1f times as long for its share as the median of the others, in 50 "
                 "steps in a row: all of them wait for it",
                 r->slow[i].rank, r->slow[i].name, r->slow[i].times));
    return list;
}

json_t *result_warnings(const struct train_result *r)
{
    json_t *list = start_warnings(r);

    if (r->model && inputs_look_back(model_inputs(r->model)))
        warn(list, HISTORY_CODE, json_string(HISTORY_WARNING));
    if (r->model && !train_beats_base_rates(r))
        warn(list, "not_learned",
             json_sprintf(
                 "the validation loss, %.4f, is not below the %.4f of predicting the base rates for everyone",
                 r->validation_loss, r->baseline.loss));
    return list;
}
