/* model/torch/torch.c - see torch.h: where pickle and numbers lie in the two kinds of file, and from views of storages to arrays. */
#include "torch.h"

#include "cxrd/network.h"

#include "machine.h"
#include "walk.h"
#include "zip.h"

#include <stdlib.h>
#include <string.h>

/* A file while it is read. */
struct reading {
    const uint8_t *bytes;
    size_t n_bytes;
    struct pickle pickle;
    struct state_dict dict;
    struct torch_file *to;
    struct error *err;
};

bool torch_is_zip(const void *bytes, size_t n_bytes)
{
    return n_bytes >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

bool torch_is_pickle(const void *bytes, size_t n_bytes)
{
    return n_bytes >= 2 && ((const uint8_t *)bytes)[0] == 0x80 && ((const uint8_t *)bytes)[1] < 16;
}

/* Memory that the result takes over. NULL: without memory, and `p` is freed. */
static void *own(struct torch_file *f, void *p)
{
    void **grown = realloc(f->owned, (f->n_owned + 1) * sizeof *grown);

    if (!grown || !p) {
        f->owned = grown ? grown : f->owned;
        free(p);
        return NULL;
    }
    f->owned = grown;
    f->owned[f->n_owned++] = p;
    return p;
}

static struct storage *storage_of(struct reading *r, size_t array)
{
    return &r->pickle.storages[r->pickle.tensors[r->dict.views[array]].storage];
}

static enum status big_endian_refused(struct reading *r)
{
    return error_set(r->err, ST_FORMAT, "the file's numbers are big-endian, which is not read here");
}

/* ---- from storages to arrays ---- */

/* Row-major without holes: then it is used where it lies. */
static bool is_dense(const struct tensor_view *t)
{
    size_t step = 1;

    for (size_t d = t->rank; d-- > 0;) {
        if (t->dims[d] != 1 && t->strides[d] != step)
            return false;
        step *= t->dims[d];
    }
    return true;
}

/* Copy a view's values in row-major order. Of less than four dimensions the first are 1. */
static void gather(const struct tensor_view *t, size_t size, const uint8_t *from, uint8_t *to)
{
    size_t dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK];

    for (size_t d = 0; d < ARRAY_MAX_RANK; d++) {
        const bool is_there = d + t->rank >= ARRAY_MAX_RANK;

        dims[d] = is_there ? t->dims[d + t->rank - ARRAY_MAX_RANK] : 1;
        strides[d] = is_there ? t->strides[d + t->rank - ARRAY_MAX_RANK] : 0;
    }
    for (size_t a = 0; a < dims[0]; a++)
        for (size_t b = 0; b < dims[1]; b++)
            for (size_t c = 0; c < dims[2]; c++)
                for (size_t d = 0; d < dims[3]; d++, to += size)
                    memcpy(to,
                           from + (t->offset + a * strides[0] + b * strides[1] + c * strides[2] +
                                   d * strides[3]) *
                                      size,
                           size);
}

/*   left  values that all the views together may have yet: one of a few numbers may have any shape */
static enum status array_fill(struct reading *r, size_t i, size_t *left)
{
    const struct tensor_view *t = &r->pickle.tensors[r->dict.views[i]];
    const struct storage *s = storage_of(r, i);
    const size_t size = dtype_size(s->dtype);
    struct array *a = &r->dict.arrays[i];
    size_t values = 1;
    void *copy;

    if (!s->data)
        return error_set(r->err, ST_FORMAT, "the tensor '%s' has no numbers in the file", a->name);
    for (size_t d = 0; d < t->rank; d++)
        if (t->dims[d] && values > *left / t->dims[d])
            return error_set(r->err, ST_LIMIT, "the tensors have more than %d values", NETWORK_MAX_VALUES);
        else
            values *= t->dims[d];
    *left -= values;
    a->data = values ? (const uint8_t *)s->data + t->offset * size : s->data;
    if (values == 0 || is_dense(t))
        return ST_OK;
    copy = own(r->to, malloc(values * size));
    if (!copy)
        return error_nomem(r->err);
    gather(t, size, s->data, copy);
    a->data = copy;
    return ST_OK;
}

