/* tests/unit/test_config.c - a job's fields: each is taken and told again, and everything wrong is named before anything starts. */
#include "config_case.h"
#include "cxrd/runner.h"
#include "cxrd/training.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(fields, .fini = check_no_leaks);

TestSuite(errors, .fini = check_no_leaks);

/* ---- fields ---- */

struct field_case {
    const char *name;
    const char *good[4]; /* as JSON; NULL at the end */
    const char *bad[13];
};

#define TEXT_BAD   "3", "true", "null", "[]", "{}"
#define PATH_BAD   TEXT_BAD, "\"\"", "\"..\"", "\"../a\"", "\"a/../../b\"", "\"/etc/passwd\""
#define NUMBER_BAD "\"3\"", "true", "null", "[1]", "{}", "1e300", "-1e300"
#define WHOLE_BAD  NUMBER_BAD, "2.5", "-1"
#define FLAG_BAD   "0", "1", "\"true\"", "null", "[true]", "{}"
#define CHOICE_BAD "0", "true", "null", "[]", "\"\"", "\"Nonsense\""

static const struct field_case FIELDS[] = {
    { "dataset", { "\"nih\"", "\"a/b\"" }, { PATH_BAD, "\"a*\"" } },
    { "csv", { "\"t.csv\"", "\"tables/t.csv\"" }, { PATH_BAD, "\"*.csv\"" } },
    { "images", { "\"*.png\"", "\"a/b.png\"" }, { PATH_BAD, "\"a/*/../*.png\"" } },
    { "labels",
      { "[\"Fracture\"]", "[\"Mass\",\"0-1 ribs\",\"\u00d6dem\"]" },
      { "null", "\"Mass\"", "{}", "[]", "[1]", "[\"Mass\",null]", "[[\"Mass\"]]", "[\"Mass\",\"mass\"]",
        "[\"\"]", "[\"No Finding\"]", "[\"<b>Mass</b>\"]", "[\"Mass \"]", "[\"a\\tb\"]" } },
    { "table_format", { "\"nih\"", "\"chexpert\"", "\"padchest\"", "\"vindr\"" }, { CHOICE_BAD, "\"NIH\"" } },
    { "mapping",
      { "null" },
      { "3", "true", "[]", "{}", "\"\"", "\"../a\"", "\"/etc/passwd\"", "\"m.json\"" } },
    { "uncertain_labels", { "\"zeros\"", "\"ones\"", "\"ignore\"" }, { CHOICE_BAD, "\"zero\"" } },
    { "missing_labels", { "\"negative\"", "\"unknown\"" }, { CHOICE_BAD, "\"zeros\"" } },
    { "views", { "\"all\"", "\"frontal\"" }, { CHOICE_BAD, "\"PA\"" } },
    { "recipe", { "\"notebook\"", "\"standard\"", "\"transfer\"" }, { CHOICE_BAD, "\"NOTEBOOK\"" } },
    { "epochs", { "0", "1000", "3.0" }, { WHOLE_BAD, "1001" } },
    { "steps_per_epoch", { "0", "1000000" }, { WHOLE_BAD, "1000001" } },
    { "validation_steps", { "0", "1000000" }, { WHOLE_BAD, "1000001" } },
    { "validation_batch_size", { "1", "1000000" }, { WHOLE_BAD, "0", "1000001" } },
    { "test_rows", { "0", "1024", "2000000" }, { WHOLE_BAD, "2000001" } },
    { "batch_size", { "1", "256" }, { WHOLE_BAD, "0", "257" } },
    { "shards", { "0", "32" }, { WHOLE_BAD, "-1", "3", "24", "33" } },
    { "norms", { "\"batch\"", "\"frozen\"" }, { CHOICE_BAD, "\"Batch\"" } },
    { "norm_momentum", { "0", "1", "0.1" }, { NUMBER_BAD, "-0.1", "1.1" } },
    { "learning_rate", { "1e-9", "1", "0.5" }, { NUMBER_BAD, "0", "-1", "1.1" } },
    { "seed", { "0", "9007199254740991" }, { WHOLE_BAD, "9007199254740992", "9223372036854775807" } },
    { "split_seed", { "0", "9007199254740991" }, { WHOLE_BAD, "9007199254740992", "9223372036854775807" } },
    { "architecture",
      { "\"cnn4\"", "\"mlp\"", "\"densenet121\"", "\"shufflenet_v2_x1_0\"" },
      { CHOICE_BAD, "\"MLP\"", "\"logistic\"", "\"densenet201\"", "\"graph\"" } },
    { "channels", { "1", "3" }, { WHOLE_BAD, "0", "2", "4" } },
    { "image_size", { "64", "512", "240", "1024" }, { WHOLE_BAD, "250", "72", "48", "1040" } },
    { "resize", { "\"nearest\"", "\"area\"" }, { CHOICE_BAD, "\"bilinear\"" } },
    { "input_mean", { "-255", "0", "127.5" }, { NUMBER_BAD, "256" } },
    { "input_std", { "0.001", "1", "64.25" }, { NUMBER_BAD, "0", "-1" } },
    { "initializer",
      { "\"glorot_uniform\"", "\"he_uniform\"" },
      { CHOICE_BAD, "\"glorot\"", "\"GLOROT_UNIFORM\"" } },
    { "keep_best", { "true", "false" }, { FLAG_BAD } },
    { "head_bias", { "\"zero\"", "\"base_rates\"" }, { CHOICE_BAD } },
    { "head_inputs", { "\"zero\"", "\"logistic\"" }, { CHOICE_BAD } },
    { "inputs_solver", { "\"conjugate_gradients\"", "\"cholesky\"" }, { CHOICE_BAD, "\"newton\"" } },
    { "lr_schedule", { "\"constant\"", "\"cosine\"", "\"warmup_cosine\"" }, { CHOICE_BAD } },
    { "head", { "\"flatten\"", "\"gap\"", "\"4x4\"" }, { CHOICE_BAD, "\"GAP\"", "\"4\"" } },
    { "head_scale", { "0", "1", "0.1" }, { NUMBER_BAD, "-0.1", "1.1" } },
    { "dropout", { "0", "0.9", "0.25" }, { NUMBER_BAD, "-0.1", "0.95", "1" } },
    { "balance", { "\"none\"", "\"resample\"", "\"weight\"" }, { CHOICE_BAD } },
    { "inputs",
      { "[]", "[\"age\"]", "[\"age\",\"sex\",\"view\"]", "[\"history\"]" },
      { "null", "\"age\"", "{}", "1", "[1]", "[\"height\"]", "[\"age\",\"age\"]", "[null]", "[[\"age\"]]" } },
    { "augment", { "true", "false" }, { FLAG_BAD } },
    { "weight_decay", { "0", "0.01" }, { NUMBER_BAD, "-1" } },
    { "weight_decay_scope", { "\"all\"", "\"head\"" }, { CHOICE_BAD, "\"backbone\"", "\"ALL\"" } },
    { "freeze", { "\"none\"", "\"backbone\"" }, { CHOICE_BAD, "\"head\"", "\"all\"" } },
    { "backbone_rate", { "1", "0.1", "1e-9" }, { NUMBER_BAD, "0", "-0.1", "1.1" } },
    { "clip_norm", { "0", "1", "1e6" }, { NUMBER_BAD, "-1", "1e7" } },
    { "ema", { "0", "0.999", "0.99999" }, { NUMBER_BAD, "-0.1", "1", "0.999999" } },
    { "patience", { "0", "1000" }, { WHOLE_BAD, "1001" } },
    { "calibrate", { "true", "false" }, { FLAG_BAD } },
    { "tsne", { "true", "false" }, { FLAG_BAD } },
    { "test_fraction", { "0", "0.9" }, { NUMBER_BAD, "-0.1", "0.95", "1" } },
    { "val_fraction", { "0.001", "0.9" }, { NUMBER_BAD, "0", "-0.1", "1" } },
    { "split_by", { "\"image\"", "\"patient\"", "\"list\"" }, { CHOICE_BAD } },
    { "max_age", { "0", "1000" }, { WHOLE_BAD } },
    { "drop_no_finding", { "true", "false" }, { FLAG_BAD } },
    { "init",
      { "null", "\"0123abcd-0123\"" },
      { "3", "true", "[]", "\"\"", "\"short\"", "\"../../../etc/passwd\"" } },
    { "transfer_layer", { "null", "\"end\"", "\"layer3.0.conv1\"" }, { "3", "true", "[]", "\"\"" } },
    { "transfer_pooling", { "\"mean\"", "\"max\"", "\"mean_and_max\"" }, { CHOICE_BAD, "\"both\"" } },
    { "transfer_views", { "0", "16" }, { WHOLE_BAD, "17" } },
    { "transfer_l2",
      { "[1.0]", "[1e9,0.001]", "[300.0,30.5,3.0]" },
      { "null", "3", "\"3\"", "{}", "[]", "[0]", "[1e10]", "[\"3\"]", "[3,3]", "[null]", "[[3]]",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]" } },
    { "replay_of",
      { "null", "\"0123abcd-0123\"" },
      { "3", "true", "[]", "\"\"", "\"short\"", "\"../../../etc/passwd\"" } },
    { "webhook", { "null", "\"https://hooks.example/x\"" }, { "3", "true", "[]", "\"\"" } },
    { "shuffle", { "true", "false" }, { FLAG_BAD } },
    { "missing_images", { "\"skip\"", "\"fail\"" }, { CHOICE_BAD } },
    { "promote", { "\"manual\"", "\"if_better\"", "\"after_shadow\"", "\"always\"" }, { CHOICE_BAD } },
    { "promote_margin", { "0", "1" }, { NUMBER_BAD, "-0.1", "1.1" } },
    { "promote_max_drop", { "0", "1" }, { NUMBER_BAD, "-0.1", "1.1" } },
    { "promote_narrower", { "true", "false" }, { FLAG_BAD } },
    { "promote_shadow_pictures", { "1", "1000000000" }, { NUMBER_BAD, "0", "1000000001", "1.5" } },
    { "promote_shadow_days", { "1", "3650" }, { NUMBER_BAD, "0", "3651" } },
    { "promote_shadow_discordance", { "0", "1" }, { NUMBER_BAD, "-0.1", "1.1" } },
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

static void check_echoed(const char *field, const char *value)
{
    char text[256];
    struct train_config c;
    json_t *told, *wanted = json_of(value), *found;
    bool same;

    snprintf(text, sizeof text, "{\"%s\": %s}", field, value);
    c = parsed(text);
    told = train_config_json(&c);
    found = json_object_get(told, field);
    same = json_is_number(wanted)
               ? json_is_number(found) && json_number_value(found) == json_number_value(wanted)
               : json_equal(found, wanted);
    cr_assert(same, "%s is not told again", text);
    json_decref(told);
    json_decref(wanted);
}

Test(fields, are_taken_and_told_again)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        for (size_t k = 0; k < 4 && FIELDS[i].good[k]; k++)
            check_echoed(FIELDS[i].name, FIELDS[i].good[k]);
}

Test(fields, are_all_told_and_no_others)
{
    const struct train_config c = parsed("{}");
    json_t *told = train_config_json(&c);

    for (size_t i = 0; i < N_FIELDS; i++)
        cr_assert_not_null(json_object_get(told, FIELDS[i].name), "'%s' is not told", FIELDS[i].name);
    cr_assert_eq(json_object_size(told), N_FIELDS);
    json_decref(told);
}

Test(fields, name_every_wrong_value)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        for (size_t k = 0; k < 13 && FIELDS[i].bad[k]; k++)
            check_refused(FIELDS[i].name, FIELDS[i].bad[k]);
}

