/* server/commands/serve.c - cxrd serve: build from the bottom up, wait for a signal, take down in reverse. */
#include "../app.h"
#include "commands.h"
#include "cxrd/file.h"
#include "cxrd/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct serve_options {
    const char *listen, *state, *datasets, *log_level;
    size_t threads, queue, job_queue, max_upload, cache_bytes, event_readers, event_ping;
    bool insecure;
};

#define AT(member) offsetof(struct serve_options, member)

static const struct option OPTIONS[] = {
    { "listen", OPTION_TEXT, AT(listen), "HOST:PORT",
      "address to listen on; port 0 picks one (127.0.0.1:8080)" },
    { "state", OPTION_TEXT, AT(state), "DIR", "where jobs, models and the picture cache are kept (./state)" },
    { "datasets", OPTION_TEXT, AT(datasets), "DIR",
      "folder with a folder for each data set; none: no training" },
    { "threads", OPTION_COUNT, AT(threads), "N", "threads that predict, and that train (all cores)", 1, 256 },
    { "queue", OPTION_COUNT, AT(queue), "N", "predictions that may wait (64)", 1, 65536 },
    { "job-queue", OPTION_COUNT, AT(job_queue), "N", "jobs that may wait (8)", 1, 1024 },
    { "max-upload", OPTION_BYTES, AT(max_upload), "BYTES", "largest picture that is accepted (16M)", 1024,
      128 << 20 },
    { "cache-bytes", OPTION_BYTES, AT(cache_bytes), "BYTES", "disk space for decoded pictures; 0: none (16G)",
      0, SIZE_MAX },
    { "event-readers", OPTION_COUNT, AT(event_readers), "N",
      "connections that may read a job's events at a time (32)", 1, 1024 },
    { "event-ping", OPTION_COUNT, AT(event_ping), "SECONDS",
      "silence after which a reader of events gets a comment, so that proxies stay (15)", 1, 3600 },
    { "log-level", OPTION_TEXT, AT(log_level), "LEVEL", "debug, info, warn, error or off (info)" },
    { "insecure", OPTION_FLAG, AT(insecure), NULL,
      "allow an address other than loopback, for anyone who reaches it" },
};

/* What `cxrd serve` holds, in the order in which it is made. */
struct server {
    int lock; /* the state folder's */
    struct app app;
    struct http *http;
};

static enum status check_options(const struct serve_options *o, struct error *err)
{
    enum log_level level;

    if (!log_level_parse(o->log_level, &level))
        return error_set(err, ST_INVALID, "--log-level must be debug, info, warn, error or off, not '%.32s'",
                         o->log_level);
    log_set_level(level);
    if (!o->insecure && !http_is_loopback(o->listen))
        return error_set(
            err, ST_INVALID,
            "'%.80s' can be reached from other machines, and nobody is asked for a key: choose a loopback "
            "address, or say --insecure if a proxy or firewall keeps strangers out",
            o->listen);
    return ST_OK;
}

/* One server a state folder: the lock goes with the process, however it ends. */
static enum status state_lock(const char *folder, int *ret_fd, struct error *err)
{
    char path[PATH_MAX];
    enum status st = folder_make(folder, err);
    int fd;

    if (st != ST_OK)
        return st;
    snprintf(path, sizeof path, "%s/lock", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_errno(err, ST_IO, "cannot open '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return error_set(err, ST_CONFLICT, "another server is using the state folder '%s'", folder);
    }
    *ret_fd = fd;
    return ST_OK;
}

static enum status app_start(struct server *s, const struct serve_options *o, struct error *err)
{
    struct app *app = &s->app;
    const struct runner_options runner = { o->state, o->datasets, o->cache_bytes, o->job_queue, o->threads };
    char database[PATH_MAX];
    enum status st;

    snprintf(database, sizeof database, "%s/cxrd.db", o->state);
    app->limits = IMAGE_LIMITS;
    app->max_upload = o->max_upload;
    app->predict_queue = o->queue;
    app->job_queue = o->job_queue;
    st = state_lock(o->state, &s->lock, err);
    if (st == ST_OK)
        st = store_open(database, &app->store, err);
    if (st == ST_OK)
        st = registry_open(app->store, o->state, &app->registry, err);
    if (st == ST_OK)
        st = sessions_new(o->threads, &app->sessions, err);
    if (st == ST_OK)
        st = team_new(o->threads, &app->team, err);
    if (st == ST_OK)
        st = runner_start(&runner, app->store, app->registry, &app->runner, err);
    return st;
}

/* SIGTERM and SIGINT are the main thread's, which waits for them. Others block them, but OpenBLAS has a thread since
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
    pthread_sigmask(SIG_BLOCK, ret_signals, NULL); /* before any thread of ours exists */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Wait for SIGTERM or SIGINT. */
static void wait_for_end(const sigset_t *signals)
{
    int signal = 0;

    while (sigwait(signals, &signal) != 0)
        ;
    log_event(LOG_INFO, "stopping", json_pack("{s:s}", "signal", strsignal(signal)));
}

static int serve(int argc, char **argv)
{
    struct serve_options o = { .listen = "127.0.0.1:8080",
                               .state = "state",
                               .log_level = "info",
                               .threads = cores_available(),
                               .queue = 64,
                               .job_queue = 8,
                               .max_upload = 16 << 20,
                               .cache_bytes = (size_t)16 << 30,
                               .event_readers = 32,
                               .event_ping = 15 };
    struct server s = { .lock = -1 };
    struct error err = { 0 };
    size_t n_arguments;
    sigset_t signals;
    enum status st;
    int exit_status;

    if (!command_begin(&COMMAND_SERVE, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    umask(0077);
    signals_claim(&signals);
    st = check_options(&o, &err);
    if (st == ST_OK)
        st = app_start(&s, &o, &err);
    if (st == ST_OK) {
        const struct http_options http = { .listen = o.listen,
                                           .workers = o.threads,
                                           .queue = o.queue,
                                           .max_upload = o.max_upload,
                                           .max_streams = o.event_readers,
                                           .ping_s = (double)o.event_ping,
                                           .drain_s = 15 };

        st = http_start(&http, &s.app, &s.http, &err);
    }
    if (st == ST_OK) {
        printf("listening on http://%s\n", http_address(s.http));
        fflush(stdout);
        wait_for_end(&signals);
    }
    http_stop(s.http); /* each of these takes NULL */
    runner_stop(s.app.runner);
    team_free(s.app.team);
    sessions_free(s.app.sessions);
    registry_close(s.app.registry);
    store_close(s.app.store);
    if (s.lock >= 0)
        close(s.lock);
    return st == ST_OK ? EXIT_DONE : command_fail(&COMMAND_SERVE, &err);
}

const struct command COMMAND_SERVE = {
    "serve", "[OPTIONS]", "answer over HTTP", OPTIONS, sizeof OPTIONS / sizeof OPTIONS[0], serve
};
