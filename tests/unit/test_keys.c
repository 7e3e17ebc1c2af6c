/* tests/unit/test_keys.c - the keys file: what is read, what is refused, and who a key belongs to. */
#include "server/http/keys.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SHA-256 of "one", "two" */
#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define TWO "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"

static struct keys *parse(const char *text)
{
    struct keys *k = NULL;
    struct error err = { 0 };
    const enum status st = keys_parse(text, strlen(text), &k, &err);

    cr_assert_eq(st, ST_OK, "%s", err.text);
    return k;
}

static void refused(const char *text, size_t n, enum status expected, const char *says)
{
    struct keys *k = NULL;
    struct error err = { 0 };
    const enum status st = keys_parse(text, n, &k, &err);

    cr_assert_eq(st, expected, "%.80s: %s", text, err.text);
    cr_assert_null(k);
    cr_assert_not_null(strstr(err.text, says), "'%s' does not say '%s'", err.text, says);
}

static void refused_text(const char *text, const char *says) { refused(text, strlen(text), ST_FORMAT, says); }

Test(keys, roles_names_and_comments)
{
    struct keys *k = parse("# who\n\n  \t\nadmin\toperator " ONE " # the head\r\npredict pacs-7_A.b " TWO);

    cr_assert_eq(k->n, 2);
    cr_assert_eq(k->keys[0].role, ROLE_ADMIN);
    cr_assert_str_eq(k->keys[0].name, "operator");
    cr_assert_eq(k->keys[1].role, ROLE_PREDICT);
    cr_assert_str_eq(k->keys[1].name, "pacs-7_A.b");
    keys_free(k);
}

Test(keys, a_key_is_found_by_its_digest)
{
    struct keys *k = parse("admin a " ONE "\npredict b " TWO "\n");

    cr_assert_eq(keys_find(k, "one", 3), &k->keys[0]);
    cr_assert_eq(keys_find(k, "two", 3), &k->keys[1]);
    keys_free(k);
}

Test(keys, what_is_no_key_is_not_found)
{
    struct keys *k = parse("admin a " ONE "\n");
    char *long_one = calloc(1, 5000);

    memset(long_one, 'x', 4999);
    cr_assert_null(keys_find(k, "", 0));
    cr_assert_null(keys_find(k, "One", 3));
    cr_assert_null(keys_find(k, "one", 4)); /* with its NUL */
    cr_assert_null(keys_find(k, ONE, 64));  /* the digest is not the key */
    cr_assert_null(keys_find(k, long_one, 4999));
    free(long_one);
    keys_free(k);
}

Test(keys, lines_that_are_none_are_named)
{
    refused_text("admin a " ONE "\nowner b " TWO, "line 2 of the keys: the role");
    refused_text("ADMIN a " ONE, "role");
    refused_text("admin a", "SHA-256");
    refused_text("admin", "name");
    refused_text("admin a " ONE "0", "SHA-256");
    refused_text("admin a 7692C3AD3540BB803C020B3AEE66CD8887123234EA0C6E7143C0ADD73FF431ED", "lower case");
    refused_text("admin a " ONE " more", "too many");
    refused_text("admin a\"b " ONE, "name");
    refused_text("admin a\x1b " ONE, "name");
    refused_text("admin aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa " ONE, "64");
}

Test(keys, a_nul_ends_nothing)
{
    static const char TEXT[] = "admin a\0b " ONE;

    refused(TEXT, sizeof TEXT - 1, ST_FORMAT, "name");
}

Test(keys, twice_is_refused)
{
    refused_text("admin a " ONE "\nadmin a " TWO, "the name is there already");
    refused_text("admin a " ONE "\npredict b " ONE, "the key is there already");
}

Test(keys, a_file_without_a_key_lets_nobody_in_and_is_refused)
{
    refused_text("", "no key");
    refused_text("# nobody\n\n", "no key");
}

Test(keys, limits)
{
    const size_t line = 90, n = (size_t)KEYS_MAX + 1;
    char *text = calloc(n, line), *at = text;
    char *big = calloc(1, KEYS_MAX_BYTES + 1);

    for (size_t i = 0; i < n; i++)
        at += snprintf(at, line, "admin a%zu %064zx\n", i, i);
    refused(text, (size_t)(at - text), ST_LIMIT, "1024");
    refused(big, KEYS_MAX_BYTES + 1, ST_LIMIT, "limit");
    free(big);
    free(text);
}

Test(keys, a_file_that_is_not_there)
{
    struct keys *k = NULL;
    struct error err = { 0 };

    cr_assert_eq(keys_read("/nonexistent/keys", &k, &err), ST_NOTFOUND);
    cr_assert_neq(keys_read("/dev/zero", &k, &err), ST_OK);
}