/* A field that is given wins; any other is the format's own. */
Test(fields, a_format_settles_what_is_not_said)
{
    struct train_config c = parsed("{\"table_format\": \"chexpert\"}");

    cr_assert_str_eq(c.csv, "train.csv");
    cr_assert_str_eq(c.images, "*/*/*/*.png");
    cr_assert_eq(c.labels.n, 13);
    cr_assert_str_eq(c.labels.names[0], "Enlarged Cardiomediastinum");
    cr_assert(c.views == VIEWS_FRONTAL && c.missing_labels == LABELS_NEGATIVE &&
              c.uncertain_labels == UNCERTAIN_IGNORE);
    c = parsed("{\"labels\": [\"Edema\"], \"views\": \"all\", \"csv\": \"valid.csv\", "
               "\"table_format\": \"chexpert\"}");
    cr_assert_str_eq(c.csv, "valid.csv");
    cr_assert(c.labels.n == 1 && c.views == VIEWS_ALL);
    c = parsed("{\"table_format\": \"csv\", \"mapping\": \"a/m.json\"}");
    cr_assert_str_eq(c.mapping, "a/m.json");
    cr_assert(c.missing_labels == LABELS_UNKNOWN && labels_equal(&c.labels, &NIH_LABELS));
    c = parsed("{}");
    cr_assert(c.table_format == FORMAT_NIH && c.views == VIEWS_ALL && c.missing_labels == LABELS_NEGATIVE);
}

