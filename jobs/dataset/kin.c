/* jobs/dataset/kin.c - see kin.h. Groups grow by union-find (Tarjan 1975): each points to an earlier position of its group,
 * the first to itself. */
#include "kin.h"

#include <stdlib.h>

struct keyed {
    uint64_t key;
    uint32_t position;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *p = a, *q = b;

    if (p->key != q->key)
        return p->key < q->key ? -1 : 1;
    return (p->position > q->position) - (p->position < q->position);
}

static uint32_t root_of(uint32_t *group, uint32_t i)
{
    while (group[i] != i)
        i = group[i] = group[group[i]];
    return i;
}

static void unite(uint32_t *group, uint32_t a, uint32_t b)
{
    a = root_of(group, a);
    b = root_of(group, b);
    if (a < b)
        group[b] = a;
    else
        group[a] = b;
}

/* All positions with one key become one group. */
static void unite_equals(struct keyed *sorted, size_t n, uint32_t *group)
{
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n; i++)
        if (sorted[i].key == sorted[i - 1].key)
            unite(group, sorted[i].position, sorted[i - 1].position);
}

/* Pictures: twins, and how many have one. */
static void find_twins(struct keyed *sorted, size_t n, struct kin *k)
{
    size_t first = 0;

    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n; i++) {
        if (sorted[i].key != sorted[first].key) {
            first = i;
            continue;
        }
        k->twin[sorted[i].position] = sorted[first].position;
        k->equal_pictures += i == first + 1 ? 2 : 1;
        unite(k->group, sorted[i].position, sorted[first].position);
    }
}

/* Patients in groups of more than one: `patients` [n] is room, all zeroes. */
static void count_patients(const struct keyed *sorted, size_t n, struct kin *k, uint32_t *patients)
{
    for (size_t i = 0; i < n; i++)
        if (i == 0 || sorted[i].key != sorted[i - 1].key)
            patients[root_of(k->group, sorted[i].position)]++;
    for (size_t i = 0; i < n; i++)
        k->equal_patients += patients[i] > 1 ? patients[i] : 0;
}

enum status kin_find(const struct table *t, const struct rows *rows, const uint64_t *pixels, struct kin *ret)
{
    struct kin k = { malloc((rows->n + 1) * sizeof *k.group), malloc((rows->n + 1) * sizeof *k.twin), 0, 0 };
    struct keyed *of_patient = malloc((rows->n + 1) * sizeof *of_patient),
                 *of_picture = malloc((rows->n + 1) * sizeof *of_picture);
    uint32_t *patients = calloc(rows->n + 1, sizeof *patients);
    const bool ok = k.group && k.twin && of_patient && of_picture && patients;
    size_t known = 0;

    for (uint32_t i = 0; ok && i < rows->n; i++) {
        const uint64_t picture = pixels ? pixels[rows->index[i]] : 0;

        k.group[i] = k.twin[i] = i;
        of_patient[i] = (struct keyed){ t->rows[rows->index[i]].patient, i };
        if (picture)
            of_picture[known++] = (struct keyed){ picture, i };
    }
    if (ok) {
        unite_equals(of_patient, rows->n, k.group);
        find_twins(of_picture, known, &k);
        count_patients(of_patient, rows->n, &k, patients);
        for (uint32_t i = 0; i < rows->n; i++)
            k.group[i] = root_of(k.group, i);
    }
    free(of_patient);
    free(of_picture);
    free(patients);
    if (!ok) {
        kin_release(&k);
        return ST_NOMEM;
    }
    *ret = k;
    return ST_OK;
}

void kin_release(struct kin *k)
{
    free(k->group);
    free(k->twin);
}