/* With the storages in place, the result. */
static enum status finish(struct reading *r)
{
    size_t left = NETWORK_MAX_VALUES;
    enum status st = ST_OK;

    for (size_t i = 0; i < r->dict.n && st == ST_OK; i++)
        st = array_fill(r, i, &left);
    if (st != ST_OK)
        return st;
    r->to->arrays = r->dict.arrays;
    r->to->n = r->dict.n;
    r->dict.arrays = NULL;
    memcpy(r->to->labels, r->dict.labels, sizeof r->to->labels);
    memcpy(r->to->thresholds, r->dict.thresholds, sizeof r->to->thresholds);
    r->to->n_thresholds = r->dict.n_thresholds;
    return ST_OK;
}

/* Run the pickle and find the network in what it gave. */
static enum status pickle_read(struct reading *r)
{
    value_id root;
    enum status st = pickle_run(&r->pickle, &root);

    return st == ST_OK ? state_dict_of(&r->pickle, root, &r->dict, r->err) : st;
}

/* ---- the zip ---- */

/* Bytes of a storage, whose count is only a claim yet. False: no file here holds so many. */
static bool storage_bytes(const struct storage *s, size_t *ret)
{
    return !__builtin_mul_overflow(s->count, dtype_size(s->dtype), ret) &&
           *ret <= (size_t)NETWORK_MAX_VALUES * sizeof(double);
}

enum { FOLDER_KEY = sizeof "data/" + 32 /* of a storage's key, see calls.c */ };

/* The files of the network's storages, each once. */
static enum status storages_want(struct reading *r, struct zip_wanted *wanted, char (*names)[FOLDER_KEY],
                                 size_t *ret_n)
{
    bool *seen = calloc(r->pickle.n_storages + 1, sizeof *seen);
    size_t n = 0, total = 0, bytes;
    enum status st = seen ? ST_OK : error_nomem(r->err);

    for (size_t i = 0; i < r->dict.n && st == ST_OK; i++) {
        const struct storage *s = storage_of(r, i);
        const size_t index = (size_t)(s - r->pickle.storages);

        if (seen[index])
            continue;
        seen[index] = true;
        if (!storage_bytes(s, &bytes) || (total += bytes) > (size_t)NETWORK_MAX_VALUES * sizeof(double))
            st = error_set(r->err, ST_LIMIT,
                           "the tensor '%s' makes the file larger than any that is read here",
                           r->dict.arrays[i].name);
        else {
            const int length = snprintf(names[n], FOLDER_KEY, "data/%.*s", (int)s->key_size, s->key);

            wanted[n] = (struct zip_wanted){ .name = names[n],
                                             .name_size = (size_t)length,
                                             .bytes = BUF_INIT(bytes) };
            n++;
        }
    }
    free(seen);
    *ret_n = n;
    return st;
}

/* Whether the file of a storage is there and whole. */
static enum status storage_take(struct reading *r, struct zip_wanted *w)
{
    const char *key = w->name + sizeof "data/" - 1;
    const size_t key_size = w->name_size - (sizeof "data/" - 1);
    char text[SHOWN_SIZE];

    for (size_t i = 0; i < r->pickle.n_storages; i++) {
        struct storage *s = &r->pickle.storages[i];

        if (s->key_size != key_size || memcmp(s->key, key, key_size) != 0)
            continue;
        if (!w->found || w->bytes.len != w->bytes.max)
            return error_set(r->err, ST_FORMAT, "the file 'data/%s' has %zu bytes, the pickle says %zu",
                             shown(key, key_size, text), w->bytes.len, w->bytes.max);
        s->data = w->bytes.len ? own(r->to, buf_take(&w->bytes)) : "";
        if (!s->data)
            return error_nomem(r->err);
    }
    return ST_OK;
}

