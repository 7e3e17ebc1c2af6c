/* jobs/training/config.c - the job table, see cxrd/train_config.h. */
#include "config.h"

#include "cxrd/buf.h"
#include "cxrd/id.h"
#include "cxrd/json.h"
#include "cxrd/model.h"
#include "cxrd/training.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_IMAGES "none"

enum kind {
    TEXT,
    PATH,
    PATTERN,
    FILE_OR_NONE,
    MODEL_ID,
    WORD,
    INTEGER,
    NUMBER,
    NUMBERS,
    FLAG,
    CHOICE,
    CHOICES,
    FINDINGS
};

struct field {
    const char *name;
    enum kind kind;
    size_t place;    /* in struct train_config */
    double min, max; /* of INTEGER, NUMBER and NUMBERS, both possible */
    const char *const
        *choices; /* NULL at the end. CHOICE: the value is the index; CHOICES: a bit for each that is named */
};

static const char *const ARCHITECTURES[] = { "cnn4",
                                             "mlp",
                                             "densenet121",
                                             "resnet18",
                                             "resnet50",
                                             "mobilenet_v2",
                                             "shufflenet_v2_x0_5",
                                             "shufflenet_v2_x1_0",
                                             "shufflenet_v2_x1_5",
                                             "shufflenet_v2_x2_0",
                                             GRAPH_ARCHITECTURE,
                                             NULL };
static const char *const UNCERTAIN[] = { "zeros", "ones", "ignore", NULL };
static const char *const MISSING_LABELS[] = { "negative", "unknown", NULL };
static const char *const VIEWS[] = { "all", "frontal", NULL };
static const char *const RECIPES[] = { "notebook", "standard", "transfer", NULL };
static const char *const RESIZES[] = { "nearest", "area", NULL };
static const char *const HEAD_BIASES[] = { "zero", "base_rates", NULL };
static const char *const INITIALIZERS[] = { "glorot_uniform", "he_uniform", NULL };
static const char *const HEAD_INPUTS[] = { "zero", "logistic", NULL };
static const char *const SOLVERS[] = { "conjugate_gradients", "cholesky", NULL };
static const char *const NORMS[] = { "batch", "frozen", NULL };
static const char *const SCHEDULES[] = { "constant", "cosine", "warmup_cosine", NULL };
static const char *const FREEZES[] = { "none", "backbone", NULL };
static const char *const DECAY_SCOPES[] = { "all", "head", NULL };
static const char *const SPLITS[] = { "image", "patient", "list", NULL };
static const char *const BALANCES[] = { "none", "resample", "weight", NULL };
static const char *const HEADS[] = { "auto", "flatten", "gap", "4x4", NULL }; /* HEAD_NAMES */
static const char *const INPUTS[] = { "age", "sex", "view", "history", "course", NULL };
static const char *const MISSING[] = { "skip", "fail", NULL };
static const char *const POOLINGS[] = { "mean", "max", "mean_and_max", NULL }; /* POOLING_NAMES */
static const char *const PROMOTES[] = { "manual", "if_better", "after_shadow", "always", NULL };

#define AT(member) offsetof(struct train_config, member)

