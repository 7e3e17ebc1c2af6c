/* server/api/watch.c - GET /metrics: what is counted as it happens, and what is asked for here. */
#include "accounting.h"
#include "canary.h"
#include "descriptors.h"
#include "drift_monitor.h"
#include "feedback_monitor.h"
#include "handlers.h"
#include "metrics.h"
#include "scrape.h"
#include "serving.h"
#include "shadow.h"
#include "work.h"

#include "cxrd/decoder.h"
#include "cxrd/labels.h"
#include "cxrd/log.h"
#include "cxrd/version.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void write_build(struct buf *out)
{
    metrics_family(out, "cxrd_build_info", "gauge", "Which build this is.");
    buf_printf(out, "cxrd_build_info{version=\"%s\",build=\"%s\"} 1\n", CXRD_VERSION, CXRD_BUILD);
}

/*   m  NULL: none is active */
static void write_model(const struct work *work, const struct loaded_model *m, struct buf *out)
{
    const struct registry_counts swaps = registry_counts(work->registry);
    struct registry_fault fault;

    metrics_family(out, "cxrd_model_info", "gauge", "The model that answers; absent: none.");
    if (m)
        buf_printf(out, "cxrd_model_info{version=\"%s\",sha256=\"%s\",architecture=\"%s\"} 1\n", m->id,
                   m->sha256, model_network(m->model)->architecture);
    metrics_family(out, "cxrd_model_unusable", "gauge", "1: the model that was chosen cannot be loaded.");
    buf_printf(out, "cxrd_model_unusable %d\n", registry_fault(work->registry, &fault));
    metrics_family(out, "cxrd_model_swaps_total", "counter", "Activations by how they ended.");
    buf_printf(out,
               "cxrd_model_swaps_total{result=\"ok\"} %zu\ncxrd_model_swaps_total{result=\"failed\"} %zu\n",
               swaps.swapped, swaps.failed);
}

/* The processes that decode for predictions. */
static void write_decoder(struct decoder *decoder, struct buf *out)
{
    struct decoder_facts f;

    decoder_facts(decoder, &f);
    metrics_family(out, "cxrd_decoder_up", "gauge", "0: JPEG and DICOM cannot be decoded; the log says why.");
    buf_printf(out, "cxrd_decoder_up %d\n", !f.failed);
    metrics_family(out, "cxrd_decoder_busy", "gauge", "JPEG and DICOM files that are being decoded.");
    buf_printf(out, "cxrd_decoder_busy %zu\n", f.busy);
    metrics_family(
        out, "cxrd_decoder_restarts_total", "counter",
        "Processes of cxrd-decode that were begun anew: they had ended, were late, or made no sense.");
    for (size_t i = 0; i < N_DECODER_LOSSES; i++)
        buf_printf(out, "cxrd_decoder_restarts_total{reason=\"%s\"} %llu\n", DECODER_LOSS_NAMES[i],
                   (unsigned long long)f.lost[i]);
    metrics_family(out, "cxrd_decoder_pictures_total", "counter",
                   "JPEG and DICOM files by what became of the process that decoded them.");
    for (size_t i = 0; i < N_DECODER_ENDS; i++)
        buf_printf(out, "cxrd_decoder_pictures_total{end=\"%s\"} %llu\n", DECODER_END_NAMES[i],
                   (unsigned long long)f.ended[i]);
}

