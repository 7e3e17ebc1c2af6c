/* tests/support/config_case.h - a job's fields as JSON: the configuration that they give, or the errors for which it is refused. */
#ifndef SUPPORT_CONFIG_CASE_H
#define SUPPORT_CONFIG_CASE_H

#include "cxrd/train_config.h"

/* The test's own JSON, a new reference. */
json_t *json_of(const char *text);
struct train_config parsed(const char *text);
/* The errors of a job that is refused, a new reference. */
json_t *errors_of(const char *text);
/* How many of the errors are about that field; each must say something. */
size_t about(const json_t *errors, const char *field);
/* The object is refused, with one error, about that field. */
void check_object_refused(const char *text, const char *field);
/* {"field": value} is. */
void check_refused(const char *field, const char *value);

#endif
