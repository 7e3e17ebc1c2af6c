/* jobs/store/listener.c - being woken by the other servers of a shared store; see cxrd/store_replicas.h. A connection of its own, as
 * that of the store is often in use. */
#include "cxrd/store_replicas.h"

#include "parts.h"

#include <stdlib.h>

struct store_listener {
    struct database *db;
};

enum status store_listen(const struct store *s, struct store_listener **ret, struct error *err)
{
    struct store_listener *l;
    enum status st;

    if (!s->db->engine->listen)
        return error_set(err, ST_UNSUPPORTED, "the store is not shared");
    l = calloc(1, sizeof *l);
    st = l ? s->db->engine->open(s->place, &l->db, err) : error_nomem(err);
    if (st == ST_OK)
        st = l->db->engine->run(l->db, l->db->engine->listen, err);
    if (st != ST_OK) {
        store_listener_close(l);
        return st;
    }
    *ret = l;
    return ST_OK;
}

void store_listener_close(struct store_listener *l)
{
    if (!l)
        return;
    if (l->db)
        l->db->engine->close(l->db);
    free(l);
}

int store_listener_socket(struct store_listener *l) { return l->db->engine->socket(l->db); }

bool store_listener_hear(struct store_listener *l) { return l->db->engine->hear(l->db); }
