/* server/commands/import.c - cxrd import: a model from a file that others wrote, and what became of it. */
#include "cxrd/import.h"

#include "commands.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/weights.h"

#include <stdio.h>
#include <stdlib.h>

struct options {
    const char *out;
    bool overwrite;
    struct import_options import;
};

#define AT(member) offsetof(struct options, member)

static const struct option OPTIONS[] = {
    { "out", OPTION_TEXT, AT(out), "FILE",
      "the weights file that it becomes; without it the file is only checked", .letter = 'o' },
    { "overwrite", OPTION_FLAG, AT(overwrite), NULL, "where --out is there already" },
    { "labels", OPTION_TEXT, AT(import.labels), "NAMES",
      "what its outputs mean, in their order, between commas; nothing between two: that output is left out" },
    { "architecture", OPTION_TEXT, AT(import.architecture), "NAME", "what it must be" },
    { "scaling", OPTION_TEXT, AT(import.scaling), "NAME",
      "what it was trained on: 0..255, 0..1, -1..1, imagenet or xrv, which is -1024..1024" },
    { "thresholds", OPTION_TEXT, AT(import.thresholds), "NUMBERS",
      "of each output the probability that becomes 0.5, between commas, or whose: densenet121-res224-all" },
    { "resize", OPTION_TEXT, AT(import.resize), "NAME", "how a picture becomes a square: nearest or area" },
    { "image-size", OPTION_COUNT, AT(import.image_size), "PIXELS", "of a side of that square",
      PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE },
    { NULL },
};

static enum status report_print(const json_t *report, struct error *err)
{
    char *text = json_text(report, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    if (!text)
        return error_nomem(err);
    puts(text);
    free(text);
    return ST_OK;
}

static enum status import_file(const char *path, const struct options *o, json_t *report, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct model *m = NULL;
    enum status st = o->out ? command_out_check(o->out, o->overwrite, err) : ST_OK;

    if (st == ST_OK)
        st = file_read(path, IMPORT_MAX_BYTES, &file, err);
    if (st == ST_OK)
        st = error_inner(err, model_import(file.data, file.size, &o->import, &m, report, err), path);
    if (st == ST_OK && o->out && import_as_it_is(report))
        st = file_replace(o->out, &(struct iovec){ file.data, file.size }, 1, err);
    else if (st == ST_OK && o->out)
        st = weights_save(m, o->out, err);
    model_unref(m);
    file_bytes_release(&file);
    return st;
}

static int import(int argc, char **argv)
{
    struct options o = { 0 };
    struct error err = { 0 };
    json_t *report = NULL;
    size_t n_paths;
    int exit_status;
    enum status st;

    if (!command_begin(&COMMAND_IMPORT, argc, argv, &o, &n_paths, &exit_status))
        return exit_status;
    if (n_paths != 1)
        return command_misuse(&COMMAND_IMPORT, "give one file");
    report = json_object();
    st = report ? import_file(argv[1], &o, report, &err) : error_nomem(&err);
    if (st == ST_OK)
        st = report_print(report, &err);
    json_decref(report);
    return st == ST_OK ? EXIT_DONE : command_fail(&COMMAND_IMPORT, &err);
}

const struct command COMMAND_IMPORT = {
    "import",
    "[OPTIONS] FILE",
    "make a weights file of a model that others trained, and report what was read",
    OPTIONS,
    import,
    1,
    .example = "cxrd import -o mine.safetensors checkpoint.pth",
};