static const struct field FIELDS[] = {
    { "dataset", PATH, AT(dataset) },
    { "csv", PATH, AT(csv) },
    { "images", PATTERN, AT(images) },
    { "labels", FINDINGS, AT(labels) },
    { "table_format", CHOICE, AT(table_format), .choices = TABLE_FORMAT_NAMES },
    { "mapping", FILE_OR_NONE, AT(mapping) },
    { "uncertain_labels", CHOICE, AT(uncertain_labels), .choices = UNCERTAIN },
    { "missing_labels", CHOICE, AT(missing_labels), .choices = MISSING_LABELS },
    { "views", CHOICE, AT(views), .choices = VIEWS },
    { "recipe", CHOICE, AT(recipe), .choices = RECIPES },
    { "epochs", INTEGER, AT(epochs), 0, 1000 },
    { "steps_per_epoch", INTEGER, AT(steps_per_epoch), 0, 1000000 },
    { "validation_steps", INTEGER, AT(validation_steps), 0, 1000000 },
    { "validation_batch_size", INTEGER, AT(validation_batch_size), 1, 1000000 },
    { "test_rows", INTEGER, AT(test_rows), 0, TABLE_MAX_ROWS },
    { "batch_size", INTEGER, AT(batch_size), 1, 256 },
    { "shards", INTEGER, AT(shards), 0, TRAINING_MAX_SHARDS },
    { "norms", CHOICE, AT(norms), .choices = NORMS },
    { "norm_momentum", NUMBER, AT(norm_momentum), 0, 1 },
    { "learning_rate", NUMBER, AT(learning_rate), 1e-9, 1 },
    { "seed", INTEGER, AT(seed), 0, 9007199254740991 },
    { "split_seed", INTEGER, AT(split_seed), 0, 9007199254740991 },
    { "architecture", CHOICE, AT(architecture), .choices = ARCHITECTURES },
    { "head", CHOICE, AT(head), .choices = HEADS },
    { "channels", INTEGER, AT(channels), 1, MAX_CHANNELS },
    { "image_size", INTEGER, AT(image_size), PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE },
    { "resize", CHOICE, AT(resize), .choices = RESIZES },
    { "input_mean", NUMBER, AT(input_mean), -255, 255 },
    { "input_std", NUMBER, AT(input_std), 1e-3, 1e4 },
    { "initializer", CHOICE, AT(initializer), .choices = INITIALIZERS },
    { "head_bias", CHOICE, AT(head_bias), .choices = HEAD_BIASES },
    { "head_inputs", CHOICE, AT(head_inputs), .choices = HEAD_INPUTS },
    { "inputs_solver", CHOICE, AT(inputs_solver), .choices = SOLVERS },
    { "head_scale", NUMBER, AT(head_scale), 0, 1 },
    { "lr_schedule", CHOICE, AT(lr_schedule), .choices = SCHEDULES },
    { "weight_decay", NUMBER, AT(weight_decay), 0, 10 },
    { "weight_decay_scope", CHOICE, AT(decay_scope), .choices = DECAY_SCOPES },
    { "freeze", CHOICE, AT(freeze), .choices = FREEZES },
    { "backbone_rate", NUMBER, AT(backbone_rate), 1e-9, 1 },
    { "clip_norm", NUMBER, AT(clip_norm), 0, 1e6 },
    { "ema", NUMBER, AT(ema), 0, 0.99999 },
    { "keep_best", FLAG, AT(keep_best) },
    { "patience", INTEGER, AT(patience), 0, 1000 },
    { "dropout", NUMBER, AT(dropout), 0, 0.9 },
    { "balance", CHOICE, AT(balance), .choices = BALANCES },
    { "inputs", CHOICES, AT(inputs), .choices = INPUTS },
    { "augment", FLAG, AT(augment) },
    { "calibrate", FLAG, AT(calibrate) },
    { "tsne", FLAG, AT(tsne) },
    { "test_fraction", NUMBER, AT(test_fraction), 0, 0.9 },
    { "val_fraction", NUMBER, AT(val_fraction), 0.001, 0.9 },
    { "split_by", CHOICE, AT(split_by), .choices = SPLITS },
    { "max_age", INTEGER, AT(max_age), 0, 1000 },
    { "drop_no_finding", FLAG, AT(drop_no_finding) },
    { "init", MODEL_ID, AT(init) },
    { "transfer_layer", WORD, AT(transfer_layer) },
    { "transfer_pooling", CHOICE, AT(transfer_pooling), .choices = POOLINGS },
    { "transfer_views", INTEGER, AT(transfer_views), 0, 16 },
    { "transfer_l2", NUMBERS, AT(transfer_l2), 1e-3, 1e9 },
    { "shuffle", FLAG, AT(shuffle) },
    { "missing_images", CHOICE, AT(missing_images), .choices = MISSING },
    { "promote", CHOICE, AT(promote), .choices = PROMOTES },
    { "promote_margin", NUMBER, AT(promote_margin), 0, 1 },
    { "promote_max_drop", NUMBER, AT(promote_max_drop), 0, 1 },
    { "promote_narrower", FLAG, AT(promote_narrower) },
    { "promote_shadow_pictures", INTEGER, AT(promote_shadow_pictures), 1, 1000000000 },
    { "promote_shadow_days", INTEGER, AT(promote_shadow_days), 1, 3650 },
    { "promote_shadow_discordance", NUMBER, AT(promote_shadow_discordance), 0, 1 },
    { "replay_of", MODEL_ID, AT(replay_of) },
    { "webhook", WORD, AT(webhook) },
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

/* Half an order of magnitude apart. On 1,820 rows of NIH's table with 1,536 features 3,000 was chosen in both splits that were
 * looked at. */
#define L2                                     \
    {                                          \
        6, { 10000, 3000, 1000, 300, 100, 30 } \
    }

static const struct train_config NOTEBOOK = {
    .recipe = RECIPE_NOTEBOOK,
    .epochs = 2,
    .steps_per_epoch = 100,
    .validation_steps = 50,
    .validation_batch_size = 64,
    .batch_size = 32,
    .norms = NORMS_BATCH,
    .norm_momentum = 0.1,
    .learning_rate = 1e-3,
    .backbone_rate = 1,
    .seed = 1,
    .channels = MAX_CHANNELS,
    .image_size = 256,
    .resize = RESIZE_NEAREST,
    .input_mean = 0,
    .input_std = 1,
    .initializer = INIT_GLOROT,
    .head_bias = HEAD_BIAS_ZERO,
    .head_inputs = HEAD_INPUTS_ZERO,
    .head_scale = 1,
    .lr_schedule = LR_CONSTANT,
    .tsne = true,
    .test_fraction = 0.1,
    .val_fraction = 0.2,
    .split_by = SPLIT_IMAGE,
    .max_age = 120,
    .drop_no_finding = true,
    .shuffle = true,
    .promote_margin = 0.005,
    .promote_max_drop = 0.02,
    .promote_shadow_pictures = 1000,
    .promote_shadow_days = 30,
    .promote_shadow_discordance = 0.25,
    .transfer_l2 = L2,
};

static const struct train_config STANDARD = {
    .recipe = RECIPE_STANDARD,
    .epochs = 10,
    .validation_batch_size = 64,
    .batch_size = 32,
    .norms = NORMS_BATCH,
    .norm_momentum = 0.1,
    .learning_rate = 3e-4,
    .backbone_rate = 1,
    .seed = 1,
    .channels = MAX_CHANNELS,
    .image_size = 256,
    .resize = RESIZE_AREA,
    .input_mean = 128,
    .input_std = 64,
    .initializer = INIT_HE,
    .head_bias = HEAD_BIAS_BASE_RATES,
    .head_inputs = HEAD_INPUTS_LOGISTIC,
    .head_scale = 0,
    .lr_schedule = LR_WARMUP_COSINE,
    .keep_best = true,
    .patience = 5,
    .augment = true,
    .calibrate = true,
    .tsne = true,
    .test_fraction = 0.1,
    .val_fraction = 0.2,
    .split_by = SPLIT_PATIENT,
    .max_age = 120,
    .drop_no_finding = true,
    .shuffle = true,
    .promote_margin = 0.005,
    .promote_max_drop = 0.02,
    .promote_shadow_pictures = 1000,
    .promote_shadow_days = 30,
    .promote_shadow_discordance = 0.25,
    .transfer_l2 = L2,
};

const char *promote_name(int promote) { return PROMOTES[promote]; }

static void parse_text(const struct field *f, const json_t *value, char *ret, json_t *errors)
{
    const char *text = json_string_value(value);

    if (f->kind >= FILE_OR_NONE && json_is_null(value)) {
        ret[0] = '\0';
        return;
    }
    if (!text)
        config_error(errors, f->name, "must be a string");
    else if (f->kind == WORD && (!*text || strlen(text) >= CONFIG_TEXT))
        config_error(errors, f->name, "must have 1 to %d bytes", CONFIG_TEXT - 1);
    else if (f->kind < MODEL_ID && !relative_path_ok(text, f->kind == PATTERN))
        config_error(errors, f->name, "must be a relative path that stays below its folder");
    else if (f->kind == MODEL_ID && !id_ok(text, strlen(text)))
        config_error(errors, f->name, "must be an id");
    else
        snprintf(ret, CONFIG_TEXT, "%s", text);
}

static void parse_number(const struct field *f, const json_t *value, void *ret, json_t *errors)
{
    const double v = json_number_value(value);

    if (!json_is_number(value))
        config_error(errors, f->name, "must be a number");
    else if (f->kind == INTEGER && v != floor(v))
        config_error(errors, f->name, "must be a whole number");
    else if (!(v >= f->min && v <= f->max))
        config_error(errors, f->name, "must be in %.16g..%.16g", f->min, f->max);
    else if (f->kind == INTEGER)
        *(int64_t *)ret = (int64_t)v;
    else
        *(double *)ret = v;
}

static int descending(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;

    return (p < q) - (p > q);
}

/* A list of numbers, none of them twice; the largest comes first. */
static void parse_numbers(const struct field *f, const json_t *value, struct ridges *ret, json_t *errors)
{
    struct ridges numbers = { .n = json_array_size(value) };
    bool ok = numbers.n >= 1 && numbers.n <= MAX_RIDGES;

    for (size_t i = 0; i < numbers.n && ok; i++) {
        const json_t *number = json_array_get(value, i);

        numbers.at[i] = json_number_value(number);
        ok = json_is_number(number) && numbers.at[i] >= f->min && numbers.at[i] <= f->max;
    }
    if (ok)
        qsort(numbers.at, numbers.n, sizeof *numbers.at, descending);
    for (size_t i = 1; i < numbers.n && ok; i++)
        ok = numbers.at[i] != numbers.at[i - 1];
    if (ok)
        *ret = numbers;
    else
        config_error(errors, f->name, "must be a list without repetition of 1 to %d numbers in %.16g..%.16g",
                     MAX_RIDGES, f->min, f->max);
}

/* Which of the choices a text is, or -1. */
static int choice_of(const struct field *f, const char *text)
{
    for (int i = 0; text && f->choices[i]; i++)
        if (strcmp(text, f->choices[i]) == 0)
            return i;
    return -1;
}

static void refuse_choice(const struct field *f, const char *what, json_t *errors)
{
    char all[160] = "";

    for (size_t i = 0; f->choices[i]; i++) {
        const size_t n = strlen(all);

        snprintf(all + n, sizeof all - n, "%s\"%s\"", i ? ", " : "", f->choices[i]);
    }
    config_error(errors, f->name, "%s %s", what, all);
}

static void parse_choice(const struct field *f, const json_t *value, int *ret, json_t *errors)
{
    const int choice = choice_of(f, json_string_value(value));

    if (choice < 0)
        refuse_choice(f, "must be one of", errors);
    else
        *ret = choice;
}

/* A list of names, none of them twice. */
static void parse_choices(const struct field *f, const json_t *value, unsigned *ret, json_t *errors)
{
    unsigned bits = 0;
    bool ok = json_is_array(value);

    for (size_t i = 0; ok && i < json_array_size(value); i++) {
        const int choice = choice_of(f, json_string_value(json_array_get(value, i)));

        ok = choice >= 0 && !(bits >> choice & 1);
        bits |= ok ? 1u << choice : 0;
    }
    if (ok)
        *ret = bits;
    else
        refuse_choice(f, "must be a list without repetition of", errors);
}

/* A list of names, none of them twice. */
static void parse_findings(const struct field *f, const json_t *value, struct labels *ret, json_t *errors)
{
    const size_t n = json_array_size(value);
    struct labels labels = { 0 };
    struct error why;

    if (n == 0) {
        config_error(errors, f->name, "must be a list of 1 to %d findings' names", MAX_LABELS);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_array_get(value, i);

        if (!json_is_string(name)) {
            config_error(errors, f->name, "must be a list of names: finding %zu is not a text", i + 1);
            return;
        }
        if (labels_add(&labels, json_string_value(name), json_string_length(name), &why) != ST_OK) {
            config_error(errors, f->name, "%s", why.text);
            return;
        }
    }
    *ret = labels;
}

static void parse_field(const struct field *f, const json_t *value, struct train_config *c, json_t *errors)
{
    void *place = (char *)c + f->place;

    switch (f->kind) {
    case TEXT:
    case PATH:
    case PATTERN:
    case FILE_OR_NONE:
    case MODEL_ID:
    case WORD: parse_text(f, value, place, errors); break;
    case INTEGER:
    case NUMBER: parse_number(f, value, place, errors); break;
    case FLAG:
        if (json_is_boolean(value))
            *(bool *)place = json_is_true(value);
        else
            config_error(errors, f->name, "must be true or false");
        break;
    case NUMBERS: parse_numbers(f, value, place, errors); break;
    case CHOICE: parse_choice(f, value, place, errors); break;
    case CHOICES: parse_choices(f, value, place, errors); break;
    case FINDINGS: parse_findings(f, value, place, errors); break;
    }
}

static const struct field *field_find(const char *name)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(FIELDS[i].name, name) == 0)
            return &FIELDS[i];
    return NULL;
}

