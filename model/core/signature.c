/* model/core/signature.c - see cxrd/signature.h. */
#include "cxrd/signature.h"

#include "cxrd/buf.h"
#include "cxrd/digest.h"
#include "cxrd/encoding.h"
#include "cxrd/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PEM_MOST = 16 * 1024, RAW_KEY = 32, RAW_SIGNATURE = 64 };

struct signer {
    EVP_PKEY *key;
    char name[SIGNER_TEXT_SIZE];
};

struct signers {
    size_t n;
    struct signer keys[SIGNERS_MOST];
};

/* ---- keys ---- */

/* A key's name. ST_FORMAT: it is of another kind. */
static enum status name_of(const EVP_PKEY *key, char ret[SIGNER_TEXT_SIZE])
{
    unsigned char raw[RAW_KEY];
    char sha256[DIGEST_TEXT_SIZE];
    size_t n = sizeof raw;

    if (EVP_PKEY_id(key) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key(key, raw, &n) != 1)
        return ST_FORMAT;
    if (digest_bytes(raw, n, sha256) != ST_OK)
        return ST_NOMEM;
    snprintf(ret, SIGNER_TEXT_SIZE, "%.16s", sha256);
    return ST_OK;
}

typedef EVP_PKEY *read_fn(BIO *bio, EVP_PKEY **key, pem_password_cb *ask, void *arg);

/* A key that asks for a password is refused: nobody is there to be asked. */
static int no_password(char *text, int size, int writes, void *arg)
{
    (void)text, (void)size, (void)writes, (void)arg;
    return -1;
}

static enum status key_read(const char *path, read_fn *read, const char *kind, struct signer *ret,
                            struct error *err)
{
    const char *slash = strrchr(path, '/');
    struct file_bytes file = FILE_BYTES_INIT;
    struct signer key = { NULL };
    BIO *bio = NULL;
    enum status st = file_read(path, PEM_MOST, &file, err);

    if (st != ST_OK)
        return st;
    bio = BIO_new_mem_buf(file.data, (int)file.size);
    key.key = bio ? read(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (file.data)
        explicit_bzero(file.data, file.size);
    file_bytes_release(&file);
    st = !bio ? ST_NOMEM : !key.key ? ST_FORMAT : name_of(key.key, key.name);
    ERR_clear_error();
    if (st == ST_OK) {
        *ret = key;
        return ST_OK;
    }
    EVP_PKEY_free(key.key);
    return st == ST_NOMEM ? error_nomem(err)
                          : error_set(err, st, "'%.100s' is no %s Ed25519 key in PEM without a password",
                                      slash ? slash + 1 : path, kind);
}

static enum status add(struct signers *s, const char *path, struct error *err)
{
    enum status st;

    if (s->n == SIGNERS_MOST)
        return error_set(err, ST_LIMIT, "there are more than %d keys", SIGNERS_MOST);
    st = key_read(path, PEM_read_bio_PUBKEY, "public", &s->keys[s->n], err);
    s->n += st == ST_OK;
    return st;
}

static bool is_pem(const char *name)
{
    const size_t n = strlen(name);

    return name[0] != '.' && n > 4 && strcmp(name + n - 4, ".pem") == 0;
}

static enum status add_folder(struct signers *s, const char *path, struct error *err)
{
    DIR *folder = opendir(path);
    char file[PATH_MAX];
    const struct dirent *entry;
    enum status st = ST_OK;

    if (!folder)
        return error_errno(err, ST_IO, "the folder of keys cannot be read");
    while (st == ST_OK && (entry = readdir(folder)) != NULL)
        if (is_pem(entry->d_name))
            st = snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < (int)sizeof file
                     ? add(s, file, err)
                     : error_set(err, ST_IO, "the path of a key is too long");
    closedir(folder);
    if (st == ST_OK && s->n == 0)
        st = error_set(err, ST_NOTFOUND, "the folder of keys has no *.pem");
    return st;
}

enum status signers_load(const char *path, struct signers **ret, struct error *err)
{
    struct signers *s = calloc(1, sizeof *s);
    struct stat info;
    enum status st;

