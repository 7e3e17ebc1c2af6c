/* model/onnx/add.c - a node of our network, see reader.h. */
#include "reader.h"

#include <stdio.h>
#include <string.h>

/* A tensor's name in the file without its ".weight", where it can be the name of a node of ours. */
static bool name_of_weights(const struct reader *r, const char *weights, char ret_name[TENSOR_NAME_BYTES])
{
    static const char SUFFIX[] = ".weight";
    const size_t n = weights ? strlen(weights) : 0, suffix = sizeof SUFFIX - 1;

    if (n <= suffix || n > 60 || strcmp(weights + n - suffix, SUFFIX) != 0)
        return false;
    if (strspn(weights, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._") != n)
        return false;
    snprintf(ret_name, TENSOR_NAME_BYTES, "%.*s", (int)(n - suffix), weights);
    return network_tensor(r->g->net, weights) == NULL;
}

size_t reader_add(struct reader *r, const struct node *node, const char *weights, const struct fill *fill)
{
    char name[TENSOR_NAME_BYTES];
    size_t at;

    if (r->st != ST_OK)
        return 0;
    if (fill && !name_of_weights(r, weights, name))
        snprintf(name, sizeof name, "n%zu.%s", r->g->net->n_nodes, node->ops->kind);
    at = graph_add(r->g, node, fill ? name : NULL);
    if (r->g->st == ST_NOMEM)
        reader_nomem(r);
    else if (r->g->st != ST_OK)
        reader_refuse(r, "%s", r->g->err->text);
    else if (fill)
        r->fills[at] = *fill;
    return at;
}