static const char *field_at(size_t i) { return i < N_FIELDS ? FIELDS[i].name : NULL; }

bool train_config_sees(const struct train_config *c) { return strcmp(c->images, NO_IMAGES) != 0; }

bool train_config_transfers(const struct train_config *c) { return c->transfer_layer[0] != '\0'; }

struct cut train_config_cut(const struct train_config *c)
{
    return (struct cut){ c->transfer_layer, (enum pooling)c->transfer_pooling };
}

int config_architecture(const char *name)
{
    int i = 0;

    while (strcmp(ARCHITECTURES[i], name) != 0) {
        i++;
        assert(ARCHITECTURES[i]); /* all that see a picture */
    }
    return i;
}

const char *train_config_architecture(const struct train_config *c)
{
    return train_config_sees(c) ? ARCHITECTURES[c->architecture] : "logistic";
}

/* Pictures that share their statistics where nothing is said: with fewer these are too rough. */
enum { GHOST_BATCH = 8, SHARDS = 16 };

void config_settle_shards(struct train_config *c)
{
    if (c->shards_said)
        return;
    c->shards = SHARDS;
    while (network_normalises(train_config_architecture(c)) && c->shards > 1 &&
           c->batch_size < c->shards * GHOST_BATCH)
        c->shards /= 2;
}

