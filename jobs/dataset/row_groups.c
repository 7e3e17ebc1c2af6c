/* jobs/dataset/row_groups.c - see row_groups.h. Groups grow by union-find (Tarjan 1975): each points to an earlier position of its group,
 * the first to itself. */
#include "row_groups.h"

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

/* Rows whose pictures are equal, and how many there are. */
static void find_equal(struct keyed *sorted, size_t n, struct row_groups *k)
{
    size_t first = 0;

    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n; i++) {
        if (sorted[i].key != sorted[first].key) {
            first = i;
            continue;
        }
        k->same_picture[sorted[i].position] = sorted[first].position;
        k->equal_pictures += i == first + 1 ? 2 : 1;
        unite(k->group, sorted[i].position, sorted[first].position);
    }
}

/* Patients in groups of more than one: `patients` [n] is room, all zeroes. */
static void count_patients(const struct keyed *sorted, size_t n, struct row_groups *k, uint32_t *patients)
{
    for (size_t i = 0; i < n; i++)
        if (i == 0 || sorted[i].key != sorted[i - 1].key)
            patients[root_of(k->group, sorted[i].position)]++;
    for (size_t i = 0; i < n; i++)
        k->equal_patients += patients[i] > 1 ? patients[i] : 0;
}

enum status row_groups_find(const struct table *t, const struct rows *rows, const uint64_t *pixels,
                            struct row_groups *ret)
{
    struct row_groups k = { malloc((rows->n + 1) * sizeof *k.group),
                            malloc((rows->n + 1) * sizeof *k.same_picture), 0, 0 };
    struct keyed *of_patient = malloc((rows->n + 1) * sizeof *of_patient),
                 *of_picture = malloc((rows->n + 1) * sizeof *of_picture);
    uint32_t *patients = calloc(rows->n + 1, sizeof *patients);
    const bool ok = k.group && k.same_picture && of_patient && of_picture && patients;
    size_t known = 0;

    for (uint32_t i = 0; ok && i < rows->n; i++) {
        const uint64_t picture = pixels ? pixels[rows->index[i]] : 0;

        k.group[i] = k.same_picture[i] = i;
        of_patient[i] = (struct keyed){ t->rows[rows->index[i]].patient, i };
        if (picture)
            of_picture[known++] = (struct keyed){ picture, i };
    }
    if (ok) {
        unite_equals(of_patient, rows->n, k.group);
        find_equal(of_picture, known, &k);
        count_patients(of_patient, rows->n, &k, patients);
        for (uint32_t i = 0; i < rows->n; i++)
            k.group[i] = root_of(k.group, i);
    }
    free(of_patient);
    free(of_picture);
    free(patients);
    if (!ok) {
        row_groups_release(&k);
        return ST_NOMEM;
    }
    *ret = k;
    return ST_OK;
}

void row_groups_release(struct row_groups *k)
{
    free(k->group);
    free(k->same_picture);
}
