/* tests/support/scores_file.c - see scores_file.h. */
#include "scores_file.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The header as the contract spells it; owned by the caller. */
static char *header(const struct labels *labels)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    fputs("image", f);
    for (size_t k = 0; k < labels->n; k++)
        fprintf(f, ",true_%s", labels->names[k]);
    for (size_t k = 0; k < labels->n; k++)
        fprintf(f, ",prob_%s", labels->names[k]);
    fputc('\n', f);
    fclose(f);
    return text;
}

static const char *skip_header(const char *text, const struct labels *labels)
{
    char *expected = header(labels);
    const size_t n = strlen(expected);

    cr_assert_eq(strncmp(text, expected, n), 0, "the header is '%.*s'", (int)strcspn(text, "\n"), text);
    free(expected);
    return text + n;
}

/* A number that is written as "%.9g" of a float; *at moves behind it. */
static double probability(const char **at)
{
    const size_t n = strcspn(*at, ",\n");
    const float v = strtof(*at, NULL);
    char again[32];

    snprintf(again, sizeof again, "%.9g", (double)v);
    cr_assert(strlen(again) == n && strncmp(again, *at, n) == 0, "'%.*s' is not %s", (int)n, *at, again);
    cr_assert(v >= 0 && v <= 1, "%s is no probability", again);
    *at += n;
    return (double)v;
}

static void line_read(const char **at, size_t n_labels, struct scores_line *line)
{
    const size_t n = strcspn(*at, ",\n");

    cr_assert_lt(n, sizeof line->image);
    memcpy(line->image, *at, n);
    line->image[n] = '\0';
    *at += n;
    for (size_t k = 0; k < n_labels; k++, *at += 2) {
        cr_assert((*at)[0] == ',' && ((*at)[1] == '0' || (*at)[1] == '1'), "a truth of '%s'", line->image);
        line->truth[k] = (*at)[1] == '1';
    }
    for (size_t k = 0; k < n_labels; k++) {
        cr_assert_eq(*(*at)++, ',');
        line->prob[k] = probability(at);
    }
    cr_assert_eq(*(*at)++, '\n');
}

struct scores_file scores_file_read(const char *text, size_t size, const struct labels *labels)
{
    struct scores_file f = { .labels = labels };
    const char *at = skip_header(text, labels), *end = text + size;
    size_t lines = 0;

    for (const char *c = at; c < end; c++)
        lines += *c == '\n';
    f.lines = malloc((lines + 1) * sizeof *f.lines);
    cr_assert_not_null(f.lines);
    while (at < end)
        line_read(&at, labels->n, &f.lines[f.n++]);
    cr_assert(f.n == lines && at == end);
    return f;
}

void scores_file_release(struct scores_file *f)
{
    free(f->lines);
    *f = (struct scores_file){ 0 };
}

const struct scores_line *scores_file_find(const struct scores_file *f, const char *image)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->lines[i].image, image) == 0)
            return &f->lines[i];
    return NULL;
}

double scores_file_loss(const struct scores_file *f, size_t n, const double *constant)
{
    double sum = 0;

    cr_assert_leq(n, f->n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < f->labels->n; k++) {
            const double p = constant ? constant[k] : f->lines[i].prob[k],
                         kept = fmin(fmax(p, 1e-7), 1 - 1e-7);

            sum -= f->lines[i].truth[k] ? log(kept) : log(1 - kept);
        }
    return sum / (double)(n * f->labels->n);
}

double scores_file_top5(const struct scores_file *f, size_t n, const double *constant)
{
    size_t hits = 0, rows = 0;

    cr_assert_leq(n, f->n);
    for (size_t i = 0; i < n; i++) {
        const double *p = constant ? constant : f->lines[i].prob;
        const uint8_t *first = memchr(f->lines[i].truth, 1, f->labels->n);
        size_t greater = 0;

        for (size_t k = 0; first && k < f->labels->n; k++)
            greater += p[k] > p[first - f->lines[i].truth];
        rows += first != NULL;
        hits += first && greater < 5;
    }
    return (double)hits / (double)rows;
}