static void check_image_size(const struct train_config *c, json_t *errors)
{
    const char *name = ARCHITECTURES[c->architecture];
    const struct image_sizes takes = network_sizes(name);
    const size_t size = (size_t)c->image_size;
    char text[IMAGE_SIZES_TEXT];

    if (size % takes.multiple != 0 || size < takes.least || size > takes.most)
        config_error(errors, "image_size", "must be %s for \"%s\"", image_sizes_text(&takes, text), name);
}

/* "auto" becomes the architecture's own head. A job that begins with a model takes that model's head, so its own is not checked. */
static void head_settle(struct train_config *c, json_t *errors)
{
    const char *name = ARCHITECTURES[c->architecture];
    const struct network_spec spec = { name, (size_t)c->image_size, 1, 0, (enum head_kind)c->head };
    struct error why;

    if (network_check(&(struct network_spec){ name, spec.image_size, 1, 0, HEAD_OWN }, &why) == ST_OK &&
        network_check(&spec, &why) != ST_OK && !c->init[0])
        config_error(errors, "head", "%s", why.text);
    if (c->head == HEAD_OWN)
        c->head = (int)network_own_head(name);
}

/* A network that is too large is refused here, not after the table has been read. */
static void check_network(const struct train_config *c, json_t *errors)
{
    const struct network_spec spec = {
        train_config_architecture(c),       (size_t)c->image_size,   c->labels.n,
        c->inputs ? NETWORK_MAX_INPUTS : 0, (enum head_kind)c->head, (size_t)c->channels
    };
    const struct network *net = NULL;
    struct error why;

    if (network_check(&spec, &why) == ST_OK && network_new(&spec, &net, &why) == ST_INVALID)
        config_error(errors, "image_size", "is too large for %zu findings: %s", c->labels.n, why.text);
    network_unref(net);
}

