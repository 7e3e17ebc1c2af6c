/* server/commands/predict.c - cxrd predict: the findings of pictures, by a weights file here or by a server. */
#include "bar.h"
#include "commands.h"
#include "cxrd/clock.h"
#include "cxrd/cores.h"
#include "cxrd/json.h"
#include "cxrd/log.h"
#include "many.h"
#include "pictures.h"
#include "predictor.h"
#include "reply_table.h"
#include "reply_text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT(member) offsetof(struct predict_options, member)

static const struct option OPTIONS[] = {
    { "weights", OPTION_TEXT, AT(weights), "FILE", "a safetensors file to predict with" },
    { "url", OPTION_TEXT, AT(url), "URL",
      "a server to ask instead, such as http://127.0.0.1:8080; its key, if it asks for one, in CXRD_KEY" },
    { "ca", OPTION_TEXT, AT(ca), "FILE",
      "certificates of authorities that the server is believed by, PEM (the system's)" },
    { "list", OPTION_TEXT, AT(list), "FILE", "files and folders, one a line; -: of standard input" },
    { "csv", OPTION_TEXT, AT(csv), "FILE",
      "write a table: a row a picture, a column a label, and why there is none; -: to standard output" },
    { "overwrite", OPTION_FLAG, AT(overwrite), NULL, "where --csv is there already" },
    { "json", OPTION_FLAG, AT(json), NULL, "print each reply as a line of JSON, with the picture's `file`" },
    { "threads", OPTION_COUNT, AT(threads), "N", "pictures at a time (all cores)", 1, 256 },
    { "model", OPTION_TEXT, AT(model), "ID", "with --url: the model that is to answer (the active one)" },
    { "operating-point", OPTION_TEXT, AT(operating_point), "youden|sensitivity_90|specificity_90|own",
      "which thresholds findings are held against; own, with --url: those that an operator has set (youden)",
      .check = operating_name_check },
    { "profile", OPTION_TEXT, AT(profile), "FILE",
      "with --weights: a site's profile, as GET /profiles/<id> gives it; probabilities and thresholds are "
      "those there" },
    { "profile-keys", OPTION_TEXT, AT(profile_keys), "DIR|FILE",
      "with --profile: public Ed25519 keys, PEM, of which one must have signed it" },
    { "explain", OPTION_TEXT, AT(explain), "LABEL",
      "say where in the picture this finding's logit comes from" },
    { "heatmap", OPTION_TEXT, AT(heatmap), "FILE", "write the picture with that map over it, as a PNG" },
    { "precision", OPTION_TEXT, AT(precision), "float32|int12",
      "with --weights: int12 is sooner, and refused where that is seen in a probability (float32)",
      .check = check_precision },
    { "input-policy", OPTION_TEXT, AT(input_policy), "frontal|warn|reject",
      "with --weights: which pictures are refused, as for cxrd serve (frontal)",
      .check = check_input_policy },
    { "age", OPTION_TEXT, AT(given[INPUT_AGE]), "YEARS", "for models that take it" },
    { "sex", OPTION_TEXT, AT(given[INPUT_SEX]), "M|F", "for models that take it" },
    { "view", OPTION_TEXT, AT(given[INPUT_VIEW]), "PA|AP", "for models that take it" },
    { "history", OPTION_TEXT, AT(given[INPUT_HISTORY]), "FINDINGS",
      "what earlier films ever showed, such as Effusion,Mass or 'No Finding'; for models that take it" },
    { "history-last", OPTION_TEXT, AT(given[INPUT_HISTORY_LAST]), "FINDINGS",
      "what the last film before this one showed; for models that take it" },
    { "course", OPTION_TEXT, AT(given[INPUT_COURSE]), "FILMS",
      "what each earlier film showed, the first one first, such as Effusion/No Finding; says the history "
      "too" },
    { NULL },
};

/* Where the answers go. */
struct telling {
    const struct predict_options *o;
    size_t n, told, refused; /* pictures */
    struct reply_table *table;
    struct bar bar;
    double begun;
};

/* Whether each answer is shown as text. */
static bool shows_text(const struct predict_options *o) { return !o->json && !o->csv; }

/* predict  [########----------------]  33%  812 of 2000  93 images/s  ETA 0:13 */
static void draw(struct telling *t)
{
    const double seconds = clock_seconds() - t->begun, rate = (double)t->told / seconds;
    char behind[64];

    snprintf(behind, sizeof behind, "%zu of %zu  %.0f images/s", t->told, t->n, rate);
    bar_draw(&t->bar, "predict", (double)t->told / (double)t->n, behind,
             t->told ? (double)(t->n - t->told) / rate : -1);
}

static void on_wait(void *arg) { draw(arg); }

static enum status print_json(const json_t *reply, struct error *err)
{
    char *text = json_text(reply, JSON_COMPACT | JSON_REAL_PRECISION(9));

    if (!text)
        return error_nomem(err);
    puts(text);
    free(text);
    return ST_OK;
}

/* An answer, or why there is none: told at once, and counted. */
static enum status on_told(void *arg, const struct told *told, struct error *err)
{
    struct telling *t = arg;
    const char *name = told->path ? told->path : "no picture";
    enum status st = ST_OK;

