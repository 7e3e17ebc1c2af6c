/* server/commands/remote.c - cxrd jobs, models, activate, rollback: a running server's, asked for from the shell. */
#include "../client.h"
#include "commands.h"
#include "cxrd/buf.h"
#include "cxrd/json.h"
#include "listing.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct remote_options {
    const char *url, *ca, *status, *type, *find;
    size_t limit;
    bool json;
};

#define AT(member) offsetof(struct remote_options, member)
#define URL        "http://127.0.0.1:8080"

#define SERVER_OPTIONS                                                                        \
    { "url", OPTION_TEXT, AT(url), "URL",                                                     \
      "the server (" URL "); its key, if it asks for one, in CXRD_KEY" },                     \
        { "ca", OPTION_TEXT, AT(ca), "FILE",                                                  \
          "certificates of authorities that the server is believed by, PEM (the system's)" }, \
    {                                                                                         \
        "json", OPTION_FLAG, AT(json), NULL, "print the server's reply as JSON"               \
    }

enum { LIMIT = 20, MOST_LIMIT = 100000 };

#define LIST_OPTIONS(found_by)                                                                              \
    { "limit", OPTION_COUNT, AT(limit), "N", "of a list: how many, the newest first (20)", 1, MOST_LIMIT }, \
    {                                                                                                       \
        "find", OPTION_TEXT, AT(find), "TEXT", "of a list: only those in whose " found_by " this is"        \
    }

static const struct option CHANGE_OPTIONS[] = { SERVER_OPTIONS, { NULL } };
static const struct option MODELS_OPTIONS[] = { SERVER_OPTIONS, LIST_OPTIONS("name"), { NULL } };
static const struct option JOBS_OPTIONS[] = {
    SERVER_OPTIONS,
    LIST_OPTIONS("name or data set"),
    { "status", OPTION_TEXT, AT(status), "queued|running|interrupted|succeeded|failed|cancelled",
      "of a list: only those in this state" },
    { "type", OPTION_TEXT, AT(type), "train|fetch|predict|validate", "of a list: only those of this type" },
    { NULL }
};

enum { MAX_PATH = 1024, PAGE = 100, ID_LENGTH = 36, LEAST_ID = 4, MAX_ID = 65 };

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* ---- jobs ---- */

static const struct listing_column JOB_COLUMNS[] = {
    { "JOB", LISTING_ID, 0 },      { "NAME", LISTING_TEXT, 0 },     { "TYPE", LISTING_WHOLE, 4 },
    { "STATE", LISTING_WHOLE, 0 }, { "DATA SET", LISTING_TEXT, 3 }, { "CREATED", LISTING_WHOLE, 1 },
    { "LOSS", LISTING_WHOLE, 6 },  { "AUROC", LISTING_WHOLE, 2 },   { "MODEL", LISTING_ID, 5 },
    { "NOTE", LISTING_TEXT, 7 },
};

/* "training 41%", "succeeded", "succeeded (dry run)" */
static void state_text(const json_t *job, char ret[64])
{
    const char *state = text_of(job, "state"), *phase = text_of(job, "phase");
    const bool dry = json_is_true(json_object_get(job, "dry_run"));

    if (state && phase && strcmp(state, "running") == 0)
        snprintf(ret, 64, "%.40s %.0f%%", phase, json_number_value(json_object_get(job, "progress")) * 100);
    else
        snprintf(ret, 64, "%.40s%s", state ? state : "-", dry ? " (dry run)" : "");
}

/* When it came, to the minute. */
static void minute_text(const json_t *record, char ret[64])
{
    const char *created = text_of(record, "created_at");

    snprintf(ret, 64, "%.16s", created ? created : "-");
}

static void figure_text(const json_t *value, int decimals, char ret[64])
{
    if (json_is_number(value))
        snprintf(ret, 64, "%.*f", decimals, json_number_value(value));
    else
        snprintf(ret, 64, "-");
}

static enum status add_cells(struct listing *l, const char *const *cells, size_t n, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < n && st == ST_OK; i++)
        st = listing_add(l, cells[i], err);
    return st;
}

/* A job in a line: its kind, how far it is, when it came, its result. */
static enum status add_job(struct listing *l, const json_t *job, const char *active, struct error *err)
{
    char state[64], minute[64], loss[64], auroc[64];
    const char *const cells[] = { text_of(job, "id"),
                                  text_of(job, "name"),
                                  text_of(job, "type"),
                                  state,
                                  text_of(job, "dataset_name"),
                                  minute,
                                  loss,
                                  auroc,
                                  text_of(job, "model"),
                                  text_of(job, "note") };

    (void)active;
    state_text(job, state);
    minute_text(job, minute);
    figure_text(json_object_get(job, "validation_loss"), 4, loss);
    figure_text(json_object_get(job, "macro_auroc"), 3, auroc);
    return add_cells(l, cells, sizeof cells / sizeof *cells, err);
}

/* ---- models ---- */

