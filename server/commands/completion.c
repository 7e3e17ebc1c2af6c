/* server/commands/completion.c - cxrd completion: what a shell proposes, from the tables that --help reads. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

/* ---- what a value can be ---- */

/* "float32|int12", "copy": words to choose from, as they are said. "DIR|URL" and "(--weights FILE | --url URL)" stand for other words. */
static bool is_choice(const char *value)
{
    return value && value[0] >= 'a' && value[0] <= 'z' && !strchr(value, ' ');
}

enum value_kind { VALUE_NONE, VALUE_CHOICE, VALUE_FOLDER, VALUE_FILE, VALUE_OTHER };

static enum value_kind value_kind(const struct option *o)
{
    if (o->kind == OPTION_FLAG)
        return VALUE_NONE;
    if (is_choice(o->value))
        return VALUE_CHOICE;
    if (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "DIR|FILE") == 0)
        return VALUE_FILE;
    return strncmp(o->value, "DIR", 3) == 0 ? VALUE_FOLDER : VALUE_OTHER;
}

static void print_choices(const char *value)
{
    for (; *value; value++)
        putchar(*value == '|' ? ' ' : *value);
}

/* A help text inside single quotes of a shell, without the characters that mean something to zsh's _arguments. */
static void print_quoted(const char *text)
{
    for (; *text; text++)
        putchar(strchr("'[]:\\", *text) ? ' ' : *text);
}

static void print_names(void)
{
    for (size_t i = 0; command_at(i); i++)
        printf("%s%s", i ? " " : "", command_at(i)->name);
}

/* ---- bash ---- */

/* "--out|--state) words= kind=-d ;;": all options of the command whose values are of that kind. */
static void bash_values(const struct command *c, enum value_kind kind, const char *proposes)
{
    size_t n = 0;

    for (const struct option *o = c->options; o->name; o++)
        if (value_kind(o) == kind)
            printf("%s--%s", n++ ? "|" : "                ", o->name);
    if (n)
        printf(") words= kind=%s ;;\n", proposes);
}

static void bash_choices(const struct command *c)
{
    for (const struct option *o = c->options; o->name; o++)
        if (value_kind(o) == VALUE_CHOICE) {
            printf("                --%s) kind= words='", o->name);
            print_choices(o->value);
            printf("' ;;\n");
        }
}

static void bash_command(const struct command *c)
{
    printf("        *:%s)\n            words='--help", c->name);
    for (const struct option *o = c->options; o && o->name; o++)
        printf(" --%s", o->name);
    if (is_choice(c->arguments)) {
        putchar(' ');
        print_choices(c->arguments);
        printf("'\n");
    } else {
        printf("'\n            [[ $word == -* ]] || { words= kind=-f; }\n");
    }
    if (c->options) {
        printf("            case $before in\n");
        bash_choices(c);
        bash_values(c, VALUE_FILE, "-f");
        bash_values(c, VALUE_FOLDER, "-d");
        bash_values(c, VALUE_OTHER, "");
        printf("            esac\n");
    }
    printf("            ;;\n");
}

static void print_bash(void)
{
    printf("# cxrd for bash, made by `cxrd completion bash`\n_cxrd() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words= kind=\n"
           "    case ${COMP_CWORD}:${COMP_WORDS[1]} in\n        1:*) words='");
    print_names();
    printf(" help --help --version --man' ;;\n        2:help) words='");
    print_names();
    printf("' ;;\n");
    for (size_t i = 0; command_at(i); i++)
        bash_command(command_at(i));
    printf(
        "    esac\n    mapfile -t COMPREPLY < <(compgen ${kind:+\"$kind\"} -W \"$words\" -- \"$word\")\n}\n"
        "complete -o filenames -F _cxrd cxrd\n");
}

/* ---- zsh ---- */

