/* server/commands/serve.c - cxrd serve: build from the bottom up, wait for a signal, take down in reverse. */
#include "../api/app.h"
#include "../api/archive.h"
#include "../api/canary.h"
#include "../api/drift_monitor.h"
#include "../api/feedback_monitor.h"
#include "../api/metrics.h"
#include "../api/prediction_pool.h"
#include "../api/promoter.h"
#include "../api/record.h"
#include "../api/routes.h"
#include "../api/scrape.h"
#include "../api/sessions.h"
#include "../api/shadow.h"
#include "../audit.h"
#include "../descriptors.h"
#include "../http/auth.h"
#include "../http/listen.h"
#include "../secret_line.h"
#include "commands.h"
#include "cxrd/clock.h"
#include "cxrd/cores.h"
#include "cxrd/decoder.h"
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/score_writer.h"
#include "cxrd/secret.h"
#include "cxrd/state_lock.h"
#include "cxrd/sweep.h"
#include "cxrd/trainer.h"
#include "cxrd/version.h"
#include "serve_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* After SIGTERM: how much longer than requests a job may take to end, and how long after the last of them in any case. */
enum { JOB_EXTRA_S = 3, JOB_LEAST_S = 5 };

/* All that `cxrd serve` holds, in the order in which it is made. */
struct server {
    struct descriptor_plan plan;
    int lock; /* the state folder's */
    struct auth *auth;
    struct app app;
    struct patients_key patients_key;
    struct http *http;
};

static enum status outgoing_start(struct app *app, const struct serve_options *o, struct error *err)
{
    const struct outgoing_options outgoing = {
        .hosts = { [OUTGOING_NOTICE] = o->webhook_hosts, [OUTGOING_DATA] = o->data_hosts },
        .notice_url = o->webhook,
        .results_url = o->dicomweb_results,
        .private_hosts = o->outgoing_private,
        .ca = o->outgoing_ca
    };
    const struct notices_options notices = { o->webhook, o->webhook_secret, o->webhook_retry };
    enum status st = outgoing_open(&outgoing, &app->work.outgoing, err);

    if (st == ST_OK)
        st = archive_open(app->work.outgoing, o->dicomweb_results, o->dicomweb_authorization,
                          &app->serving.archive, err);
    if (st != ST_OK)
        return st;
    return outgoing_enabled(app->work.outgoing, OUTGOING_NOTICE)
               ? notices_start(&notices, app->work.store, app->work.outgoing, &app->notices, err)
               : store_notices_begin(app->work.store, false, NULL, NULL, err);
}

/* "ID:SECRET". */
static enum status credentials_load(const char *path, char **ret, struct error *err)
{
    char *line = NULL;
    const char *colon;
    enum status st = secret_line_read(path, &line, err);

    if (st != ST_OK)
        return st;
    colon = strchr(line, ':');
    if (!colon || colon == line || !colon[1]) {
        secret_free(line);
        return error_set(err, ST_INVALID, "--data-credentials: the file must hold ID:SECRET");
    }
    *ret = line;
    return ST_OK;
}

/* The options that handlers need. */
static void app_describe(struct app *app, const struct serve_options *o)
{
    app->serving.limits = IMAGE_LIMITS;
    if (input_policy_parse(o->input_policy, &app->serving.policy, NULL) != ST_OK)
        app->serving.policy = POLICY_FRONTAL; /* which its check has seen to */
    app->serving.precision = precision_named(o->precision);
    app->serving.archive_maps = o->dicomweb_maps;
    app->serving.max_upload = o->max_upload;
    app->serving.predict_queue = o->queue;
    app->serving.job_queue = o->job_queue;
    app->work.datasets = o->datasets;
    app->work.base_path = o->base_path;
    app->accounting.started = time(NULL);
}

/* Without the key that their codes were made with nobody could be told to be one who is to be left out. */
static enum status patients_start(struct server *s, const struct serve_options *o, struct error *err)
{
    char check[PATIENT_CODE_SIZE];
    enum status st = patients_key_open(o->state, &s->patients_key, err);

