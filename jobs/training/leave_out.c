/* jobs/training/leave_out.c - patients who are to be left out of a run: their rows are in no part, and nobody looks at their
 * pictures. See cxrd/patients.h. */
#include "run.h"

#include <string.h>

static enum status ask(struct run *r, struct patients **ret)
{
    return r->observer->patients ? r->observer->patients(r->observer->arg, ret, r->err) : ST_OK;
}

enum status run_ask_patients(struct run *r)
{
    struct patients *now = NULL;
    enum status st = ask(r, &now);

    if (st == ST_OK && now && patients_mark(now, &r->table, r->left_out) != ST_OK)
        st = error_nomem(r->err);
    if (st != ST_OK) {
        patients_free(now);
        return st;
    }
    patients_free(r->patients);
    r->patients = now;
    return ST_OK;
}

/* A run that goes on has used the rows that it wrote down. Another server may have written them with another key, which is given to all
 * before the first patient is named. */
static enum status check_before(struct run *r)
{
    bool meet = false;
    enum status st;

    if (patients_count(r->patients) == 0)
        return ST_OK;
    st = patients_meet(r->patients, r->request->patients_path, &meet, r->err);
    if (st == ST_NOTFOUND)
        return ST_OK;
    if (st == ST_OK && meet)
        st = error_set(
            r->err, ST_CONFLICT,
            "a patient whose rows the job has used is to be forgotten: it cannot go on, and a new job "
            "leaves them out");
    return st;
}

/* Nobody is ever taken off, so that as many are the same. */
enum status run_write_patients(struct run *r, bool *ret_final)
{
    struct patients *now = NULL;
    struct error why;
    enum status st;

    *ret_final = true;
    if (!r->patients || !r->request->patients_path)
        return ST_OK;
    st = r->patients_written ? ST_OK : check_before(r);
    if (st == ST_OK) {
        st = patients_write(r->patients, r->request->patients_path, &r->table, &r->split, &why);
        if (st != ST_OK)
            error_set(r->err, st, "storage: %s", why.text);
    }
    r->patients_written = st == ST_OK;
    if (st == ST_OK)
        st = ask(r, &now);
    if (st == ST_OK)
        *ret_final = patients_count(now) == patients_count(r->patients);
    patients_free(now);
    return st;
}

static void leave_out_normal(struct run *r)
{
    struct rows *normal = &r->normal;
    size_t kept = 0;

    for (size_t i = 0; i < normal->n; i++)
        if (!r->left_out[normal->index[i]])
            normal->index[kept++] = normal->index[i];
    normal->n = kept;
}

/* Whether a cell names a picture of theirs. */
static bool names_one(const struct run *r, const char *cell)
{
    for (size_t i = 0; i < r->table.n_rows; i++)
        if (r->left_out[i] && strcmp(table_image(&r->table, i), cell) == 0)
            return true;
    return false;
}

static void leave_out_first(struct run *r)
{
    struct table_profile *p = &r->result->dataset.table;
    size_t kept = 0, old = 0;

    for (size_t i = 0; i < p->n_first; i++) {
        bool theirs = false;

        for (size_t c = 0; c < p->n; c++)
            theirs |= p->first[i][c][0] && names_one(r, p->first[i][c]);
        if (!theirs)
            memmove(p->first[kept++], p->first[i], sizeof p->first[i]);
    }
    p->n_first = kept;
    for (size_t i = 0; i < p->n_old; i++)
        if (!names_one(r, p->old[i].image))
            p->old[old++] = p->old[i];
    p->n_old = old;
}

void run_leave_out(struct run *r)
{
    if (patients_count(r->patients) == 0)
        return;
    leave_out_normal(r);
    leave_out_first(r);
}
