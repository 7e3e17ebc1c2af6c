/* tests/unit/test_checkpoint_before.c - a checkpoint as an earlier version wrote it is gone on with. */
#include "checkpoint_case.h"
#include "cxrd/digest.h"
#include "cxrd/safetensors.h"
#include "files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

TestSuite(checkpoint_before, .init = checkpoint_begin, .fini = checkpoint_end);

/* Arrays as an epoch's report was in the first version, without its learning rate and what follows; for free(). */
static char *cut_reports(struct array *a)
{
    const size_t size = offsetof(struct epoch_report, learning_rate),
                 whole = offsetof(struct epoch_report, val_auroc) + N_NIH_LABELS * sizeof(double);
    const size_t epochs = array_bytes(a) / whole;
    char *cut = malloc(epochs * size);

    cr_assert_not_null(cut);
    for (size_t k = 0; k < epochs; k++)
        memcpy(cut + k * size, (const char *)a->data + k * whole, size);
    a->data = cut;
    a->dims[0] = epochs * size / 8;
    return cut;
}

/* The digest as the versions before the third have it. */
static void digest_of_before(const struct array_file *f, char text[DIGEST_TEXT_SIZE])
{
    struct digest *d = NULL;

    cr_assert_eq(digest_new(&d), ST_OK);
    for (size_t i = 0; i < f->n; i++) {
        const uint64_t n = array_bytes(&f->arrays[i]);

        digest_add(d, f->arrays[i].name, strlen(f->arrays[i].name) + 1);
        digest_add(d, &n, sizeof n);
        if (n > 0)
            digest_add(d, f->arrays[i].data, n);
    }
    digest_finish(d, text);
}

/* The checkpoint as a version before the third wrote it.
 *   forgotten  a text that its configuration did not have, or NULL */
static void make_of_before(const char *version, const char *forgotten)
{
    struct file_bytes bytes = read_bytes(checkpoint);
    struct array_file f = { 0 };
    char sha256[DIGEST_TEXT_SIZE], *cut = NULL;
    size_t n = 0;

    cr_assert_eq(array_file_read(bytes.data, bytes.size, &f, NULL), ST_OK);
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.arrays[i].name, "began_again") != 0)
            f.arrays[n++] = f.arrays[i];
    cr_assert_eq(n, f.n - 1);
    f.n = n;
    for (size_t i = 0; i < f.n; i++)
        if (version[0] == '1' && strcmp(f.arrays[i].name, "epochs.reports") == 0)
            cut = cut_reports(&f.arrays[i]);
    if (forgotten) {
        char *config = strdup(json_string_value(json_object_get(f.metadata, "config")));
        char *at = strstr(config, forgotten);

        cr_assert_not_null(at, "no %s in %s", forgotten, config);
        memmove(at, at + strlen(forgotten), strlen(at + strlen(forgotten)) + 1);
        json_object_set_new(f.metadata, "config", json_string(config));
        free(config);
    }
    digest_of_before(&f, sha256);
    json_object_set_new(f.metadata, "version", json_string(version));
    json_object_set_new(f.metadata, "sha256", json_string(sha256));
    cr_assert_eq(array_file_save(checkpoint, f.metadata, f.arrays, f.n, NULL), ST_OK);
    array_file_release(&f);
    file_bytes_release(&bytes);
    free(cut);
}

#define OF_BEFORE "{\"epochs\":3,\"steps_per_epoch\":2,\"batch_size\":4,\"patience\":0}"

/* Those versions knew cnn4 alone. */
static void go_half_way(struct trial *whole, struct trial *half)
{
    train_cnn4();
    *whole = trained(OF_BEFORE, NULL, 0);
    *half = trained(OF_BEFORE, checkpoint, whole->asked / 2);
    cr_assert_gt(half->result.n_epochs, 0);
}

Test(checkpoint_before, one_of_the_first_version_is_gone_on_with)
{
    struct trial whole, r;
    size_t done;

    go_half_way(&whole, &r);
    done = r.result.n_epochs;
    trial_release(&r);
    make_of_before("1", NULL);
    r = trained(OF_BEFORE, checkpoint, 0);
    for (size_t i = 0; i < done; i++) {
        cr_assert(isnan(r.result.epochs[i].learning_rate) &&
                  isnan(r.result.epochs[i].val_auroc[N_NIH_LABELS - 1]));
        r.result.epochs[i].learning_rate = whole.result.epochs[i].learning_rate;
        memcpy(r.result.epochs[i].val_auroc, whole.result.epochs[i].val_auroc,
               sizeof r.result.epochs[i].val_auroc);
    }
    check_same_end("of the first version", &whole, &r);
    trial_release(&r);
    trial_release(&whole);
}

Test(checkpoint_before, one_of_the_second_version_is_gone_on_with)
{
    struct trial whole, r;
    size_t done;

    go_half_way(&whole, &r);
    done = r.result.n_epochs;
    trial_release(&r);
    make_of_before("2", NULL);
    r = trained(OF_BEFORE, checkpoint, 0);
    cr_assert(r.resumed_with == done && !r.result.began_again);
    check_same_end("of the second version", &whole, &r);
    trial_release(&r);
    trial_release(&whole);
}

Test(checkpoint_before, field_that_a_job_has_only_since_has_its_default)
{
    struct trial whole = trained(INTERRUPTED, NULL, 0), r;
    struct file_bytes good = interrupted_file();

    file_bytes_release(&good);
    make_of_before("2", "\"promote_narrower\":false,");
    check_checkpoint_refused(JOB ",\"promote_narrower\":true}", "configuration");
    r = trained(INTERRUPTED, checkpoint, 0);
    check_same_end("an older checkpoint", &whole, &r);
    trial_release(&r);
    trial_release(&whole);
}
