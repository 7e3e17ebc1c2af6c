/* jobs/registry/signed_model.c - see signed_model.h. */
#include "signed_model.h"

#include <string.h>

static enum status verify(const struct signers *signers, const char *sha256, const char *signature,
                          struct error *err)
{
    struct error why;
    const enum status st =
        signers_verify(signers, SIGNED_MODEL, sha256, strlen(sha256), signature, NULL, &why);

    if (st == ST_OK)
        return ST_OK;
    return error_set(err, st == ST_CONFLICT ? ST_UNUSABLE : st, "the model's file cannot be used: %s",
                     why.text);
}

enum status signed_bytes_check(const struct signers *signers, const void *bytes, size_t n,
                               const char *signature, char ret_sha256[DIGEST_TEXT_SIZE], struct error *err)
{
    if (digest_bytes(bytes, n, ret_sha256) != ST_OK)
        return error_nomem(err);
    return verify(signers, ret_sha256, signature, err);
}

enum status signed_model_check(struct store *store, const struct signers *signers, const char *id,
                               struct error *err)
{
    json_t *kept = NULL;
    enum status st = store_model_signature(store, id, &kept, err);
    const char *sha256 = json_string_value(json_object_get(kept, "sha256"));

    if (st == ST_NOTFOUND || (st == ST_OK && !sha256))
        st = error_set(err, ST_UNUSABLE, "the model cannot be used: nobody has signed it");
    if (st == ST_OK)
        st = verify(signers, sha256, json_string_value(json_object_get(kept, "signature")), err);
    json_decref(kept);
    return st == ST_FORMAT ? ST_UNUSABLE : st;
}

enum status signed_model_keep(struct store *store, const struct signers *signers, const char *id,
                              const char *sha256, const char *signature, struct error *err)
{
    const enum status st = verify(signers, sha256, signature, err);

    return st == ST_OK ? store_model_sign(store, id, sha256, signature, err) : st;
}
