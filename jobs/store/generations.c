/* jobs/store/generations.c - how often what servers share was changed, kind by kind; see cxrd/store_replicas.h.
 *
 * Invariant: a number grows in the transaction that makes the change, so a reader that reads the number before the rows has the change with
 * it, or reads a greater number later. A crash leaves both or neither. */
#include "cxrd/store_replicas.h"

#include "parts.h"

#include <stdlib.h>
#include <string.h>

static const char *const NAMES[N_SHARED] = { "models", "thresholds", "profiles", "canary", "shadow" };

enum status store_shared_changed(struct store *s, enum shared_kind kind, struct error *err)
{
    static const char SQL[] = "INSERT INTO generations(name, number) VALUES($1, 1)"
                              " ON CONFLICT(name) DO UPDATE SET number = generations.number + 1";

    if (!s->db->engine->shared) /* nobody else takes it up */
        return ST_OK;
    s->woken = true;
    return store_finish(s, store_prepare(s, err, SQL, "t", NAMES[kind]), err);
}

enum status store_generations(struct store *s, int64_t ret[N_SHARED], struct error *err)
{
    struct cells cells = CELLS_INIT;
    const enum status st = store_query(s, &cells, err, "SELECT name, number FROM generations", "");

    memset(ret, 0, N_SHARED * sizeof *ret);
    for (size_t i = 0; i < cells.n_rows; i++)
        for (size_t k = 0; k < N_SHARED; k++) {
            const char *name = cells_text(&cells, i, 0), *number = cells_text(&cells, i, 1);

            if (name && number && strcmp(name, NAMES[k]) == 0)
                ret[k] = strtoll(number, NULL, 10);
        }
    cells_release(&cells);
    return st;
}
