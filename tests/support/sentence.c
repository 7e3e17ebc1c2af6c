/* tests/support/sentence.c - see sentence.h. */
#include "sentence.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <jansson.h>
#include <string.h>

/* A reply is JSON: what jansson does not take as a string could not be told to anyone. */
static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    const bool ok = string != NULL;

    json_decref(string);
    return ok;
}

void check_refusal(const char *what, enum status st, enum status expected, const struct error *err,
                   const char *word)
{
    const char *text = err->text;
    const size_t n = strlen(text);

    cr_assert_eq(st, expected, "%s: %s instead of %s ('%s')", what, status_name(st), status_name(expected),
                 text);
    cr_assert_eq(err->code, expected, "%s: the error's code is %s", what, status_name(err->code));
    cr_assert(n > 8 && strchr(text, ' '), "%s: '%s' is no sentence", what, text);
    cr_assert(!isupper((unsigned char)text[0]) && text[n - 1] != '.' && !strchr(text, '\n'),
              "%s: '%s' is not in the style of the house", what, text);
    cr_assert(is_utf8(text), "%s: the sentence is not UTF-8", what);
    cr_assert_null(strstr(text, "/tmp/cxrd-"), "%s: '%s' tells a client a path of this machine", what, text);
    cr_assert(strstr(text, word) || strstr(err->inner, word), "%s: '%s' (%s) does not say '%s'", what, text,
              err->inner, word);
}
