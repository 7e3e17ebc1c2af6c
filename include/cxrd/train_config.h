/* include/cxrd/train_config.h - what a training job is asked to do: the contract's job table as one struct.
 *
 * A field is a line in a table (jobs/training/config.c): its name, kind, range and place in the struct. Parsing,
 * printing and checking all walk that table, so a field cannot be half there. */
#ifndef CXRD_TRAIN_CONFIG_H
#define CXRD_TRAIN_CONFIG_H

#include "cxrd/dataset.h"
#include "cxrd/inputs.h"
#include "cxrd/labels.h"
#include "cxrd/network.h"
#include "cxrd/preprocess.h"

#include <jansson.h>

enum recipe { RECIPE_NOTEBOOK, RECIPE_STANDARD, RECIPE_TRANSFER };
enum head_bias { HEAD_BIAS_ZERO, HEAD_BIAS_BASE_RATES };
enum head_inputs { HEAD_INPUTS_ZERO, HEAD_INPUTS_LOGISTIC };
enum solver { SOLVER_CONJUGATE_GRADIENTS, SOLVER_CHOLESKY };
enum lr_schedule { LR_CONSTANT, LR_COSINE, LR_WARMUP_COSINE };
enum freeze { FREEZE_NONE, FREEZE_BACKBONE };
enum decay_scope { DECAY_ALL, DECAY_HEAD };
enum balancing { BALANCE_NONE, BALANCE_RESAMPLE, BALANCE_WEIGHT };
enum views { VIEWS_ALL, VIEWS_FRONTAL };
enum missing_images { MISSING_SKIP, MISSING_FAIL };
enum promote { PROMOTE_MANUAL, PROMOTE_IF_BETTER, PROMOTE_AFTER_SHADOW, PROMOTE_ALWAYS };

enum { CONFIG_TEXT = 513 };

/* Penalties of the squared length of a head's weights, the largest first. */
enum { MAX_RIDGES = 16 };
struct ridges {
    size_t n;
    double at[MAX_RIDGES];
};

struct train_config {
    char dataset[CONFIG_TEXT];                  /* "" until resolved: the only data set there is */
    char csv[CONFIG_TEXT], images[CONFIG_TEXT]; /* images: see train_config_sees() */
    int table_format;                     /* enum table_format; what is not said is table_format_defaults() */
    char mapping[CONFIG_TEXT];            /* of the table's columns, for FORMAT_CSV; "" for none */
    int uncertain_labels, missing_labels; /* the enums of table_format.h */
    int views;                            /* enum views */
    struct labels labels;                 /* the findings that are learned */
    int recipe;                           /* the enums above; int, so that the table can point at them */
    int64_t epochs, steps_per_epoch, validation_steps, batch_size; /* 0 steps: the whole split */
    int64_t validation_batch_size; /* validation steps count batches of this size */
    int64_t test_rows;             /* that the evaluation draws; 0: all */
    int64_t shards;                /* of a batch, see training_new() */
    bool shards_said;     /* no field: the job says them, they do not follow from architecture and batch */
    bool keep_best;       /* the epoch with the lowest validation loss; else the last */
    bool augment;         /* training pictures: shift, zoom, contrast and brightness, never mirrored */
    bool calibrate;       /* fit the step from logits to probabilities on validation, where it helps */
    int norms;            /* enum norms; not read without normalisations, nor is */
    double norm_momentum; /* see training_follow() */
    double learning_rate;
    double backbone_rate; /* of everything but the head: that share of the learning rate */
    double clip_norm;     /* a gradient is no longer than that; 0: it is as long as it is */
    double
        ema; /* the average of the weights that is validated and kept, see ema_update(); 0: the weights are */
    int64_t seed;       /* of weights, order, augmentation and dropout */
    int64_t split_seed; /* of which rows train, validate and test; `seed` where nothing is said */
    int64_t image_size; /* one that the architecture takes */
    int architecture;   /* see train_config_architecture() */
    int head;           /* enum head_kind; HEAD_OWN, once it is parsed, of a graph alone */
    int64_t channels;   /* that the first convolution sees: 1, or MAX_CHANNELS */
    int resize, head_bias, head_inputs, lr_schedule;
    int inputs_solver;            /* of the regression of the inputs: enum solver */
    int initializer;              /* of the weights: enum init */
    int freeze;                   /* enum freeze */
    int missing_images;           /* enum missing_images */
    double input_mean, input_std; /* of a model to start from that scales by channel: the first one's */
    double weight_decay;
    double dropout;    /* share of the head's features that are left out of a training step */
    double head_scale; /* of the head's initial weights */
    int decay_scope;   /* what decays: DECAY_HEAD means the weights that multiply features, no bias */
    int balance;
    unsigned inputs; /* bit i: enum input_kind i */
    int split_by;
    int64_t patience; /* epochs without a better validation loss before training ends; 0: never */
    double test_fraction, val_fraction;
    int64_t max_age;
    bool drop_no_finding, shuffle;
    bool tsne;              /* a map of test rows in the report */
    char init[CONFIG_TEXT]; /* model id to start from; "" for none */
    char transfer_layer
        [CONFIG_TEXT];           /* where that model is cut, see train_config_transfers(); "": it is not */
    int transfer_pooling;        /* enum pooling */
    int64_t transfer_views;      /* of each training picture, beside the picture as it is */
    struct ridges transfer_l2;   /* to choose from */
    char replay_of[CONFIG_TEXT]; /* job whose record is run again; "" for none */
    char webhook[CONFIG_TEXT];   /* address that is told when the job ends, see notices.h; "" for none */
    bool promote_narrower; /* a model that has seen no normal chest may take the place of one that has */
    int promote;
    double promote_margin, promote_max_drop; /* of AUROCs, see promotion.h */
    int64_t promote_shadow_pictures,
        promote_shadow_days; /* see shadow_decision.h; the trial ends without a promotion after the days */
    double promote_shadow_discordance;
};

