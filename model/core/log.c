/* model/core/log.c - JSON lines on standard error, see cxrd/log.h. */
#include "cxrd/log.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"
#include "cxrd/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_FIELD 256

static const char *const LEVEL_NAMES[] = { "debug", "info", "warn", "error", "off" };
static enum log_level threshold = LOG_INFO; /* written before threads start, then read only */

void log_set_level(enum log_level level) { threshold = level; }

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof LEVEL_NAMES / sizeof LEVEL_NAMES[0]; i++)
        if (strcmp(name, LEVEL_NAMES[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    return false;
}

/* ---- lines on their way ----
 *
 * A reader of the log that stalls would stop whoever writes to it, and a descriptor that others share must not be told not
 * to wait. So a thread of the log's own waits for the reader, and everybody else leaves lines with it, while there is room. */

enum { MAX_LINES = 1024, MAX_BYTES = 512 << 10 }; /* that wait */

static const double FLUSH_S = 1; /* how long an end waits for the reader */

struct line {
    int fd;
    char *text; /* owned, but for `report`; not terminated */
    size_t n;
};

static struct {
    pthread_t thread;
    pthread_mutex_t lock;   /* guards everything below */
    pthread_cond_t changed; /* a line came, the last one left, or stopping */
    bool running, stopping;
    struct line lines[MAX_LINES]; /* from `first` on, in a ring; the one that is being written is the first */
    size_t first, bytes;
    atomic_size_t n;    /* read without the lock by a process that dies */
    uint64_t gap, lost; /* lines that were not taken: since the last report, and in all */
    char report[160];   /* needs no memory */
} waiting = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* All of it in one write, unless that is cut short; how much was written: the rest is lost. */
static size_t bytes_write(int fd, const char *text, size_t n)
{
    size_t done = 0;

    while (done < n) {
        const ssize_t w = write(fd, text + done, n - done);
        struct pollfd room = { .fd = fd, .events = POLLOUT };

        if (w < 0 && errno == EAGAIN) /* somebody who shares it does not want to wait */
            poll(&room, 1, -1);
        else if (w < 0 && errno != EINTR)
            break;
        done += w > 0 ? (size_t)w : 0;
    }
    return done;
}

/* False: it is lost, or half of it: then the next one begins a line of its own. */
static bool line_write(int fd, const char *text, size_t n)
{
    static atomic_bool torn[STDERR_FILENO + 1];
    size_t done;

    if (atomic_load(&torn[fd]) && bytes_write(fd, "\n", 1) == 1)
        atomic_store(&torn[fd], false);
    if (atomic_load(&torn[fd]))
        return false;
    done = bytes_write(fd, text, n);
    if (done > 0 && done < n)
        atomic_store(&torn[fd], true);
    return done == n;
}

/* With the lock held; takes the text over. */
static void line_add(int fd, char *text, size_t n)
{
    waiting.lines[(waiting.first + waiting.n) % MAX_LINES] = (struct line){ fd, text, n };
    waiting.bytes += n;
    waiting.n++;
    pthread_cond_broadcast(&waiting.changed);
}

/* The text is taken over. Once a line is lost all are, until those before it are written: there is one gap, and where it is
 * a line says so. */
static void line_put(int fd, char *text, size_t n)
{
    bool taken = true;

    pthread_mutex_lock(&waiting.lock);
    if (waiting.running) {
        taken = waiting.gap == 0 && waiting.n < MAX_LINES && waiting.bytes + n <= MAX_BYTES;
        if (taken)
            line_add(fd, text, n);
        waiting.gap += !taken;
        waiting.lost += !taken;
        pthread_mutex_unlock(&waiting.lock);
    } else {
        pthread_mutex_unlock(&waiting.lock);
        line_write(fd, text, n);
        taken = false;
    }
    if (!taken)
        free(text);
}

/* With the lock held: in place of those that are missing. */
static void report_add(void)
{
    char now[CLOCK_TEXT_SIZE];
    const int n =
        snprintf(waiting.report, sizeof waiting.report,
                 "{\"time\":\"%s\",\"level\":\"warn\",\"message\":\"log lines lost\",\"lost\":%" PRIu64 "}\n",
                 clock_utc(now), waiting.gap);

    waiting.gap = 0;
    line_add(STDERR_FILENO, waiting.report, (size_t)n);
}

static void *writer_main(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&waiting.lock);
    while (waiting.n > 0 || waiting.gap > 0 || !waiting.stopping) {
        const struct line *line = &waiting.lines[waiting.first];
        bool written;

        if (waiting.n == 0 && waiting.gap > 0)
            report_add();
        if (waiting.n == 0) {
            pthread_cond_wait(&waiting.changed, &waiting.lock);
            continue;
        }
        pthread_mutex_unlock(&waiting.lock);
        written = line_write(line->fd, line->text, line->n);
        if (line->text != waiting.report)
            free(line->text);
        pthread_mutex_lock(&waiting.lock);
        waiting.bytes -= line->n;
        waiting.first = (waiting.first + 1) % MAX_LINES;
        waiting.lost += !written;
        if (--waiting.n == 0)
            pthread_cond_broadcast(&waiting.changed);
    }
    waiting.running = false; /* what comes after is written by whoever says it */
    pthread_cond_broadcast(&waiting.changed);
    pthread_mutex_unlock(&waiting.lock);
    return NULL;
}

/* A thread of ours crashed: the log's goes on meanwhile, so give it time for the lines that tell why. */
static void on_crash(int number)
{
    const struct timespec moment = { .tv_nsec = 5000000 };

    for (int i = 0; i < 200 && atomic_load(&waiting.n) > 0; i++)
        nanosleep(&moment, NULL);
    raise(number); /* as it would have been: the handler is gone by now */
}

static void crashes_claim(void)
{
    static const int CRASHES[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

    for (size_t i = 0; i < sizeof CRASHES / sizeof CRASHES[0]; i++) {
        struct sigaction before;
        const struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };

        if (sigaction(CRASHES[i], NULL, &before) == 0 &&
            before.sa_handler == SIG_DFL) /* a sanitizer's stays */
            sigaction(CRASHES[i], &action, NULL);
    }
}

enum status log_start(struct error *err)
{
    enum status st;

    condition_init(&waiting.changed);
    waiting.running = true; /* before the thread is there: it may say the first line itself */
    st = thread_start(&waiting.thread, writer_main, NULL, "the thread that writes the log", err);
    waiting.running = st == ST_OK;
    if (st == ST_OK)
        crashes_claim();
    return st;
}

bool log_stop(void)
{
    const double deadline = clock_seconds() + FLUSH_S;
    bool started, over;

    pthread_mutex_lock(&waiting.lock);
    started = waiting.running;
    waiting.stopping = true;
    if (started)
        pthread_cond_broadcast(&waiting.changed);
    while (waiting.running && condition_wait(&waiting.changed, &waiting.lock, deadline))
        ;
    over = !waiting.running;
    waiting.stopping = false;
    pthread_mutex_unlock(&waiting.lock);
    if (started && over)
        pthread_join(waiting.thread, NULL);
    return over;
}

uint64_t log_lost(void)
{
    uint64_t lost;

    pthread_mutex_lock(&waiting.lock);
    lost = waiting.lost;
    pthread_mutex_unlock(&waiting.lock);
    return lost;
}

/* ---- what a line says ---- */

/* Cut at a character boundary, so that the line stays valid UTF-8. */
static json_t *shortened(const char *text, size_t n)
{
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return json_stringn(text, n);
}

static void cap_fields(json_t *fields)
{
    const char *key;
    json_t *value;

    json_object_foreach (fields, key, value)
        if (json_is_string(value) && json_string_length(value) > MAX_FIELD)
            json_object_set_new(fields, key, shortened(json_string_value(value), MAX_FIELD));
}

static void write_line(json_t *line)
{
    /* ASCII only: a stranger's U+2028 or escape sequence cannot break a terminal or a line reader */
    char *text = json_text(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    const size_t n = text ? strlen(text) : 0;

    if (!text)
        return;     /* no memory: rather no line than half of one */
    text[n] = '\n'; /* over the NUL: the line leaves in one write */
    line_put(STDERR_FILENO, text, n + 1);
}

void log_event(enum log_level level, const char *message, json_t *fields)
{
    char now[CLOCK_TEXT_SIZE];
    json_t *line;

    if (level < threshold) {
        json_decref(fields);
        return;
    }
    line =
        json_pack("{s:s,s:s,s:s}", "time", clock_utc(now), "level", LEVEL_NAMES[level], "message", message);
    if (line && fields) {
        cap_fields(fields);
        json_object_update_missing(line, fields);
    }
    if (line)
        write_line(line);
    json_decref(line);
    json_decref(fields);
}

void log_text(enum log_level level, const char *message, const char *fmt, ...)
{
    char detail[2 * MAX_FIELD];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    log_event(level, message, json_pack("{s:s}", "detail", detail));
}

void log_announce(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int n;

    fflush(stdout);
    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n >= 0)
        line_put(STDOUT_FILENO, text, (size_t)n);
}

void log_error(enum log_level level, const char *message, const struct error *err)
{
    log_event(level, message,
              json_pack("{s:s,s:s*}", "detail", err->text, "inner", err->inner[0] ? err->inner : NULL));
}
