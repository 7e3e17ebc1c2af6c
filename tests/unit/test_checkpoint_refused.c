/* tests/unit/test_checkpoint_refused.c - a checkpoint that is not what this run wrote is refused with a sentence, never half believed;
 * nor does a run go on with other data. */
#include "checkpoint_case.h"
#include "cxrd/digest.h"
#include "cxrd/safetensors.h"
#include "cxrd/weights.h"
#include "files.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(checkpoint_refused, .init = checkpoint_begin, .fini = checkpoint_end);

/* ---- other data ---- */

static void check_refused_data(struct trial r, const char *word)
{
    trial_run(&r);
    check_refusal(word, r.st, ST_CONFLICT, &r.err, word);
    cr_assert_eq(r.result.n_epochs, 0, "it trained all the same");
    trial_release(&r);
}

Test(checkpoint_refused, data_that_changed_are_refused)
{
    struct trial r = trained("{}", NULL, 0), again = trial_of("{}", NULL);
    const struct dataset_report *before = &r.result.dataset;

    again.csv_sha256 = before->csv_sha256;
    again.split_sha256 = before->split_sha256;
    trial_run(&again);
    cr_assert_eq(again.st, ST_OK, "%s", again.err.text);
    trial_release(&again);
    cr_assert_eq(unlink(tiny_image_path(case_datasets, 3)), 0);
    again = trial_of("{}", NULL);
    again.csv_sha256 = before->csv_sha256;
    again.split_sha256 = before->split_sha256;
    check_refused_data(again, "split");
    tiny_dataset(case_datasets, CASE_ROWS + 2, CASE_NORMAL);
    again.split_sha256 = NULL;
    check_refused_data(again, "table");
    trial_release(&r);
}

/* A file that was away when the training should go on is told as away, and the checkpoint stays as it is. */
static void check_away(const struct trial *before, const char *what, const char *from, const char *word)
{
    struct trial r = { .config = before->config,
                       .init = before->init,
                       .checkpoint = checkpoint,
                       .csv_sha256 = before->result.dataset.csv_sha256,
                       .split_sha256 = before->result.dataset.split_sha256 };
    struct file_bytes kept = read_bytes(checkpoint), still;
    char there[4200];

    snprintf(there, sizeof there, "%s/away", case_folder);
    cr_assert_eq(rename(from, there), 0);
    trial_run(&r);
    cr_assert(r.st != ST_OK && status_is_outside(r.st), "%s: %s", what, status_name(r.st));
    check_refusal(what, r.st, r.st, &r.err, word);
    cr_assert_eq(rename(there, from), 0);
    still = read_bytes(checkpoint);
    cr_assert(still.size == kept.size && memcmp(still.data, kept.data, kept.size) == 0, "%s", what);
    file_bytes_release(&still);
    file_bytes_release(&kept);
    trial_release(&r);
}

Test(checkpoint_refused, data_that_are_away_are_waited_for)
{
    const char *changes = "{\"epochs\":2,\"patience\":0}";
    struct trial whole = trained(changes, NULL, 0), r = trained(changes, checkpoint, whole.asked - 5);
    char path[4200];

    check_away(&r, "the folder of data sets", case_datasets, "folder of data sets");
    snprintf(path, sizeof path, "%s/tiny", case_datasets);
    check_away(&r, "the data set", path, "data set");
    snprintf(path, sizeof path, "%s/tiny/Data_Entry_2017.csv", case_datasets);
    check_away(&r, "the table", path, "table");
    snprintf(path, sizeof path, "%s", tiny_image_path(case_datasets, 3));
    check_away(&r, "a picture", path, "split");
    snprintf(path, sizeof path, "%s/tiny/images_001", case_datasets);
    check_away(&r, "all pictures", path, "changed since the job began");
    trial_release(&r);
    r = trained(changes, checkpoint, 0);
    check_same_end("away and back", &whole, &r);
    trial_release(&r);
    trial_release(&whole);
}

/* ---- other checkpoints ---- */

/* A run with the checkpoint as it is now begins again. */
static void check_not_believed(const char *what)
{
    struct trial r = trial_of(INTERRUPTED, checkpoint);

    r.stop_at = 12;
    trial_run(&r);
    cr_assert(r.st == ST_CANCELLED && r.result.began_again, "%s: %s: %s", what, status_name(r.st),
              r.err.text);
    trial_release(&r);
}

/* Wherever a bit is flipped or the file is cut, it is noticed: the job goes on, if only from its beginning. */
Test(checkpoint_refused, damaged_checkpoint_is_not_believed)
{
    static const char *const WORDS[] = { "__metadata__", "cxrd-checkpoint", "version",
                                         "\":\"3\"",     "config",          "seed",
                                         "csv_sha256",   "split_sha256" };
    struct file_bytes good = interrupted_file();
    uint8_t *bytes = good.data;
    struct trial r;

    for (size_t i = 0; i < 8; i++) {
        uint8_t *at = memmem(bytes, good.size, WORDS[i], strlen(WORDS[i]));

        cr_assert_not_null(at, "no %s", WORDS[i]);
        at += strlen(WORDS[i]) / 2;
        *at ^= 4;
        write_bytes(checkpoint, bytes, good.size);
        check_not_believed(WORDS[i]);
        *at ^= 4;
        write_bytes(checkpoint, bytes, i * good.size / 8);
        check_not_believed("cut");
    }
    r = trained(INTERRUPTED, checkpoint, 12);
    cr_assert(r.result.began_again, "it was known before it began again");
    trial_release(&r);
    write_bytes(checkpoint, bytes, good.size);
    r = trained(INTERRUPTED, checkpoint, 0);
    cr_assert(!r.result.began_again);
    trial_release(&r);
    file_bytes_release(&good);
}