Test(fields, a_mapping_is_of_one_format_and_mimic_of_two_tables)
{
    check_refused("mapping", "\"m.json\"");
    check_refused("table_format", "\"Csv\"");
    check_object_refused("{\"table_format\": \"csv\"}", "mapping");
    check_object_refused("{\"table_format\": \"mimic\", \"csv\": \"labels.csv\"}", "csv");
}

/* A list of `n` names, each of `size` bytes; for free(). */
static char *labels_of(size_t n, size_t size)
{
    const size_t room = n * (size + 3) + 3;
    char *text = malloc(room);
    size_t used = 0;

    cr_assert_not_null(text);
    text[used++] = '[';
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, room - used, "%s\"f%0*zu\"", i ? "," : "", (int)size - 1, i);
    memcpy(text + used, "]", 2);
    return text;
}

Test(fields, labels_are_bounded_in_number_and_length)
{
    char *most = labels_of(MAX_LABELS, LABEL_SIZE - 1), *one_more = labels_of(MAX_LABELS + 1, 10),
         *longer = labels_of(1, LABEL_SIZE), text[8192];
    struct train_config c;

    snprintf(text, sizeof text, "{\"labels\":%s}", most);
    c = parsed(text);
    cr_assert_eq(c.labels.n, MAX_LABELS);
    check_refused("labels", one_more);
    check_refused("labels", longer);
    free(longer);
    free(one_more);
    free(most);
}

