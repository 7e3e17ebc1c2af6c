/* server/commands/serve_options.c - see serve_options.h. */
#include "serve_options.h"

#include "../api/maps.h"
#include "../api/source.h"
#include "../http/listen.h"
#include "commands.h"
#include "cxrd/cores.h"
#include "cxrd/decoder.h"
#include "cxrd/hosts.h"
#include "cxrd/log.h"
#include "cxrd/store.h"

#include <stdint.h>
#include <string.h>

#define AT(member) offsetof(struct serve_options, member)

/* ---- checks of single options ---- */

static enum status check_list(const char *text, enum host_form form, struct error *err)
{
    struct host_list list = { 0 };
    const enum status st = host_list_read(text, form, &list, err);

    host_list_release(&list);
    return st;
}

static enum status check_hosts(const char *text, struct error *err)
{
    return check_list(text, FORM_HOST, err);
}

static enum status check_origins(const char *text, struct error *err)
{
    return check_list(text, FORM_ORIGIN, err);
}

static enum status check_outgoing(const char *text, struct error *err)
{
    return check_list(text, FORM_OUTGOING, err);
}

static enum status check_base_path(const char *path, struct error *err)
{
    static const char CHARACTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    const size_t n = strlen(path);

    if (n <= 100 && path[0] == '/' && path[n - 1] != '/' && strspn(path, CHARACTERS) == n)
        return ST_OK;
    return error_set(err, ST_INVALID, "must be a path such as /cxrd, not '%.100s'", path);
}

/* Not quoted: it may hold a password. */
static enum status check_store(const char *url, struct error *err)
{
    if (!store_place_is_shared(url))
        return error_set(err, ST_INVALID, "must begin with postgresql://");
    return ST_OK;
}

static enum status check_log_level(const char *text, struct error *err)
{
    enum log_level level;

    if (log_level_parse(text, &level))
        return ST_OK;
    return error_set(err, ST_INVALID, "must be debug, info, warn, error or off, not '%.32s'", text);
}

enum status check_input_policy(const char *text, struct error *err)
{
    enum input_policy policy;

    return input_policy_parse(text, &policy, err);
}

/* ---- the table ---- */

