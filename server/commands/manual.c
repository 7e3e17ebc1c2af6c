/* server/commands/manual.c - the manual page, from the tables that --help reads: one text, so that none grows stale. */
#include "commands.h"

#include "cxrd/labels.h"
#include "cxrd/version.h"

#include <stdio.h>

/* Text as roff wants it: '-' is a minus as typed, a dot at the beginning no request. */
static void put(const char *text)
{
    if (*text == '.' || *text == '\'')
        printf("\\&");
    for (; *text; text++) {
        if (*text == '-' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
}

static void print_option(const struct option *o)
{
    char environment[64];

    option_environment(o->name, environment);
    printf(".TP\n\\fB");
    if (o->letter)
        printf("\\-%c\\fR, \\fB", o->letter);
    printf("\\-\\-");
    put(o->name);
    printf("\\fR%s%s\n", o->value ? " " : "", o->value ? o->value : "");
    put(o->help);
    printf(" [%s]\n", environment);
}

static void print_options(const struct command *c)
{
    for (const struct option *o = c->options; o && o->name; o++)
        print_option(o);
    printf(".PP\nExample:\n.PP\n.RS 4\n");
    put(c->example);
    printf("\n.RE\n");
}

static void print_command(const struct command *c)
{
    printf(".SS %s", command_prefix(c));
    put(c->name);
    putchar(' ');
    put(c->arguments);
    printf("\n");
    put(c->summary);
    printf("\n");
    print_options(c);
    if (c->exits) {
        printf(".PP\nIts exit status, beside those of every command: ");
        put(c->exits);
        printf(".\n");
    }
}

void manual_print(void)
{
    printf(".TH CXRD 1 \"\" \"cxrd %s\"\n.SH NAME\ncxrd \\- chest X\\-rays to findings, and the training "
           "that gets there\n",
           CXRD_VERSION);
    printf(".SH SYNOPSIS\n.B cxrd\n.I command\n[\\fIoptions\\fR]\n.SH DESCRIPTION\n");
    put(INTENDED_USE);
    printf("\n.PP\nEach option has an environment variable; the option wins.\n.SH COMMANDS\n");
    for (size_t i = 0; command_at(i); i++)
        print_command(command_at(i));
    printf(".SH EXIT STATUS\n");
    put(EXITS);
    printf(".\n");
}

void manual_print_program(const struct command *c)
{
    printf(".TH CXRD\\-TRAIN 1 \"\" \"cxrd %s\"\n.SH NAME\n", CXRD_VERSION);
    put(c->name);
    printf(" \\- ");
    put(c->summary);
    printf("\n.SH SYNOPSIS\n");
    put(c->name);
    putchar(' ');
    put(c->arguments);
    printf("\n.SH DESCRIPTION\n");
    put(INTENDED_USE);
    printf("\n.SH OPTIONS\nEach option has an environment variable; the option wins.\n");
    print_options(c);
    printf(".SH EXIT STATUS\n");
    put(EXITS);
    printf("; ");
    put(c->exits);
    printf(".\n.SH SEE ALSO\n\\fBcxrd\\fR(1), \\fBmpirun\\fR(1)\n");
}