/* Each sentence says what is wrong, and where. */
Test(fields, labels_are_refused_with_the_name_and_the_reason)
{
    static const char *const SAYS[][2] = {
        { "{\"labels\":[]}", "1 to 64" },
        { "{\"labels\":[\"Mass\",3]}", "finding 2" },
        { "{\"labels\":[\"Mass\",\"MASS\"]}", "finding 2, 'MASS': it is there twice" },
        { "{\"labels\":[\"Normal\"]}", "finding 1, 'Normal': it means that there is no finding" },
        { "{\"labels\":[\"a|b\"]}", "finding 1, 'a|b'" },
    };

    for (size_t i = 0; i < sizeof SAYS / sizeof SAYS[0]; i++) {
        json_t *errors = errors_of(SAYS[i][0]);
        const char *detail = json_string_value(json_object_get(json_array_get(errors, 0), "detail"));

        cr_assert(strstr(detail, SAYS[i][1]), "%s: %s", SAYS[i][0], detail);
        json_decref(errors);
    }
}

/* A job of a version that knew no such field was one of NIH's. */
Test(fields, labels_are_nihs_where_nothing_is_said)
{
    json_t *old = json_of("{\"recipe\":\"notebook\"}"), *errors = json_array();
    struct train_config c = parsed("{}");

    cr_assert(labels_equal(&c.labels, &NIH_LABELS));
    cr_assert_eq(train_config_parse_recorded(old, &c, errors), ST_OK);
    cr_assert(labels_equal(&c.labels, &NIH_LABELS));
    json_decref(errors);
    json_decref(old);
}

static void check_shown(const char *webhook, const char *expected)
{
    json_t *config = train_config_shown(json_pack("{s:s}", "webhook", webhook));

    cr_assert_str_eq(json_string_value(json_object_get(config, "webhook")), expected);
    json_decref(config);
}

