/* bench/read_onnx.c - what a network from an ONNX file gives, for bench/torchvision_onnx.py: read_onnx FILE LABELS < floats > logits.
 * The floats are one picture as the network sees it, [S][S] or [channels][S][S], little-endian. Says on stderr how long reading and
 * running took. */
#include "cxrd/clock.h"
#include "cxrd/file.h"
#include "cxrd/onnx.h"
#include "cxrd/session.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return EXIT_FAILURE;
}

static enum status run(const struct model *m, double *ret_seconds)
{
    const size_t n = preprocess_floats(model_preprocess(m)), labels = model_labels(m)->n;
    float *x = calloc(n, sizeof *x), *logits = calloc(labels, sizeof *logits);
    struct session *s = NULL;
    enum status st = x && logits ? session_new(&s) : ST_NOMEM;

    if (st == ST_OK && fread(x, sizeof *x, n, stdin) != n)
        st = ST_IO;
    if (st == ST_OK)
        st = session_run(s, m, 1, x, logits);
    for (int i = 0; i < 5 && st == ST_OK; i++) {
        const double before = clock_seconds();

        st = session_run(s, m, 1, x, logits);
        if (i == 0 || clock_seconds() - before < *ret_seconds)
            *ret_seconds = clock_seconds() - before;
    }
    for (size_t i = 0; i < labels && st == ST_OK; i++)
        printf("%.9g\n", (double)logits[i]);
    session_free(s);
    free(x);
    free(logits);
    return st;
}

int main(int argc, char **argv)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    double read, ran = 0;
    enum status st;

    if (argc != 3)
        return fail("usage: read_onnx FILE LABELS < floats > logits");
    st = file_read(argv[1], (size_t)1 << 30, &file, &err);
    read = clock_seconds();
    if (st == ST_OK)
        st = onnx_read(file.data, file.size,
                       &(struct import_options){ .labels = argv[2], .scaling = "0..255" }, &m, report, &err);
    read = clock_seconds() - read;
    if (st == ST_OK)
        st = run(m, &ran);
    file_bytes_release(&file);
    model_unref(m);
    json_decref(report);
    if (st != ST_OK)
        return fail(err.text[0] ? err.text : status_text(st));
    fprintf(stderr, "read in %.3f s, run in %.1f ms\n", read, ran * 1e3);
    return EXIT_SUCCESS;
}
