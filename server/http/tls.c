/* server/http/tls.c - the only GnuTLS of this program, see tls.h.
 *
 * libmicrohttpd reads a certificate once, at its start; but it lets GnuTLS ask for one at every handshake. A certificate
 * that was read never changes; each handshake is given copies, which GnuTLS frees with the session, so an exchange needs
 * nobody to count who still uses the old ones. Copying costs some microseconds beside the signature's milliseconds. */
#include "tls.h"

#include "cxrd/digest.h"
#include "cxrd/encoding.h"
#include "cxrd/file.h"
#include "cxrd/log.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_PEM = 1 << 20, SOON_S = 14 * 24 * 60 * 60 };

/* The content of the files. Never changes. */
struct identity {
    gnutls_x509_crt_t *chain; /* [n], ours first */
    unsigned n;
    gnutls_x509_privkey_t key;
    int64_t begins, ends; /* seconds since 1970 */
};

struct tls {
    const char *cert, *key; /* paths */
    pthread_mutex_t lock;   /* guards `now` */
    struct identity *now;
};

/* ---- what is in the files ---- */

static void identity_free(struct identity *id)
{
    if (!id)
        return;
    for (unsigned i = 0; i < id->n; i++)
        gnutls_x509_crt_deinit(id->chain[i]);
    gnutls_free(id->chain);
    if (id->key)
        gnutls_x509_privkey_deinit(id->key);
    free(id);
}

/* Let GnuTLS read both and compare them, and take its reading over. */
static int parse(const struct file_bytes *cert, const struct file_bytes *key, struct identity *ret)
{
    const gnutls_datum_t c = { cert->data, (unsigned)cert->size }, k = { key->data, (unsigned)key->size };
    gnutls_certificate_credentials_t both = NULL;
    int rc = gnutls_certificate_allocate_credentials(&both);

    if (rc >= 0)
        rc = gnutls_certificate_set_x509_key_mem2(both, &c, &k, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc >= 0)
        rc = gnutls_certificate_get_x509_crt(both, 0, &ret->chain, &ret->n);
    if (rc >= 0)
        rc = gnutls_certificate_get_x509_key(both, 0, &ret->key);
    if (rc >= 0) {
        ret->begins = gnutls_x509_crt_get_activation_time(ret->chain[0]);
        ret->ends = gnutls_x509_crt_get_expiration_time(ret->chain[0]);
    }
    if (both)
        gnutls_certificate_free_credentials(both);
    return rc;
}

static enum status identity_read(const struct tls *t, struct identity **ret, struct error *err)
{
    struct identity *id = calloc(1, sizeof *id);
    struct file_bytes cert = FILE_BYTES_INIT, key = FILE_BYTES_INIT;
    enum status st = id ? file_read(t->cert, MAX_PEM, &cert, err) : error_nomem(err);
    int rc;

    if (st == ST_OK)
        st = file_read(t->key, MAX_PEM, &key, err);
    if (st == ST_OK && (rc = parse(&cert, &key, id)) < 0)
        st =
            rc == GNUTLS_E_MEMORY_ERROR
                ? error_nomem(err)
                : error_set(err, ST_INVALID, "the certificate '%.90s' and the key '%.90s' cannot be used: %s",
                            t->cert, t->key, gnutls_strerror(rc));
    if (key.data)
        explicit_bzero(key.data, key.size);
    file_bytes_release(&key);
    file_bytes_release(&cert);
    if (st != ST_OK) {
        identity_free(id);
        return st;
    }
    *ret = id;
    return ST_OK;
}

