/* model/onnx/reader.c - what every file of this folder needs of the reader: refusing, memory, and its end, see reader.h. */
#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A node's name in sentences: its own, or that of its output. */
static const char *node_name(const Onnx__NodeProto *node)
{
    if (node->name && node->name[0])
        return node->name;
    return node->n_output > 0 ? node->output[0] : "";
}

void reader_refuse(struct reader *r, const char *format, ...)
{
    char text[240];
    va_list args;

    if (r->st != ST_OK)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->node)
        r->st = error_set(r->err, ST_FORMAT, "node '%.60s' (%.30s): %s", node_name(r->node),
                          r->node->op_type ? r->node->op_type : "", text);
    else
        r->st = error_set(r->err, ST_FORMAT, "%s", text);
}

void reader_nomem(struct reader *r)
{
    if (r->st == ST_OK)
        r->st = error_nomem(r->err);
}

void *reader_alloc(struct reader *r, size_t n, size_t size)
{
    enum { FIRST_ROOM = 64 };
    void *p, **more;

    if (r->st == ST_OK && (n > r->bytes_left || n * size > r->bytes_left))
        reader_refuse(r, "what it makes of constants is larger than all of the file");
    if (r->st != ST_OK)
        return NULL;
    if (r->n_blocks == r->room_blocks) {
        const size_t room = r->room_blocks ? 2 * r->room_blocks : FIRST_ROOM;

        more = reallocarray(r->blocks, room, sizeof *more);
        if (!more) {
            reader_nomem(r);
            return NULL;
        }
        r->blocks = more;
        r->room_blocks = room;
    }
    p = malloc(n > 0 ? n * size : 1);
    if (!p) {
        reader_nomem(r);
        return NULL;
    }
    r->bytes_left -= n * size;
    r->blocks[r->n_blocks++] = p;
    return p;
}

/* ---- the end ---- */

void reader_release(struct reader *r)
{
    for (size_t i = 0; i < r->n_blocks; i++)
        free(r->blocks[i]);
    free(r->blocks);
    free(r->values);
    free(r->fills);
}

static void sources_put(const struct source s[2], float *ret)
{
    for (size_t k = 0; k < 2; k++) {
        if (s[k].data && s[k].n > 0)
            memcpy(ret, s[k].data, s[k].n * sizeof *ret);
        else
            memset(ret, 0, s[k].n * sizeof *ret);
        ret += s[k].n;
    }
}

void reader_fill(const struct reader *r, const struct network *net, float *ret_values)
{
    for (size_t i = 0; i < net->n_nodes; i++) {
        sources_put(r->fills[i].params, ret_values + net->nodes[i].params);
        sources_put(r->fills[i].state, ret_values + net->nodes[i].state);
    }
}
