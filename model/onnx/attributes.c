/* model/onnx/attributes.c - the attributes of the node that is read, see reader.h. */
#include "reader.h"

#include <string.h>

static const Onnx__AttributeProto *find(const struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->node->n_attribute; i++)
        if (r->node->attribute[i]->name && strcmp(r->node->attribute[i]->name, name) == 0)
            return r->node->attribute[i];
    return NULL;
}

/* Whether a name is one of the words. */
static bool is_known(const char *name, const char *words)
{
    const size_t n = strlen(name);

    for (const char *at = words; *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strcspn(at, " ") == n && memcmp(at, name, n) == 0)
            return true;
    return false;
}

void attributes_check(struct reader *r, const char *known)
{
    for (size_t i = 0; i < r->node->n_attribute && r->st == ST_OK; i++) {
        const Onnx__AttributeProto *a = r->node->attribute[i];

        if (!a->name || !is_known(a->name, known))
            reader_refuse(r, "its attribute '%.40s' is not known here", a->name ? a->name : "");
        else if (find(r, a->name) != a)
            reader_refuse(r, "its attribute '%.40s' is there twice", a->name);
        else if (a->ref_attr_name)
            reader_refuse(r, "its attribute '%.40s' belongs to a function", a->name);
    }
}

bool attribute_there(struct reader *r, const char *name) { return find(r, name) != NULL; }

/* The attribute, if it is there and of that type. */
static const Onnx__AttributeProto *typed(struct reader *r, const char *name,
                                         Onnx__AttributeProto__AttributeType type)
{
    const Onnx__AttributeProto *a = r->st == ST_OK ? find(r, name) : NULL;

    if (a && a->has_type && a->type != type) {
        reader_refuse(r, "its attribute '%s' is of another type", name);
        return NULL;
    }
    return a;
}

int64_t attribute_integer(struct reader *r, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *a = typed(r, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    return a ? a->i : otherwise;
}

float attribute_float(struct reader *r, const char *name, float otherwise)
{
    const Onnx__AttributeProto *a = typed(r, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

    return a ? a->f : otherwise;
}

size_t attribute_integers(struct reader *r, const char *name, const int64_t **ret)
{
    const Onnx__AttributeProto *a = typed(r, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

    *ret = a ? a->ints : NULL;
    return a ? a->n_ints : 0;
}

bool attribute_is(struct reader *r, const char *name, const char *text)
{
    const Onnx__AttributeProto *a = typed(r, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

    return a && a->s.len == strlen(text) && memcmp(a->s.data, text, a->s.len) == 0;
}

const Onnx__TensorProto *attribute_tensor(struct reader *r, const char *name)
{
    const Onnx__AttributeProto *a = typed(r, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);

    return a ? a->t : NULL;
}

bool integers_of(struct reader *r, size_t input, const char *attribute, size_t *ret_n, const int64_t **ret)
{
    enum { MOST = 2 * ONNX_MAX_RANK }; /* pads have two for each axis; many nodes may read one long list */
    const struct value *v = node_input(r, input);

    if (!v) {
        *ret_n = attribute_integers(r, attribute, ret);
    } else if (v->kind != VALUE_CONSTANT || !v->constant.integers || v->constant.dims.rank > 1) {
        reader_refuse(r, "its %s must be a constant list of integers", attribute);
    } else {
        *ret_n = v->constant.count;
        *ret = v->constant.integers;
    }
    if (r->st == ST_OK && *ret_n > MOST)
        reader_refuse(r, "its %s has %zu numbers, more than %d", attribute, *ret_n, MOST);
    return r->st == ST_OK && (v || attribute_there(r, attribute));
}

size_t axis_of(struct reader *r, int64_t axis, size_t rank)
{
    const int64_t n = (int64_t)rank, at = axis < 0 ? axis + n : axis;

    if (axis < -n || axis >= n) {
        reader_refuse(r, "there is no axis %lld in a tensor of %zu", (long long)axis, rank);
        return 0;
    }
    return (size_t)at;
}
