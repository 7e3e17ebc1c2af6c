/* tests/unit/test_signature.c - Ed25519: what OpenSSL's own program makes, and every way in which a signature may be invalid. */
#include "cxrd/encoding.h"
#include "cxrd/signature.h"
#include "files.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(signature, .fini = check_no_leaks);

/* The secret key of RFC 8032, 7.1, test 1, as RFC 8410 puts it into PEM, and what `openssl pkeyutl -sign -rawin` makes with it of
 * the bytes "c", NUL, "text". */
static const char PRIVATE[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                              "-----END PRIVATE KEY-----\n";
static const char SIGNED[] = "3600f99d51a5c3a4f46180cdf9b3defd296488b429dfc78b93d3194472e43227"
                             "15d3a0f809cfcd5b0fcb3a29f565ba2896c3699ebe1b3115580a7737c8e81c0d";

/* Keys that `openssl genpkey` made for this test alone, and of another kind. */
static const struct {
    const char *name, *private, *public;
} KEYS[] = {
    { "one",
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIONB67MtdAWGO/7aZt/BZZpsC+OWy9z3pdKcH0i8KrUS\n"
      "-----END PRIVATE KEY-----\n",
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VwAyEAaEZco28zQsphdwqNVylyqes4PFAcelTJlcwcul6gUWY=\n"
      "-----END PUBLIC KEY-----\n" },
    { "two",
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIHfHHnlEO6btsEtc7ggGxAfgamfyC0DCypF83TFq58kC\n"
      "-----END PRIVATE KEY-----\n",
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VwAyEA2W6/zrZ+ACtefLLyIO//UfvA/O8TvSGP5eg3tlL0gIc=\n"
      "-----END PUBLIC KEY-----\n" },
    { "ec",
      "-----BEGIN PRIVATE KEY-----\n"
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4Dg+gi5ViTwPAND3\n"
      "mynyAgR4ptl67qI9uZGx/7yN1ZehRANCAARA7W9vZJ4zh3cCh/Q7btnSHHemK1Sh\n"
      "S/j2m7Mzpkb+B8ig0ES46rbAqaqlTgCluXZR2NmOYlTVk8rWkueHrsr9\n"
      "-----END PRIVATE KEY-----\n",
      "-----BEGIN PUBLIC KEY-----\n"
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQO1vb2SeM4d3Aof0O27Z0hx3pitU\n"
      "oUv49puzM6ZG/gfIoNBEuOq2wKmqpU4Apbl2UdjZjmJU1ZPK1pLnh67K/Q==\n"
      "-----END PUBLIC KEY-----\n" },
};
enum { ONE, TWO, CURVE };

static void key_write(const char *folder, int which)
{
    write_text(path_in(folder, "%s.key", KEYS[which].name), KEYS[which].private);
    write_text(path_in(folder, "keys/%s.pem", KEYS[which].name), KEYS[which].public);
}

static enum status check(const char *keys, const char *context, const char *text, const char *signature,
                         char signer[SIGNER_TEXT_SIZE])
{
    struct signers *s = NULL;
    struct error err;
    enum status st;

    cr_assert_eq(signers_load(keys, &s, &err), ST_OK, "%s", err.text);
    st = signers_verify(s, context, text, strlen(text), signature, signer, &err);
    signers_free(s);
    return st;
}

Test(signature, it_is_what_another_program_makes_of_the_same_bytes)
{
    char *folder = scratch_folder(), a[SIGNATURE_TEXT_SIZE], name[SIGNER_TEXT_SIZE];
    struct error err;

    write_text(path_in(folder, "k"), PRIVATE);
    cr_assert_eq(signature_make(path_in(folder, "k"), "c", "text", 4, a, name, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(a, SIGNED);
    cr_assert_str_eq(name, "21fe31dfa154a261", "SHA-256 of d75a9801…511a, by sha256sum");
    scratch_remove(folder);
}

Test(signature, it_holds_for_these_bytes_this_context_and_this_key)
{
    char *folder = scratch_folder(), good[SIGNATURE_TEXT_SIZE], mine[SIGNER_TEXT_SIZE],
         said[SIGNER_TEXT_SIZE];
    const char *keys = path_in(folder, "keys");
    struct error err;

    key_write(folder, ONE);
    cr_assert_eq(signature_make(path_in(folder, "one.key"), SIGNED_PROFILE, "text", 4, good, mine, &err),
                 ST_OK);
    cr_assert_eq(check(keys, SIGNED_PROFILE, "text", good, said), ST_OK);
    cr_assert_str_eq(said, mine);
    cr_assert_eq(check(path_in(folder, "keys/one.pem"), SIGNED_PROFILE, "text", good, NULL), ST_OK, "a file");
    cr_assert_eq(check(keys, SIGNED_MODEL, "text", good, NULL), ST_CONFLICT, "signed as another thing");
    cr_assert_eq(check(keys, SIGNED_PROFILE, "texT", good, NULL), ST_CONFLICT, "a changed byte");
    cr_assert_eq(check(keys, SIGNED_PROFILE, "text", NULL, NULL), ST_CONFLICT, "none");
    cr_assert_eq(check(keys, SIGNED_PROFILE, "text", "12ab", NULL), ST_FORMAT);
    for (size_t i = 0; i < SIGNATURE_TEXT_SIZE - 1; i += 7) {
        const char before = good[i];

        good[i] = before == '0' ? '1' : '0';
        cr_assert_eq(check(keys, SIGNED_PROFILE, "text", good, NULL), ST_CONFLICT, "digit %zu", i);
        good[i] = 'x';
        cr_assert_eq(check(keys, SIGNED_PROFILE, "text", good, NULL), ST_FORMAT);
        good[i] = before;
    }
    scratch_remove(folder);
}

Test(signature, keys_change_by_standing_beside_each_other)
{
    char *folder = scratch_folder(), one[SIGNATURE_TEXT_SIZE], two[SIGNATURE_TEXT_SIZE],
         name[SIGNER_TEXT_SIZE];
    const char *keys = path_in(folder, "keys");
    struct error err;

    key_write(folder, ONE);
    cr_assert_eq(signature_make(path_in(folder, "one.key"), "c", "x", 1, one, name, &err), ST_OK);
    key_write(folder, TWO);
    cr_assert_eq(signature_make(path_in(folder, "two.key"), "c", "x", 1, two, name, &err), ST_OK);
    cr_assert_eq(check(keys, "c", "x", one, NULL), ST_OK);
    cr_assert_eq(check(keys, "c", "x", two, NULL), ST_OK);
    cr_assert_eq(remove(path_in(folder, "keys/one.pem")), 0);
    cr_assert_eq(check(keys, "c", "x", one, NULL), ST_CONFLICT, "a key that is taken away no longer counts");
    cr_assert_eq(check(keys, "c", "x", two, NULL), ST_OK);
    scratch_remove(folder);
}

Test(signature, what_is_no_key_is_refused_by_name)
{
    char *folder = scratch_folder(), text[SIGNATURE_TEXT_SIZE], name[SIGNER_TEXT_SIZE];
    struct signers *s = NULL;
    struct error err;

    cr_assert_eq(signers_load(path_in(folder, "none"), &s, &err), ST_NOTFOUND);
    cr_assert_eq(signers_load(folder, &s, &err), ST_NOTFOUND, "a folder without one");
    write_text(path_in(folder, "bad.pem"), "hello\n");
    cr_assert_eq(signers_load(folder, &s, &err), ST_FORMAT);
    cr_assert_not_null(strstr(err.text, "bad.pem"));
    write_text(path_in(folder, "bad.pem"), KEYS[CURVE].public);
    write_text(path_in(folder, "ec.key"), KEYS[CURVE].private);
    cr_assert_eq(signers_load(folder, &s, &err), ST_FORMAT, "of another kind");
    cr_assert_eq(signature_make(path_in(folder, "ec.key"), "c", "x", 1, text, name, &err), ST_FORMAT);
    cr_assert_eq(signature_make(path_in(folder, "bad.pem"), "c", "x", 1, text, name, &err), ST_FORMAT,
                 "a public one");
    scratch_remove(folder);
}
