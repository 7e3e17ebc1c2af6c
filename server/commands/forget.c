/* server/commands/forget.c - cxrd forget: patients are left out of a running server's later jobs. Ids come on standard input, a line
 * each, as a command line is there for everybody to see, and is kept in the shell's history. */
#include "../client.h"
#include "commands.h"
#include "cxrd/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct forget_options {
    const char *url, *ca;
    bool replay, json;
};

#define AT(member) offsetof(struct forget_options, member)

static const struct option OPTIONS[] = {
    { "url", OPTION_TEXT, AT(url), "URL",
      "the server (http://127.0.0.1:8080); its key, if it asks for one, in CXRD_KEY" },
    { "ca", OPTION_TEXT, AT(ca), "FILE",
      "certificates of authorities that the server is believed by, PEM (the system's)" },
    { "replay", OPTION_FLAG, AT(replay), NULL,
      "queue the job of the model that has learned from them once more, without them" },
    { "json", OPTION_FLAG, AT(json), NULL, "print the server's replies as JSON" },
    { NULL }
};

enum { MOST_LINE = 1024 };

static void tell(const json_t *reply, size_t line)
{
    const char *replay = json_string_value(json_object_get(reply, "replay"));
    size_t i;
    json_t *model;

    printf("line %zu: %s; %zu jobs have used the rows, %zu of them are ended now, %zu cannot say\n", line,
           json_is_true(json_object_get(reply, "new")) ? "forgotten" : "was forgotten before",
           json_array_size(json_object_get(reply, "jobs")),
           json_array_size(json_object_get(reply, "cancelled")),
           json_array_size(json_object_get(json_object_get(reply, "unknown"), "jobs")));
    json_array_foreach (json_object_get(reply, "models"), i, model) {
        const char *id = json_string_value(json_object_get(model, "id"));

        printf("  model ");
        print_text(stdout, id ? id : "-", strlen(id ? id : "-"));
        printf(" has learned from them\n");
    }
    if (replay) {
        printf("  replayed by job ");
        print_text(stdout, replay, strlen(replay));
        putchar('\n');
    }
}

static enum status forget_one(const struct forget_options *o, const char *dataset, const char *id,
                              size_t line, struct error *err)
{
    const struct client_server server = { .url = o->url, .ca = o->ca };
    json_t *request =
        json_pack("{s:s,s:s,s:b}", "dataset", dataset, "patient_id", id, "replay", (int)o->replay);
    char *body = request ? json_text(request, JSON_COMPACT) : NULL, *text = NULL;
    json_t *reply = NULL;
    enum status st =
        body ? ST_OK : error_set(err, ST_INVALID, "line %zu, or the data set's name, is no UTF-8", line);

    if (st == ST_OK)
        st = client_json(&server, "POST", "/patients/forget", "application/json", body, strlen(body), &reply,
                         err);
    if (st == ST_OK && o->json)
        text = json_text(reply, JSON_COMPACT);
    if (text)
        puts(text);
    else if (st == ST_OK && !o->json)
        tell(reply, line);
    free(text);
    free(body);
    json_decref(reply);
    json_decref(request);
    return st;
}

/* Each line that is not empty. */
static enum status forget_all(const struct forget_options *o, const char *dataset, size_t *ret_n,
                              struct error *err)
{
    char line[MOST_LINE];
    enum status st = ST_OK;
    size_t number = 0;

    *ret_n = 0;
    while (st == ST_OK && fgets(line, sizeof line, stdin)) {
        const size_t n = strcspn(line, "\r\n");

        number++;
        if (!line[n] && !feof(stdin))
            return error_set(err, ST_INVALID, "line %zu is too long for an id", number);
        line[n] = '\0';
        if (!line[strspn(line, " \t")])
            continue;
        st = forget_one(o, dataset, line, number, err);
        ++*ret_n;
    }
    if (st == ST_OK && ferror(stdin))
        st = error_errno(err, ST_IO, "standard input cannot be read");
    explicit_bzero(line, sizeof line);
    return st;
}

static int forget(int argc, char **argv)
{
    struct forget_options o = { .url = "http://127.0.0.1:8080" };
    struct error err = { 0 };
    size_t n_arguments, n;
    int exit_status;

    if (!command_begin(&COMMAND_FORGET, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (n_arguments < 1)
        return command_misuse(&COMMAND_FORGET,
                              "name the data set; the patients' ids come on standard input, a line each");
    if (forget_all(&o, argv[1], &n, &err) != ST_OK)
        return command_fail(&COMMAND_FORGET, &err);
    if (n == 0)
        return command_misuse(&COMMAND_FORGET, "no id on standard input");
    return EXIT_DONE;
}

const struct command COMMAND_FORGET = {
    "forget",
    "DATASET",
    "leave patients, whose ids are lines of standard input, out of a server's later jobs",
    OPTIONS,
    forget,
    1,
    .example = "cxrd forget ward --replay < ids",
};
