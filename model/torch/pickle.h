/* model/torch/pickle.h - a pickle as data: what tensors a file of torch.save() has, and their names.
 *
 * A pickle is a program for a machine that Python executes, and may call whatever Python has. Here the machine knows the few
 * operations that torch.save() needs to name tensors, and nothing is ever called: of the functions that a pickle may ask for, those
 * that make tensors are known by name and what they would make is noted down; objects of modules are their attributes; every other
 * operation and every other name is refused. */
#ifndef MODEL_TORCH_PICKLE_H
#define MODEL_TORCH_PICKLE_H

#include "cxrd/safetensors.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind {
    KIND_NONE,
    KIND_BOOL,
    KIND_INT,
    KIND_FLOAT,
    KIND_TEXT,
    KIND_TUPLE,
    KIND_LIST,
    KIND_DICT,
    KIND_GLOBAL, /* a name that was asked for */
    KIND_OBJECT, /* of a class of modules */
    KIND_STORAGE,
    KIND_TENSOR,
    KIND_OTHER, /* an object that is not read here, and that Python would have made by a call */
};

/* The meaning of a name. */
enum global {
    GLOBAL_TENSOR,    /* torch._utils._rebuild_tensor, _rebuild_tensor_v2 */
    GLOBAL_PARAMETER, /* torch._utils._rebuild_parameter */
    GLOBAL_DICT,      /* collections.OrderedDict */
    GLOBAL_STORAGE,   /* torch.FloatStorage and the like; the type says which */
    GLOBAL_CLASS, /* of torch's, torchvision's, torchxrayvision's or timm's modules, or of torch's optimisers and schedules */
    GLOBAL_OTHER,     /* known to be harmless, and not read, such as torch.device */
    GLOBAL_ATTRIBUTE, /* getattr: not read, where it is asked about an object */
};

typedef uint32_t value_id; /* index of pickle.values */
#define NO_CELL UINT32_MAX

struct value {
    enum kind kind;
    union {
        int64_t number; /* BOOL, INT */
        double real;    /* FLOAT */
        struct {        /* TEXT: bytes of the pickle */
            const char *at;
            uint32_t n;
        } text;
        struct { /* TUPLE, LIST, DICT: its cells, of a dict keys and values by turns */
            uint32_t first, last, n;
        } items;
        struct { /* GLOBAL */
            enum global is;
            enum dtype dtype; /* of GLOBAL_STORAGE */
        } global;
        uint32_t index; /* STORAGE, TENSOR: of pickle.storages, pickle.tensors */
        value_id state; /* OBJECT: its attributes, a DICT, or itself where it has none yet */
    };
};

struct cell {
    value_id value;
    uint32_t next; /* or NO_CELL */
};

/* The numbers of one or more tensors, which lie elsewhere in the file. */
struct storage {
    const char *key; /* [key_size]: bytes of the pickle */
    size_t key_size;
    enum dtype dtype;
    size_t count;     /* of its values, as the pickle says */
    const void *data; /* NULL until it was found */
};

/* Some values of a storage: that they lie in it has been seen. */
struct tensor_view {
    uint32_t storage;
    size_t offset, rank, dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK]; /* in values */
};

enum { PICKLE_MAX_BYTES = 16 << 20, PICKLE_MAX_VALUES = 1 << 20, PICKLE_MAX_STORAGES = 1 << 13 };

struct pickle {
    const uint8_t *bytes; /* borrowed */
    size_t n_bytes, at,
        operation; /* where the next byte is, and where the operation began that is executed */
    size_t base;   /* where in the file they begin, to tell where something is */

    struct value *values;
    size_t n_values, values_room;
    struct cell *cells;
    size_t n_cells, cells_room;
    struct storage *storages;
    size_t n_storages, storages_room, storages_named;
    struct tensor_view *tensors;
    size_t n_tensors, tensors_room;

    value_id *stack;
    size_t depth, stack_room;
    size_t *marks;
    size_t n_marks, marks_room;
    value_id *memo; /* or NO_VALUE */
    size_t memo_room;

    struct error *err;
};

#define NO_VALUE UINT32_MAX

/* Run a pickle from bytes[0] to its STOP.
 *   p      zeroed, but for bytes, n_bytes, base and err; pickle_release() it, whatever comes of this
 *   p->at  behind it is the first byte after STOP
 * Errors: ST_FORMAT (the sentence names the operation or the name, and where), ST_LIMIT, ST_NOMEM. */
MUST_USE enum status pickle_run(struct pickle *p, value_id *ret_root);
void pickle_release(struct pickle *p); /* safe on zeroes */

/* Whether a value is this text. */
bool value_is(const struct pickle *p, value_id v, const char *text);

/* A dict's value of a key, the last one where there are several; NO_VALUE: it has none, or is no dict. Looks at every item. */
value_id dict_get(const struct pickle *p, value_id dict, const char *key);

/* Bytes of a stranger as a sentence may show them: what is no visible ASCII becomes '?', and not many. Returns ret. */
enum { SHOWN_SIZE = 64 };
const char *shown(const char *at, size_t n, char ret[SHOWN_SIZE]);

#endif
