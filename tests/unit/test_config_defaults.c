/* tests/unit/test_config_defaults.c - a job's fields that nobody gave: those of its recipe, and, of a job recorded before a field was there,
 * what the program did then. */
#include "config_case.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(defaults, .fini = check_no_leaks);

/* ---- defaults ---- */

static const char *const SAME_IN_BOTH =
    "{'dataset':'', 'csv':'Data_Entry_2017.csv', 'images':'images_*/images/*.png', 'batch_size':32, "
    "'shards':16, 'norms':'batch', 'norm_momentum':0.1,"
    " 'validation_batch_size':64, 'test_rows':0, 'seed':1, 'split_seed':1,"
    " 'architecture':'cnn4', 'head':'flatten', 'channels':3, 'image_size':256, 'test_fraction':0.1, "
    "'val_fraction':0.2, "
    "'max_age':120, "
    "'drop_no_finding':true,"
    " 'table_format':'nih', 'mapping':null, 'uncertain_labels':'ignore', 'missing_labels':'negative', "
    "'views':'all',"
    " 'shuffle':true, 'tsne':true, 'init':null, 'transfer_layer':null, 'transfer_pooling':'mean', "
    "'transfer_views':0, "
    "'transfer_l2':[10000.0,3000.0,1000.0,300.0,100.0,30.0], 'replay_of':null, 'webhook':null, "
    "'missing_images':'skip', "
    "'balance':'none', 'inputs':[], 'inputs_solver':'conjugate_gradients', 'freeze':'none', "
    "'backbone_rate':1.0, 'clip_norm':0.0, 'ema':0.0, "
    "'weight_decay':0.0, 'weight_decay_scope':'all',"
    " 'promote':'manual', 'promote_margin':0.005, 'promote_max_drop':0.02, 'promote_narrower':false,"
    " 'promote_shadow_pictures':1000, 'promote_shadow_days':30, 'promote_shadow_discordance':0.25}";

static const char *const NOTEBOOK =
    "{'recipe':'notebook', 'epochs':2, 'steps_per_epoch':100, 'validation_steps':50, 'learning_rate':0.001,"
    " 'resize':'nearest', 'input_mean':0.0, 'input_std':1.0, 'head_bias':'zero', 'lr_schedule':'constant',"
    " 'initializer':'glorot_uniform', 'keep_best':false, 'split_by':'image', 'patience':0, 'dropout':0.0, "
    "'augment':false, 'head_inputs':'zero', 'head_scale':1.0, 'calibrate':false}";

static const char *const STANDARD =
    "{'recipe':'standard', 'steps_per_epoch':0, 'validation_steps':0, 'resize':'area',"
    " 'head_bias':'base_rates', 'initializer':'he_uniform', 'keep_best':true, 'split_by':'patient', "
    "'head_inputs':'logistic', 'augment':true, 'calibrate':true}";

/* Every member of `expected` (with ' for ") is in the configuration that `text` gives. */
static void check_has(const char *text, const char *expected)
{
    const struct train_config c = parsed(text);
    json_t *found = train_config_json(&c), *wanted, *value;
    char quoted[2048];
    const char *field;

    snprintf(quoted, sizeof quoted, "%s", expected);
    for (char *quote = quoted; (quote = strchr(quote, '\''));)
        *quote = '"';
    wanted = json_of(quoted);
    json_object_foreach (wanted, field, value) {
        char *said = json_dumps(json_object_get(found, field), JSON_ENCODE_ANY);

        cr_assert(json_equal(json_object_get(found, field), value), "%s: '%s' is %s", text, field, said);
        free(said);
    }
    json_decref(wanted);
    json_decref(found);
}

Test(defaults, are_the_seed_notebooks_where_that_is_asked_for)
{
    check_has("{\"recipe\":\"notebook\"}", SAME_IN_BOTH);
    check_has("{\"recipe\":\"notebook\"}", NOTEBOOK);
}

Test(defaults, are_the_standard_recipes_where_nothing_is_said)
{
    const struct train_config c = parsed("{}");

    check_has("{}", SAME_IN_BOTH);
    check_has("{}", STANDARD);
    check_has("{\"recipe\":\"standard\"}", STANDARD);
    cr_assert(c.input_mean > 0 && c.input_std > 1, "the input is not standardised");
    cr_assert(c.lr_schedule != LR_CONSTANT && c.patience > 0 && c.epochs > 1);
}

Test(defaults, give_way_to_fields_wherever_the_recipe_stands)
{
    check_has("{\"epochs\":7,\"recipe\":\"notebook\"}", "{'epochs':7, 'steps_per_epoch':100}");
    check_has("{\"recipe\":\"notebook\",\"epochs\":7}", "{'epochs':7, 'steps_per_epoch':100}");
}

