/* tests/fuzz/fuzz_walk.c - a stranger's DICOM file, as far as it is walked before DCMTK sees any of it. Elements follow one another
 * and lie in the file, and fragments in their element. */
#include "fuzz.h"

#include "decode/inflate.h"
#include "decode/syntax.h"
#include "decode/walk.h"

#include <stdbool.h>
#include <stdlib.h>

enum { MOST_INFLATED = 1 << 16 };

struct walked {
    const uint8_t *at, *end;
    enum walk_coding coding;
};

static enum status fragment(void *ctx, const uint8_t *bytes, size_t n, struct error *err)
{
    const struct walk_element *e = ctx;

    (void)err;
    FUZZ_CHECK(bytes >= e->value && n <= e->n && bytes + n <= e->value + e->n);
    return ST_OK;
}

static enum status element(void *ctx, const struct walk_element *e, struct error *err)
{
    struct walked *w = ctx;
    struct walk_element copy = *e;

    FUZZ_CHECK(e->begin == w->at && e->value > e->begin && e->n <= (size_t)(w->end - e->value));
    w->at = e->value + e->n;
    if (e->tag == 0x7FE00010u && e->undefined)
        FUZZ_CHECK(walk_fragments(e, fragment, &copy, err) == ST_OK);
    else if (e->tag != 0x7FE00010u && e->n >= 8 && walk_sequence(e, w->coding, err) == ST_FORMAT)
        FUZZ_CHECK(err->text[0]);
    return ST_OK;
}

static void walk(const uint8_t *bytes, size_t n, enum walk_coding said)
{
    struct walked w = { bytes, bytes + n, said };
    struct error err = { 0 };
    enum status st = walk_coding_read(bytes, n, said, &w.coding, &err);

    if (st == ST_OK)
        st = walk_data_set(bytes, n, w.coding, element, &w, &err);
    FUZZ_CHECK(st == ST_OK || (st == ST_FORMAT && err.text[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = fuzz_copy(data, size), *inflated = NULL;
    const struct syntax *syntax;
    struct walk_file file;
    struct error err = { 0 };
    size_t n = 0;
    const enum status st = walk_file_read(bytes, size, &file, &err);

    FUZZ_CHECK(st == ST_OK || ((st == ST_FORMAT || st == ST_UNSUPPORTED) && err.text[0]));
    syntax = st == ST_OK ? syntax_find(file.transfer_syntax) : NULL;
    if (syntax && syntax->deflated &&
        inflate_all(file.data, file.n, MOST_INFLATED, &inflated, &n, &err) == ST_OK) {
        uint8_t *exact = fuzz_copy(inflated, n);

        walk(exact, n, syntax->coding);
        free(exact);
    } else if (syntax)
        walk(file.data, file.n, syntax->coding);
    free(inflated);
    free(bytes);
    return 0;
}
