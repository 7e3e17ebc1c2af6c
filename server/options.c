/* server/options.c - see options.h. */
#include "options.h"

#include "cxrd/words.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* K, M or G as a power of 2; 0: none of them. */
static unsigned unit_shift(char c)
{
    static const char UNITS[] = "KMG";
    const char *unit = strchr(UNITS, toupper((unsigned char)c));

    return c && unit ? 10 * (unsigned)(unit - UNITS + 1) : 0;
}

static bool parse_size(const char *text, bool bytes, size_t *ret)
{
    unsigned long long v;
    char *end;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (end == text || !isdigit((unsigned char)text[0]) || errno != 0)
        return false;
    if (bytes && *end && end[1] == '\0') {
        const unsigned shift = unit_shift(*end);

        if (shift == 0 || v > (SIZE_MAX >> shift))
            return false;
        v <<= shift;
        end++;
    }
    *ret = (size_t)v;
    return *end == '\0';
}

static bool parse_flag(const char *text, bool *ret)
{
    static const char *const YES[] = { "1", "on", "true", "yes" }, *const NO[] = { "0", "off", "false",
                                                                                   "no" };

    for (size_t i = 0; i < sizeof YES / sizeof YES[0]; i++)
        if (strcasecmp(text, YES[i]) == 0 || strcasecmp(text, NO[i]) == 0) {
            *ret = strcasecmp(text, YES[i]) == 0;
            return true;
        }
    return false;
}

void option_environment(const char *name, char ret[64])
{
    int n = snprintf(ret, 64, "CXRD_%s", name);

    for (int i = 0; i < n && i < 63; i++)
        ret[i] = ret[i] == '-' ? '_' : (char)toupper((unsigned char)ret[i]);
}

/* ---- values: what is wrong goes on behind the option's name ---- */

static enum status set_text(const struct option *o, const char *text, const char **place, struct error *err)
{
    if (!*text)
        return error_set(err, ST_INVALID, "must not be empty: leave it out instead");
    *place = text;
    return o->check ? o->check(text, err) : ST_OK;
}

static enum status set_list(const char *text, struct option_list *list, struct error *err)
{
    if (list->n == sizeof list->items / sizeof list->items[0])
        return error_set(err, ST_INVALID, "is given too often");
    list->items[list->n++] = text;
    return ST_OK;
}

static enum status set_number(const struct option *o, const char *text, size_t *place, struct error *err)
{
    size_t v;

    if (!parse_size(text, o->kind == OPTION_BYTES, &v) || v < o->min || v > o->max)
        return error_set(err, ST_INVALID, "must be a whole number in %zu..%zu%s, not '%.32s'", o->min, o->max,
                         o->kind == OPTION_BYTES ? ", with K, M or G behind it if you like" : "", text);
    *place = v;
    return ST_OK;
}

static enum status set_value(const struct option *o, const char *text, void *into, struct error *err)
{
    void *place = (char *)into + o->place;

    switch (o->kind) {
    case OPTION_TEXT: return set_text(o, text, place, err);
    case OPTION_LIST: return set_list(text, place, err);
    case OPTION_COUNT:
    case OPTION_BYTES: return set_number(o, text, place, err);
    case OPTION_FLAG:
        return parse_flag(text, place)
                   ? ST_OK
                   : error_set(err, ST_INVALID, "must be 1, on, true, yes, 0, off, false or no, not '%.32s'",
                               text);
    }
    return ST_INVALID;
}

/* name  how the user called it: "--listen" or "CXRD_LISTEN" */
static enum status set_option(const struct option *o, const char *name, const char *text, void *into,
                              struct error *err)
{
    struct error why = { 0 };
    const enum status st = set_value(o, text, into, &why);

    return st == ST_OK ? ST_OK : error_set(err, st, "%s %.250s", name, why.text);
}

/* ---- where they come from ---- */

static enum status read_environment(const struct command *c, void *into, struct error *err)
{
    for (const struct option *o = c->options; o && o->name; o++) {
        char name[64];
        const char *text;

        option_environment(o->name, name);
        text = getenv(name);
        if (text && *text) {
            const enum status st = set_option(o, name, text, into, err);

            if (st != ST_OK)
                return st;
        }
    }
    return ST_OK;
}