/* A network that is no architecture of ours is that of a model; and grey goes into one channel or three. */
static void check_architecture(const struct train_config *c, json_t *errors)
{
    if (strcmp(ARCHITECTURES[c->architecture], GRAPH_ARCHITECTURE) == 0 && !c->init[0])
        config_error(errors, "architecture",
                     "is \"%s\" in jobs that begin with such a model: name it as 'init'", GRAPH_ARCHITECTURE);
    if (c->channels != 1 && c->channels != MAX_CHANNELS)
        config_error(errors, "channels", "must be 1 or %d", MAX_CHANNELS);
}

/* Fields without a meaning in a job that is the regression of its inputs. */
static void check_without_pictures(const struct train_config *c, json_t *errors)
{
    if (c->inputs == 0)
        config_error(errors, "inputs", "must name one at least where 'images' is \"%s\"", NO_IMAGES);
    if (c->architecture != 0)
        config_error(errors, "architecture",
                     "is of jobs with pictures: where 'images' is \"%s\" it is \"%s\"", NO_IMAGES,
                     train_config_architecture(c));
    if (c->head != HEAD_OWN)
        config_error(errors, "head", "a job without pictures has no features for one");
    if (c->init[0])
        config_error(errors, "init", "a job without pictures begins with no model");
    if (train_config_transfers(c))
        config_error(errors, "transfer_layer", "a job without pictures has no features to transfer");
    if (c->balance != BALANCE_NONE)
        config_error(errors, "balance", "a job without pictures is not balanced");
    if (c->backbone_rate != 1)
        config_error(errors, "backbone_rate", "a job without pictures has no backbone");
    if (c->freeze != FREEZE_NONE)
        config_error(errors, "freeze", "a job without pictures has no backbone");
    if (c->clip_norm != 0)
        config_error(errors, "clip_norm", "a job without pictures takes no steps");
    if (c->ema != 0)
        config_error(errors, "ema", "a job without pictures takes no steps");
}