static enum status storages_unzip(struct reading *r)
{
    struct zip_wanted *wanted = calloc(r->dict.n, sizeof *wanted);
    char(*names)[FOLDER_KEY] = calloc(r->dict.n, sizeof *names);
    size_t n = 0;
    enum status st = wanted && names ? storages_want(r, wanted, names, &n) : error_nomem(r->err);

    if (st == ST_OK)
        st = zip_read(r->bytes, r->n_bytes, wanted, n, r->err);
    for (size_t i = 0; i < n && st == ST_OK; i++)
        st = storage_take(r, &wanted[i]);
    for (size_t i = 0; i < n; i++)
        buf_release(&wanted[i].bytes);
    free(names);
    free(wanted);
    return st;
}

static enum status zip_file_read(struct reading *r)
{
    enum { BYTE_ORDER_FILE, CONSTANTS, PICKLE, N_FILES };
    struct zip_wanted files[N_FILES] = {
        /* in order of names, which is what zip_read() makes of them */
        { "byteorder", 9, BUF_INIT(16), false },
        { "constants.pkl", 13, BUF_INIT(PICKLE_MAX_BYTES), false },
        { "data.pkl", 8, BUF_INIT(PICKLE_MAX_BYTES), false },
    };
    enum status st = zip_read(r->bytes, r->n_bytes, files, N_FILES, r->err);

    if (st == ST_OK && files[CONSTANTS].found)
        st = error_set(r->err, ST_FORMAT,
                       "the file is a TorchScript archive, whose code would have to run: save "
                       "model.state_dict() instead");
    else if (st == ST_OK && !files[PICKLE].found)
        st = error_set(r->err, ST_FORMAT, "the zip has no 'data.pkl': torch.save() did not write it");
    else if (st == ST_OK && files[BYTE_ORDER_FILE].found && files[BYTE_ORDER_FILE].bytes.len > 0 &&
             strncmp(files[BYTE_ORDER_FILE].bytes.data, "little", 6) != 0)
        st = big_endian_refused(r);
    if (st == ST_OK) {
        r->pickle.bytes = (const uint8_t *)files[PICKLE].bytes.data;
        r->pickle.n_bytes = files[PICKLE].bytes.len;
        st = pickle_read(r);
    }
    if (st == ST_OK)
        st = storages_unzip(r);
    if (st == ST_OK)
        st = finish(r);
    for (size_t i = 0; i < N_FILES; i++)
        buf_release(&files[i].bytes);
    return st;
}

/* ---- pickles one after the other ---- */