const struct option SERVE_OPTIONS[] = {
    { "listen", OPTION_TEXT, AT(listen), "HOST:PORT",
      "address to listen on, [IPV6]:PORT too; port 0 picks one; [::]:8080 takes IPv6 and IPv4 "
      "(127.0.0.1:8080)",
      .check = listen_check },
    { "state", OPTION_TEXT, AT(state), "DIR", "where jobs, models and the picture cache are kept (./state)" },
    { "store", OPTION_TEXT, AT(store), "URL",
      "postgresql://USER@HOST/NAME: the database of jobs and models, which any number of servers share, each "
      "with a --state of its own (cxrd.db in --state, for one server)",
      .check = check_store },
    { "datasets", OPTION_TEXT, AT(datasets), "DIR",
      "folder with a folder for each data set; none: no training" },
    { "threads", OPTION_COUNT, AT(threads), "N", "threads that predict, and that train (all cores)", 1, 256 },
    { "queue", OPTION_COUNT, AT(queue), "N", "predictions that may wait (64)", 1, 65536 },
    { "job-queue", OPTION_COUNT, AT(job_queue), "N", "jobs that may wait (8)", 1, 1024 },
    { "max-upload", OPTION_BYTES, AT(max_upload), "BYTES", "largest picture that is accepted (64M)", 1024,
      128 << 20 },
    { "decoders", OPTION_COUNT, AT(decoders), "N",
      "JPEG and DICOM files that are decoded at a time, each in a process of its own (2)", 1,
      DECODER_MOST_HELPERS },
    { "decode-timeout", OPTION_COUNT, AT(decode_timeout), "SECONDS",
      "time that such a file may take, or its decoder is ended (30)", 1, 600 },
    { "cache-bytes", OPTION_BYTES, AT(cache_bytes), "BYTES", "disk space for decoded pictures; 0: none (16G)",
      0, SIZE_MAX },
    { "keys", OPTION_TEXT, AT(keys), "FILE",
      "who may: a line a key, see cxrd key --help; read again on SIGHUP (none: loopback only, everyone)" },
    { "rate", OPTION_COUNT, AT(rate), "N", "requests a second that a key may make; 0: any number (0)", 0,
      1000000 },
    { "request-timeout", OPTION_COUNT, AT(request_timeout), "SECONDS",
      "a request that has not come by then is cut off; one that waited as long is refused (30)", 1, 3600 },
    { "keep-alive", OPTION_COUNT, AT(keep_alive), "SECONDS",
      "how long a connection may wait for its next request; longer than a load balancer's (75)", 1, 3600 },
    { "source-connections", OPTION_COUNT, AT(source_connections), "N",
      "connections from one address; 0: seven eighths of all, so that others always find a place (0)", 0,
      12000 },
    { "drain", OPTION_COUNT, AT(drain), "SECONDS",
      "after SIGTERM, how long requests are worked off; those that wait then are declined (15)", 0, 3600 },
    { "hosts", OPTION_TEXT, AT(hosts), "NAMES",
      "names that Host may give beside loopback ones, with commas between them "
      "(any with --keys; none without; addresses with --insecure)",
      .check = check_hosts },
    { "cors-origins", OPTION_TEXT, AT(cors_origins), "ORIGINS",
      "pages that may call from a browser, such as https://pacs.example, with commas between them (none)",
      .check = check_origins },
    { "base-path", OPTION_TEXT, AT(base_path), "/PATH", "what all paths begin with, behind a proxy (none)",
      .check = check_base_path },
    { "tls-cert", OPTION_TEXT, AT(tls_cert), "FILE", "speak HTTPS with this certificate chain, PEM" },
    { "tls-key", OPTION_TEXT, AT(tls_key), "FILE", "the key of --tls-cert, PEM" },
    { "audit", OPTION_TEXT, AT(audit), "FILE",
      "append who did what to this file; opened anew on SIGHUP; see cxrd audit --help (none)" },
    { "audit-bytes", OPTION_BYTES, AT(audit_bytes), "BYTES",
      "size at which the audit log is put aside and begun anew; 0: never (64M)", 0, SIZE_MAX },
    { "keep-models", OPTION_COUNT, AT(keep_models), "N",
      "models trained here that are kept; imported, active and previous ones always are (100)", 1, 1000000 },
    { "loaded-models", OPTION_COUNT, AT(loaded_models), "N",
      "models beside the active one that stay loaded for ?model= of /predict; each takes the memory of its "
      "file (3)",
      0, 64 },
    { "keep-jobs", OPTION_COUNT, AT(keep_jobs), "N",
      "jobs that have ended that are kept, with their files; those whose model is there always are; 0: all "
      "(0)",
      0, 1000000 },
    { "keep-scores", OPTION_COUNT, AT(keep_scores), "DAYS",
      "how long the scores of predictions are kept by their ids, without picture or patient, so that readers "
      "can say how they were; 0: not at all (0)",
      0, 36500 },
    { "event-readers", OPTION_COUNT, AT(event_readers), "N",
      "connections that may read a job's events at a time (32)", 1, 1024 },
    { "event-ping", OPTION_COUNT, AT(event_ping), "SECONDS",
      "silence after which a reader of events gets a comment, so that proxies stay (15)", 1, 3600 },
    { "webhook", OPTION_TEXT, AT(webhook), "URL",
      "tell this address of the end of every job and of every activation (none)" },
    { "webhook-hosts", OPTION_TEXT, AT(webhook_hosts), "HOSTS",
      "HOST or HOST:PORT that a job may name as its webhook, https only, with commas between them; "
      "http://127.0.0.1:PORT allows a receiver on loopback without TLS (none)",
      .check = check_outgoing },
    { "webhook-secret", OPTION_TEXT, AT(webhook_secret), "FILE",
      "what notices are signed with: a line whsec_ and 16 to 64 bytes in base64, up to four" },
    { "webhook-retry", OPTION_COUNT, AT(webhook_retry), "SECONDS",
      "pause before a notice that was not taken is sent again; it doubles each time, for three days (5)", 1,
      3600 },
    { "data-hosts", OPTION_TEXT, AT(data_hosts), "HOSTS",
      "HOST or HOST:PORT that data sets may be fetched from, as in --webhook-hosts (none)",
      .check = check_outgoing },
    { "data-credentials", OPTION_TEXT, AT(s3_credentials), "FILE",
      "ID:SECRET, with which requests to S3 are signed" },
    { "data-bytes", OPTION_BYTES, AT(data_bytes), "BYTES",
      "largest data set that is fetched, packed, and again unpacked (200G)", 1, SIZE_MAX },
    { "data-files", OPTION_COUNT, AT(data_files), "N", "most entries of its archives (500000)", 1,
      100000000 },
    { "data-tries", OPTION_COUNT, AT(data_tries), "N",
      "tries in a row that bring no byte further, after which fetching is interrupted (10)", 1, 1000 },
    { "dicomweb-results", OPTION_TEXT, AT(dicomweb_results), "URL",
      "DICOMweb service of an archive, such as https://pacs.example/dicom-web, that is sent the reports on "
      "instances "
      "that are stored here; http on loopback only (none: they wait to be fetched)" },
    { "dicomweb-authorization", OPTION_TEXT, AT(dicomweb_authorization), "FILE",
      "what Authorization says to that archive, such as Basic dXNlcjpwYXNz, or Bearer and a token" },
    { "dicomweb-maps", OPTION_TEXT, AT(dicomweb_maps), "FINDINGS",
      "findings whose maps go to that archive beside each report: names, with commas between them, and "
      "positive, "
      "for those at or above their threshold (none)",
      .check = maps_check },
    { "outgoing-private", OPTION_TEXT, AT(outgoing_private), "HOSTS",
      "HOST or HOST:PORT, allowed elsewhere, that may be in a private network or on loopback (none)",
      .check = check_outgoing },
    { "outgoing-ca", OPTION_TEXT, AT(outgoing_ca), "FILE",
      "certificates that receivers and data hosts are believed by, PEM (the system's)" },
    { "profile-keys", OPTION_TEXT, AT(profile_keys), "DIR|FILE",
      "public Ed25519 keys, PEM: a site's profile that none of them has signed is not used, see cxrd sign "
      "--help (none: any is)" },
    { "model-keys", OPTION_TEXT, AT(model_keys), "DIR|FILE",
      "the same for models: none is imported or answers that none of them has signed (none: any does)" },
    { "input-policy", OPTION_TEXT, AT(input_policy), "frontal|warn|reject",
      "which pictures are refused: those whose file says that they show no frontal chest; none of them, "
      "there is a warning; "
      "these, and what is unlike the pictures of the training (frontal)",
      .check = check_input_policy },
    { "precision", OPTION_TEXT, AT(precision), "float32|int12",
      "what models are served in; int12: sooner, and refused of a model where that is seen in a probability "
      "(float32)",
      .check = check_precision },
    { "log-level", OPTION_TEXT, AT(log_level), "LEVEL", "debug, info, warn, error or off (info)",
      .check = check_log_level },
    { "insecure", OPTION_FLAG, AT(insecure), NULL,
      "allow an address other than loopback, for anyone who reaches it" },
    { NULL },
};

