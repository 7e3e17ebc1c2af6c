/* server/commands/inspect.c - cxrd inspect: what a weights file says of itself, once it has been checked whole. */
#include "commands.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/operating_points.h"
#include "cxrd/safetensors.h"
#include "cxrd/utf8.h"
#include "cxrd/weights.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_model(const struct model *m, size_t n_bytes, const char *sha256)
{
    const struct preprocess *p = model_preprocess(m);

    printf("parameters  %zu\n", model_network(m)->n_params);
    if (model_sees(m))
        printf("input       %zu x %zu, %s, ", p->size, p->size, resize_name(p->resize));
    if (model_sees(m) && p->by_channel)
        printf("(grey - %g, %g, %g) / %g, %g, %g\n", (double)p->means[0], (double)p->means[1],
               (double)p->means[2], (double)p->stds[0], (double)p->stds[1], (double)p->stds[2]);
    else if (model_sees(m))
        printf("(grey - %g) / %g\n", (double)p->mean, (double)p->std);
    else
        printf("input       no picture\n");
    printf("bytes       %zu\nsha256      %s\n", n_bytes, sha256);
}

static void print_figure(double value, int width)
{
    if (isnan(value))
        printf("%*s", width, "-");
    else
        printf("%*.4f", width, value);
}

static void print_rows(int64_t rows)
{
    if (rows == KIND_UNSAID)
        printf("%9s", "-");
    else
        printf("%9" PRId64, rows);
}

/* A row a finding: how well it was told apart, on how many test rows, and from which probability on it is positive. */
static void print_findings(const struct model *m)
{
    const struct labels *labels = model_labels(m);
    const struct operating_points *p = model_operating(m);
    int width = 20;

    for (size_t k = 0; k < labels->n; k++)
        width = utf8_length(labels->names[k]) > (size_t)width ? (int)utf8_length(labels->names[k]) : width;
    printf("\n%-*s %8s %8s %8s %8s %8s %8s %8s %8s\n", width + 2, "findings", "AUROC", "from", "to", "with",
           "without", "Youden", "sens. 90", "spec. 90");
    for (size_t k = 0; k < labels->n; k++) {
        printf("  %s%*s ", labels->names[k], width - (int)utf8_length(labels->names[k]), "");
        print_figure(operating_known(p, k) ? p->auroc[k] : NAN, 8);
        print_figure(operating_known(p, k) ? p->auroc_low[k] : NAN, 9);
        print_figure(operating_known(p, k) ? p->auroc_high[k] : NAN, 9);
        print_rows(p->positives[k]);
        print_rows(p->negatives[k]);
        for (int point = 0; point < N_OPERATING; point++)
            print_figure((double)p->threshold[point][k], 9);
        putchar('\n');
    }
}

static void print_tensors(const struct array_file *f)
{
    printf("\ntensors, float32:\n");
    for (size_t i = 0; i < f->n; i++) {
        const struct array *a = &f->arrays[i];

        printf("  %-20s [", a->name);
        for (size_t d = 0; d < a->rank; d++)
            printf("%s%zu", d ? ", " : "", a->dims[d]);
        printf("]\n");
    }
}

enum { MOST_SHOWN = 400 }; /* of a value, on a terminal: some are statistics of thousands of characters */

/* A value; on a terminal not beyond a few lines. */
static void print_value(const char *text, bool terminal)
{
    const size_t length = strlen(text);
    size_t shown = terminal && length > MOST_SHOWN ? MOST_SHOWN : length;

    while (shown < length && ((unsigned char)text[shown] & 0xc0) == 0x80) /* inside a character */
        shown--;
    print_text(stdout, text, shown);
    if (shown < length)
        printf("… (%zu bytes; all of them where the output is no terminal)", length);
    putchar('\n');
}

/* Its metadata: provenance, metrics, operating points, whatever its maker wrote. All of it are strings. */
static void print_metadata(const json_t *metadata)
{
    const bool terminal = isatty(STDOUT_FILENO);
    const char *name;
    const json_t *value;

    printf("\nmetadata:\n");
    if (json_object_size(metadata) == 0)
        printf("  none: it is read as cnn4, 256, nearest, mean 0, std 1\n");
    json_object_foreach ((json_t *)metadata, name, value) { /* only reads */
        printf("  ");
        print_text(stdout, name, strlen(name));
        printf("%*s", strlen(name) < 18 ? 19 - (int)strlen(name) : 1, "");
        print_value(json_string_value(value), terminal);
    }
}

static int inspect(int argc, char **argv)
{
    struct error err = { 0 };
    struct file_bytes file = { 0 };
    struct array_file arrays = { 0 };
    struct model *m = NULL;
    char sha256[DIGEST_TEXT_SIZE];
    size_t n_paths;
    int exit_status;
    enum status st;

    if (!command_begin(&COMMAND_INSPECT, argc, argv, NULL, &n_paths, &exit_status))
        return exit_status;
    if (n_paths != 1)
        return command_misuse(&COMMAND_INSPECT, "give one weights file");
    st = file_read(argv[1], WEIGHTS_MAX_BYTES, &file, &err);
    if (st == ST_OK)
        st = error_inner(&err, weights_read(file.data, file.size, &m, &err), argv[1]);
    if (st == ST_OK)
        st = array_file_read(file.data, file.size, &arrays, &err);
    if (st == ST_OK)
        st = digest_bytes(file.data, file.size, sha256);
    if (st == ST_OK) {
        print_model(m, file.size, sha256);
        print_findings(m);
        print_tensors(&arrays);
        print_metadata(arrays.metadata);
    }
    array_file_release(&arrays);
    model_unref(m);
    file_bytes_release(&file);
    return st == ST_OK ? EXIT_DONE : command_fail(&COMMAND_INSPECT, &err);
}

const struct command COMMAND_INSPECT = {
    "inspect",
    "WEIGHTS",
    "what a weights file holds: shapes, metrics, where it comes from",
    NULL,
    inspect,
    1,
    .example = "cxrd inspect weights.safetensors",
};