static const struct listing_column MODEL_COLUMNS[] = {
    { "", LISTING_WHOLE, 0 },        { "MODEL", LISTING_ID, 0 },
    { "NAME", LISTING_TEXT, 0 },     { "ARCHITECTURE", LISTING_WHOLE, 2 },
    { "CREATED", LISTING_WHOLE, 1 }, { "AUROC", LISTING_WHOLE, 0 },
    { "JOB", LISTING_ID, 3 },        { "NOTE", LISTING_TEXT, 4 },
};

static enum status add_model(struct listing *l, const json_t *model, const char *active, struct error *err)
{
    const json_t *test = json_object_get(json_object_get(model, "metrics"), "test");
    const char *id = text_of(model, "id");
    char minute[64], auroc[64];
    const char *const cells[] = { active && id && strcmp(active, id) == 0 ? "*" : " ",
                                  id,
                                  text_of(model, "name"),
                                  text_of(model, "architecture"),
                                  minute,
                                  auroc,
                                  text_of(model, "job"),
                                  text_of(model, "note") };

    minute_text(model, minute);
    figure_text(json_object_get(test, "macro_auroc"), 3, auroc);
    return add_cells(l, cells, sizeof cells / sizeof *cells, err);
}

/* ---- what can be listed ---- */

struct listed {
    const struct command *command;
    const char *name;       /* of the list in the reply, and of its path */
    struct listing listing; /* of its columns, without a row */
    enum status (*add)(struct listing *l, const json_t *item, const char *active, struct error *err);
};

static const struct listed JOBS = { &COMMAND_JOBS, "jobs", LISTING_INIT(JOB_COLUMNS), add_job };
static const struct listed MODELS = { &COMMAND_MODELS, "models", LISTING_INIT(MODEL_COLUMNS), add_model };

static enum status print_list(const struct listed *what, const json_t *reply, bool filtered,
                              struct error *err)
{
    const json_t *items = json_object_get(reply, what->name), *item;
    struct listing l = what->listing;
    enum status st = ST_OK;
    size_t i;

    if (json_array_size(items) == 0) {
        printf(filtered ? "no %s are found so\n" : "no %s yet\n", what->name);
        return ST_OK;
    }
    json_array_foreach (items, i, item)
        if (st == ST_OK)
            st = what->add(&l, item, text_of(reply, "active"), err);
    if (st == ST_OK)
        listing_print(&l, stdout, listing_room(stdout));
    listing_release(&l);
    return st;
}

/* ---- one of them, or what was changed ---- */

/* The members of a record or a card that are a word or a number: lists and tables are for --json. */
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
            printf("%-18s  ", name);
            print_text(stdout, json_is_null(value) ? "-" : shown, json_is_null(value) ? 1 : strlen(shown));
            putchar('\n');
        }
        free(text);
    }
}

static void print_active(const json_t *reply)
{
    const char *id = text_of(reply, "id");

    printf("active: ");
    print_text(stdout, id ? id : "-", strlen(id ? id : "-"));
    putchar('\n');
}

/* ---- asking ---- */

static bool is_filtered(const struct remote_options *o) { return o->find || o->status || o->type; }

/* Ids are the only part of a path that comes from the command line. */
static bool id_fits(const char *id)
{
    const size_t n = strlen(id);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && id[i] != '-')
            return false;
    return n > 0 && n <= 64;
}

static enum status get_page(const struct remote_options *o, const char *name, const char *find, size_t limit,
                            const char *cursor, json_t **ret, struct error *err)
{
    const struct client_server server = { .url = o->url, .ca = o->ca };
    struct buf path = BUF_INIT(MAX_PATH);
    const char *mark = "&";
    enum status st;

    buf_printf(&path, "/%s?limit=%zu", name, limit < PAGE ? limit : PAGE);
    client_parameter("q", find, &mark, &path);
    client_parameter("state", o->status, &mark, &path);
    client_parameter("type", o->type, &mark, &path);
    client_parameter("cursor", cursor, &mark, &path);
    st = buf_status(&path) == ST_LIMIT
             ? error_set(err, ST_LIMIT, "--find does not fit into a request's address")
             : buf_status(&path);
    if (st == ST_OK)
        st = client_json(&server, "GET", path.data, "application/json", NULL, 0, ret, err);
    buf_release(&path);
    return st;
}

/* As many pages as --limit takes, as one reply. */
static enum status get_list(const struct remote_options *o, const char *name, json_t **ret, struct error *err)
{
    enum status st = get_page(o, name, o->find, o->limit, NULL, ret, err);
    size_t before = 0;

    while (st == ST_OK) {
        json_t *items = json_object_get(*ret, name), *page = NULL;
        const size_t n = json_array_size(items);
        const char *cursor = text_of(*ret, "next_cursor");

        if (n >= o->limit || n == before || !cursor)
            break;
        before = n;
        st = get_page(o, name, o->find, o->limit - n, cursor, &page, err);
        if (st == ST_OK && (json_array_extend(items, json_object_get(page, name)) != 0 ||
                            json_object_set(*ret, "next_cursor", json_object_get(page, "next_cursor")) != 0))
            st = error_set(err, ST_FORMAT, "the server's list is broken off");
        json_decref(page);
    }
    return st;
}

