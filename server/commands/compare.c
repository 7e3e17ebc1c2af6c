/* server/commands/compare.c - cxrd compare: whether one run is better than another, on the rows that both were tested on. */
#include "commands.h"
#include "cxrd/json.h"
#include "cxrd/run_comparison.h"
#include "cxrd/utf8.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct compare_options {
    const char *split;
    bool json;
};

#define AT(member) offsetof(struct compare_options, member)

static const struct option OPTIONS[] = {
    { "split", OPTION_TEXT, AT(split), "NAME", "which rows: train, validation, test or no_finding (test)" },
    { "json", OPTION_FLAG, AT(json), NULL, "JSON instead of a table" },
    { NULL },
};

static const char *const SPLITS[] = { "train", "validation", "test", "no_finding", NULL };

static bool is_split(const char *name)
{
    for (const char *const *s = SPLITS; *s; s++)
        if (strcmp(*s, name) == 0)
            return true;
    return false;
}

/* What `cxrd train` left in a folder, or a file such as GET /jobs/<id>/scores?split=all gives. */
static enum status scores_path(const char *given, char ret[PATH_MAX], struct error *err)
{
    struct stat info;
    const bool folder = stat(given, &info) == 0 && S_ISDIR(info.st_mode);
    const int n = snprintf(ret, PATH_MAX, folder ? "%s/scores.csv" : "%s", given);

    return n < PATH_MAX ? ST_OK : error_set(err, ST_INVALID, "a path is too long");
}

/* The verdict of the interval on the difference.
 *   more  whether more is better */
static const char *verdict(const struct estimate *e, bool more)
{
    if (!(e->low > 0) && !(e->high < 0))
        return isnan(e->low) ? "" : "cannot be told";
    return (e->low > 0) == more ? "the second is better" : "the first is better";
}

/*   width  of the names */
static void line(const char *name, int width, const struct compared *c, const char *said)
{
    printf("%s%*s %8.4f %8.4f  %+8.4f", name, width - (int)utf8_length(name), "", c->active, c->candidate,
           c->gain.value);
    if (isfinite(c->gain.low))
        printf("  (%+.4f to %+.4f)", c->gain.low, c->gain.high);
    printf("%s%s\n", said[0] ? "  " : "", said);
}

static int width_of(const struct labels *labels)
{
    size_t width = 20;

    for (size_t k = 0; k < labels->n; k++)
        width = utf8_length(labels->names[k]) > width ? utf8_length(labels->names[k]) : width;
    return (int)width;
}

static void print_table(const struct run_comparison *c, const char *split)
{
    const int width = width_of(&c->labels);

    printf("%s rows: %zu in the first, %zu in the second; compared on the %zu of both, of %zu patients\n",
           split, c->rows[0], c->rows[1], c->common, c->auroc.patients);
    if (c->relabelled)
        printf("%zu rows of both have other findings in one than in the other, and are left out\n",
               c->relabelled);
    printf("\n%-*s %8s %8s  %8s  (95 %%, paired, by patient)\n", width, "", "first", "second", "differ");
    line("loss", width, &c->loss, verdict(&c->loss.gain, false));
    line("macro AUROC", width, &c->auroc.macro, verdict(&c->auroc.macro.gain, true));
    printf("\nAUROC; of %zu intervals one in twenty misses by chance\n", c->labels.n);
    for (size_t k = 0; k < c->labels.n; k++)
        line(c->labels.names[k], width, &c->auroc.findings[k], "");
}

static int print_json(const struct run_comparison *c, const char *split)
{
    json_t *json = run_comparison_json(c, split);
    char *text = json_text(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    if (text)
        puts(text);
    free(text);
    json_decref(json);
    return text ? EXIT_DONE : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
    struct compare_options o = { .split = "test" };
    char paths[2][PATH_MAX];
    struct run_comparison c;
    struct error err = { 0 };
    size_t n;
    int exit_status;
    enum status st = ST_OK;

    if (!command_begin(&COMMAND_COMPARE, argc, argv, &o, &n, &exit_status))
        return exit_status;
    if (n != 2)
        return command_misuse(&COMMAND_COMPARE, "give two runs");
    if (!is_split(o.split))
        return command_misuse(&COMMAND_COMPARE, "--split is train, validation, test or no_finding");
    for (int i = 0; i < 2 && st == ST_OK; i++)
        st = scores_path(argv[i + 1], paths[i], &err);
    if (st == ST_OK)
        st = runs_compare(paths[0], paths[1], o.split, &c, &err);
    if (st != ST_OK)
        return command_fail(&COMMAND_COMPARE, &err);
    if (o.json)
        return print_json(&c, o.split);
    print_table(&c, o.split);
    return EXIT_DONE;
}

const struct command COMMAND_COMPARE = {
    "compare",
    "[OPTIONS] RUN RUN",
    "tell whether the second of two runs is better than the first",
    OPTIONS,
    run,
    2,
    .example = "cxrd compare run1 run2",
};
