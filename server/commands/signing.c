/* server/commands/signing.c - cxrd sign and cxrd verify: an operator stands for a profile or a model; see cxrd/signature.h. */
#include "commands.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/signature.h"
#include "cxrd/weights.h"
#include "profile_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sign_options {
    const char *key, *out;
    bool overwrite;
};

struct verify_options {
    const char *keys, *signature;
};

#define AT(member)        offsetof(struct sign_options, member)
#define VERIFY_AT(member) offsetof(struct verify_options, member)

static const struct option SIGN_OPTIONS[] = {
    { "key", OPTION_TEXT, AT(key), "FILE", "the private Ed25519 key, PEM without a password" },
    { "out", OPTION_TEXT, AT(out), "FILE", "where the signed profile goes (standard output)", .letter = 'o' },
    { "overwrite", OPTION_FLAG, AT(overwrite), NULL, "where --out is there already" },
    { NULL },
};

static const struct option VERIFY_OPTIONS[] = {
    { "keys", OPTION_TEXT, VERIFY_AT(keys), "DIR|FILE", "the public Ed25519 keys, PEM" },
    { "signature", OPTION_TEXT, VERIFY_AT(signature), "HEX", "of a model's file, which carries none" },
    { NULL },
};

/* ---- what is to be signed ---- */

struct subject {
    const char *context;
    json_t *exported; /* a profile as GET /profiles/{id} gives it; NULL: the file is a model */
    char *bytes;      /* owned: what is signed, a text */
};

static void subject_release(struct subject *s)
{
    json_decref(s->exported);
    free(s->bytes);
}

static bool looks_like_json(const struct file_bytes *file)
{
    const char *text = file->data;
    size_t i = 0;

    while (i < file->size && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t'))
        i++;
    return i < file->size && text[i] == '{' && file->size <= PROFILE_FILE_MOST;
}

static enum status profile_read(const struct file_bytes *file, struct subject *ret, struct error *err)
{
    struct profile_file profile = PROFILE_FILE_INIT;
    const enum status st = profile_file_parse(file, &profile, err);

    ret->context = SIGNED_PROFILE;
    ret->exported = profile.exported;
    ret->bytes = profile.canonical;
    return st;
}

static enum status model_read(const struct file_bytes *file, struct subject *ret, struct error *err)
{
    ret->context = SIGNED_MODEL;
    ret->bytes = malloc(DIGEST_TEXT_SIZE);
    return ret->bytes && digest_bytes(file->data, file->size, ret->bytes) == ST_OK ? ST_OK : error_nomem(err);
}

static enum status subject_read(const char *path, struct subject *ret, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_read(path, WEIGHTS_MAX_BYTES, &file, err);

    if (st == ST_OK)
        st = looks_like_json(&file) ? profile_read(&file, ret, err) : model_read(&file, ret, err);
    file_bytes_release(&file);
    return st;
}

/* ---- sign ---- */

static enum status write_profile(const struct sign_options *o, const json_t *exported, struct error *err)
{
    char *text = json_text(exported, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    enum status st = text ? ST_OK : error_nomem(err);

    if (st == ST_OK && o->out)
        st = file_replace(o->out, (struct iovec[]){ { text, strlen(text) }, { (void *)"\n", 1 } }, 2, err);
    else if (st == ST_OK)
        puts(text);
    free(text);
    return st;
}

static enum status sign_file(const char *path, const struct sign_options *o, struct error *err)
{
    char signature[SIGNATURE_TEXT_SIZE], signer[SIGNER_TEXT_SIZE];
    struct subject s = { NULL };
    enum status st = o->out ? command_out_check(o->out, o->overwrite, err) : ST_OK;

    if (st == ST_OK)
        st = subject_read(path, &s, err);
    if (st == ST_OK && !s.exported && o->out)
        st = error_set(err, ST_INVALID,
                       "a model's file is not written anew: its signature goes to standard output");
    if (st == ST_OK)
        st = signature_make(o->key, s.context, s.bytes, strlen(s.bytes), signature, signer, err);
    if (st == ST_OK && s.exported) {
        json_object_set_new(s.exported, "signature", json_string(signature));
        st = write_profile(o, s.exported, err);
    } else if (st == ST_OK) {
        puts(signature);
    }
    if (st == ST_OK)
        fprintf(stderr, "signed by key %s\n", signer);
    subject_release(&s);
    return st;
}

static int sign(int argc, char **argv)
{
    struct sign_options o = { 0 };
    struct error err = { 0 };
    size_t n;
    int exit_status;

    if (!command_begin(&COMMAND_SIGN, argc, argv, &o, &n, &exit_status))
        return exit_status;
    if (n != 1 || !o.key)
        return command_misuse(&COMMAND_SIGN, "give a file, and with --key the private key");
    return sign_file(argv[1], &o, &err) == ST_OK ? EXIT_DONE : command_fail(&COMMAND_SIGN, &err);
}

/* ---- verify ---- */

static enum status verify_file(const char *path, const struct verify_options *o,
                               char signer[SIGNER_TEXT_SIZE], struct error *err)
{
    struct signers *keys = NULL;
    struct subject s = { NULL };
    const char *signature = o->signature;
    enum status st = signers_load(o->keys, &keys, err);

    if (st == ST_OK)
        st = subject_read(path, &s, err);
    if (st == ST_OK && s.exported && !signature)
        signature = json_string_value(json_object_get(s.exported, "signature"));
    if (st == ST_OK)
        st = signers_verify(keys, s.context, s.bytes, strlen(s.bytes), signature, signer, err);
    subject_release(&s);
    signers_free(keys);
    return st;
}

static int verify(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct error err = { 0 };
    char signer[SIGNER_TEXT_SIZE];
    size_t n;
    int exit_status;

    if (!command_begin(&COMMAND_VERIFY, argc, argv, &o, &n, &exit_status))
        return exit_status;
    if (n != 1 || !o.keys)
        return command_misuse(&COMMAND_VERIFY, "give a file, and with --keys the public keys");
    if (verify_file(argv[1], &o, signer, &err) != ST_OK)
        return command_fail(&COMMAND_VERIFY, &err);
    printf("signed by key %s\n", signer);
    return EXIT_DONE;
}

const struct command COMMAND_SIGN = {
    "sign",
    "--key FILE PROFILE|MODEL",
    "stand for a site's profile, which is written with the signature, or for a model's file, whose signature "
    "is printed",
    SIGN_OPTIONS,
    sign,
    1,
    .example = "cxrd sign --key site.pem profile.json -o signed.json",
};

const struct command COMMAND_VERIFY = {
    "verify",
    "--keys DIR|FILE [OPTIONS] PROFILE|MODEL",
    "see whether one of the operator's keys has signed a profile, or a model's file",
    VERIFY_OPTIONS,
    verify,
    1,
    .example = "cxrd verify --keys keys signed.json",
};
