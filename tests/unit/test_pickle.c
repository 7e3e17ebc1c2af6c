/* tests/unit/test_pickle.c - the machine that a pickle runs on: what each operation makes, what each needs, and where it ends. */
#include "model/torch/machine.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1024, BASE = 1000 };

struct ran {
    enum status st;
    char text[TEXT]; /* the root, or what the error says */
};

/* ---- values as text ---- */

static void put(char *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(char *to, const char *format, ...)
{
    const size_t used = strlen(to);
    va_list args;

    va_start(args, format);
    vsnprintf(to + used, TEXT - used, format, args);
    va_end(args);
}

static void put_value(char *to, const struct pickle *p, value_id v);

static void put_items(char *to, const struct pickle *p, const struct value *v, const char *around)
{
    put(to, "%c", around[0]);
    for (uint32_t c = v->items.first; c != NO_CELL; c = p->cells[c].next) {
        put(to, "%s", c == v->items.first ? "" : ",");
        put_value(to, p, p->cells[c].value);
    }
    put(to, "%c", around[1]);
}

static void put_tensor(char *to, const struct pickle *p, const struct tensor_view *t)
{
    put(to, "T%u+%zu", t->storage, t->offset);
    for (size_t d = 0; d < t->rank; d++)
        put(to, " %zu:%zu", t->dims[d], t->strides[d]);
    put(to, " of %zu", p->storages[t->storage].count);
}

static void put_value(char *to, const struct pickle *p, value_id id)
{
    const struct value *v = &p->values[id];

    switch (v->kind) {
    case KIND_NONE: put(to, "None"); break;
    case KIND_BOOL: put(to, v->number ? "True" : "False"); break;
    case KIND_INT: put(to, "%lld", (long long)v->number); break;
    case KIND_FLOAT: put(to, "%g", v->real); break;
    case KIND_TEXT: put(to, "'%.*s'", (int)v->text.n, v->text.at); break;
    case KIND_TUPLE: put_items(to, p, v, "()"); break;
    case KIND_LIST: put_items(to, p, v, "[]"); break;
    case KIND_DICT: put_items(to, p, v, "{}"); break;
    case KIND_GLOBAL: put(to, "G%d", (int)v->global.is); break;
    case KIND_OBJECT: put(to, "object"); break;
    case KIND_STORAGE: put(to, "S%u", v->index); break;
    case KIND_TENSOR: put_tensor(to, p, &p->tensors[v->index]); break;
    case KIND_OTHER: put(to, "other"); break;
    }
}

static struct ran run(const void *bytes, size_t n)
{
    struct error err = { 0 };
    struct pickle p = { .bytes = bytes, .n_bytes = n, .base = BASE, .err = &err };
    struct ran r = { 0 };
    value_id root = NO_VALUE;

    r.st = pickle_run(&p, &root);
    if (r.st == ST_OK)
        put_value(r.text, &p, root);
    else
        put(r.text, "%s", err.text);
    pickle_release(&p);
    return r;
}

#define PICKLE(literal) (literal), sizeof(literal) - 1

/* A storage of 6 float32 under the key "0". */
#define STORAGE                            \
    "(U\7storagectorch\nFloatStorage\nU\1" \
    "0U\3cpuK\6tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"

/* ---- what each operation makes ---- */

Test(pickle, makes_what_python_would)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *made;
    } CASES[] = {
        { PICKLE("\x80\2N."), "None" },
        { PICKLE("\x88."), "True" },
        { PICKLE("\x89."), "False" },
        { PICKLE("K\xff."), "255" },
        { PICKLE("M\1\2."), "513" },
        { PICKLE("J\xff\xff\xff\xff."), "-1" },
        { PICKLE("\x8a\0."), "0" },
        { PICKLE("\x8a\1\x80."), "-128" },
        { PICKLE("\x8a\2\xff\0."), "255" },
        { PICKLE("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), "9223372036854775807" },
        { PICKLE("\x8a\x09\0\0\0\0\0\0\0\0\1."), "other" },
        { PICKLE("G\x3f\xf8\0\0\0\0\0\0."), "1.5" },
        { PICKLE("X\2\0\0\0ab."), "'ab'" },
        { PICKLE("U\1a."), "'a'" },
        { PICKLE(")."), "()" },
        { PICKLE("K\1\x85."), "(1)" },
        { PICKLE("K\1K\2\x86."), "(1,2)" },
        { PICKLE("K\1K\2K\3\x87."), "(1,2,3)" },
        { PICKLE("(K\1(K\2tt."), "(1,(2))" },
        { PICKLE("(t."), "()" },
        { PICKLE("]K\1a."), "[1]" },
        { PICKLE("](K\1K\2e."), "[1,2]" },
        { PICKLE("](e."), "[]" },
        { PICKLE("}U\1aK\1s."), "{'a',1}" },
        { PICKLE("}(U\1aK\1U\1bNu."), "{'a',1,'b',None}" },
        { PICKLE("K\7q\0K\1h\0\x87."), "(7,1,7)" },
        { PICKLE("K\7r\0\1\0\0j\0\1\0\0\x86."), "(7,7)" },
        { PICKLE("]q\0h\0\x86."), "([],[])" },
        { PICKLE("ccollections\nOrderedDict\n)R."), "{}" },
        { PICKLE(STORAGE "."), "S0" },
        { PICKLE(REBUILD "(" STORAGE "K\0K\2K\3\x86K\3K\1\x86\x89Nt"
                         "R."),
          "T0+0 2:3 3:1 of 6" },
        { PICKLE(REBUILD "(" STORAGE "K\1K\5\x85K\1\x85\x89Nt"
                         "R."),
          "T0+1 5:1 of 6" },
        { PICKLE(REBUILD "(" STORAGE "K\6K\0\x85K\1\x85\x89Nt"
                         "R."),
          "T0+6 0:1 of 6" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct ran r = run(CASES[i].bytes, CASES[i].n);

        cr_expect_eq(r.st, ST_OK, "case %zu: %s", i, r.text);
        cr_expect_str_eq(r.text, CASES[i].made);
    }
}

/* ---- what each needs ---- */

static const struct {
    const char *bytes;
    size_t n;
    const char *says;
} WITHOUT[] = {
    { PICKLE("."), "0 values and 0 marks" },
    { PICKLE("NN."), "2 values and 0 marks" },
    { PICKLE("(N."), "1 values and 1 marks" },
    { PICKLE(""), "without STOP" },
    { PICKLE("N"), "without STOP" },
    { PICKLE("t."), "a mark that is not there at byte 1000" },
    { PICKLE("Ne."), "a mark that is not there at byte 1001" },
    { PICKLE("Nu."), "a mark that is not there" },
    { PICKLE("\x85."), "a value that is not there at byte 1000" },
    { PICKLE("N\x86."), "a value that is not there at byte 1001" },
    { PICKLE("NN\x87."), "a value that is not there" },
    { PICKLE("N(\x85."), "a value that is not there" }, /* below the mark */
    { PICKLE("N(NN\x87."), "a value that is not there" },
    { PICKLE("a."), "a value that is not there" },
    { PICKLE("Na."), "a value that is not there" },
    { PICKLE("](Na."), "a value that is not there" },
    { PICKLE("s."), "a value that is not there" },
    { PICKLE("NNs."), "a value that is not there" },
    { PICKLE("(e."), "a value that is not there" },
    { PICKLE("](](e."), "1 marks" },
    { PICKLE("q\0."), "a value that is not there" },
    { PICKLE("(q\0."), "a value that is not there" },
    { PICKLE("h\0."), "recalls an entry that it has not kept at byte 1000" },
    { PICKLE("Nq\1h\0."), "recalls an entry that it has not kept" },
    { PICKLE("j\xff\xff\xff\xff."), "recalls an entry that it has not kept" },
    { PICKLE("R."), "at byte 1000" },
    { PICKLE("NR."), "at byte" },
    { PICKLE("\x81."), "at byte 1000" },
    { PICKLE("b."), "at byte 1000" },
    { PICKLE("Q."), "at byte 1000" },
    { PICKLE("NQ."), "a persistent id that is no tuple" },
    { PICKLE("N]a."), "no list at byte 1002" },
    { PICKLE("}]a."), "no list" },
    { PICKLE("](NNu."), "no dictionary" },
    { PICKLE("}(Nu."), "no dictionary" }, /* a key without a value */
    { PICKLE("\x80\3N."), "protocol is 3" },
    { PICKLE("\x80\4N."), "protocol is 4" },
    { PICKLE("cos\nsystem\n."), "os.system" },
    { PICKLE("ccollections\n"), "ends inside of what begins at byte 1000" },
    { PICKLE("X\xff\xff\xff\xff"
             "a."),
      "ends inside" },
    { PICKLE("(U\7storagectorch\nFloatStorage\nU\1"
             "0U\3cpuJ\xff\xff\xff\xfftQ."),
      "less than nothing" },
    { PICKLE(STORAGE "(U\7storagectorch\nFloatStorage\nU\1"
                     "0U\3cpuK\7tQ\x86."),
      "described otherwise before" },
    { PICKLE(REBUILD "(" STORAGE "K\0K\7\x85K\1\x85\x89Nt"
                     "R."),
      "at byte" }, /* one value more than there are */
    { PICKLE(REBUILD "(" STORAGE "K\1K\6\x85K\1\x85\x89Nt"
                     "R."),
      "at byte" },
    { PICKLE(REBUILD "(" STORAGE "K\0K\2K\2\x86K\5K\1\x86\x89Nt"
                     "R."),
      "at byte" },
    { PICKLE(REBUILD "(" STORAGE "K\0K\2\x85K\1K\1\x86\x89Nt"
                     "R."),
      "at byte" }, /* two strides of one axis */
    { PICKLE(REBUILD "(" STORAGE "K\0J\xff\xff\xff\xff\x85K\1\x85\x89Nt"
                     "R."),
      "at byte" },
    { PICKLE(REBUILD "(K\1K\0K\1\x85K\1\x85\x89Nt"
                     "R."),
      "at byte" }, /* of no storage */
};

Test(pickle, what_is_not_there_is_not_taken)
{
    for (size_t i = 0; i < sizeof WITHOUT / sizeof WITHOUT[0]; i++) {
        const struct ran r = run(WITHOUT[i].bytes, WITHOUT[i].n);

        cr_expect_eq(r.st, ST_FORMAT, "case %zu: %s", i, r.text);
        cr_expect(strstr(r.text, WITHOUT[i].says), "case %zu: %s, not %s", i, r.text, WITHOUT[i].says);
    }
}

Test(pickle, of_a_whole_one_every_beginning_is_refused)
{
    static const char WHOLE[] = "\x80\2}(U\1a" REBUILD "(" STORAGE "q\1K\0K\2K\3\x86K\3K\1\x86\x89"
                                "ccollections\nOrderedDict\n)RtRq\2"
                                "U\1bh\2U\1c](G\x3f\xf8\0\0\0\0\0\0\x8a\2\1\1M\1\1X\1\0\0\0xeu.";
    const size_t n = sizeof WHOLE - 1;

    cr_assert_eq(run(WHOLE, n).st, ST_OK, "%s", run(WHOLE, n).text);
    for (size_t i = 0; i < n; i++) {
        char *part = malloc(i + 1); /* of its own size: a sanitizer sees what is read beyond it */

        memcpy(part, WHOLE, i);
        cr_expect_eq(run(part, i).st, ST_FORMAT, "%zu bytes", i);
        free(part);
    }
}

/* Each operation with nothing before it and zeros behind it: it makes something, or is refused in a sentence. */
Test(pickle, no_operation_alone_does_anything_but_what_is_read)
{
    static const char READ[] = "\x80"
                               "0(N\x88\x89JKM\x8aGXTU}])t\x85\x86\x87"
                               "aesuqrhjcR\x81"
                               "bQ.";

    for (int code = 0; code < 256; code++) {
        const uint8_t bytes[] = { (uint8_t)code, 0, 0, 0, 0, 0, 0, 0, 0, 0, '.' };
        const struct ran r = run(bytes, sizeof bytes);
        const bool is_read = memchr(READ, code, sizeof READ - 1);

        cr_expect_eq(strstr(r.text, "at byte 1000, which is not read") == NULL, is_read, "0x%02x: %s",
                     (unsigned)code, r.text);
        cr_expect(r.st == ST_FORMAT, "0x%02x: %s", (unsigned)code, r.text);
    }
}

/* ---- where it ends ---- */

/* `n` times `each`, and STOP. */
static struct ran repeated(const char *begin, const char *each, size_t n)
{
    const size_t n_begin = strlen(begin), n_each = strlen(each);
    char *bytes = malloc(n_begin + n * n_each + 1);
    struct ran r;

    memcpy(bytes, begin, n_begin);
    for (size_t i = 0; i < n; i++)
        memcpy(bytes + n_begin + i * n_each, each, n_each);
    bytes[n_begin + n * n_each] = '.';
    r = run(bytes, n_begin + n * n_each + 1);
    free(bytes);
    return r;
}

Test(pickle, is_bounded_in_every_direction)
{
    static const struct {
        const char *begin, *each;
        size_t n;
        const char *says;
    } CASES[] = {
        { "", "N", (1 << 16) + 1, "more than 65536 values on its stack" },
        { "", "(", 1025, "more than 1024 lists within each other" },
        { "", "Nt", 1, "mark" },
        { "", "](e", 1, NULL },
        { "]", "Na", 1 << 20, "more than 1048576 values" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct ran r = repeated(CASES[i].begin, CASES[i].each, CASES[i].n);

        if (CASES[i].says)
            cr_expect(strstr(r.text, CASES[i].says), "%zu: %s", i, r.text);
        else
            cr_expect_eq(r.st, ST_OK);
    }
    cr_expect_eq(run(PICKLE("Nr\xff\xff\xff\xff.")).st, ST_LIMIT);
    cr_expect_eq(run(PICKLE("Nr\xff\xff\x0f\0.")).st, ST_OK);
    cr_expect_eq(repeated("", "(", 1024).st, ST_FORMAT); /* not a word about a limit */
}

/* A list in itself, and a dictionary that is its own value. */
Test(pickle, may_refer_to_itself)
{
    struct error err = { 0 };
    struct pickle p = { .bytes = (const uint8_t *)"]q\0h\0a.", .n_bytes = 7, .err = &err };
    value_id root;

    cr_assert_eq(pickle_run(&p, &root), ST_OK);
    cr_expect_eq(item_of(&p, root, 0), root);
    cr_expect_eq(item_of(&p, root, 1), NO_VALUE);
    cr_expect_eq(dict_get(&p, root, "a"), NO_VALUE);
    pickle_release(&p);
}

Test(pickle, of_a_key_that_is_there_twice_the_last_value_counts)
{
    static const char BYTES[] = "}(U\1aK\1K\5K\6U\1aK\2U\2aaK\3u.";
    struct error err = { 0 };
    struct pickle p = { .bytes = (const uint8_t *)BYTES, .n_bytes = sizeof BYTES - 1, .err = &err };
    value_id root;

    cr_assert_eq(pickle_run(&p, &root), ST_OK, "%s", err.text);
    cr_expect_eq(p.values[dict_get(&p, root, "a")].number, 2);
    cr_expect_eq(p.values[dict_get(&p, root, "aa")].number, 3);
    cr_expect_eq(dict_get(&p, root, ""), NO_VALUE);
    pickle_release(&p);
}