/* The whole id where only its beginning is given, as a narrow list shows it.
 *   ret  as given where that names nothing in the list: the server says so */
static enum status whole_id(const struct remote_options *o, const char *name, const char *id,
                            char ret[MAX_ID], struct error *err)
{
    json_t *reply = NULL, *item;
    size_t i, n = 0;
    enum status st;

    snprintf(ret, MAX_ID, "%s", id);
    if (strlen(id) < LEAST_ID || strlen(id) >= ID_LENGTH)
        return ST_OK;
    st = get_page(o, name, id, PAGE, NULL, &reply, err);
    json_array_foreach (json_object_get(reply, name), i, item) {
        const char *whole = text_of(item, "id");

        if (whole && strncmp(whole, id, strlen(id)) == 0) {
            snprintf(ret, MAX_ID, "%s", whole);
            n++;
        }
    }
    json_decref(reply);
    return n > 1 ? error_set(err, ST_INVALID, "%zu ids begin with '%s'", n, id) : st;
}

static enum status print_json(const json_t *reply, struct error *err)
{
    char *text = json_text(reply, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    if (!text)
        return error_nomem(err);
    puts(text);
    free(text);
    return ST_OK;
}

static enum status list(const struct remote_options *o, const struct listed *what, struct error *err)
{
    json_t *reply = NULL;
    enum status st = get_list(o, what->name, &reply, err);

    if (st == ST_OK)
        st = o->json ? print_json(reply, err) : print_list(what, reply, is_filtered(o), err);
    if (st == ST_OK && text_of(reply, "next_cursor"))
        fprintf(stderr, "cxrd %s: these are the newest %zu; --limit shows more\n", what->name, o->limit);
    json_decref(reply);
    return st;
}

/* Ask for one, or for a change.
 *   name    of the list where an id that is given by its beginning is looked up
 *   format  of the path: %s is the id
 *   id      NULL: none */
static enum status ask_one(const struct remote_options *o, const char *name, const char *method,
                           const char *format, const char *id, void (*print)(const json_t *),
                           struct error *err)
{
    const struct client_server server = { .url = o->url, .ca = o->ca };
    const bool sends = strcmp(method, "POST") == 0;
    char whole[MAX_ID] = "", path[MAX_PATH];
    json_t *reply = NULL;
    enum status st = id ? whole_id(o, name, id, whole, err) : ST_OK;

    if (st != ST_OK)
        return st;
    snprintf(path, sizeof path, format, whole);
    st = client_json(&server, method, path, "application/json", sends ? "{}" : NULL, sends ? 2 : 0, &reply,
                     err);
    if (st == ST_OK && o->json)
        st = print_json(reply, err);
    else if (st == ST_OK)
        print(reply);
    json_decref(reply);
    return st;
}

/* A list, or one of it. */
static int show(const struct listed *what, const char *format, int argc, char **argv)
{
    struct remote_options o = { .url = URL, .limit = LIMIT };
    struct error err = { 0 };
    size_t n_arguments;
    int exit_status;
    enum status st;

    if (!command_begin(what->command, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (n_arguments && !id_fits(argv[1]))
        return command_misuse(what->command, "give an id, as the list shows it");
    if (n_arguments && is_filtered(&o))
        return command_misuse(what->command, "give an id, or say which ones are to be listed, not both");
    st = n_arguments ? ask_one(&o, what->name, "GET", format, argv[1], print_record, &err)
                     : list(&o, what, &err);
    return st == ST_OK ? EXIT_DONE : command_fail(what->command, &err);
}

/* A change of which model answers. */
static int change(const struct command *c, const char *format, bool needs_id, int argc, char **argv)
{
    struct remote_options o = { .url = URL };
    struct error err = { 0 };
    size_t n_arguments;
    int exit_status;

    if (!command_begin(c, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (needs_id && (n_arguments == 0 || !id_fits(argv[1])))
        return command_misuse(c, "give an id, as `cxrd models` shows it");
    if (ask_one(&o, MODELS.name, "POST", format, needs_id ? argv[1] : NULL, print_active, &err) != ST_OK)
        return command_fail(c, &err);
    return EXIT_DONE;
}

static int jobs(int argc, char **argv) { return show(&JOBS, "/jobs/%s", argc, argv); }

static int models(int argc, char **argv) { return show(&MODELS, "/models/%s", argc, argv); }

static int activate(int argc, char **argv)
{
    return change(&COMMAND_ACTIVATE, "/models/%s/activate", true, argc, argv);
}

static int rollback(int argc, char **argv)
{
    return change(&COMMAND_ROLLBACK, "/models/rollback", false, argc, argv);
}

const struct command COMMAND_JOBS = {
    "jobs", "[ID]", "a running server's jobs, or what one came to",         JOBS_OPTIONS,
    jobs,   1,      .example = "cxrd jobs --status running --find phantom",
};

const struct command COMMAND_MODELS = {
    "models", "[ID]", "a running server's models, the active one with a *, or one's card", MODELS_OPTIONS,
    models,   1,      .example = "cxrd models --url https://cxrd.example --limit 5",
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
