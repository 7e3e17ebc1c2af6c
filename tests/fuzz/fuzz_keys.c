/* tests/fuzz/fuzz_keys.c - a keys file, and a key that someone presents. The input: file, NUL, key. */
#include "fuzz.h"

#include "server/http/keys.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void check_key(const struct key *key)
{
    FUZZ_CHECK(key->role == ROLE_PREDICT || key->role == ROLE_ADMIN);
    FUZZ_CHECK(key->name[0] && strlen(key->name) < KEY_NAME_SIZE);
    for (const char *c = key->name; *c; c++)
        FUZZ_CHECK(isalnum((unsigned char)*c) || strchr("._-", *c));
    FUZZ_CHECK(strlen(key->sha256) == DIGEST_TEXT_SIZE - 1);
    FUZZ_CHECK(strspn(key->sha256, "0123456789abcdef") == DIGEST_TEXT_SIZE - 1);
}

/* Written down plainly they are the same keys. */
static void check_again(const struct keys *k)
{
    const size_t size = k->n * sizeof *k->keys + 16 * k->n;
    char *text = malloc(size);
    size_t at = 0;
    struct keys *again = NULL;
    struct error err = { 0 };

    FUZZ_CHECK(text != NULL);
    for (size_t i = 0; i < k->n; i++)
        at += (size_t)snprintf(text + at, size - at, "%s %s %s\n",
                               k->keys[i].role == ROLE_ADMIN ? "admin" : "predict", k->keys[i].name,
                               k->keys[i].sha256);
    FUZZ_CHECK(keys_parse(text, at, &again, &err) == ST_OK && again->n == k->n);
    for (size_t i = 0; i < k->n; i++)
        FUZZ_CHECK(again->keys[i].role == k->keys[i].role &&
                   strcmp(again->keys[i].name, k->keys[i].name) == 0 &&
                   strcmp(again->keys[i].sha256, k->keys[i].sha256) == 0);
    keys_free(again);
    free(text);
}

static void present(const struct keys *k, const char *key, size_t n)
{
    const struct key *found = keys_find(k, key, n);
    const struct key *expected = NULL;
    char sha256[DIGEST_TEXT_SIZE];

    FUZZ_CHECK(digest_bytes(key, n, sha256) == ST_OK);
    for (size_t i = 0; i < k->n && n > 0 && n <= KEY_MAX_BYTES; i++)
        if (strcmp(k->keys[i].sha256, sha256) == 0)
            expected = &k->keys[i];
    FUZZ_CHECK(found == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part rest = { data, size };
    const struct fuzz_part file = fuzz_cut(&rest, '\0');
    char *text = fuzz_copy(file.data, file.size), *key = fuzz_copy(rest.data, rest.size);
    struct keys *k = NULL;
    struct error err = { 0 };

    if (keys_parse(text, file.size, &k, &err) == ST_OK) {
        FUZZ_CHECK(k->n >= 1 && k->n <= KEYS_MAX);
        for (size_t i = 0; i < k->n; i++)
            check_key(&k->keys[i]);
        check_again(k);
        present(k, key, rest.size);
    } else {
        FUZZ_CHECK(k == NULL && err.text[0]);
    }
    keys_free(k);
    free(text);
    free(key);
    return 0;
}
