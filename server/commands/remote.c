/* server/commands/remote.c - cxrd jobs, models, activate, rollback: a running server's, asked for from the shell. */
#include "../client.h"
#include "commands.h"
#include "cxrd/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct remote_options {
    const char *url, *ca;
    size_t limit;
    bool json;
};

#define AT(member) offsetof(struct remote_options, member)

#define SERVER_OPTIONS                                                                        \
    { "url", OPTION_TEXT, AT(url), "URL",                                                     \
      "the server (http://127.0.0.1:8080); its key, if it asks for one, in CXRD_KEY" },       \
        { "ca", OPTION_TEXT, AT(ca), "FILE",                                                  \
          "certificates of authorities that the server is believed by, PEM (the system's)" }, \
    {                                                                                         \
        "json", OPTION_FLAG, AT(json), NULL, "print the server's reply as JSON"               \
    }

static const struct option CHANGE_OPTIONS[] = { SERVER_OPTIONS, { NULL } };
static const struct option LIST_OPTIONS[] = { SERVER_OPTIONS,
                                              { "limit", OPTION_COUNT, AT(limit), "N",
                                                "of a list: how many, the newest first (20)", 1, 100 },
                                              { NULL } };

enum { MAX_PATH = 256 };

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "-";
}

static void print_padded(const char *text, int width)
{
    print_text(stdout, text, strlen(text));
    printf("%*s", (int)strlen(text) < width ? width - (int)strlen(text) : 0, "");
}

/* ---- jobs ---- */

/* "training 41%", "succeeded" */
static void print_state(const json_t *job)
{
    const char *state = text_of(job, "state");
    char text[64];

    if (strcmp(state, "running") == 0)
        snprintf(text, sizeof text, "%.40s %.0f%%", text_of(job, "phase"),
                 json_number_value(json_object_get(job, "progress")) * 100);
    else
        snprintf(text, sizeof text, "%.60s", state);
    print_padded(text, 18);
}

/* When it came, to the minute. */
static void print_minute(const json_t *record)
{
    char text[17];

    snprintf(text, sizeof text, "%s", text_of(record, "created_at"));
    print_padded(text, 18);
}

/* One line: what it is, how far it is, when it came, what it led to. */
static void print_job(const json_t *job)
{
    const json_t *loss = json_object_get(job, "validation_loss");

    print_padded(text_of(job, "id"), 38);
    print_padded(text_of(job, "type"), 9);
    print_state(job);
    print_minute(job);
    if (json_is_number(loss))
        printf("%-10.4f", json_number_value(loss));
    else
        printf("%-10s", "-");
    print_text(stdout, text_of(job, "model"), strlen(text_of(job, "model")));
    putchar('\n');
}

static void print_jobs(const json_t *reply)
{
    const json_t *jobs = json_object_get(reply, "jobs"), *job;
    size_t i;

    if (json_array_size(jobs) == 0)
        printf("no jobs yet\n");
    else
        printf("%-38s%-9s%-18s%-18s%-10s%s\n", "JOB", "TYPE", "STATE", "CREATED", "LOSS", "MODEL");
    json_array_foreach (jobs, i, job)
        print_job(job);
}

/* ---- models ---- */

static void print_model(const json_t *model, const char *active)
{
    const char *id = text_of(model, "id");

    printf("%c ", active && strcmp(active, id) == 0 ? '*' : ' ');
    print_padded(id, 38);
    print_padded(text_of(model, "architecture"), 14);
    print_minute(model);
    print_text(stdout, text_of(model, "job"), strlen(text_of(model, "job")));
    putchar('\n');
}

static void print_models(const json_t *reply)
{
    const json_t *models = json_object_get(reply, "models"), *model;
    const char *active = json_string_value(json_object_get(reply, "active"));
    size_t i;

    if (json_array_size(models) == 0)
        printf("no models yet\n");
    else
        printf("  %-38s%-14s%-18s%s\n", "MODEL", "ARCHITECTURE", "CREATED", "JOB");
    json_array_foreach (models, i, model)
        print_model(model, active);
}

/* ---- one of them, or what was changed ---- */