    bar_clear(&t->bar);
    if (!told->reply) {
        t->refused++;
        command_tell(&COMMAND_PREDICT, told->path, told->why);
    } else if (shows_text(t->o)) {
        reply_print(name, told->reply);
    } else if (t->o->json) {
        st = print_json(told->reply, err);
    }
    if (fflush(stdout) != 0 && st == ST_OK)
        st = error_errno(err, ST_IO, "cannot write to standard output");
    if (st == ST_OK && t->table)
        st = reply_table_put(t->table, told->path ? told->path : "", told->reply, told->why->text, err);
    t->told++;
    draw(t);
    return st;
}

static enum status predict_all(const struct predictor *a, const struct path_list *pictures,
                               size_t *ret_refused, struct error *err)
{
    const struct predict_options *o = a->o;
    struct telling t = { .o = o, .n = pictures->n ? pictures->n : 1, .begun = clock_seconds() };
    const struct listener listener = { on_told, on_wait, &t };
    struct error at_end;
    enum status st = ST_OK, closed;

    t.bar.shown = t.n > 1 && isatty(STDERR_FILENO) && !(shows_text(o) && isatty(STDOUT_FILENO));
    if (o->csv)
        st = reply_table_open(o->csv, o->overwrite, &a->labels, &t.table, err);
    if (st == ST_OK)
        st = ask_many(a, pictures, o->threads, &listener, err);
    bar_clear(&t.bar);
    if (st != ST_OK && reply_table_part(t.table))
        fprintf(stderr, "cxrd predict: the rows so far are in '%s'\n", reply_table_part(t.table));
    closed = reply_table_close(t.table, st == ST_OK, &at_end);
    if (st == ST_OK && closed != ST_OK) {
        st = closed;
        *err = at_end;
    }
    *ret_refused = t.refused;
    return st;
}

/* All that the options ask for together. False: the fault in them has been said. */
static bool options_check(const struct predict_options *o, size_t n_arguments)
{
    const char *fault = NULL;

    if (!o->weights == !o->url)
        fault = "give either --weights or --url";
    else if (o->model && !o->url)
        fault = "--model goes with --url: it names one of a server's models";
    else if (o->profile && !o->weights)
        fault = "--profile goes with --weights: a server answers by the profile that is active there";
    else if (o->profile_keys && !o->profile)
        fault = "--profile-keys goes with --profile";
    else if (o->heatmap && (!o->explain || o->list || n_arguments != 1))
        fault = "--heatmap goes with --explain and one picture";
    else if (o->json && o->csv && strcmp(o->csv, "-") == 0)
        fault = "standard output takes --json or the table of --csv -, not both";
    return !fault || command_misuse(&COMMAND_PREDICT, fault) == EXIT_DONE;
}

static enum status find_pictures(const struct predict_options *o, char *const *arguments, size_t n,
                                 struct path_list *ret, struct error *err)
{
    enum status st = pictures_find(arguments, n, ret, err);

    if (st == ST_OK && o->list)
        st = pictures_list(o->list, ret, err);
    if (st == ST_OK && ret->n_links > 0)
        fprintf(stderr, "cxrd predict: %zu links in folders are passed over\n", ret->n_links);
    if (st == ST_OK && o->heatmap && ret->n > 1)
        st = error_set(err, ST_INVALID, "--heatmap goes with --explain and one picture");
    return st;
}

static int predict(int argc, char **argv)
{
    struct predict_options o = { .threads = cores_available() };
    struct path_list pictures = PATH_LIST_INIT;
    struct predictor a = { .o = NULL };
    struct error err = { 0 };
    size_t n_arguments, refused = 0;
    enum status st;
    int exit_status;

    if (!command_begin(&COMMAND_PREDICT, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    log_set_level(LOG_OFF); /* what goes wrong is said in sentences */
    if (!options_check(&o, n_arguments))
        return EXIT_USAGE;
    st = find_pictures(&o, argv + 1, n_arguments, &pictures, &err);
    if (st == ST_OK)
        st = predictor_open(&a, &o, pictures.n, &err);
    exit_status = st == ST_INVALID ? EXIT_USAGE : EXIT_FAILED;
    if (st == ST_OK)
        st = predict_all(&a, &pictures, &refused, &err);
    if (st == ST_OK && refused && pictures.n > 1)
        fprintf(stderr, "cxrd predict: %zu of %zu pictures cannot be used\n", refused, pictures.n);
    if (st == ST_OK && refused < pictures.n + !pictures.n && shows_text(&o))
        printf("%s\n", INTENDED_USE);
    predictor_release(&a);
    path_list_release(&pictures);
    if (st != ST_OK) {
        command_fail(&COMMAND_PREDICT, &err);
        return exit_status;
    }
    return refused ? EXIT_FAILED : EXIT_DONE;
}

const struct command COMMAND_PREDICT = {
    "predict",
    "(--weights FILE | --url URL) [IMAGE|FOLDER|-…]",
    "the findings of pictures",
    OPTIONS,
    predict,
    SIZE_MAX,
    .example = "cxrd predict --weights weights.safetensors --csv answers.csv films/",
    .exits = "1 also where a picture, or a folder, cannot be used, which keeps no other from being asked "
             "about. Until it is "
             "whole the table of --csv is FILE.part",
};