void config_check_format(const struct train_config *c, json_t *errors)
{
    char second[TABLE_PATH];
    struct error why;
    size_t n;

    if (c->table_format == FORMAT_CSV && !c->mapping[0])
        config_error(errors, "mapping",
                     "is needed where 'table_format' is \"csv\": a JSON file of the data set");
    if (c->table_format != FORMAT_CSV && c->mapping[0])
        config_error(errors, "mapping", "is of 'table_format' \"csv\" only");
    if (table_format_files((enum table_format)c->table_format, c->csv, second, &n, &why) != ST_OK)
        config_error(errors, "csv", "%s", why.text);
}

/* Rules between fields. */
static void check_together(struct train_config *c, json_t *errors)
{
    check_architecture(c, errors);
    check_image_size(c, errors);
    if (train_config_sees(c)) {
        head_settle(c, errors);
        check_network(c, errors);
    }
    config_check_format(c, errors);
    if (c->shards & (c->shards - 1))
        config_error(errors, "shards", "must be 0 or a power of two");
    if (c->freeze == FREEZE_BACKBONE && c->backbone_rate != 1)
        config_error(errors, "backbone_rate", "a frozen backbone learns at no rate");
    if (!train_config_sees(c))
        check_without_pictures(c, errors);
    else if (train_config_transfers(c) && c->balance != BALANCE_NONE)
        config_error(errors, "balance", "the head of a transfer is a regression on the rows as they are");
}

/* The standard recipe becomes that of a transfer: the regression alone, and what is right for more epochs where a job has some. */
static void transfer(struct train_config *c)
{
    c->recipe = RECIPE_TRANSFER;
    snprintf(c->transfer_layer, sizeof c->transfer_layer, "%s", CUT_END);
    c->epochs = 1;
    c->norms = NORMS_FROZEN;
    c->learning_rate = 1e-4;
    c->backbone_rate = 0.1;
}