    if (st == ST_OK && patients_key_check(&s->patients_key, check) != ST_OK)
        st = error_nomem(err);
    return st == ST_OK ? store_patients_key(s->app.work.store, check, err) : st;
}

/* A training wants its model tried in the shadow. */
static enum status on_shadow(void *arg, const struct shadow_promotion *promotion, struct error *err)
{
    struct app *app = arg;
    const enum status st = shadow_begin(app->serving.shadow, promotion->model, promotion, err);

    if (st == ST_OK)
        record_shadow(app, promotion, &(struct shadow_outcome){ "waiting", NULL });
    return st;
}

static enum status jobs_start(struct server *s, const struct serve_options *o, struct error *err)
{
    struct app *app = &s->app;
    const struct runner_options runner = { .state = o->state,
                                           .datasets = o->datasets,
                                           .patients_key = &s->patients_key,
                                           .cache_bytes = o->cache_bytes,
                                           .job_queue = o->job_queue,
                                           .threads = o->threads,
                                           .keep_models = o->keep_models,
                                           .keep_jobs = o->keep_jobs,
                                           .outgoing = app->work.outgoing,
                                           .s3_credentials = app->s3_credentials,
                                           .data_bytes = o->data_bytes,
                                           .data_files = o->data_files,
                                           .data_tries = o->data_tries,
                                           .activated = record_activated,
                                           .shadow = on_shadow,
                                           .arg = app };

    return runner_start(&runner, app->work.store, app->work.registry, &app->work.runner, err);
}

/* Where nothing can decode them, JPEG and DICOM are refused with the sentence that the log has; PNG needs no decoder. */
static enum status decoder_start(struct app *app, const struct serve_options *o, struct error *err)
{
    struct decoder_options options = decoder_options_default();
    struct error why;
    enum status st;

    options.helpers = o->decoders;
    options.timeout_s = (unsigned)o->decode_timeout;
    options.most_bytes = o->max_upload;
    st = decoder_open(&options, &app->serving.decoder, err);
    if (st == ST_OK && decoder_begin(app->serving.decoder, &why) == ST_OK)
        log_event(LOG_DEBUG, "JPEG and DICOM can be decoded", NULL);
    return st;
}

/* It is not known yet of what kind it is; memory that nothing is decoded into is given back soon. */
static void expect_picture(struct app *app) { decoder_expect(app->serving.decoder); }

static void on_deleted(void *arg, const char *model)
{
    struct app *app = arg;

    profiles_forget(app->work.profiles, model);
}

static enum status take_up_profiles(void *arg, struct error *err) { return profiles_take_up(arg, err); }

static enum status profiles_start(struct app *app, const struct serve_options *o, struct error *err)
{
    struct signers *signers = NULL;
    enum status st = o->profile_keys ? signers_load(o->profile_keys, &signers, err) : ST_OK;

    if (st == ST_OK)
        st = profiles_open(app->work.store, signers, &app->work.profiles, err);
    app->serving.profiles = app->work.profiles;
    return st;
}

/* The models that are tried beside the active one. */
static enum status trials_start(struct app *app, struct error *err)
{
    const struct canary_options canary = { app->work.registry, app->work.store, record_taken_back, app };
    const struct shadow_options shadow = { app->work.registry,
                                           app->serving.profiles,
                                           app->work.store,
                                           app->serving.score_writer,
                                           app->serving.pool,
                                           record_shadow,
                                           app };
    enum status st = canary_start(&canary, &app->serving.canary, err);

    registry_follow(app->work.registry, SHARED_PROFILES, take_up_profiles, app->work.profiles);
    if (st == ST_OK)
        st = shadow_start(&shadow, &app->serving.shadow, err);
    if (st == ST_OK)
        st = promoter_start(app->work.registry, app->serving.shadow, &app->serving.promoter, err);
    return st;
}

/* The state folder, which is this server's alone, and the store. */
static enum status state_start(struct server *s, const struct serve_options *o, struct error *err)
{
    struct app *app = &s->app;
    char database[PATH_MAX];
    enum status st = folder_make(o->state, err);

