/* jobs/training/adopt.c - what the model to start from settles of a job: train_config_adopt() of cxrd/train_config.h. */
#include "config.h"

#include "cxrd/decimal.h"
#include "cxrd/model.h"
#include "cxrd/training.h"

/* Of a job that begins with no model. */
static enum status adopt_nothing(const struct train_config *c, const char **ret_field, struct error *err)
{
    if (train_config_transfers(c)) {
        *ret_field = "init";
        return error_set(err, ST_INVALID, "a job with 'transfer_layer' needs a model to start from");
    }
    if (c->freeze == FREEZE_BACKBONE) {
        *ret_field = "freeze";
        return error_set(
            err, ST_INVALID,
            "'freeze' needs a model to start from: a backbone that begins at random has to learn");
    }
    if (c->norms == NORMS_FROZEN && network_normalises(train_config_architecture(c))) {
        *ret_field = "norms";
        return error_set(
            err, ST_INVALID,
            "frozen 'norms' need a model to start from: without one their statistics are of no data");
    }
    return ST_OK;
}

/* The network that a job goes on with: the model's, or what is left of it. */
static enum status network_after(const struct train_config *c, const struct model *m, const char **ret_field,
                                 const struct network **ret, struct error *err)
{
    const struct cut cut = train_config_cut(c);

    if (!train_config_sees(c))
        return error_set(err, ST_INVALID, "a job without pictures begins with no model");
    if (!model_sees(m))
        return error_set(err, ST_INVALID, "the model to start from sees no picture, which a training does");
    if (train_config_transfers(c)) {
        *ret_field = "transfer_layer";
        return network_cut(model_network(m), &cut, c->labels.n, c->inputs ? NETWORK_MAX_INPUTS : 0, ret, err);
    }
    if (!labels_equal(model_labels(m), &c->labels))
        return error_set(
            err, ST_INVALID,
            "the model to start from answers for other findings than 'labels' names, or in another "
            "order: its head cannot be taken over");
    *ret = network_ref(model_network(m));
    return ST_OK;
}

enum status train_config_adopt(struct train_config *c, const struct model *m, const char **ret_field,
                               struct error *err)
{
    const struct network *net = NULL;
    const struct preprocess *pre;
    enum status st;

    *ret_field = "init";
    if (!m)
        return adopt_nothing(c, ret_field, err);
    st = network_after(c, m, ret_field, &net, err);
    if (st != ST_OK)
        return st;
    pre = model_preprocess(m);
    c->architecture = config_architecture(net->architecture);
    c->head = (int)net->head;
    c->channels = (int64_t)net->channels;
    config_settle_shards(c);
    c->image_size = (int64_t)pre->size;
    c->resize = (int)pre->resize;
    c->input_mean = decimal_of(pre->mean);
    c->input_std = decimal_of(pre->std);
    if (!train_config_transfers(c))
        c->inputs = inputs_kinds(model_inputs(m));
    network_unref(net);
    return ST_OK;
}