static void tell(const struct identity *id)
{
    const int64_t now = (int64_t)time(NULL);
    const bool early = now < id->begins, late = now >= id->ends, soon = id->ends - now < SOON_S;
    unsigned char bytes[32];
    size_t n = sizeof bytes;
    char sha256[DIGEST_TEXT_SIZE] = "", ends[32] = "";
    const time_t end = (time_t)id->ends;
    struct tm utc;

    if (gnutls_x509_crt_get_fingerprint(id->chain[0], GNUTLS_DIG_SHA256, bytes, &n) >= 0)
        hex_encode(bytes, n, sha256);
    if (gmtime_r(&end, &utc))
        strftime(ends, sizeof ends, "%Y-%m-%dT%H:%M:%SZ", &utc);
    log_event(early || late || soon ? LOG_WARN : LOG_INFO,
              late    ? "the TLS certificate has expired"
              : early ? "the TLS certificate does not hold yet"
              : soon  ? "the TLS certificate expires soon"
                      : "TLS certificate read",
              json_pack("{s:s,s:s}", "expires", ends, "sha256", sha256));
}

/* ---- handshakes ---- */

static struct tls *serving; /* see tls_callback() */

/* Copies of a chain and its key. GnuTLS's codes; on failure there are none. */
static int copy(const struct identity *id, gnutls_pcert_st **ret_chain, unsigned *ret_n,
                gnutls_privkey_t *ret_key)
{
    gnutls_pcert_st *chain = gnutls_calloc(id->n, sizeof *chain);
    gnutls_privkey_t key = NULL;
    unsigned n = id->n;
    int rc = chain ? gnutls_privkey_init(&key) : GNUTLS_E_MEMORY_ERROR;

    if (rc >= 0)
        rc = gnutls_privkey_import_x509(key, id->key, GNUTLS_PRIVKEY_IMPORT_COPY);
    if (rc >= 0)
        rc = gnutls_pcert_import_x509_list(chain, id->chain, &n, 0);
    if (rc < 0) {
        if (key)
            gnutls_privkey_deinit(key);
        gnutls_free(chain);
        return rc;
    }
    *ret_chain = chain;
    *ret_n = n;
    *ret_key = key;
    return 0;
}

static int on_handshake(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                        gnutls_pcert_st **ret_chain, unsigned *ret_n, gnutls_ocsp_data_st **ret_ocsp,
                        unsigned *ret_n_ocsp, gnutls_privkey_t *ret_key, unsigned *flags)
{
    int rc;

    (void)session, (void)info;
    *ret_ocsp = NULL;
    *ret_n_ocsp = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    pthread_mutex_lock(&serving->lock);
    rc = copy(serving->now, ret_chain, ret_n, ret_key);
    pthread_mutex_unlock(&serving->lock);
    return rc < 0 ? -1 : 0;
}

void *tls_callback(struct tls *t)
{
    gnutls_certificate_retrieve_function3 *const function = on_handshake;
    void *ret;

    serving = t;
    memcpy(&ret, &function, sizeof ret); /* POSIX: they are of one size */
    return ret;
}

/* ---- open, reload, close ---- */

enum status tls_reload(struct tls *t, struct error *err)
{
    struct identity *fresh = NULL, *old;
    const enum status st = identity_read(t, &fresh, err);

    if (st != ST_OK)
        return st;
    tell(fresh);
    pthread_mutex_lock(&t->lock);
    old = t->now;
    t->now = fresh;
    pthread_mutex_unlock(&t->lock);
    identity_free(old);
    return ST_OK;
}

int64_t tls_expires(struct tls *t)
{
    int64_t ends;

    pthread_mutex_lock(&t->lock);
    ends = t->now->ends;
    pthread_mutex_unlock(&t->lock);
    return ends;
}

enum status tls_open(const char *cert, const char *key, struct tls **ret_tls, struct error *err)
{
    struct tls *t = calloc(1, sizeof *t);
    enum status st;

    if (!t)
        return error_nomem(err);
    t->cert = cert;
    t->key = key;
    pthread_mutex_init(&t->lock, NULL);
    st = tls_reload(t, err);
    if (st != ST_OK) {
        tls_close(t);
        return st;
    }
    *ret_tls = t;
    return ST_OK;
}

void tls_close(struct tls *t)
{
    if (!t)
        return;
    identity_free(t->now);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
