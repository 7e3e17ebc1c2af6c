/* tests/support/config_case.c - see config_case.h. */
#include "config_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *json_of(const char *text)
{
    json_error_t why;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &why);

    cr_assert_not_null(value, "the test's own JSON '%s' is broken: %s", text, why.text);
    return value;
}

struct train_config parsed(const char *text)
{
    struct train_config c;
    json_t *object = json_of(text), *errors = json_array();
    const enum status st = train_config_parse(object, &c, errors);
    char *said = json_dumps(errors, 0);

    cr_assert(st == ST_OK && json_array_size(errors) == 0, "%s: %s", text, said);
    free(said);
    json_decref(errors);
    json_decref(object);
    return c;
}

/* The errors of a job that is refused, a new reference. */
json_t *errors_of(const char *text)
{
    struct train_config c;
    json_t *object = json_of(text), *errors = json_array();

    memset(&c, 0x5a, sizeof c);
    cr_assert_eq(train_config_parse(object, &c, errors), ST_INVALID, "%s was accepted", text);
    cr_assert_gt(json_array_size(errors), 0, "%s: no error says why", text);
    for (size_t i = 0; i < sizeof c; i++)
        cr_assert_eq(((unsigned char *)&c)[i], 0x5a, "%s: the configuration was written", text);
    json_decref(object);
    return errors;
}

/* How many of the errors are about that field; each must say something. */
size_t about(const json_t *errors, const char *field)
{
    size_t n = 0, i;
    json_t *error;

    json_array_foreach (errors, i, error) {
        const char *detail = json_string_value(json_object_get(error, "detail"));

        cr_assert(detail && strlen(detail) > 5, "an error about '%s' says nothing", field);
        cr_assert_eq(json_object_size(error), 2);
        n += strcmp(json_string_value(json_object_get(error, "field")), field) == 0;
    }
    return n;
}

/* The object is refused, with one error, about that field. */
void check_object_refused(const char *text, const char *field)
{
    json_t *errors = errors_of(text);

    cr_assert(json_array_size(errors) == 1 && about(errors, field) == 1, "%s: %zu errors", text,
              json_array_size(errors));
    json_decref(errors);
}

/* {"field": value} is. */
void check_refused(const char *field, const char *value)
{
    char text[2048];

    snprintf(text, sizeof text, "{\"%s\": %s}", field, value);
    check_object_refused(text, field);
}