Test(webhook, is_shown_without_its_path)
{
    check_shown("https://hooks.example/secret?token=1", "https://hooks.example/\xe2\x80\xa6");
    check_shown("https://hooks.example:8443?token=1", "https://hooks.example:8443/\xe2\x80\xa6");
    check_shown("http://127.0.0.1:9", "http://127.0.0.1:9/\xe2\x80\xa6");
}

/* A job without pictures is one of the inputs: what has no meaning in it is refused. */
Test(fields, of_a_job_without_pictures_go_together)
{
    const struct train_config with = parsed("{\"images\":\"none*\"}"),
                              without = parsed("{\"images\":\"none\",\"inputs\":[\"age\"]}");
    json_t *errors;

    cr_assert(train_config_sees(&with) && !train_config_sees(&without));
    errors = errors_of("{\"images\":\"none\"}");
    cr_assert_eq(about(errors, "inputs"), 1);
    json_decref(errors);
    errors = errors_of("{\"images\":\"none\",\"inputs\":[\"age\"],\"balance\":\"weight\","
                       "\"init\":\"0123abcd-0123\"}");
    cr_assert(about(errors, "balance") == 1 && about(errors, "init") == 1 && json_array_size(errors) == 2);
    json_decref(errors);
    errors = errors_of("{\"images\":\"none\",\"inputs\":[\"age\"],\"backbone_rate\":0.1,"
                       "\"clip_norm\":1,\"ema\":0.9}");
    cr_assert(about(errors, "backbone_rate") == 1 && about(errors, "clip_norm") == 1 &&
              about(errors, "ema") == 1 && json_array_size(errors) == 3);
    json_decref(errors);
    errors = errors_of("{\"images\":\"none\",\"inputs\":[\"age\"],\"freeze\":\"backbone\"}");
    cr_assert(about(errors, "freeze") == 1 && json_array_size(errors) == 1);
    json_decref(errors);
}

/* It has no rate, and has learned already. */
Test(fields, of_a_frozen_backbone_go_together)
{
    struct train_config frozen = parsed("{\"freeze\":\"backbone\"}"), learns = parsed("{}");
    const char *field = NULL;
    struct error err = { 0 };
    json_t *errors = errors_of("{\"freeze\":\"backbone\",\"backbone_rate\":0.5}");

    cr_assert(about(errors, "backbone_rate") == 1 && json_array_size(errors) == 1);
    json_decref(errors);
    cr_assert_eq(train_config_adopt(&frozen, NULL, &field, &err), ST_INVALID);
    cr_assert_str_eq(field, "freeze");
    cr_assert_not_null(strstr(err.text, "freeze"), "%s", err.text);
    cr_assert_eq(train_config_adopt(&learns, NULL, &field, &err), ST_OK);
}

/* The recipe is the standard one but for what a transfer needs; it is a field that makes a transfer, not the recipe. */
Test(fields, of_a_transfer)
{
    struct train_config c =
        parsed("{\"recipe\":\"transfer\",\"init\":\"0123abcd-0123\",\"transfer_l2\":[1,100,10]}");
    const char *field = NULL;
    struct error err = { 0 };
    json_t *errors;

    cr_assert(train_config_transfers(&c) && c.epochs == 1 && c.norms == NORMS_FROZEN && c.keep_best &&
              c.calibrate);
    cr_assert_str_eq(train_config_cut(&c).layer, CUT_END);
    cr_assert(c.transfer_l2.n == 3 && c.transfer_l2.at[0] == 100 && c.transfer_l2.at[2] == 1,
              "the largest is not first");
    cr_assert_eq(train_config_adopt(&c, NULL, &field, &err), ST_INVALID);
    cr_assert_str_eq(field, "init");
    c = parsed("{\"transfer_layer\":\"conv3\",\"init\":\"0123abcd-0123\"}");
    cr_assert(train_config_transfers(&c) && c.epochs == 10);
    c = parsed("{\"recipe\":\"transfer\",\"transfer_layer\":null}");
    cr_assert_not(train_config_transfers(&c));
    errors = errors_of("{\"recipe\":\"transfer\",\"balance\":\"weight\"}");
    cr_assert(about(errors, "balance") == 1 && json_array_size(errors) == 1);
    json_decref(errors);
    errors = errors_of("{\"images\":\"none\",\"inputs\":[\"age\"],\"transfer_layer\":\"end\"}");
    cr_assert(about(errors, "transfer_layer") == 1 && json_array_size(errors) == 1);
    json_decref(errors);
}