static bool same_model(const struct model *a, const struct model *b)
{
    return memcmp(model_params(a), model_params(b), model_network(a)->n_params * sizeof(float)) == 0;
}

/* A bit in every fifth byte of the header, and in some of the data: it is damaged, or, in the blanks behind the header, says
 * what it said. Nothing else: not another version's, not another job's. */
Test(checkpoint_refused, all_of_it_is_under_its_digest)
{
    struct trial whole = trained("{\"epochs\":1}", checkpoint, 0);
    struct file_bytes good = read_bytes(checkpoint);
    uint8_t *bytes = good.data;
    const size_t header = 8 + bytes[0] + 256u * bytes[1];
    size_t same = 0;

    for (size_t i = 0; i < good.size; i += i < header ? 5 : good.size / 20) {
        struct checkpoint_figures figures;
        struct model *best = NULL;
        struct error err = { 0 };
        enum status st;

        bytes[i] ^= (uint8_t)(1 << i % 8);
        write_bytes(checkpoint, bytes, good.size);
        bytes[i] ^= (uint8_t)(1 << i % 8);
        st = checkpoint_best(checkpoint, &best, &figures, &err);
        cr_assert(st == ST_FORMAT || (st == ST_OK && i < header && same_model(best, whole.result.model)),
                  "byte %zu: %s: %s", i, status_name(st), err.text);
        same += st == ST_OK;
        model_unref(best);
    }
    cr_assert_lt(same, 3, "%zu of these bytes may be anything", same);
    trial_release(&whole);
    file_bytes_release(&good);
}

/* The digest is of what it says, so this is no damage. */
Test(checkpoint_refused, one_of_a_version_to_come_is_refused)
{
    struct file_bytes good = interrupted_file();
    struct array_file f = { 0 };
    json_t *said;
    struct digest *d = NULL;
    char sha256[DIGEST_TEXT_SIZE], *text;

    cr_assert_eq(array_file_read(good.data, good.size, &f, NULL), ST_OK);
    json_object_set_new(f.metadata, "version", json_string("4"));
    said = json_copy(f.metadata);
    json_object_del(said, "sha256");
    text = json_dumps(said, JSON_COMPACT | JSON_SORT_KEYS);
    cr_assert_eq(digest_new(&d), ST_OK);
    digest_add(d, text, strlen(text) + 1);
    for (size_t i = 0; i < f.n; i++) {
        const uint64_t n = array_bytes(&f.arrays[i]);

        digest_add(d, f.arrays[i].name, strlen(f.arrays[i].name) + 1);
        digest_add(d, &f.arrays[i].dtype, sizeof f.arrays[i].dtype);
        digest_add(d, &n, sizeof n);
        if (n > 0)
            digest_add(d, f.arrays[i].data, n);
    }
    digest_finish(d, sha256);
    json_object_set_new(f.metadata, "sha256", json_string(sha256));
    cr_assert_eq(array_file_save(checkpoint, f.metadata, f.arrays, f.n, NULL), ST_OK);
    check_checkpoint_refused(INTERRUPTED, "another version");
    free(text);
    json_decref(said);
    array_file_release(&f);
    file_bytes_release(&good);
}

Test(checkpoint_refused, checkpoint_of_another_job_is_refused)
{
    struct file_bytes good = interrupted_file();

    check_checkpoint_refused(JOB ",\"seed\":9}", "configuration");
    unlink(tiny_image_path(case_datasets, 3));
    check_checkpoint_refused(INTERRUPTED, "split");
    write_text(checkpoint, "");
    check_not_believed("empty");
    file_bytes_release(&good);
}

Test(checkpoint_refused, weights_file_is_no_checkpoint)
{
    struct buf weights = tiny_weights(1, 1, NULL);

    write_bytes(checkpoint, weights.data, weights.len);
    check_checkpoint_refused(INTERRUPTED, "checkpoint");
    buf_release(&weights);
}

Test(checkpoint_refused, of_other_findings_is_refused)
{
    struct trial r;

    train_cnn4(); /* a model's findings are its own */
    r = trained("{\"labels\":[\"Nodule\",\"Effusion\"],\"steps_per_epoch\":1}", checkpoint, 0);
    trial_release(&r);
    r = trial_of("{\"labels\":[\"Effusion\",\"Nodule\"],\"steps_per_epoch\":1}", checkpoint);
    trial_run(&r);
    check_refusal("the other order", r.st, ST_CONFLICT, &r.err,
                  "'labels' was [\"Nodule\",\"Effusion\"], is [\"Effusion\",\"Nodule\"]");
    trial_release(&r);
}