/* What a record or a card says in a word or a number: lists and tables in it are for --json. */
static void print_record(const json_t *record)
{
    const char *name;
    const json_t *value;

    json_object_foreach ((json_t *)record, name, value) { /* only reads */
        char *text = json_is_string(value) || json_is_object(value) || json_is_array(value)
                         ? NULL
                         : json_text(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        const char *shown = json_is_string(value) ? json_string_value(value) : text;

        if (shown) {
            print_padded(name, 18);
            printf("  ");
            print_text(stdout, shown, strlen(shown));
            putchar('\n');
        }
        free(text);
    }
}

static void print_active(const json_t *reply)
{
    printf("active: ");
    print_text(stdout, text_of(reply, "id"), strlen(text_of(reply, "id")));
    putchar('\n');
}

/* ---- asking ---- */

/* Ids are the only part of a path that comes from the command line. */
static bool id_fits(const char *id)
{
    const size_t n = strlen(id);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && id[i] != '-')
            return false;
    return n > 0 && n <= 64;
}

static enum status ask_server(const struct remote_options *o, const char *method, const char *path,
                              void (*print)(const json_t *), struct error *err)
{
    const struct client_server server = { .url = o->url, .ca = o->ca };
    const bool sends = strcmp(method, "POST") == 0;
    json_t *reply = NULL;
    char *text;
    enum status st = client_json(&server, method, path, "application/json", sends ? "{}" : NULL,
                                 sends ? 2 : 0, &reply, err);

    if (st != ST_OK)
        return st;
    text = o->json ? json_text(reply, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    if (text)
        puts(text);
    else if (o->json)
        st = error_nomem(err);
    else
        print(reply);
    free(text);
    json_decref(reply);
    return st;
}

/* Parse, check and ask.
 *   format  of the path: %s is the argument
 *   needed  arguments there must be: 0 or 1 */
static int ask(const struct command *c, int argc, char **argv, const char *method, const char *format,
               size_t needed, void (*print_one)(const json_t *), void (*print_all)(const json_t *))
{
    struct remote_options o = { .url = "http://127.0.0.1:8080", .limit = 20 };
    struct error err = { 0 };
    char path[MAX_PATH];
    size_t n_arguments;
    int exit_status;

    if (!command_begin(c, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (n_arguments < needed || (n_arguments && !id_fits(argv[1]))) {
        fprintf(stderr, "cxrd %s: give an id, as the list shows it\n", c->name);
        return EXIT_USAGE;
    }
    if (n_arguments || !print_all)
        snprintf(path, sizeof path, format, n_arguments ? argv[1] : "");
    else
        snprintf(path, sizeof path, "/%s?limit=%zu", c->name, o.limit);
    if (ask_server(&o, method, path, n_arguments || !print_all ? print_one : print_all, &err) != ST_OK)
        return command_fail(c, &err);
    return EXIT_DONE;
}

static int jobs(int argc, char **argv)
{
    return ask(&COMMAND_JOBS, argc, argv, "GET", "/jobs/%s", 0, print_record, print_jobs);
}

static int models(int argc, char **argv)
{
    return ask(&COMMAND_MODELS, argc, argv, "GET", "/models/%s", 0, print_record, print_models);
}

static int activate(int argc, char **argv)
{
    return ask(&COMMAND_ACTIVATE, argc, argv, "POST", "/models/%s/activate", 1, print_active, NULL);
}

static int rollback(int argc, char **argv)
{
    return ask(&COMMAND_ROLLBACK, argc, argv, "POST", "/models/rollback", 0, print_active, NULL);
}

const struct command COMMAND_JOBS = {
    "jobs",
    "[ID]",
    "a running server's jobs, or what one came to",
    LIST_OPTIONS,
    jobs,
    1,
    .example = "cxrd jobs --url http://127.0.0.1:8080 --limit 5",
};

const struct command COMMAND_MODELS = {
    "models",
    "[ID]",
    "a running server's models, the active one with a *, or one's card",
    LIST_OPTIONS,
    models,
    1,
    .example = "cxrd models --json",
};

const struct command COMMAND_ACTIVATE = {
    "activate",
    "ID",
    "let a running server answer with this model",
    CHANGE_OPTIONS,
    activate,
    1,
    .example = "cxrd activate 0b3d9a8e-9a83-4a0e-8ff7-0a0b6f6f2a55 --url https://cxrd.example",
};

const struct command COMMAND_ROLLBACK = {
    "rollback",
    "",
    "let a running server answer with the model before",
    CHANGE_OPTIONS,
    rollback,
    0,
    .example = "cxrd rollback",
};
