/* server/commands/serve_options.h - what `cxrd serve` can be told, before anything of it is made. */
#ifndef SERVER_COMMANDS_SERVE_OPTIONS_H
#define SERVER_COMMANDS_SERVE_OPTIONS_H

#include "../options.h"

#include <stdbool.h>
#include <stddef.h>

/* Texts are borrowed from the arguments and the environment; NULL: not given, and there is no default. */
struct serve_options {
    const char *listen, *state, *store, *datasets, *log_level, *input_policy, *precision, *keys, *hosts,
        *cors_origins, *audit, *base_path, *tls_cert, *tls_key, *webhook, *webhook_hosts, *webhook_secret,
        *outgoing_private, *outgoing_ca, *data_hosts, *s3_credentials, *dicomweb_results,
        *dicomweb_authorization, *dicomweb_maps, *profile_keys, *model_keys;
    size_t audit_bytes, rate, request_timeout, threads, queue, job_queue, max_upload, cache_bytes,
        event_readers, event_ping, drain, keep_alive, source_connections, keep_models, loaded_models,
        keep_jobs, keep_scores, webhook_retry, data_bytes, data_files, data_tries, decoders, decode_timeout;
    bool insecure;
};

struct listen_address;

/* The same as flags. */
extern const struct option SERVE_OPTIONS[];

/* The values of options that are not given. */
struct serve_options serve_options_default(void);

/* Check what the options' own checks cannot, and log from here on at the level that is asked for.
 *   ret_listen  --listen, resolved; nobody asks for the name again
 * Errors: ST_INVALID. */
MUST_USE enum status serve_options_check(const struct serve_options *o, struct listen_address *ret_listen,
                                         struct error *err);

#endif