Test(fields, that_nobody_knows_are_refused_by_name)
{
    check_refused("epoch", "3");
    check_refused("Epochs", "3");
    check_refused("", "3");
    check_refused("learning-rate", "0.1");
    check_refused("\xc3\xa9poques", "3");
}

Test(fields, are_all_looked_at_before_the_job_is_refused)
{
    json_t *errors =
        errors_of("{\"epochs\":-1, \"seed\":1.5, \"recipe\":\"best\", \"csv\":\"../x\", \"nonsense\":1,"
                  " \"webhook\":5, \"image_size\":250, \"batch_size\":16}");

    cr_assert_eq(json_array_size(errors), 7);
    cr_assert(about(errors, "epochs") == 1 && about(errors, "seed") == 1 && about(errors, "recipe") == 1 &&
              about(errors, "csv") == 1 && about(errors, "nonsense") == 1 && about(errors, "webhook") == 1 &&
              about(errors, "image_size") == 1 && about(errors, "batch_size") == 0);
    json_decref(errors);
}

Test(fields, belong_to_an_object)
{
    static const char *const OTHERS[] = { "[]", "3", "\"job\"", "null", "true" };

    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        json_t *errors = errors_of(OTHERS[i]);

        cr_assert_eq(about(errors, ""), 1);
        json_decref(errors);
    }
}

Test(fields, say_which_values_there_are)
{
    json_t *errors = errors_of("{\"split_by\":\"hospital\", \"batch_size\":1000}");
    char *text = json_dumps(errors, 0);

    cr_assert(strstr(text, "image") && strstr(text, "patient") && strstr(text, "list"), "%s", text);
    cr_assert(strstr(text, "1..256"), "%s", text);
    free(text);
    json_decref(errors);
}

/* ---- there and back ---- */

static void check_round_trip(const char *text)
{
    const struct train_config c = parsed(text);
    json_t *told = train_config_json(&c), *errors = json_array(), *again;
    struct train_config back;

    cr_assert_eq(train_config_parse(told, &back, errors), ST_OK, "%s", text);
    again = train_config_json(&back);
    cr_assert(json_equal(told, again), "%s", text);
    json_decref(again);
    json_decref(errors);
    json_decref(told);
}

/* The head of a cnn4 has 256 x 64 x 64 weights a finding at 1,024 pixels. */
Test(fields, size_leaves_room_for_the_weights_of_every_finding)
{
    for (size_t n = 31; n <= 32; n++) {
        json_t *labels = json_array(), *job, *errors = json_array();
        struct train_config c;

        for (size_t k = 0; k < n; k++)
            json_array_append_new(labels, json_sprintf("Sign %zu", k));
        job = json_pack("{s:o,s:i}", "labels", labels, "image_size", 1024);
        cr_assert_eq(train_config_parse(job, &c, errors), n == 31 ? ST_OK : ST_INVALID);
        cr_assert_eq(about(errors, "image_size"), n == 32);
        json_object_set_new(job, n == 31 ? "architecture" : "head", json_string(n == 31 ? "mlp" : "gap"));
        json_array_clear(errors);
        cr_assert_eq(train_config_parse(job, &c, errors), ST_OK);
        json_decref(job);
        json_decref(errors);
    }
}

