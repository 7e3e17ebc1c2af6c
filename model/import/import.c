/* model/import/import.c - see cxrd/import.h. */
#include "cxrd/import.h"

#include "cxrd/weights.h"

#include <string.h>

static const char OWN[] = "cxrd";

/* A weights file of ours says everything of itself: an option could only contradict it. */
static enum status options_refused(const struct import_options *o, struct error *err)
{
    const char *given = o->labels         ? "labels"
                        : o->architecture ? "architecture"
                        : o->scaling      ? "scaling"
                        : o->resize       ? "resize"
                        : o->image_size   ? "image_size"
                                          : NULL;

    return given ? error_set(err, ST_INVALID,
                             "'%s' is said by a weights file of cxrd itself: it cannot be given", given)
                 : ST_OK;
}

static enum status own_read(const void *bytes, size_t n_bytes, const struct import_options *o,
                            struct model **ret_model, json_t *ret_report, struct error *err)
{
    enum status st = weights_read(bytes, n_bytes, ret_model, err);

    if (st != ST_OK)
        return st;
    st = options_refused(o, err);
    if (st == ST_OK && json_object_set_new(ret_report, "format", json_string(OWN)) != 0)
        st = error_nomem(err);
    if (st != ST_OK) {
        model_unref(*ret_model);
        *ret_model = NULL;
    }
    return st;
}

enum status model_import(const void *bytes, size_t n_bytes, const struct import_options *o,
                         struct model **ret_model, json_t *ret_report, struct error *err)
{
    return own_read(bytes, n_bytes, o, ret_model, ret_report, err);
}

bool import_as_it_is(const json_t *report)
{
    const char *format = json_string_value(json_object_get(report, "format"));

    return format && strcmp(format, OWN) == 0;
}
