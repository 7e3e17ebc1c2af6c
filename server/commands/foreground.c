/* server/commands/foreground.c - see foreground.h. */
#include "foreground.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int ended_by; /* the signal; 0: none has come */

static void on_signal(int signal) { atomic_store(&ended_by, signal); }

void foreground_begin(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

bool foreground_ended(void) { return atomic_load(&ended_by) != 0; }

static bool among(const json_t *list, const json_t *one)
{
    const json_t *other;
    size_t i;

    json_array_foreach (list, i, other)
        if (json_equal(one, other))
            return true;
    return false;
}

void foreground_warn(const json_t *record, json_t **told)
{
    json_t *list = json_object_get(record, "warnings");
    const json_t *warning;
    size_t i;

    json_array_foreach (list, i, warning)
        if (!among(*told, warning))
            fprintf(stderr, "warning, %s: %s\n", json_string_value(json_object_get(warning, "code")),
                    json_string_value(json_object_get(warning, "detail")));
    json_decref(*told);
    *told = json_incref(list);
}

int foreground_exit(const struct command *c, enum status st, const struct error *err, const char *goes_on)
{
    const int by = atomic_load(&ended_by);

    if (st == ST_CANCELLED) {
        fprintf(stderr, "%s%s: stopped; %s\n", command_prefix(c), c->name, goes_on);
        return 128 + (by ? by : SIGTERM); /* as a shell tells of a signal; 0: another rank was told to end */
    }
    return st == ST_OK ? EXIT_DONE : command_fail(c, err);
}
