/* server/commands/commands.c - which commands there are, how each begins, and how it fails. */
#include "commands.h"
#include "cxrd/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command *const *known; /* set once, before there is a second thread */
static size_t n_known;

void commands_know(const struct command *const *commands, size_t n)
{
    known = commands;
    n_known = n;
}

const struct command *command_at(size_t i) { return i < n_known ? known[i] : NULL; }

int command_misuse(const struct command *c, const char *says)
{
    fprintf(stderr, "%s%s: %s\nTry: %s%s --help\n", command_prefix(c), c->name, says, command_prefix(c),
            c->name);
    return EXIT_USAGE;
}

bool command_begin(const struct command *c, int argc, char **argv, void *into, size_t *ret_n_arguments,
                   int *ret_exit)
{
    struct error err = { 0 };
    bool help;

    if (options_parse(c, argc, argv, into, ret_n_arguments, &help, &err) != ST_OK) {
        *ret_exit = command_misuse(c, err.text);
        return false;
    }
    *ret_exit = EXIT_DONE;
    return !help;
}

enum status command_out_check(const char *path, bool overwrite, struct error *err)
{
    if (!overwrite && access(path, F_OK) == 0)
        return error_set(err, ST_INVALID, "'%.200s' is there already: --overwrite writes over it", path);
    return ST_OK;
}

void print_text(FILE *to, const char *text, size_t n)
{
    const bool terminal = isatty(fileno(to));

    for (size_t i = 0; i < n;) {
        const size_t bad = terminal ? utf8_steering(text + i, n - i) : 0;

        putc(bad ? '?' : text[i], to);
        i += bad ? bad : 1;
    }
}

void command_tell(const struct command *c, const char *about, const struct error *err)
{
    const char *text = err->text[0] ? err->text : status_text(err->code);
    const bool is_said = strstr(text, err->inner) || (about && strcmp(about, err->inner) == 0);
    char quoted[300];

    snprintf(quoted, sizeof quoted, "'%s'", about ? about : "");
    fprintf(stderr, "%s%s: ", command_prefix(c), c->name);
    if (about && !strstr(text, quoted)) {
        print_text(stderr, about, strlen(about));
        fputs(": ", stderr);
    }
    print_text(stderr, text, strlen(text));
    fputs(is_said ? "" : " (", stderr);
    print_text(stderr, is_said ? "" : err->inner, is_said ? 0 : strlen(err->inner));
    fputs(is_said ? "\n" : ")\n", stderr);
}

int command_fail(const struct command *c, const struct error *err)
{
    command_tell(c, NULL, err);
    return EXIT_FAILED;
}

enum status check_precision(const char *text, struct error *err)
{
    enum precision precision;

    if (precision_parse(text, &precision))
        return ST_OK;
    return error_set(err, ST_INVALID, "must be float32 or int12, not '%.32s'", text);
}

enum precision precision_named(const char *name)
{
    enum precision precision = PRECISION_FLOAT32;

    if (name) {
        const bool parsed = precision_parse(name, &precision);

        assert(parsed); /* by check_precision(), when the options were read */
    }
    return precision;
}