/* torch.serialization.MAGIC_NUMBER as a pickle, protocol 2. */
static const uint8_t MAGIC[] = { 0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

/* Run the pickle at *at, which moves behind it. */
static enum status next_pickle(struct reading *r, struct pickle *p, size_t *at, value_id *ret_root)
{
    enum status st;

    *p = (struct pickle){ .bytes = r->bytes + *at, .n_bytes = r->n_bytes - *at, .base = *at, .err = r->err };
    if (p->n_bytes > PICKLE_MAX_BYTES)
        p->n_bytes = PICKLE_MAX_BYTES;
    st = pickle_run(p, ret_root);
    *at += p->at;
    return st;
}

/* The machine that wrote it, in torch's words, behind the magic number and the number of this format. */
static enum status head_check(struct reading *r, size_t *at)
{
    struct pickle p = { 0 };
    value_id root, little;
    enum status st = next_pickle(r, &p, at, &root);

    pickle_release(&p);
    if (st == ST_OK)
        st = next_pickle(r, &p, at, &root);
    if (st == ST_OK) {
        little = dict_get(&p, root, "little_endian");
        if (little != NO_VALUE && p.values[little].kind == KIND_BOOL && !p.values[little].number)
            st = big_endian_refused(r);
    }
    pickle_release(&p);
    return st;
}

/* A storage's numbers: how many, 8 bytes, and they. */
static enum status storage_place(struct reading *r, struct storage *s, size_t *at)
{
    const size_t size = dtype_size(s->dtype);
    uint64_t count = 0;

    if (r->n_bytes - *at < sizeof count)
        return error_set(r->err, ST_FORMAT, "the file ends before the numbers of its tensors");
    for (size_t i = sizeof count; i-- > 0;)
        count = count << 8 | r->bytes[*at + i];
    *at += sizeof count;
    if (count != s->count)
        return error_set(r->err, ST_FORMAT, "a storage at byte %zu has %llu values, the pickle says %zu",
                         *at - sizeof count, (unsigned long long)count, s->count);
    if (count > (r->n_bytes - *at) / size)
        return error_set(r->err, ST_FORMAT, "the file ends inside of the numbers that begin at byte %zu",
                         *at);
    s->data = r->bytes + *at;
    *at += count * size;
    return ST_OK;
}

static struct storage *storage_named(struct reading *r, const struct value *key)
{
    for (size_t i = 0; key->kind == KIND_TEXT && i < r->pickle.n_storages; i++) {
        struct storage *s = &r->pickle.storages[i];

        if (s->key_size == key->text.n && memcmp(s->key, key->text.at, s->key_size) == 0)
            return s;
    }
    return NULL;
}

/* All storages, in the order of the list of their keys. */
static enum status storages_place(struct reading *r, size_t at)
{
    struct pickle p = { 0 };
    value_id root;
    enum status st = next_pickle(r, &p, &at, &root);

    if (st == ST_OK && (p.values[root].kind != KIND_LIST || p.values[root].items.n > PICKLE_MAX_STORAGES))
        st = error_set(r->err, ST_FORMAT, "the file has no list of its storages");
    for (uint32_t c = st == ST_OK ? p.values[root].items.first : NO_CELL; c != NO_CELL && st == ST_OK;
         c = p.cells[c].next) {
        struct storage *s = storage_named(r, &p.values[p.cells[c].value]);

        st = s ? storage_place(r, s, &at)
               : error_set(r->err, ST_FORMAT, "the file has numbers that its pickle does not speak of");
    }
    pickle_release(&p);
    return st;
}

static enum status pickles_read(struct reading *r)
{
    size_t at = sizeof MAGIC;
    value_id root;
    enum status st;

    if (r->n_bytes < sizeof MAGIC || memcmp(r->bytes, MAGIC, sizeof MAGIC) != 0) {
        at = 0; /* what it asks for is the better complaint */
        st = next_pickle(r, &r->pickle, &at, &root);
        return st == ST_OK
                   ? error_set(r->err, ST_FORMAT, "the file is a pickle that torch.save() did not write")
                   : st;
    }
    st = head_check(r, &at);
    if (st == ST_OK)
        st = next_pickle(r, &r->pickle, &at, &root);
    if (st == ST_OK)
        st = state_dict_of(&r->pickle, root, &r->dict, r->err);
    if (st == ST_OK)
        st = storages_place(r, at);
    return st == ST_OK ? finish(r) : st;
}

enum status torch_read(const void *bytes, size_t n_bytes, struct torch_file *ret, struct error *err)
{
    struct torch_file file = { 0 };
    struct reading *r = calloc(1, sizeof *r);
    enum status st;

    if (!r)
        return error_nomem(err);
    r->bytes = bytes;
    r->n_bytes = n_bytes;
    r->to = &file;
    r->err = err;
    r->pickle.err = err;
    st = torch_is_zip(bytes, n_bytes) ? zip_file_read(r) : pickles_read(r);
    pickle_release(&r->pickle);
    state_dict_release(&r->dict);
    free(r);
    if (st == ST_OK)
        *ret = file;
    else
        torch_file_release(&file);
    return st;
}

void torch_file_release(struct torch_file *f)
{
    free(f->arrays);
    for (size_t i = 0; i < f->n_owned; i++)
        free(f->owned[i]);
    free(f->owned);
    *f = (struct torch_file){ 0 };
}
