/* server/commands/export.c - cxrd export: a weights file as an ONNX file, which other runtimes read. */
#include "commands.h"
#include "cxrd/file.h"
#include "cxrd/labels.h"
#include "cxrd/onnx.h"
#include "cxrd/weights.h"

#include <stdio.h>

struct options {
    const char *out;
    bool overwrite;
};

#define AT(member) offsetof(struct options, member)

static const struct option OPTIONS[] = {
    { "out", OPTION_TEXT, AT(out), "FILE", "where the ONNX file goes", .letter = 'o' },
    { "overwrite", OPTION_FLAG, AT(overwrite), NULL, "where --out is there already" },
    { NULL },
};

static enum status export_model(const char *from, const struct options *o, size_t *ret_bytes,
                                struct error *err)
{
    struct buf onnx = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *m = NULL;
    enum status st = command_out_check(o->out, o->overwrite, err);

    if (st == ST_OK)
        st = weights_load(from, &m, err);
    if (st == ST_OK)
        st = onnx_write(m, &onnx, err);
    model_unref(m);
    if (st == ST_OK)
        st = file_replace(o->out, &(struct iovec){ onnx.data, onnx.len }, 1, err);
    *ret_bytes = onnx.len;
    buf_release(&onnx);
    return st;
}

static int export(int argc, char **argv)
{
    struct options o = { 0 };
    struct error err = { 0 };
    size_t n_paths, bytes;
    int exit_status;

    if (!command_begin(&COMMAND_EXPORT, argc, argv, &o, &n_paths, &exit_status))
        return exit_status;
    if (n_paths != 1 || !o.out)
        return command_misuse(&COMMAND_EXPORT, "give one weights file, and with -o the ONNX file to write");
    if (export_model(argv[1], &o, &bytes, &err) != ST_OK)
        return command_fail(&COMMAND_EXPORT, &err);
    printf("%s: %zu bytes\n%s\n", o.out, bytes, INTENDED_USE);
    return EXIT_DONE;
}

const struct command COMMAND_EXPORT = {
    "export",
    "WEIGHTS -o FILE",
    "a weights file as an ONNX file, for other runtimes",
    OPTIONS,
    export,
    1,
    .example = "cxrd export weights.safetensors -o model.onnx",
};