static void write_network(struct http *http, struct buf *out)
{
    struct http_counts c;

    http_counts(http, &c);
    metrics_family(out, "cxrd_inference_queue_depth", "gauge", "Predictions that wait for a worker.");
    buf_printf(out, "cxrd_inference_queue_depth %zu\n", c.predictions_waiting);
    metrics_family(out, "cxrd_http_connections", "gauge", "Connections that are open.");
    buf_printf(out, "cxrd_http_connections %zu\n", c.connections);
    metrics_family(out, "cxrd_http_connections_max", "gauge", "Connections that may be open.");
    buf_printf(out, "cxrd_http_connections_max %zu\n", c.most_connections);
    metrics_family(out, "cxrd_http_connections_displaced_total", "counter",
                   "Connections that waited for a request and gave way to newcomers.");
    buf_printf(out, "cxrd_http_connections_displaced_total %zu\n", c.displaced);
    metrics_family(out, "cxrd_http_requests_in_flight", "gauge", "Requests begun and not answered.");
    buf_printf(out, "cxrd_http_requests_in_flight %zu\n", c.requests);
    metrics_family(out, "cxrd_http_connections_cut_total", "counter", "Connections cut at their deadline.");
    buf_printf(out, "cxrd_http_connections_cut_total %zu\n", c.cut);
    metrics_family(out, "cxrd_http_body_bytes", "gauge", "Bytes of request bodies in memory.");
    buf_printf(out, "cxrd_http_body_bytes %zu\n", c.body_bytes);
    if (c.certificate_ends) {
        metrics_family(out, "cxrd_tls_certificate_expiry_seconds", "gauge",
                       "When the TLS certificate ends, in seconds since 1970.");
        buf_printf(out, "cxrd_tls_certificate_expiry_seconds %" PRId64 "\n", c.certificate_ends);
    }
    metrics_family(out, "cxrd_http_reply_bytes", "gauge", "Bytes of replies in memory.");
    buf_printf(out, "cxrd_http_reply_bytes %zu\n", c.reply_bytes);
    metrics_family(out, "cxrd_log_lines_lost_total", "counter",
                   "Lines of the log that were not written, since its reader stalled or failed.");
    buf_printf(out, "cxrd_log_lines_lost_total %" PRIu64 "\n", log_lost());
}

/* ---- jobs ---- */

static void write_number(struct buf *out, const char *name, const char *labels, const json_t *value)
{
    if (json_is_number(value))
        buf_printf(out, "%s%s %.9g\n", name, labels, json_number_value(value));
}

/* The newest job that runs, with its progress; NULL: none. */
static json_t *running_job(const struct work *work)
{
    const struct page page = { .limit = 1, .state = "running" };
    json_t *jobs = NULL, *job = NULL;
    int64_t next;

    if (store_jobs(work->store, &page, &jobs, &next, NULL) == ST_OK && json_array_size(jobs) > 0) {
        const char *id = json_string_value(json_object_get(json_array_get(jobs, 0), "id"));

        if (!id || runner_job(work->runner, id, &job, NULL) != ST_OK)
            job = NULL;
    }
    json_decref(jobs);
    return job;
}

/* The findings that a job is of. */
static struct labels labels_of(const json_t *job)
{
    const json_t *names = json_object_get(json_object_get(job, "config"), "labels");
    struct labels labels = { 0 };
    struct error err;
    const json_t *name;
    size_t i;

    json_array_foreach (names, i, name)
        if (labels_add(&labels, json_string_value(name), json_string_length(name), &err) != ST_OK)
            return NIH_LABELS;
    return labels.n > 0 ? labels : NIH_LABELS;
}

static void write_aurocs(const struct work *work, const json_t *job, struct buf *out)
{
    const char *id = json_string_value(json_object_get(job, "id"));
    const struct labels labels = labels_of(job);
    struct train_progress now;

    metrics_family(out, "cxrd_train_val_auroc", "gauge", "Of the running job's last epoch, by finding.");
    if (!id || !runner_progress(work->runner, id, &now) || !now.validated)
        return;
    for (size_t k = 0; k < labels.n; k++)
        if (!isnan(now.val_auroc[k]))
            buf_printf(out, "cxrd_train_val_auroc{label=\"%s\"} %.9g\n", labels.names[k], now.val_auroc[k]);
}