    if (!s)
        return error_nomem(err);
    st = stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? add_folder(s, path, err) : add(s, path, err);
    if (st != ST_OK) {
        signers_free(s);
        return st;
    }
    *ret = s;
    return ST_OK;
}

void signers_free(struct signers *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        EVP_PKEY_free(s->keys[i].key);
    free(s);
}

size_t signers_count(const struct signers *s) { return s->n; }

/* ---- signatures ---- */

static enum status signature_read(const char *text, unsigned char ret[RAW_SIGNATURE], struct error *err)
{
    bool good = strlen(text) == SIGNATURE_TEXT_SIZE - 1;

    for (size_t i = 0; i < RAW_SIGNATURE && good; i++) {
        const int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        good = high >= 0 && low >= 0;
        if (good)
            ret[i] = (unsigned char)(16 * high + low);
    }
    return good ? ST_OK
                : error_set(err, ST_FORMAT, "a signature is %d hexadecimal digits", SIGNATURE_TEXT_SIZE - 1);
}

/* The context, its NUL, the bytes. */
static enum status message_make(const char *context, const void *bytes, size_t n, struct buf *ret)
{
    buf_put(ret, context, strlen(context) + 1);
    buf_put(ret, bytes, n);
    return buf_status(ret);
}

static bool verifies(EVP_PKEY *key, const unsigned char *signature, const struct buf *message)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
                      EVP_DigestVerify(ctx, signature, RAW_SIGNATURE, (const unsigned char *)message->data,
                                       message->len) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

enum status signature_check(const char *text, struct error *err)
{
    unsigned char raw[RAW_SIGNATURE];

    return signature_read(text, raw, err);
}

enum status signers_verify(const struct signers *s, const char *context, const void *bytes, size_t n,
                           const char *signature, char ret_signer[SIGNER_TEXT_SIZE], struct error *err)
{
    struct buf message = BUF_INIT(SIZE_MAX / 2);
    unsigned char raw[RAW_SIGNATURE];
    enum status st;

    if (!signature)
        return error_set(err, ST_CONFLICT, "it is not signed");
    st = signature_read(signature, raw, err);
    if (st != ST_OK)
        return st;
    if (message_make(context, bytes, n, &message) != ST_OK) {
        buf_release(&message);
        return error_nomem(err);
    }
    st =
        error_set(err, ST_CONFLICT,
                  "it is not signed by one of the %zu keys of this server's operator, or not as it is", s->n);
    for (size_t i = 0; i < s->n && st != ST_OK; i++)
        if (verifies(s->keys[i].key, raw, &message)) {
            if (ret_signer)
                memcpy(ret_signer, s->keys[i].name, SIGNER_TEXT_SIZE);
            st = ST_OK;
        }
    buf_release(&message);
    return st;
}

static bool sign(EVP_PKEY *key, const struct buf *message, unsigned char ret[RAW_SIGNATURE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = RAW_SIGNATURE;
    const bool good = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
                      EVP_DigestSign(ctx, ret, &n, (const unsigned char *)message->data, message->len) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good && n == RAW_SIGNATURE;
}

enum status signature_make(const char *private_key, const char *context, const void *bytes, size_t n,
                           char ret_signature[SIGNATURE_TEXT_SIZE], char ret_signer[SIGNER_TEXT_SIZE],
                           struct error *err)
{
    struct buf message = BUF_INIT(SIZE_MAX / 2);
    struct signer key = { NULL };
    unsigned char raw[RAW_SIGNATURE];
    enum status st = key_read(private_key, PEM_read_bio_PrivateKey, "private", &key, err);

    if (st != ST_OK)
        return st;
    if (message_make(context, bytes, n, &message) != ST_OK || !sign(key.key, &message, raw))
        st = error_nomem(err);
    if (st == ST_OK) {
        hex_encode(raw, sizeof raw, ret_signature);
        memcpy(ret_signer, key.name, SIGNER_TEXT_SIZE);
    }
    EVP_PKEY_free(key.key);
    buf_release(&message);
    return st;
}