    snprintf(database, sizeof database, "%s/" STATE_DATABASE, o->state);
    if (st == ST_OK)
        st = state_lock(o->state, &s->lock, err);
    if (st == ST_OK)
        st = store_open(o->store ? o->store : database, &app->work.store, err);
    app->serving.store = app->work.store;
    if (st == ST_OK)
        st = patients_start(s, o, err);
    app->serving.patients_key = &s->patients_key;
    return st;
}

/* Metrics, monitors and the audit log. */
static enum status accounting_start(struct app *app, const struct serve_options *o, struct error *err)
{
    enum status st = metrics_new(&ROUTES, &app->accounting.metrics, err);

    app->serving.metrics = app->accounting.metrics;
    if (st == ST_OK)
        st = drift_monitor_new(&app->accounting.drift, err);
    app->serving.drift = app->accounting.drift;
    if (st == ST_OK)
        st = scrape_new(&app->accounting.scrape, err);
    if (st == ST_OK)
        st = feedback_monitor_new(&app->accounting.feedback, err);
    if (st == ST_OK && o->audit)
        st = audit_open(o->audit, o->audit_bytes, &app->accounting.audit, err);
    return st;
}

/* The models and their profiles. Files that an earlier run has left and that the store does not know are swept before. */
static enum status models_start(struct app *app, const struct serve_options *o, struct error *err)
{
    struct registry_options registry = { app->serving.precision, o->loaded_models, NULL, on_deleted, app };
    enum status st = o->model_keys ? signers_load(o->model_keys, &app->model_signers, err) : ST_OK;

    if (st == ST_OK)
        st = profiles_start(app, o, err);
    if (st != ST_OK)
        return st;
    state_sweep(o->state, app->work.store);
    datasets_sweep(o->datasets, app->work.store);
    registry.signers = app->model_signers;
    st = registry_open(app->work.store, o->state, &registry, &app->work.registry, err);
    app->serving.registry = app->work.registry;
    return st;
}

/* Everything that a prediction needs beside the active model, and the trials of other models. */
static enum status serving_start(struct app *app, const struct serve_options *o, struct error *err)
{
    enum status st = score_writer_start(app->work.store, o->keep_scores, &app->serving.score_writer, err);

    if (st == ST_OK)
        st = decoder_start(app, o, err);
    if (st == ST_OK)
        st = sessions_new(o->threads, &app->serving.sessions, err);
    if (st == ST_OK)
        st = prediction_pool_new(o->threads, &app->serving.pool, err);
    if (st == ST_OK)
        st = trials_start(app, err);
    return st;
}

static enum status app_start(struct server *s, const struct serve_options *o, struct error *err)
{
    struct app *app = &s->app;
    enum status st;

    app_describe(app, o);
    st = state_start(s, o, err);
    if (st == ST_OK)
        st = accounting_start(app, o, err);
    if (st == ST_OK)
        st = outgoing_start(app, o, err);
    if (st == ST_OK)
        st = models_start(app, o, err);
    if (st == ST_OK)
        st = serving_start(app, o, err);
    if (st == ST_OK && o->s3_credentials)
        st = credentials_load(o->s3_credentials, &app->s3_credentials, err);
    if (st == ST_OK)
        st = catalog_open(o->datasets, &app->work.catalog, err);
    return st == ST_OK ? jobs_start(s, o, err) : st;
}

/* Why it has as many threads as it has. */
static void tell_threads(size_t threads)
{
    const struct cores c = cores_find();

    log_event(LOG_INFO, "threads",
              json_pack("{s:I,s:I,s:o,s:s}", "threads", (json_int_t)threads, "cores_allowed",
                        (json_int_t)c.allowed, "cpu_quota", c.quota > 0 ? json_real(c.quota) : json_null(),
                        "cpu_quota_from", c.source));
}

/* A folder that comes later, such as a volume, is found then; a name that is mistyped is told now. */
static void check_datasets(const char *datasets)
{
    if (datasets && access(datasets, R_OK | X_OK) != 0)
        log_text(LOG_WARN, "the folder of --datasets cannot be read, so nothing can be trained", "%s",
                 strerror(errno));
}