static void write_training(const struct work *work, struct buf *out)
{
    json_t *job = running_job(work), *epochs = json_object_get(job, "epochs");
    const json_t *current = json_object_get(job, "current");
    const json_t *last = json_array_get(epochs, json_array_size(epochs) - 1);

    metrics_family(out, "cxrd_train_progress", "gauge",
                   "How far the running job is, 0 to 1; absent: none runs.");
    write_number(out, "cxrd_train_progress", "", json_object_get(job, "progress"));
    metrics_family(out, "cxrd_train_epoch", "gauge", "The epoch that the running job is in.");
    write_number(out, "cxrd_train_epoch", "", json_object_get(current, "epoch"));
    metrics_family(out, "cxrd_train_images_per_second", "gauge", "Training images a second.");
    write_number(out, "cxrd_train_images_per_second", "", json_object_get(current, "images_per_s"));
    metrics_family(out, "cxrd_train_loss", "gauge", "Loss of the running job by split.");
    write_number(out, "cxrd_train_loss", "{split=\"train\"}", json_object_get(current, "loss"));
    write_number(out, "cxrd_train_loss", "{split=\"validation\"}", json_object_get(last, "val_loss"));
    metrics_family(out, "cxrd_train_val_macro_auroc", "gauge", "Of the running job's last epoch.");
    write_number(out, "cxrd_train_val_macro_auroc", "", json_object_get(last, "val_macro_auroc"));
    write_aurocs(work, job, out);
    metrics_family(out, "cxrd_train_images_total", "counter", "Pictures that jobs have been trained on.");
    buf_printf(out, "cxrd_train_images_total %llu\n", (unsigned long long)runner_images(work->runner));
    json_decref(job);
}

static enum status write_jobs(const struct work *work, struct buf *out, struct error *err)
{
    size_t counts[N_JOB_STATES];
    const enum status st = store_job_counts(work->store, counts, err);

    if (st != ST_OK)
        return st;
    metrics_family(out, "cxrd_jobs", "gauge", "Jobs by state.");
    for (int i = 0; i < N_JOB_STATES; i++)
        buf_printf(out, "cxrd_jobs{state=\"%s\"} %zu\n", job_state_name((enum job_state)i), counts[i]);
    return ST_OK;
}

/* ---- the process, as Prometheus' own client libraries name it ---- */

static void write_memory(struct buf *out)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long total = 0, resident = 0;
    const long page = sysconf(_SC_PAGESIZE);

    /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
    if (file && fscanf(file, "%lu %lu", &total, &resident) == 2) {
        metrics_family(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
        buf_printf(out, "process_resident_memory_bytes %lu\n", resident * (unsigned long)page);
        metrics_family(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.");
        buf_printf(out, "process_virtual_memory_bytes %lu\n", total * (unsigned long)page);
    }
    if (file)
        fclose(file);
}

static void write_process(long long started, struct buf *out)
{
    struct rlimit files = { 0 };
    struct timespec cpu = { 0 };

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    getrlimit(RLIMIT_NOFILE, &files);
    metrics_family(out, "process_start_time_seconds", "gauge", "When it was started, in seconds since 1970.");
    buf_printf(out, "process_start_time_seconds %lld\n", started);
    metrics_family(out, "process_cpu_seconds_total", "counter", "CPU time used.");
    buf_printf(out, "process_cpu_seconds_total %.3f\n", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    write_memory(out);
    metrics_family(out, "process_open_fds", "gauge", "Descriptors that are open.");
    buf_printf(out, "process_open_fds %zu\n", descriptors_open());
    metrics_family(out, "process_max_fds", "gauge", "Descriptors that may be open.");
    buf_printf(out, "process_max_fds %llu\n", (unsigned long long)files.rlim_cur);
}

/* The client that asks, and its subject. */
struct question {
    struct app *app;
    const struct http_request *req;
};

static enum status write_metrics(void *arg, struct buf *out, struct error *err)
{
    const struct question *q = arg;
    const struct work *work = app_work(q->app);
    struct loaded_model *active = registry_active(work->registry);
    enum status st;

    write_build(out);
    write_model(work, active, out);
    metrics_write(app_accounting(q->app)->metrics, active, out);
    drift_monitor_metrics(app_accounting(q->app)->drift, out);
    feedback_monitor_write(app_accounting(q->app)->feedback, work->store, app_serving(q->app)->score_writer,
                           active ? active->id : "", out);
    canary_metrics(app_serving(q->app)->canary, out);
    shadow_metrics(app_serving(q->app)->shadow, out);
    loaded_model_release(active);
    write_decoder(app_serving(q->app)->decoder, out);
    write_network(q->req->http, out);
    st = write_jobs(work, out, err);
    write_training(work, out);
    write_process(app_accounting(q->app)->started, out);
    return st;
}

enum status metrics_get(struct app *app, const struct http_request *req, struct http_response *res,
                        struct error *err)
{
    struct question question = { app, req };

    res->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return scrape_lend(app_accounting(app)->scrape, req->received, write_metrics, &question, &res->lent, err);
}