/* The defaults of a job that names only its table's format. */
static void format_settle(struct train_config *c, const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "table_format"));
    struct table_defaults defaults;

    for (int i = 0; name && TABLE_FORMAT_NAMES[i]; i++)
        if (strcmp(TABLE_FORMAT_NAMES[i], name) == 0)
            c->table_format = i;
    defaults = table_format_defaults((enum table_format)c->table_format);
    c->labels = *defaults.labels;
    snprintf(c->csv, sizeof c->csv, "%s", defaults.csv);
    snprintf(c->images, sizeof c->images, "%s", defaults.images);
    c->missing_labels = (int)defaults.missing;
    c->views = defaults.frontal ? VIEWS_FRONTAL : VIEWS_ALL;
}

/* The recipe that a job names, the standard one if it names none. */
static struct train_config recipe_of(const json_t *object)
{
    const char *recipe = json_string_value(json_object_get(object, "recipe"));
    struct train_config c = STANDARD;

    if (recipe && strcmp(recipe, RECIPES[RECIPE_NOTEBOOK]) == 0)
        c = NOTEBOOK;
    else if (recipe && strcmp(recipe, RECIPES[RECIPE_TRANSFER]) == 0)
        transfer(&c);
    c.uncertain_labels = UNCERTAIN_IGNORE;
    format_settle(&c, object);
    return c;
}

/* A transfer's further epochs go slower before the head; a job that freezes all of that has not asked for a rate there. */
static void transfer_settle(struct train_config *c, const json_t *object)
{
    if (c->recipe == RECIPE_TRANSFER && c->freeze == FREEZE_BACKBONE &&
        !json_object_get(object, "backbone_rate"))
        c->backbone_rate = 1;
}

/* The object's fields, and the rest from `c`. */
static enum status parse(const json_t *object, struct train_config c, struct train_config *ret_config,
                         json_t *errors)
{
    const char *name;
    json_t *value;

    json_watch(); /* a complaint that is lost would make a job of a broken configuration */
    if (!json_is_object(object)) {
        config_error(errors, "", "a job is a JSON object");
        return ST_INVALID;
    }
    c.shards_said = c.shards_said || json_object_get(object, "shards");
    json_object_foreach ((json_t *)object, name, value) {
        const struct field *f = field_find(name);

        if (f)
            parse_field(f, value, &c, errors);
        else
            config_refuse_field(errors, field_at, name);
    }
    if (!json_object_get(object, "split_seed"))
        c.split_seed = c.seed;
    config_settle_shards(&c);
    transfer_settle(&c, object);
    check_together(&c, errors);
    if (json_ran_out())
        return ST_NOMEM;
    if (json_array_size(errors) > 0)
        return ST_INVALID;
    *ret_config = c;
    return ST_OK;
}

enum status train_config_parse(const json_t *object, struct train_config *ret_config, json_t *errors)
{
    return parse(object, recipe_of(object), ret_config, errors);
}

enum status train_config_parse_recorded(const json_t *object, struct train_config *ret_config, json_t *errors)
{
    struct train_config c = recipe_of(object);
    enum status st;

    c.head_inputs = HEAD_INPUTS_ZERO;
    c.shards_said = true; /* one a thread */
    if (!json_object_get(object, "transfer_layer"))
        c.inputs_solver = SOLVER_CHOLESKY;
    st = parse(object, c, ret_config, errors);
    if (st == ST_OK && !json_object_get(object, "keep_best") && !ret_config->keep_best)
        ret_config->patience = 0;
    return st;
}

static json_t *choices_json(const struct field *f, unsigned bits)
{
    json_t *array = json_array();

    for (size_t i = 0; f->choices[i]; i++)
        if (bits >> i & 1)
            json_array_append_new(array, json_string(f->choices[i]));
    return array;
}

static json_t *findings_json(const struct labels *labels)
{
    json_t *array = json_array();

    for (size_t i = 0; i < labels->n; i++)
        json_array_append_new(array, json_string(labels->names[i]));
    return array;
}

static json_t *numbers_json(const struct ridges *numbers)
{
    json_t *array = json_array();

    for (size_t i = 0; i < numbers->n; i++)
        json_array_append_new(array, json_real(numbers->at[i]));
    return array;
}