/* Parse a job's JSON object. Every field that is wrong or unknown is named: `errors` (a JSON array
 * of the caller's) gets {"field":…,"detail":…} for each.
 * Errors: ST_INVALID (errors is not empty), ST_NOMEM. */
MUST_USE enum status train_config_parse(const json_t *object, struct train_config *ret_config,
                                        json_t *errors);

/* The same for the configuration in a record or a checkpoint. One of a version that did not have a field yet means what that
 * version did: there patience ended no training that kept its last epoch, the weights of inputs began at 0, their
 * regression was solved by Cholesky's factors until the recipe `transfer` came, and each thread's share of a batch was its shard. */
MUST_USE enum status train_config_parse_recorded(const json_t *object, struct train_config *ret_config,
                                                 json_t *errors);

/* Whether a training looks at pictures: not where `images` is "none", which is no pattern of pictures' names. Then the model is
 * the logistic regression of the inputs alone. */
bool train_config_sees(const struct train_config *c);

/* Whether a training begins with the features of a model, up to some layer, and a head that is a logistic regression on them: its
 * first epoch. The others, if any, train on all of that network. */
bool train_config_transfers(const struct train_config *c);

/* Whether a training's model is held against the active one, which decides whether it takes its place. */
static inline bool train_config_compares(const struct train_config *c)
{
    return c->promote == PROMOTE_IF_BETTER || c->promote == PROMOTE_AFTER_SHADOW;
}

/* Where the model is cut. */
struct cut train_config_cut(const struct train_config *c);

/* The network to be trained, as network_new() knows it: "logistic" of a training that looks at no picture. */
const char *train_config_architecture(const struct train_config *c);

struct model;

/* A model to start from settles the geometry, the extra inputs, and the shards where the job does not say them: let `c` say what
 * `m` has, not what the recipe would. Findings and inputs of a job that transfers are its own.
 *   m          NULL: the job begins with no model, and `c` stays as it is
 *   ret_field  of the job, that an error is about; static
 * Errors: ST_INVALID (the job transfers, or freezes a backbone or its normalisations, and begins with no model; only one of the two
 * sees pictures; the model has other findings, or not that layer), ST_NOMEM. */
MUST_USE enum status train_config_adopt(struct train_config *c, const struct model *m, const char **ret_field,
                                        struct error *err);

/* Every field, resolved. A new reference, NULL without memory. */
json_t *train_config_json(const struct train_config *c);

/* That a job which goes on is the one that it was; whom it tells (`webhook`) is no part of that.
 *   what  the error's sentence says before it names the fields with both values
 * Errors: ST_CONFLICT (they differ), ST_NOMEM. */
MUST_USE enum status train_config_same(const struct train_config *then, const struct train_config *now,
                                       const char *what, struct error *err);

/* The same for everyone to see: of a webhook, whose path may be a secret, only the host. Returns `config`, changed. */
json_t *train_config_shown(json_t *config);

const char *promote_name(int promote); /* "manual" */

/* Add {"field":field,"detail":…} to `errors`; '?' stands for what is no UTF-8. An entry that cannot be added counts as lack of
 * memory, json_ran_out(), which no request survives. */
void config_error(json_t *errors, const char *field, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
