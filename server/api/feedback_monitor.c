/* server/api/feedback_monitor.c - see feedback_monitor.h. */
#include "feedback_monitor.h"

#include "metrics.h"

#include "cxrd/clock.h"
#include "cxrd/feedback.h"
#include "cxrd/log.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIGURES = 1 << 20 };

struct feedback_monitor {
    struct buf figures; /* of `model`, as text */
    char model[ID_SIZE];
    uint64_t changes; /* that are counted in it */
    bool counted;
    double at; /* clock_seconds() */
};

enum status feedback_monitor_new(struct feedback_monitor **ret, struct error *err)
{
    struct feedback_monitor *w = calloc(1, sizeof *w);

    if (!w)
        return error_nomem(err);
    w->figures = (struct buf)BUF_INIT(MAX_FIGURES);
    *ret = w;
    return ST_OK;
}

void feedback_monitor_free(struct feedback_monitor *w)
{
    if (!w)
        return;
    buf_release(&w->figures);
    free(w);
}

/* ---- figures ---- */

static void put_rate(struct buf *out, const char *name, const char *help,
                     const struct feedback_groups *groups, struct feedback_figures *const *figures,
                     size_t offset)
{
    metrics_family(out, name, "gauge", help);
    for (size_t i = 0; i < groups->n; i++)
        for (size_t k = 0; k < groups->groups[i].labels.n; k++) {
            const struct estimate *e = (const struct estimate *)((const char *)&figures[i][k] + offset);
            const struct {
                const char *bound;
                double value;
            } VALUES[] = { { "value", e->value }, { "low", e->low }, { "high", e->high } };

            for (size_t j = 0; j < 3; j++)
                if (!isnan(VALUES[j].value))
                    buf_printf(
                        out,
                        "%s{label=\"%s\",model_version=\"%s\",operating_point=\"%s\",bound=\"%s\"} %.6g\n",
                        name, groups->groups[i].labels.names[k], groups->groups[i].model,
                        groups->groups[i].operating, VALUES[j].bound, VALUES[j].value);
        }
}

static enum status count(const struct feedback_groups *groups, struct buf *out)
{
    struct feedback_figures **figures = calloc(groups->n + 1, sizeof(struct feedback_figures *));
    enum status st = figures ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < groups->n && st == ST_OK; i++) {
        figures[i] = calloc(MAX_LABELS, sizeof **figures);
        st = figures[i] ? feedback_figures(&groups->groups[i], figures[i]) : ST_NOMEM;
    }
    if (st == ST_OK) {
        put_rate(out, "cxrd_feedback_sensitivity",
                 "Of the verdicts on pictures that readers call positive, with the ends of a 95 % interval.",
                 groups, figures, offsetof(struct feedback_figures, sensitivity));
        put_rate(out, "cxrd_feedback_specificity",
                 "Of the verdicts on pictures that readers call negative, with the ends of a 95 % interval.",
                 groups, figures, offsetof(struct feedback_figures, specificity));
    }
    for (size_t i = 0; figures && i < groups->n; i++)
        free(figures[i]);
    free(figures);
    return st;
}

static void count_anew(struct feedback_monitor *w, struct store *store, const char *active)
{
    const uint64_t changes = store_feedback_changes(store);
    struct feedback_groups groups = { NULL, 0 };
    struct error err = { 0 };
    const double now = clock_seconds();
    enum status st;

    if (w->counted && strcmp(w->model, active) == 0 && (w->changes == changes || now - w->at < WATCH_SECONDS))
        return;
    buf_clear(&w->figures);
    st = feedback_collect(store, active, NULL, 0, &groups, &err);
    if (st == ST_OK && count(&groups, &w->figures) != ST_OK)
        st = error_nomem(&err);
    feedback_groups_release(&groups);
    if (st != ST_OK) {
        buf_clear(&w->figures);
        log_error(LOG_WARN, "feedback cannot be counted", &err);
    }
    w->counted = true;
    w->changes = changes;
    w->at = now;
    snprintf(w->model, sizeof w->model, "%s", active);
}

/* ---- counters ---- */

static void put_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    metrics_family(out, name, "counter", help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

void feedback_monitor_write(struct feedback_monitor *w, struct store *store,
                            struct score_writer *score_writer, const char *active, struct buf *out)
{
    const struct score_writer_counts c = score_writer_counts(score_writer);

    put_counter(out, "cxrd_scores_kept_total", "Rows of scores that were written to be kept.", c.kept);
    put_counter(out, "cxrd_scores_swept_total", "Predictions whose scores went since their time was over.",
                c.swept);
    metrics_family(out, "cxrd_scores_shed_total", "counter",
                   "Rows of scores that were not kept, by the reason.");
    buf_printf(out, "cxrd_scores_shed_total{reason=\"queue\"} %llu\n", (unsigned long long)c.shed);
    buf_printf(out, "cxrd_scores_shed_total{reason=\"full\"} %llu\n", (unsigned long long)c.full);
    put_counter(out, "cxrd_scores_retried_total", "Batches of scores that the disk did not take at once.",
                c.retried);
    metrics_family(out, "cxrd_scores_waiting", "gauge", "Rows of scores that wait to be written.");
    buf_printf(out, "cxrd_scores_waiting %zu\n", c.waiting);
    count_anew(w, store, active);
    if (w->figures.data)
        buf_put(out, w->figures.data, w->figures.len);
}
