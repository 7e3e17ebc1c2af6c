/* tests/fuzz/fuzz_config.c - a job's JSON. A job that is accepted and printed is accepted again, and is the same. */
#include "fuzz.h"

#include "cxrd/train_config.h"

static void check_again(const struct train_config *c)
{
    struct train_config again;
    json_t *printed = train_config_json(c), *errors = json_array(), *reprinted;

    FUZZ_CHECK(printed && errors);
    FUZZ_CHECK(train_config_parse(printed, &again, errors) == ST_OK || c->dataset[0] == '\0');
    if (json_array_size(errors) == 0) {
        reprinted = train_config_json(&again);
        FUZZ_CHECK(json_equal(printed, reprinted));
        json_decref(reprinted);
    }
    json_decref(printed);
    json_decref(errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_error_t why;
    json_t *job = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &why);
    json_t *errors = json_array();
    struct train_config c;

    FUZZ_CHECK(errors != NULL);
    if (job && train_config_parse(job, &c, errors) == ST_OK)
        check_again(&c);
    else if (job)
        FUZZ_CHECK(json_array_size(errors) > 0);
    json_decref(errors);
    json_decref(job);
    return 0;
}
