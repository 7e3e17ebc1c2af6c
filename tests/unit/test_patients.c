/* tests/unit/test_patients.c - patients without their ids: codes, who is left out, whose rows a job used. */
#include "cxrd/file.h"
#include "cxrd/patients.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 9 };

static const struct patients_key KEY = { { 1, 2, 3 } };

/* Row i is of patient i / 2; the last of nobody known. */
static struct table_row rows[ROWS];
static struct table table = { .n_rows = ROWS, .rows = rows };

static uint64_t key(size_t patient)
{
    char text[24];

    return patient_key(text, (size_t)snprintf(text, sizeof text, "%zu", patient));
}

static char *folder(void)
{
    char *path = strdup("/tmp/cxrd-patients-XXXXXX");

    cr_assert_not_null(mkdtemp(path));
    for (size_t i = 0; i < ROWS; i++)
        rows[i].patient = i == ROWS - 1 ? PATIENT_NONE : key(i / 2);
    return path;
}

static struct patients *without(const size_t *forgotten, size_t n)
{
    char code[PATIENT_CODE_SIZE];
    struct patients *p;

    cr_assert_eq(patients_new(&KEY, "ward", &p, NULL), ST_OK);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(patient_code(&KEY, "ward", key(forgotten[i]), code), ST_OK);
        cr_assert_eq(patients_add(p, code), ST_OK);
    }
    cr_assert_eq(patients_count(p), n);
    return p;
}

Test(patients, ids_are_one_as_the_table_has_them)
{
    cr_assert_eq(patient_key("41", 2), patient_key("0041.0", 6));
    cr_assert_neq(patient_key("41", 2), patient_key("410", 3));
    cr_assert_eq(patient_key("", 0), PATIENT_NONE);
}

Test(patients, a_code_is_of_key_data_set_and_patient)
{
    const struct patients_key other = { { 1, 2, 4 } };
    char code[4][PATIENT_CODE_SIZE];

    cr_assert_eq(patient_code(&KEY, "ward", key(41), code[0]), ST_OK);
    cr_assert_eq(patient_code(&KEY, "ward", key(42), code[1]), ST_OK);
    cr_assert_eq(patient_code(&KEY, "wards", key(41), code[2]), ST_OK);
    cr_assert_eq(patient_code(&other, "ward", key(41), code[3]), ST_OK);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(strlen(code[i]), PATIENT_CODE_SIZE - 1);
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(code[i], code[j]);
    }
}

Test(patients, a_key_is_made_once_and_kept)
{
    struct patients_key first, again;
    char *state = folder(), path[64];
    struct stat info;
    struct error err;

    cr_assert_eq(patients_key_open(state, &first, &err), ST_OK, "%s", err.text);
    cr_assert_eq(patients_key_open(state, &again, &err), ST_OK);
    cr_assert_arr_eq(first.bytes, again.bytes, PATIENTS_KEY);
    snprintf(path, sizeof path, "%s/patients.key", state);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(truncate(path, PATIENTS_KEY - 1), 0);
    cr_assert_eq(patients_key_open(state, &again, &err), ST_IO);
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(patients_key_open(state, &again, &err), ST_IO);
    cr_assert_eq(truncate(path, PATIENTS_KEY + 1), 0);
    cr_assert_eq(patients_key_open(state, &again, &err), ST_IO);
    cr_assert_eq(folder_delete(state, &err), ST_OK);
    free(state);
}

Test(patients, rows_are_marked)
{
    const size_t forgotten[] = { 3, 1, 99 };
    struct patients *p = without(forgotten, 3);
    bool left_out[ROWS];

    free(folder());
    cr_assert_eq(patients_mark(p, &table, left_out), ST_OK);
    for (size_t i = 0; i < ROWS; i++)
        cr_assert_eq(left_out[i], i < ROWS - 1 && (i / 2 == 1 || i / 2 == 3), "row %zu", i);
    patients_free(p);
    p = without(NULL, 0);
    cr_assert_eq(patients_mark(p, &table, left_out), ST_OK);
    for (size_t i = 0; i < ROWS; i++)
        cr_assert_not(left_out[i]);
    patients_free(p);
}

Test(patients, a_job_s_file_says_whose_rows_it_used)
{
    uint32_t train[] = { 0, 2, 3, 8 }, validation[] = { 4 }, test[] = { 1 };
    const struct split split = { { { 4, train }, { 1, validation }, { 1, test } } };
    const unsigned expected[] = { 1u << TRAIN | 1u << TEST, 1u << TRAIN, 1u << VALIDATION, 0 };
    char *state = folder(), path[64], code[PATIENT_CODE_SIZE];
    struct patients *p = without(NULL, 0);
    struct file_bytes file = FILE_BYTES_INIT;
    struct error err;
    unsigned parts;
    bool meet;

    snprintf(path, sizeof path, "%s/patients", state);
    cr_assert_eq(patients_look(&KEY, path, "0123456789012345678901", &parts, &err), ST_NOTFOUND);
    cr_assert_eq(patients_write(p, path, &table, &split, &err), ST_OK, "%s", err.text);
    for (size_t i = 0; i < 4; i++) {
        const size_t one[] = { i };
        struct patients *these = without(one, 1);

        cr_assert_eq(patient_code(&KEY, "ward", key(i), code), ST_OK);
        cr_assert_eq(patients_look(&KEY, path, code, &parts, &err), ST_OK);
        cr_assert_eq(parts, expected[i], "patient %zu: %u", i, parts);
        cr_assert_eq(patients_meet(these, path, &meet, &err), ST_OK);
        cr_assert_eq(meet, expected[i] != 0);
        patients_free(these);
    }
    cr_assert_eq(patients_read(p, path, 1u << VALIDATION | 1u << TEST, &err), ST_OK, "%s", err.text);
    cr_assert_eq(patients_count(p), 2);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(patients_has(p, key(i), &meet), ST_OK);
        cr_assert_eq(meet, (expected[i] & ~(1u << TRAIN)) != 0, "patient %zu", i);
    }
    patients_free(p);
    cr_assert_eq(patients_look(&(struct patients_key){ { 7 } }, path, code, &parts, &err), ST_FORMAT);
    cr_assert_eq(file_read(path, 4096, &file, &err), ST_OK);
    for (size_t size = 0; size < file.size; size++) { /* cut anywhere but between two lines */
        cr_assert_eq(truncate(path, (off_t)size), 0);
        cr_assert_eq(patients_look(&KEY, path, code, &parts, &err),
                     size >= 39 && (size - 39) % 25 == 0 ? ST_OK : ST_FORMAT, "%zu bytes", size);
        cr_assert_eq(file_replace(path, &(struct iovec){ file.data, file.size }, 1, &err), ST_OK);
    }
    file_bytes_release(&file);
    cr_assert_eq(folder_delete(state, &err), ST_OK);
    free(state);
}
