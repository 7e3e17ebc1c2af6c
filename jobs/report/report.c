/* jobs/report/report.c - the page from its parts, see cxrd/report.h. */
#include "cxrd/report.h"

#include "cxrd/digest.h"
#include "cxrd/encoding.h"
#include "cxrd/labels.h"
#include "cxrd/version.h"
#include "findings.h"
#include "html.h"
#include "mail.h"
#include "sections.h"

#include <stdint.h>
#include <string.h>

/* Embedded by the build: Chart.js of Debian's libjs-chart.js, and heat.js with page.js behind it, and page.css, of this folder. */
extern const unsigned char CHART_JS[], PAGE_JS[], PAGE_CSS[];
extern const size_t CHART_JS_SIZE, PAGE_JS_SIZE, PAGE_CSS_SIZE;

/* 'sha256-…' of an inline element, as a Content-Security-Policy names it. */
static enum status policy_digest(struct buf *out, const void *bytes, size_t n)
{
    char hex[DIGEST_TEXT_SIZE];
    uint8_t raw[32];

    if (digest_bytes(bytes, n, hex) != ST_OK)
        return ST_NOMEM;
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
    buf_puts(out, "'sha256-");
    base64_put(out, raw, sizeof raw);
    buf_puts(out, "' ");
    return ST_OK;
}

static enum status head_put(struct buf *out, const json_t *record)
{
    enum status st;

    buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                  "script-src ");
    st = policy_digest(out, CHART_JS, CHART_JS_SIZE);
    if (st == ST_OK)
        st = policy_digest(out, PAGE_JS, PAGE_JS_SIZE);
    buf_puts(out, "; style-src ");
    if (st == ST_OK)
        st = policy_digest(out, PAGE_CSS, PAGE_CSS_SIZE);
    buf_puts(out, "\">\n<link rel=\"icon\" href=\"data:,\">\n<title>");
    title_put(out, record);
    buf_puts(out, "</title>\n<style>");
    buf_put(out, PAGE_CSS, PAGE_CSS_SIZE);
    buf_puts(out, "</style>\n</head>\n");
    return st;
}

const char *const REPORT_FORM_NAMES[N_REPORT_FORMS] = { "whole", "mail" };
const char *const REPORT_FILES[N_REPORT_FORMS] = { "report.html", "report_mail.html" };

/* The data that the page's script draws: pictures are in the page already, or are not to be. */
static enum status island_put(struct buf *out, const json_t *record, const json_t *plots)
{
    static const char *const SHOWN[] = { "epochs", "baseline", "evaluation", "kept_epoch" };
    json_t *data = plots_without_pictures(plots);

    if (!data)
        return ST_NOMEM;
    for (size_t i = 0; i < sizeof SHOWN / sizeof SHOWN[0]; i++)
        json_object_set(data, SHOWN[i], json_object_get(record, SHOWN[i]));
    json_object_set_new(data, "curves", proportions_json(record));
    json_object_set_new(data, "none", json_string(findings_of(record).none));
    buf_puts(out, "<script type=\"application/json\" id=\"data\">");
    html_json(out, data);
    buf_puts(out, "</script>\n");
    json_decref(data);
    return ST_OK;
}

static void script_put(struct buf *out, const void *bytes, size_t n)
{
    buf_puts(out, "<script>");
    buf_put(out, bytes, n);
    buf_puts(out, "</script>\n");
}

static void sections_put(struct buf *out, const json_t *record, const json_t *plots)
{
    if (is_validation(record))
        section_validation(out, record);
    else
        section_summary(out, record);
    section_kept(out, record);
    section_table(out, record);
    section_data(out, record, plots);
    section_training(out, record);
    section_quality(out, record, plots);
    section_proportions(out, record);
    section_by_sample(out, record);
    section_operating(out, record);
    section_decision(out, record);
    section_groups(out, record);
    section_worst(out, record, plots);
    section_tsne(out, plots);
    section_origin(out, record);
    section_downloads(out, record);
}

static enum status page_put(const json_t *record, const json_t *plots, enum report_form form, struct buf *out)
{
    struct buf body = BUF_INIT(REPORT_MAX_BYTES);
    enum status st = head_put(out, record);

    buf_puts(out, "<body>\n");
    heading_put(out, record, form);
    buf_puts(out, "<main>\n");
    sections_put(&body, record, plots);
    contents_put(out, &body);
    buf_release(&body);
    buf_puts(out, "</main>\n<footer>Written by cxrd " CXRD_BUILD
                  ". Pictures drawn by Chart.js (MIT licence, © Chart.js Contributors).</footer>\n");
    if (st == ST_OK)
        st = island_put(out, record, plots);
    script_put(out, CHART_JS, CHART_JS_SIZE);
    script_put(out, PAGE_JS, PAGE_JS_SIZE);
    buf_puts(out, "</body>\n</html>\n");
    return st == ST_OK ? buf_status(out) : st;
}

enum status report_write(const json_t *record, const json_t *plots, enum report_form form, struct buf *out)
{
    json_t *told, *shown;
    enum status st = ST_NOMEM;

    if (form == REPORT_WHOLE)
        return page_put(record, plots, form, out);
    told = record_for_mail(record);
    shown = plots_without_pictures(plots);
    if (told && shown)
        st = page_put(told, shown, form, out);
    json_decref(told);
    json_decref(shown);
    return st;
}