static void zsh_option(const struct option *o)
{
    const enum value_kind kind = value_kind(o);

    printf(" \\\n                '--%s%s[", o->name, kind == VALUE_NONE ? "" : "=");
    print_quoted(o->help);
    printf(kind == VALUE_NONE ? "]" : "]:value:");
    if (kind == VALUE_CHOICE) {
        putchar('(');
        print_choices(o->value);
        putchar(')');
    } else if (kind != VALUE_NONE) {
        printf("%s", kind == VALUE_FILE ? "_files" : kind == VALUE_FOLDER ? "_files -/" : " ");
    }
    putchar('\'');
}

static void zsh_command(const struct command *c)
{
    printf("        %s)\n            _arguments '--help[this help]'", c->name);
    for (const struct option *o = c->options; o && o->name; o++)
        zsh_option(o);
    printf(" \\\n                '*:argument:");
    if (is_choice(c->arguments)) {
        putchar('(');
        print_choices(c->arguments);
        printf(")' ;;\n");
    } else {
        printf("_files' ;;\n");
    }
}

static void print_zsh(void)
{
    printf("#compdef cxrd\n# cxrd for zsh, made by `cxrd completion zsh`\n_cxrd() {\n"
           "    if (( CURRENT == 2 )); then\n        local -a commands=(\n");
    for (size_t i = 0; command_at(i); i++) {
        printf("            '%s:", command_at(i)->name);
        print_quoted(command_at(i)->summary);
        printf("'\n");
    }
    printf("        )\n        _describe command commands\n        return\n    fi\n"
           "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (size_t i = 0; command_at(i); i++)
        zsh_command(command_at(i));
    printf("    esac\n}\n_cxrd \"$@\"\n");
}

/* ---- fish ---- */

static void fish_option(const struct command *c, const struct option *o)
{
    printf("complete -c cxrd -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (o->letter)
        printf(" -s %c", o->letter);
    switch (value_kind(o)) {
    case VALUE_NONE: break;
    case VALUE_CHOICE:
        printf(" -x -a '");
        print_choices(o->value);
        putchar('\'');
        break;
    case VALUE_FOLDER: printf(" -x -a '(__fish_complete_directories)'"); break;
    case VALUE_FILE: printf(" -r"); break;
    case VALUE_OTHER: printf(" -x"); break;
    }
    printf(" -d '");
    print_quoted(o->help);
    printf("'\n");
}

static void fish_command(const struct command *c)
{
    printf("complete -c cxrd -f -n __fish_use_subcommand -a %s -d '", c->name);
    print_quoted(c->summary);
    printf("'\n");
    if (is_choice(c->arguments)) {
        printf("complete -c cxrd -x -n '__fish_seen_subcommand_from %s' -a '", c->name);
        print_choices(c->arguments);
        printf("'\n");
    }
    for (const struct option *o = c->options; o && o->name; o++)
        fish_option(c, o);
}

static void print_fish(void)
{
    printf("# cxrd for fish, made by `cxrd completion fish`\n");
    for (size_t i = 0; command_at(i); i++)
        fish_command(command_at(i));
}

static int completion(int argc, char **argv)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } SHELLS[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };
    size_t n_arguments;
    int exit_status;

    if (!command_begin(&COMMAND_COMPLETION, argc, argv, NULL, &n_arguments, &exit_status))
        return exit_status;
    for (size_t i = 0; i < sizeof SHELLS / sizeof SHELLS[0]; i++)
        if (n_arguments && strcmp(argv[1], SHELLS[i].shell) == 0) {
            SHELLS[i].print();
            return EXIT_DONE;
        }
    return command_misuse(&COMMAND_COMPLETION, "give a shell: bash, zsh or fish");
}

const struct command COMMAND_COMPLETION = {
    "completion",
    "bash|zsh|fish",
    "what a shell proposes after `cxrd`, for it to read",
    NULL,
    completion,
    1,
    .example = "source <(cxrd completion bash)",
};
