/* server/commands/reply_text.c - see reply_text.h. */
#include "reply_text.h"

#include "commands.h"
#include "cxrd/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *label_of(const json_t *named)
{
    const char *label = json_string_value(json_object_get(named, "label"));

    return label ? label : "?";
}

/* The logit with its parts, if they add up to it, and the cell that raises it most. */
static void print_explanation(const json_t *e)
{
    const char *method = json_string_value(json_object_get(e, "method"));
    double sum = 0, most = -HUGE_VAL;
    size_t i, j, row = 0, column = 0;
    json_t *line, *value;

    json_array_foreach (json_object_get(e, "grid"), i, line)
        json_array_foreach (line, j, value) {
            const double v = json_number_value(value);

            sum += v;
            if (v > most) {
                most = v;
                row = i + 1;
                column = j + 1;
            }
        }
    printf("  %s: logit %.4f", label_of(e), json_number_value(json_object_get(e, "logit")));
    if (method)
        printf(", by %s", method);
    else
        printf(" = bias %.4f + inputs %.4f + picture %.4f", json_number_value(json_object_get(e, "bias")),
               json_number_value(json_object_get(e, "inputs")), sum);
    printf(", raised most at row %zu, column %zu of %zu x %zu (%+.4f)\n", row, column,
           json_array_size(json_object_get(e, "grid")),
           json_array_size(json_array_get(json_object_get(e, "grid"), 0)), most);
}

/* "; there: sensitivity 0.950 (0.880 to 0.980), specificity 0.612 (0.570 to 0.652)", by a profile that was fitted to the site. */
static void print_measured(const json_t *finding)
{
    static const char *const RATES[] = { "sensitivity", "specificity" };
    const char *before = "; there: ";

    for (size_t i = 0; i < sizeof RATES / sizeof RATES[0]; i++) {
        char low[32], high[32];
        const json_t *rate = json_object_get(finding, RATES[i]);

        snprintf(low, sizeof low, "%s_low", RATES[i]);
        snprintf(high, sizeof high, "%s_high", RATES[i]);
        if (!json_is_number(rate))
            continue;
        printf("%s%s %.3f (%.3f to %.3f)", before, RATES[i], json_number_value(rate),
               json_number_value(json_object_get(finding, low)),
               json_number_value(json_object_get(finding, high)));
        before = ", ";
    }
}

/* "; AUROC 0.812 (0.745 to 0.880, 63 positive rows)", as much of it as is known. */
static void print_quality(const json_t *finding)
{
    const json_t *auroc = json_object_get(finding, "auroc"), *low = json_object_get(finding, "auroc_low"),
                 *positives = json_object_get(finding, "auroc_positives");

    if (json_is_number(auroc))
        printf("; AUROC %.3f", json_number_value(auroc));
    if (json_is_number(low) && json_is_integer(positives))
        printf(" (%.3f to %.3f, %lld positive rows)", json_number_value(low),
               json_number_value(json_object_get(finding, "auroc_high")),
               (long long)json_integer_value(positives));
}

/* Effusion             0.3068  positive (from 0.2100 on; AUROC 0.812 (0.745 to 0.880, 63 positive rows))
 * Hernia               0.0068  no verdict (AUROC not known: 2 positive, 567 negative test rows)
 *   width  of the names */
static void print_finding(const json_t *finding, int width)
{
    const json_t *threshold = json_object_get(finding, "threshold"),
                 *positive = json_object_get(finding, "positive"),
                 *with = json_object_get(finding, "auroc_positives"),
                 *without = json_object_get(finding, "auroc_negatives");

    printf("  %s%*s %.4f", label_of(finding), width - (int)utf8_length(label_of(finding)), "",
           json_number_value(json_object_get(finding, "probability")));
    if (json_is_boolean(positive)) {
        printf("  %s (from %.4f on", json_is_true(positive) ? "positive" : "negative",
               json_number_value(threshold));
        print_measured(finding);
        print_quality(finding);
        printf(")");
    } else if (json_is_integer(with) && json_is_number(threshold)) {
        printf("  no verdict (AUROC not known: %lld positive", (long long)json_integer_value(with));
        if (json_is_integer(without))
            printf(", %lld negative", (long long)json_integer_value(without));
        printf(" test rows)");
    }
    if (json_is_string(json_object_get(finding, "verdict")))
        printf("  verdict: %s", json_string_value(json_object_get(finding, "verdict")));
    printf("\n");
}

static void print_warnings(const json_t *warnings)
{
    size_t i;
    json_t *warning;

    json_array_foreach (warnings, i, warning)
        printf("  warning, %s: %s\n", json_string_value(json_object_get(warning, "code")),
               json_string_value(json_object_get(warning, "detail")));
}

static void print_findings(const json_t *findings)
{
    int width = 20;
    size_t i;
    json_t *finding;

    json_array_foreach (findings, i, finding)
        width = utf8_length(label_of(finding)) > (size_t)width ? (int)utf8_length(label_of(finding)) : width;
    json_array_foreach (findings, i, finding)
        print_finding(finding, width);
}

/* "  from the file: age 64, sex F" */
static void print_inputs(const json_t *inputs)
{
    const char *before = "  from the file: ", *name;
    json_t *input;

    json_object_foreach ((json_t *)inputs, name, input) {
        const json_t *value = json_object_get(input, "value");
        const char *text = json_string_value(value),
                   *from = json_string_value(json_object_get(input, "from"));

        if (!from || strcmp(from, "file") != 0)
            continue;
        if (text)
            printf("%s%s %s", before, name, text);
        else
            printf("%s%s %g", before, name, json_number_value(value));
        before = ", ";
    }
    if (before[0] == ',')
        printf("\n");
}

/* "  by the site's profile 3dd53cc4 (sensitivity of 0.95; verdicts at an error rate of 0.1)" */
static void print_profile(const json_t *profile)
{
    const json_t *point = json_object_get(profile, "operating_point"),
                 *rate = json_object_get(profile, "error_rate");
    const char *id = json_string_value(json_object_get(profile, "id")),
               *kind = json_string_value(json_object_get(point, "kind"));

    if (!id || !kind)
        return;
    printf("  by the site's profile %.8s (%s", id, kind);
    if (json_is_number(json_object_get(point, "at")))
        printf(" of %g", json_number_value(json_object_get(point, "at")));
    if (json_is_number(rate))
        printf("; verdicts at an error rate of %g", json_number_value(rate));
    printf(")\n");
}

void reply_print(const char *picture, const json_t *reply)
{
    print_text(stdout, picture, strlen(picture));
    putchar('\n');
    print_inputs(json_object_get(reply, "inputs"));
    print_profile(json_object_get(reply, "profile"));
    print_findings(json_object_get(reply, "findings"));
    print_warnings(json_object_get(reply, "warnings"));
    print_warnings(json_object_get(json_object_get(reply, "model"), "warnings"));
    if (json_object_get(reply, "explanation"))
        print_explanation(json_object_get(reply, "explanation"));
}
