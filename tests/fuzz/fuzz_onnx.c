/* tests/fuzz/fuzz_onnx.c - a network that somebody else's program wrote. A model that is read must fit into our own file. */
#include "fuzz.h"

#include "cxrd/onnx.h"
#include "cxrd/weights.h"

#include <stdlib.h>

/* A model as whoever reads it next would get it. */
static void check_again(const struct model *m)
{
    struct buf out = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *again = NULL;
    struct error err = { 0 };
    const enum status st = weights_write(m, &out, &err);

    FUZZ_CHECK(st == ST_OK || st == ST_LIMIT);
    if (st == ST_OK) {
        FUZZ_CHECK(weights_read(out.data, out.len, &again, &err) == ST_OK);
        FUZZ_CHECK(network_alike(model_network(m), model_network(again)));
    }
    model_unref(again);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct import_options o = { .labels = "Mass,Nodule,Edema", .scaling = "0..1" };
    uint8_t *bytes = fuzz_copy(data, size);
    json_t *report = json_object();
    struct model *m = NULL;
    struct error err = { 0 };
    const enum status st = onnx_read(bytes, size, &o, &m, report, &err);

    if (st == ST_OK)
        check_again(m);
    else
        FUZZ_CHECK(m == NULL && err.text[0]);
    model_unref(m);
    json_decref(report);
    free(bytes);
    return 0;
}