static enum status http_open(struct server *s, const struct serve_options *o,
                             const struct listen_address *listen, struct error *err)
{
    const struct auth_options auth = { o->keys, o->rate, o->hosts, listen->loopback, o->cors_origins };
    struct http_options http = { .listen = listen,
                                 .routes = ROUTES,
                                 .workers = o->threads,
                                 .decode_workers = o->decoders,
                                 .queue = o->queue,
                                 .max_upload = o->max_upload,
                                 .max_streams = o->event_readers,
                                 .ping_s = (double)o->event_ping,
                                 .request_s = (double)o->request_timeout,
                                 .keep_alive_s = (double)o->keep_alive,
                                 .connections = s->plan.connections,
                                 .of_a_source = o->source_connections,
                                 .files = s->plan.files,
                                 .drain_s = (double)o->drain,
                                 .hooks = { record_intent, record_before, record_after, expect_picture },
                                 .base_path = o->base_path,
                                 .tls_cert = o->tls_cert,
                                 .tls_key = o->tls_key };
    enum status st = auth_open(&auth, &s->auth, err);

    http.auth = s->auth;
    return st == ST_OK ? http_start(&http, &s->app, &s->http, err) : st;
}

/* Divide the descriptors, and so the connections, among all that there will be. */
static enum status capacity_plan(struct server *s, const struct serve_options *o, struct error *err)
{
    const struct descriptor_needs needs = { .threads = o->threads,
                                            .decoders = o->decoders,
                                            .job_decoders = train_decoders(o->threads),
                                            .training = o->datasets != NULL,
                                            .fetching = o->data_hosts != NULL,
                                            .audit = o->audit != NULL,
                                            .notices = o->webhook || o->webhook_hosts,
                                            .archive = o->dicomweb_results != NULL };

    return descriptors_plan(&needs, &s->plan, err);
}

/* SIGTERM, SIGINT and SIGHUP are the main thread's, which waits for them. Others block them, but OpenBLAS has a thread since
 * before main(): what it gets would end the process, so it hands it on. */
static pthread_t main_thread;

static void hand_on(int number) { pthread_kill(main_thread, number); }

static void signals_claim(sigset_t *ret_signals)
{
    const struct sigaction action = { .sa_handler = hand_on, .sa_flags = SA_RESTART };

    main_thread = pthread_self();
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGINT);
    sigaddset(ret_signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, ret_signals, NULL); /* before any thread of ours exists */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error, not the end */
}

/* An event of the server itself. */
static void audit_note(struct server *s, const char *event)
{
    struct error err = { 0 };
    struct loaded_model *m = registry_active(s->app.work.registry);
    json_t *members = json_pack("{s:s,s:o,s:s}", "build", CXRD_BUILD, "model",
                                m ? json_string(m->id) : json_null(), "sha256", m ? m->sha256 : "");

    if (audit_write(s->app.accounting.audit, event, members, true, &err) != ST_OK)
        log_error(LOG_ERROR, "an event could not be recorded", &err);
    loaded_model_release(m);
}

/* Memory must not reach a disk by a crash: no core dumps, and no other process of this user may look. */
static void keep_memory_private(bool on)
{
    const struct rlimit none = { 0, 0 };

    if (on)
        setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, on ? 0 : 1, 0, 0, 0);
}

/* SIGHUP: read again what may change while the server runs. A file that cannot be read leaves all as it was. */
static void reload(struct server *s, const struct serve_options *o)
{
    struct error err = { 0 };

    if (o->keys && auth_reload(s->auth, &err) == ST_OK)
        log_event(LOG_INFO, "keys reloaded", NULL);
    else if (o->keys)
        log_error(LOG_ERROR, "keys not reloaded", &err);
    if (http_reload(s->http, &err) != ST_OK)
        log_error(LOG_ERROR, "the TLS certificate was not read again", &err);
    if (audit_reopen(s->app.accounting.audit, &err) != ST_OK)
        log_error(LOG_ERROR, "audit log not opened anew", &err);
    audit_note(s, "reload");
}