static json_t *field_json(const struct field *f, const void *place)
{
    switch (f->kind) {
    case TEXT:
    case PATH:
    case PATTERN: return json_string(place);
    case FILE_OR_NONE:
    case MODEL_ID:
    case WORD: return *(const char *)place ? json_string(place) : json_null();
    case INTEGER: return json_integer(*(const int64_t *)place);
    case NUMBER: return json_real(*(const double *)place);
    case NUMBERS: return numbers_json(place);
    case FLAG: return json_boolean(*(const bool *)place);
    case CHOICE: return json_string(f->choices[*(const int *)place]);
    case CHOICES: return choices_json(f, *(const unsigned *)place);
    case FINDINGS: return findings_json(place);
    }
    return NULL;
}

json_t *train_config_json(const struct train_config *c)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < N_FIELDS; i++) {
        const struct field *f = &FIELDS[i];

        if (json_object_set_new(object, f->name, field_json(f, (const char *)c + f->place)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

struct train_config config_begin(const json_t *object) { return recipe_of(object); }

bool config_field_parse(const char *name, const json_t *value, struct train_config *c, json_t *errors)
{
    const struct field *f = field_find(name);

    if (f)
        parse_field(f, value, c, errors);
    return f != NULL;
}

json_t *config_field_json(const char *name, const struct train_config *c)
{
    const struct field *f = field_find(name);

    return field_json(f, (const char *)c + f->place);
}

enum { SHOWN = 60, SHOWN_BEFORE = 20 }; /* bytes of a value, and of these before the first that is another */

/* From where on long values are shown, so that what differs is among it: the beginning of a character of UTF-8. */
static size_t shown_from(const char *was, const char *is)
{
    size_t at = 0;

    if (strlen(was) <= SHOWN && strlen(is) <= SHOWN)
        return 0;
    while (was[at] && was[at] == is[at])
        at++;
    at -= at < SHOWN_BEFORE ? at : SHOWN_BEFORE;
    while (at > 0 && ((unsigned char)was[at] & 0xc0) == 0x80)
        at--;
    return at;
}

static void tell_value(struct buf *sentence, const char *text, size_t from)
{
    buf_printf(sentence, "%s%.*s%s", from ? "..." : "", SHOWN, text + from,
               strlen(text + from) > SHOWN ? "..." : "");
}

/* Add ": 'epochs' was 5, is 9" to a sentence, or as much as there is room for. False: without memory. */
static bool tell_change(struct buf *sentence, const struct field *f, const struct train_config *then,
                        const struct train_config *now)
{
    json_t *was = field_json(f, (const char *)then + f->place);
    json_t *is = field_json(f, (const char *)now + f->place);
    const size_t flags = JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9);
    char *was_text = json_text(was, flags), *is_text = json_text(is, flags);
    const bool known = was_text && is_text;

    if (known && !json_equal(was, is)) {
        const size_t from = shown_from(was_text, is_text);

        buf_printf(sentence, "%s '%s' was ", sentence->len ? "," : ":", f->name);
        tell_value(sentence, was_text, from);
        buf_puts(sentence, ", is ");
        tell_value(sentence, is_text, from);
    }
    free(was_text);
    free(is_text);
    json_decref(was);
    json_decref(is);
    return known;
}

enum status train_config_same(const struct train_config *then, const struct train_config *now,
                              const char *what, struct error *err)
{
    struct buf changes = BUF_INIT(sizeof err->text * N_FIELDS);
    bool known = true;
    enum status st = ST_OK;

    for (size_t i = 0; i < N_FIELDS && known; i++)
        if (FIELDS[i].place != offsetof(struct train_config, webhook))
            known = tell_change(&changes, &FIELDS[i], then, now);
    if (!known)
        st = error_nomem(err);
    else if (changes.len > 0)
        st = error_set(err, ST_CONFLICT, "%s%.*s", what, (int)changes.len, (const char *)changes.data);
    buf_release(&changes);
    return st;
}

json_t *train_config_shown(json_t *config)
{
    const char *url = json_string_value(json_object_get(config, "webhook"));
    const char *host = url ? strstr(url, "://") : NULL;

    if (host)
        json_object_set_new(
            config, "webhook",
            json_sprintf("%.*s/\xe2\x80\xa6", (int)(host + 3 - url + (long)strcspn(host + 3, "/?#")), url));
    return config;
}
