/* jobs/training/agree.c - checks that all ranks have the same table, split and weights, as soon as each of these is there: later it could not
 * be told which rank is wrong. */
#include "run.h"

#include "cxrd/digest.h"

#include <string.h>

static enum status rows_digest(const struct run *r, char text[DIGEST_TEXT_SIZE])
{
    struct digest *d = NULL;

    if (digest_new(&d) != ST_OK)
        return error_nomem(r->err);
    digest_add(d, r->used.index, r->used.n * sizeof *r->used.index);
    digest_add(d, r->normal.index, r->normal.n * sizeof *r->normal.index);
    digest_finish(d, text);
    return ST_OK;
}

enum status run_agree_table(struct run *r)
{
    char rows[DIGEST_TEXT_SIZE];
    enum status st;

    if (!r->ranks)
        return ST_OK;
    st = rows_digest(r, rows);
    if (st == ST_OK)
        st = ranks_agree(r->ranks, "the table", r->table.sha256, r->err);
    return st == ST_OK ? ranks_agree(r->ranks, "the rows whose pictures are there", rows, r->err) : st;
}

enum status run_agree_split(struct run *r)
{
    return ranks_agree(r->ranks, "the split", r->result->dataset.split_sha256, r->err);
}

enum status run_agree_weights(struct run *r)
{
    const size_t n = r->net->n_params + r->net->n_state;
    char weights[DIGEST_TEXT_SIZE];

    if (!r->ranks || !r->training)
        return ST_OK;
    if (digest_bytes(training_params(r->training), n * sizeof(float), weights) != ST_OK)
        return error_nomem(r->err);
    return ranks_agree(r->ranks, "the weights", weights, r->err);
}