/* Wait for SIGTERM or SIGINT; new requests are refused before the log says that it stops. */
static void wait_for_end(struct server *s, const struct serve_options *o, const sigset_t *signals)
{
    int signal = 0;

    while (sigwait(signals, &signal) != 0 || signal == SIGHUP)
        if (signal == SIGHUP)
            reload(s, o);
    http_halt(s->http);
    log_event(LOG_INFO, "stopping", json_pack("{s:s}", "signal", strsignal(signal)));
}

/* In reverse; each of these takes NULL. A job ends while requests are answered, and always has time for its checkpoint.
 *   exit_status  of the program where a job does not end in time: its thread uses all that would be let go of */
static void take_down(struct server *s, const struct serve_options *o, bool ran, int exit_status)
{
    const double stop_by = clock_seconds() + (double)o->drain + JOB_EXTRA_S;

    runner_halt(s->app.work.runner);
    http_stop(s->http);
    auth_close(s->auth);
    if (ran)
        audit_note(s, "stop");
    if (!runner_stop(s->app.work.runner, fmax(stop_by - clock_seconds(), JOB_LEAST_S))) {
        log_event(LOG_WARN, "the job that runs did not end in time: what it did since its last epoch is lost",
                  NULL);
        log_stop();
        _exit(exit_status);
    }
    promoter_stop(s->app.serving.promoter);
    shadow_stop(s->app.serving.shadow);
    canary_stop(s->app.serving.canary);
    score_writer_stop(s->app.serving.score_writer);
    catalog_close(s->app.work.catalog);
    notices_stop(s->app.notices);
    archive_close(s->app.serving.archive);
    outgoing_close(s->app.work.outgoing);
    secret_free(s->app.s3_credentials);
    prediction_pool_free(s->app.serving.pool);
    decoder_close(s->app.serving.decoder);
    sessions_free(s->app.serving.sessions);
    registry_close(s->app.work.registry);
    profiles_close(s->app.work.profiles);
    signers_free(s->app.model_signers);
    store_close(s->app.work.store);
    explicit_bzero(&s->patients_key, sizeof s->patients_key);
    audit_close(s->app.accounting.audit);
    feedback_monitor_free(s->app.accounting.feedback);
    scrape_free(s->app.accounting.scrape);
    drift_monitor_free(s->app.accounting.drift);
    metrics_free(s->app.accounting.metrics);
}

static int serve(int argc, char **argv)
{
    struct serve_options o = serve_options_default();
    struct server s = { .lock = -1 };
    struct listen_address listen;
    struct error err = { 0 };
    size_t n_arguments;
    sigset_t signals;
    enum status st;
    int exit_status;

    if (!command_begin(&COMMAND_SERVE, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    umask(0077);
    keep_memory_private(true);
    signals_claim(&signals);
    st = serve_options_check(&o, &listen, &err);
    if (st == ST_OK)
        st = capacity_plan(&s, &o, &err);
    if (st == ST_OK)
        st = log_start(&err);
    if (st == ST_OK)
        st = image_warm_up(&err);
    if (st == ST_OK)
        check_datasets(o.datasets);
    if (st == ST_OK)
        st = app_start(&s, &o, &err);
    if (st == ST_OK)
        st = http_open(&s, &o, &listen, &err);
    if (st == ST_OK) {
        audit_note(&s, "start");
        tell_threads(o.threads);
        registry_called(s.app.work.registry, http_address(s.http));
        log_announce("listening on %s://%s\n", o.tls_cert ? "https" : "http", http_address(s.http));
        wait_for_end(&s, &o, &signals);
    }
    exit_status = st == ST_OK ? EXIT_DONE : EXIT_FAILED;
    take_down(&s, &o, st == ST_OK, exit_status);
    if (log_stop() && st != ST_OK) /* or nobody reads it */
        command_fail(&COMMAND_SERVE, &err);
    keep_memory_private(false); /* there is nothing left to keep, and a leak checker wants to look */
    if (s.lock >= 0)
        close(s.lock);
    return exit_status;
}

const struct command COMMAND_SERVE = {
    "serve",       "[OPTIONS]", "answer over HTTP",
    SERVE_OPTIONS, serve,       .example = "cxrd serve --state state --datasets datasets",
};