Test(fields, size_is_one_that_the_architecture_takes)
{
    static const char *const TAKEN[] = { "64", "128", "256", "448", "512", "576", "1024" };
    static const char *const REFUSED[] = { "80", "240", "96", "496", "1008" };
    struct train_config c;
    char text[64];

    for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++) {
        snprintf(text, sizeof text, "{\"architecture\":\"mlp\",\"image_size\":%s}", TAKEN[i]);
        c = parsed(text);
        cr_assert_str_eq(train_config_architecture(&c), "mlp");
    }
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        json_t *errors;
        char *told;

        snprintf(text, sizeof text, "{\"architecture\":\"mlp\",\"image_size\":%s}", REFUSED[i]);
        errors = errors_of(text);
        told = json_dumps(errors, 0);
        cr_assert(json_array_size(errors) == 1 && about(errors, "image_size") == 1, "%s", text);
        cr_assert(strstr(told, "multiple of 64 in 64..1024 for \\\"mlp\\\""), "%s", told);
        free(told);
        json_decref(errors);
    }
}

Test(fields, architecture_is_of_jobs_with_pictures)
{
    json_t *errors = errors_of("{\"images\":\"none\",\"inputs\":[\"age\"],\"architecture\":\"mlp\"}");
    const struct train_config c =
        parsed("{\"images\":\"none\",\"inputs\":[\"age\"],\"architecture\":\"cnn4\"}");

    cr_assert(json_array_size(errors) == 1 && about(errors, "architecture") == 1);
    json_decref(errors);
    cr_assert_str_eq(train_config_architecture(&c), "logistic");
}

Test(fields, survive_being_told_and_parsed_again)
{
    check_round_trip("{\"dataset\":\"nih\"}");
    check_round_trip("{\"dataset\":\"nih\",\"recipe\":\"notebook\"}");
    check_round_trip("{\"dataset\":\"nih\",\"architecture\":\"mlp\"}");
    check_round_trip(
        "{\"dataset\":\"a/b\",\"learning_rate\":0.00012345678901234567,\"seed\":9007199254740991,"
        "\"init\":\"0123abcd\",\"shuffle\":false,\"drop_no_finding\":false,\"image_size\":64}");
}

Test(fields, may_be_paths_of_the_greatest_length)
{
    char text[1200], path[513];

    for (size_t i = 0; i < 512; i++)
        path[i] = i % 100 == 99 ? '/' : 'p';
    path[512] = '\0';
    snprintf(text, sizeof text, "{\"dataset\":\"d\",\"csv\":\"%s\"}", path);
    cr_assert_str_eq(parsed(text).csv, path);
    check_round_trip(text);
    snprintf(text, sizeof text, "\"%sp\"", path);
    check_refused("csv", text);
}

Test(errors, quote_what_is_not_utf8_as_question_marks)
{
    json_t *errors = json_array();

    config_error(errors, "init", "there is no '%s'", "caf\xe9");
    cr_assert_eq(about(errors, "init"), 1, "the error is lost");
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(errors, 0), "detail")),
                     "there is no 'caf?'");
    config_error(errors, "caf\xc3", "there is no such field");
    cr_assert_eq(about(errors, "caf?"), 1, "the error is lost");
    json_decref(errors);
}

Test(errors, that_cannot_be_kept_still_refuse_the_job)
{
    json_t *request = json_loads("{\"dataset\":\"d\",\"colour\":1}", 0, NULL);
    struct train_config c;

    cr_assert_eq(train_config_parse(request, &c, NULL), ST_NOMEM);
    json_decref(request);
}

static void check_told(const struct train_config *then, const struct train_config *now, const char *says)
{
    struct error err = { 0 };

    cr_assert_eq(train_config_same(then, now, "another", &err), ST_CONFLICT);
    cr_assert(strstr(err.text, says), "%s", err.text);
}

/* Of a long value what differs is shown, not how it begins. */
Test(config, that_differs_late_in_a_long_value_is_told_by_what_differs)
{
    struct train_config then = parsed("{\"dataset\":\"nih\"}"), now = then;

    memcpy(now.labels.names[12], "Pneumonitis", sizeof "Pneumonitis");
    check_told(&then, &now, "hickening\",\"Pneumonia\",\"Pneumothorax\"], is ...");
    check_told(&then, &now, "hickening\",\"Pneumonitis\",\"Pneumothorax\"]");
    memset(now.dataset, 'x', 200);
    now.dataset[200] = '\0';
    then = now;
    now.dataset[150] = 'y';
    check_told(&then, &now, ", is ...xxxxxxxxxxxxxxxxxxxxyxxx");
}