struct serve_options serve_options_default(void)
{
    return (struct serve_options){ .listen = "127.0.0.1:8080",
                                   .state = "state",
                                   .log_level = "info",
                                   .input_policy = "frontal",
                                   .precision = "float32",
                                   .base_path = "",
                                   .audit_bytes = 64 << 20,
                                   .threads = cores_available(),
                                   .queue = 64,
                                   .request_timeout = 30,
                                   .drain = 15,
                                   .keep_alive = 75,
                                   .job_queue = 8,
                                   .max_upload = 64 << 20,
                                   .decoders = 2,
                                   .decode_timeout = 30,
                                   .cache_bytes = (size_t)16 << 30,
                                   .event_readers = 32,
                                   .event_ping = 15,
                                   .keep_models = 100,
                                   .loaded_models = 3,
                                   .webhook_retry = 5,
                                   .data_bytes = (size_t)200 << 30,
                                   .data_files = 500000,
                                   .data_tries = 10 };
}

enum status serve_options_check(const struct serve_options *o, struct listen_address *ret_listen,
                                struct error *err)
{
    enum log_level level = LOG_INFO;
    enum status st;

    log_level_parse(o->log_level, &level);
    log_set_level(level);
    if ((o->webhook || o->webhook_hosts) && !o->webhook_secret)
        return error_set(err, ST_INVALID, "--webhook and --webhook-hosts need --webhook-secret");
    if (o->dicomweb_authorization && !o->dicomweb_results)
        return error_set(err, ST_INVALID, "--dicomweb-authorization needs --dicomweb-results");
    if (o->dicomweb_maps && !o->dicomweb_results)
        return error_set(err, ST_INVALID, "--dicomweb-maps needs --dicomweb-results");
    if (!o->tls_cert != !o->tls_key)
        return error_set(err, ST_INVALID, "--tls-cert and --tls-key go together");
    st = listen_resolve(o->listen, ret_listen, err);
    if (st == ST_OK && !o->insecure && !o->keys && !ret_listen->loopback)
        st = error_set(
            err, ST_INVALID,
            "'%.80s' can be reached from other machines, and nobody is asked for a key: choose a loopback "
            "address, give --keys, or say --insecure if a proxy or firewall keeps strangers out",
            o->listen);
    return st;
}
