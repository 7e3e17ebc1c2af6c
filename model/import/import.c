/* model/import/import.c - see cxrd/import.h. */
#include "cxrd/import.h"

#include "cxrd/json.h"
#include "cxrd/onnx.h"
#include "cxrd/safetensors.h"
#include "cxrd/weights.h"

#include "../foreign/foreign.h"
#include "../torch/torch.h"
#include "tensors.h"

#include <stdio.h>
#include <string.h>

static const char OWN[] = "cxrd";

static enum status format_told(json_t *report, const char *format, struct error *err)
{
    return json_object_set_new(report, "format", json_string(format)) == 0 ? ST_OK : error_nomem(err);
}

static enum status own_read(const void *bytes, size_t n_bytes, const struct import_options *o,
                            struct model **ret_model, json_t *ret_report, struct error *err)
{
    enum status st = weights_read(bytes, n_bytes, ret_model, err);

    if (st != ST_OK)
        return st;
    st = foreign_nothing_given(o, err);
    if (st == ST_OK)
        st = format_told(ret_report, OWN, err);
    if (st != ST_OK) {
        model_unref(*ret_model);
        *ret_model = NULL;
    }
    return st;
}

/* ---- safetensors ---- */

/* Whether a file of safetensors is ours: it says its architecture; or it says nothing, and its tensors are cnn4's. */
static bool is_ours(const struct array_file *f)
{
    return json_object_get(f->metadata, "architecture") || array_find(f, "conv4.weight") ||
           array_find(f, "head.bias") || f->n == 0;
}

/* The texts of a JSON list, between commas. False: one of them cannot be there, and which outputs the others are is not known. */
static bool labels_join(const json_t *list, char ret[LABELS_TEXT_SIZE])
{
    json_t *name;
    size_t i, used = 0;

    json_array_foreach ((json_t *)list, i, name) {
        const char *text = json_string_value(name);

        if (!text || strlen(text) != json_string_length(name) || strchr(text, ',') ||
            used + strlen(text) + 2 > LABELS_TEXT_SIZE)
            return false;
        used += (size_t)snprintf(ret + used, LABELS_TEXT_SIZE - used, "%s%s", i ? "," : "", text);
    }
    return used > 0;
}

/* Its maker's names of the outputs, between commas, or as a JSON list of texts.
 *   room  for such a list; NULL: none was needed */
static const char *labels_said(const struct array_file *f, char room[LABELS_TEXT_SIZE])
{
    const char *text = json_string_value(json_object_get(f->metadata, "labels"));
    json_t *list = NULL;
    bool joined;

    if (!text || text[0] != '[')
        return text;
    if (json_read(text, strlen(text), 0, &list, NULL) != ST_OK)
        return NULL;
    joined = labels_join(list, room);
    json_decref(list);
    return joined ? room : NULL;
}

static enum status safetensors_read(const void *bytes, size_t n_bytes, const struct import_options *o,
                                    struct model **ret_model, json_t *report, struct error *err)
{
    struct array_file f = { 0 };
    char room[LABELS_TEXT_SIZE];
    enum status st = array_file_read(bytes, n_bytes, &f, err);

    if (st == ST_OK && is_ours(&f)) {
        array_file_release(&f);
        return own_read(bytes, n_bytes, o, ret_model, report, err);
    }
    if (st == ST_OK)
        st = array_file_whole(&f, err);
    if (st == ST_OK)
        st = format_told(report, "safetensors", err);
    if (st == ST_OK)
        st = tensors_import(
            &(struct named_tensors){ .arrays = f.arrays, .n = f.n, .labels = labels_said(&f, room) }, o,
            ret_model, report, err);
    array_file_release(&f);
    return st;
}

/* ---- torch.save() ---- */

static enum status torch_import(const void *bytes, size_t n_bytes, const struct import_options *o,
                                struct model **ret_model, json_t *report, struct error *err)
{
    struct torch_file f = { 0 };
    enum status st = torch_read(bytes, n_bytes, &f, err);

    if (st == ST_OK)
        st = format_told(report, torch_is_zip(bytes, n_bytes) ? "pytorch" : "pytorch-legacy", err);
    if (st == ST_OK)
        st = tensors_import(&(struct named_tensors){ .arrays = f.arrays,
                                                     .n = f.n,
                                                     .labels = f.labels[0] ? f.labels : NULL,
                                                     .thresholds = f.thresholds,
                                                     .n_thresholds = f.n_thresholds },
                            o, ret_model, report, err);
    torch_file_release(&f);
    return st;
}

/* ---- files of other kinds ---- */

/* Files that are sent instead, by their first bytes. */
static const struct foreign_kind {
    size_t at, n;
    const char *bytes, *what;
} FOREIGN_KINDS[] = {
    { 0, 8, "\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them: export the network as ONNX" },
    { 4, 4, "TFL3", "a TensorFlow Lite file: export the network as ONNX" },
    { 0, 2, "\x1f\x8b", "compressed with gzip: unpack it" },
    { 257, 5, "ustar", "a tar archive: unpack it, or save the network with a PyTorch since 1.6" },
    { 0, 12, "version http", "a pointer of Git LFS: fetch the file that it stands for" },
    { 0, 2, "<!", "a web page: the download did not give the file" },
    { 0, 5, "<html", "a web page: the download did not give the file" },
    { 0, 8, "\x89PNG\r\n\x1a\n", "a picture" },
    { 0, 3, "\xff\xd8\xff", "a picture" },
};

static const struct foreign_kind *foreign_kind_of(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof FOREIGN_KINDS / sizeof FOREIGN_KINDS[0]; i++) {
        const struct foreign_kind *s = &FOREIGN_KINDS[i];

        if (n >= s->at + s->n && memcmp(bytes + s->at, s->bytes, s->n) == 0)
            return s;
    }
    return NULL;
}

/* ---- all of them ---- */

/* The length of a safetensors header and the brace that it begins with. No other kind begins so. */
static bool is_safetensors(const uint8_t *bytes, size_t n)
{
    return n > 8 && bytes[3] == 0 && bytes[4] == 0 && bytes[5] == 0 && bytes[6] == 0 && bytes[7] == 0 &&
           bytes[8] == '{';
}

enum status model_import(const void *bytes, size_t n_bytes, const struct import_options *o,
                         struct model **ret_model, json_t *ret_report, struct error *err)
{
    const bool safetensors = is_safetensors(bytes, n_bytes);
    const struct foreign_kind *s;

    if (!safetensors && (torch_is_zip(bytes, n_bytes) || torch_is_pickle(bytes, n_bytes)))
        return torch_import(bytes, n_bytes, o, ret_model, ret_report, err);
    if (!safetensors && onnx_is(bytes, n_bytes))
        return onnx_read(bytes, n_bytes, o, ret_model, ret_report, err);
    s = safetensors ? NULL : foreign_kind_of(bytes, n_bytes);
    if (s)
        return error_set(err, ST_FORMAT, "the file is %s", s->what);
    return safetensors_read(bytes, n_bytes, o, ret_model, ret_report, err);
}

bool import_as_it_is(const json_t *report)
{
    const char *format = json_string_value(json_object_get(report, "format"));

    return format && strcmp(format, OWN) == 0;
}