Test(defaults, of_the_splits_seed_is_the_seed)
{
    check_has("{\"seed\":7}", "{'seed':7, 'split_seed':7}");
    check_has("{\"split_seed\":9}", "{'seed':1, 'split_seed':9}");
    check_has("{\"split_seed\":0,\"seed\":7,\"recipe\":\"notebook\"}", "{'seed':7, 'split_seed':0}");
}

/* So many pictures share their statistics that these are not too rough; of others the number is as it was. */
Test(defaults, of_shards_are_those_of_a_network_and_its_batch)
{
    check_has("{\"architecture\":\"resnet18\"}", "{'shards':4, 'norms':'batch', 'norm_momentum':0.1}");
    check_has("{\"architecture\":\"densenet121\",\"batch_size\":16}", "{'shards':2}");
    check_has("{\"architecture\":\"densenet121\",\"batch_size\":15}", "{'shards':1}");
    check_has("{\"architecture\":\"resnet50\",\"batch_size\":1}", "{'shards':1}");
    check_has("{\"architecture\":\"mobilenet_v2\",\"batch_size\":256}", "{'shards':16}");
    check_has("{\"architecture\":\"resnet18\",\"shards\":16}", "{'shards':16}");
    check_has("{\"architecture\":\"mlp\",\"batch_size\":4}", "{'shards':16}");
}

/* Patience acts on a recorded run as it did when it was recorded; on a new one as it is now. */
static void check_recorded(const char *text, int64_t patience, int64_t split_seed)
{
    struct train_config c;
    json_t *object = json_of(text), *errors = json_array();

    cr_assert_eq(train_config_parse_recorded(object, &c, errors), ST_OK, "%s", text);
    cr_assert_eq(c.patience, patience, "%s: patience %lld", text, (long long)c.patience);
    cr_assert_eq(c.split_seed, split_seed, "%s: split_seed %lld", text, (long long)c.split_seed);
    json_decref(errors);
    json_decref(object);
}

Test(defaults, of_fields_that_an_old_record_lacks_are_what_its_version_did)
{
    check_recorded("{\"recipe\":\"notebook\",\"patience\":3,\"seed\":4}", 0, 4);
    check_recorded("{\"recipe\":\"standard\",\"patience\":3,\"seed\":4}", 3, 4);
    check_recorded("{\"recipe\":\"notebook\",\"keep_best\":false,\"patience\":3,\"split_seed\":5}", 3, 5);
    check_has("{\"recipe\":\"notebook\",\"patience\":3}", "{'keep_best':false, 'patience':3}");
}

/* A job kept before a field was there means what was done then; a new job means what is done now. */
Test(fields, that_a_kept_configuration_lacks_are_as_they_were_then)
{
    json_t *kept = json_of("{\"recipe\":\"standard\",\"inputs\":[\"age\"]}"), *errors = json_array();
    struct train_config c;

    cr_assert_eq(train_config_parse_recorded(kept, &c, errors), ST_OK);
    cr_assert_eq(c.head_inputs, HEAD_INPUTS_ZERO);
    cr_assert_eq(c.inputs_solver, SOLVER_CHOLESKY);
    json_object_set_new(kept, "head_inputs", json_string("logistic"));
    cr_assert_eq(train_config_parse_recorded(kept, &c, errors), ST_OK);
    cr_assert_eq(c.head_inputs, HEAD_INPUTS_LOGISTIC);
    cr_assert_eq(c.inputs_solver, SOLVER_CHOLESKY);
    json_object_set_new(kept, "transfer_layer", json_null()); /* came with the other solver */
    cr_assert_eq(train_config_parse_recorded(kept, &c, errors), ST_OK);
    cr_assert_eq(c.inputs_solver, SOLVER_CONJUGATE_GRADIENTS);
    json_decref(kept);
    json_decref(errors);
    c = parsed("{\"inputs\":[\"age\"]}");
    cr_assert_eq(c.head_inputs, HEAD_INPUTS_LOGISTIC);
}

/* ---- of before ---- */

Test(config, field_that_a_job_of_before_does_not_name_is_what_the_program_did_then)
{
    json_t *old = json_pack("{s:s}", "dataset", "x"), *named = json_pack("{s:i}", "shards", 8),
           *errors = json_array();
    struct train_config c;

    cr_assert_eq(train_config_parse(old, &c, errors), ST_OK);
    cr_assert_eq(c.shards, 16);
    cr_assert_eq(train_config_parse_recorded(old, &c, errors), ST_OK);
    cr_assert(c.shards == 0 && strcmp(c.dataset, "x") == 0);
    cr_assert_eq(train_config_parse_recorded(named, &c, errors), ST_OK);
    cr_assert_eq(c.shards, 8);
    json_decref(old);
    json_decref(named);
    json_decref(errors);
}