static const struct option *find(const struct command *c, const char *name, size_t n)
{
    for (const struct option *o = c->options; o && o->name; o++)
        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* The option of "-o"; NULL: none, or it is more than a letter. */
static const struct option *find_letter(const struct command *c, const char *flag)
{
    for (const struct option *o = c->options; o && o->name; o++)
        if (o->letter && flag[1] == o->letter && flag[2] == '\0')
            return o;
    return NULL;
}

const char *command_prefix(const struct command *c) { return c->is_program ? "" : "cxrd "; }

static const char *option_at(const void *options, size_t i)
{
    return ((const struct option *)options)[i].name;
}

/* There is no such option; which one is meant.
 *   n  bytes of the name; 0: it is a letter's */
static enum status refuse_flag(const struct command *c, const char *flag, size_t n, struct error *err)
{
    const char *meant = n > 0 && c->options ? word_meant(option_at, c->options, flag + 2, n) : NULL;

    return error_set(err, ST_INVALID, "'%s%s' has no option '%.*s'%s%s%s", command_prefix(c), c->name,
                     (int)(n > 0 && n < 62 ? n + 2 : 64), flag, meant ? "; is '--" : "", meant ? meant : "",
                     meant ? "' meant?" : "");
}

/* One "--name…" or "-o" at argv[*i]; *i moves over a value that stands apart. */
static enum status read_flag(const struct command *c, int argc, char **argv, int *i, void *into,
                             struct error *err)
{
    const bool is_long = argv[*i][1] == '-';
    const char *name = argv[*i] + 2, *equals = is_long ? strchr(name, '=') : NULL;
    const size_t n = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *o = is_long ? find(c, name, n) : find_letter(c, argv[*i]);
    char shown[64];

    if (!o)
        return refuse_flag(c, argv[*i], is_long ? n : 0, err);
    snprintf(shown, sizeof shown, "--%s", o->name);
    if (equals)
        return set_option(o, shown, equals + 1, into, err);
    if (o->kind == OPTION_FLAG)
        return set_option(o, shown, "1", into, err);
    if (*i + 1 >= argc)
        return error_set(err, ST_INVALID, "%s needs a value", shown);
    return set_option(o, shown, argv[++*i], into, err);
}

enum status options_parse(const struct command *command, int argc, char **argv, void *into,
                          size_t *ret_n_arguments, bool *ret_help, struct error *err)
{
    enum status st = read_environment(command, into, err);
    bool only_arguments = false;

    *ret_n_arguments = 0;
    *ret_help = false;
    for (int i = 1; i < argc && st == ST_OK; i++) {
        if (only_arguments || strncmp(argv[i], "-", 1) != 0 || strcmp(argv[i], "-") == 0) {
            if (*ret_n_arguments == command->max_arguments)
                return error_set(err, ST_INVALID, "'%.64s' is an argument too many", argv[i]);
            argv[++*ret_n_arguments] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options_help(command);
            *ret_help = true;
            return ST_OK;
        } else {
            st = read_flag(command, argc, argv, &i, into, err);
        }
    }
    return st;
}

static void print_options(const struct command *c)
{
    printf("\nOptions, each with its environment variable; the option wins, given twice the last one:\n");
    for (const struct option *o = c->options; o->name; o++) {
        const char letter[] = { '-', o->letter, ',', ' ', '\0' };
        char name[64], left[96];

        option_environment(o->name, name);
        snprintf(left, sizeof left, "%s--%s%s%s", o->letter ? letter : "", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-26s %s\n  %-26s [%s]\n", left, o->help, "", name);
    }
}

void options_help(const struct command *c)
{
    printf("%s%s%s%s - %s\n", command_prefix(c), c->name, *c->arguments ? " " : "", c->arguments, c->summary);
    if (c->options)
        print_options(c);
    printf("\nExample:\n  %s\n\nExit status: " EXITS "%s%s.\n", c->example, c->exits ? "; " : "",
           c->exits ? c->exits : "");
}
