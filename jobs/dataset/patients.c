/* jobs/dataset/patients.c - see cxrd/patients.h.
 *
 * The file of a job: a line "cxrd-patients-1" and which key made the codes, then for each patient a line of LINE bytes, the code, a blank and the parts as a
 * digit, in the order of the codes. */
#include "cxrd/patients.h"

#include "cxrd/buf.h"
#include "cxrd/file.h"
#include "cxrd/sign.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAGIC "cxrd-patients-1 "
enum { CODE = PATIENT_CODE_SIZE - 1, LINE = CODE + 3, HEAD = sizeof MAGIC - 1 + CODE + 1 };

struct patients {
    const struct patients_key *key;
    char *dataset;  /* owned */
    size_t n, room; /* codes, and places for them */
    char *codes;    /* [n][CODE], owned; in order where `sorted` */
    bool sorted;
    uint64_t last;        /* the patient who was asked about last: rows of one stand together */
    bool known, last_has; /* there was one; the answer */
};

/* ---- the key and the codes ---- */

static enum status key_make(const char *path, struct patients_key *ret, struct error *err)
{
    const struct iovec part = { ret->bytes, sizeof ret->bytes };

    if (getrandom(ret->bytes, sizeof ret->bytes, 0) != (ssize_t)sizeof ret->bytes)
        return error_errno(err, ST_IO, "no random numbers");
    return file_replace(path, &part, 1, err);
}

enum status patients_key_open(const char *state, struct patients_key *ret, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    char path[PATH_MAX];
    enum status st;

    if (snprintf(path, sizeof path, "%s/patients.key", state) >= (int)sizeof path)
        return error_set(err, ST_IO, "the path of the state folder is too long");
    st = file_read(path, PATIENTS_KEY, &file, err);
    if (st == ST_NOTFOUND)
        return key_make(path, ret, err);
    if (st == ST_LIMIT || (st == ST_OK && file.size != PATIENTS_KEY))
        st = error_set(err, ST_IO, "'patients.key' in the state folder does not hold %d bytes", PATIENTS_KEY);
    if (st == ST_OK)
        memcpy(ret->bytes, file.data, sizeof ret->bytes);
    if (file.data)
        explicit_bzero(file.data, file.size);
    file_bytes_release(&file);
    return st;
}

static enum status code_of(const struct patients_key *key, const struct buf *text,
                           char ret[PATIENT_CODE_SIZE])
{
    char code[SIGN_TEXT_SIZE];

    if (buf_status(text) != ST_OK ||
        sign_hmac(key->bytes, sizeof key->bytes, text->data, text->len, code) != ST_OK)
        return ST_NOMEM;
    memcpy(ret, code, CODE);
    ret[CODE] = '\0';
    return ST_OK;
}

enum status patients_key_check(const struct patients_key *key, char ret[PATIENT_CODE_SIZE])
{
    struct buf text = BUF_INIT(64);
    enum status st;

    buf_puts(&text, "which key this is");
    st = code_of(key, &text, ret);
    buf_release(&text);
    return st;
}

/* A name holds no NUL, so that no two pairs of name and key are the same bytes. */
enum status patient_code(const struct patients_key *key, const char *dataset, uint64_t patient,
                         char ret[PATIENT_CODE_SIZE])
{
    struct buf text = BUF_INIT(4096);
    enum status st;

    buf_put(&text, dataset, strlen(dataset) + 1);
    for (size_t i = 0; i < sizeof patient; i++)
        buf_put(&text, &(unsigned char){ (unsigned char)(patient >> 8 * i) }, 1);
    st = code_of(key, &text, ret);
    buf_release(&text);
    return st;
}

/* ---- who is to be left out ---- */

static int by_code(const void *a, const void *b) { return memcmp(a, b, CODE); }

enum status patients_new(const struct patients_key *key, const char *dataset, struct patients **ret,
                         struct error *err)
{
    struct patients *p = calloc(1, sizeof *p);

    if (p)
        p->dataset = strdup(dataset);
    if (!p || !p->dataset) {
        patients_free(p);
        return error_nomem(err);
    }
    p->key = key;
    p->sorted = true;
    *ret = p;
    return ST_OK;
}

void patients_free(struct patients *p)
{
    if (!p)
        return;
    free(p->dataset);
    free(p->codes);
    free(p);
}

enum status patients_add(struct patients *p, const char *code)
{
    if (strlen(code) != CODE)
        return ST_OK; /* nobody has it */
    if (p->n == p->room) {
        const size_t room = 2 * p->room + 16;
        char *codes = realloc(p->codes, room * CODE);

        if (!codes)
            return ST_NOMEM;
        p->codes = codes;
        p->room = room;
    }
    memcpy(p->codes + p->n++ * CODE, code, CODE);
    p->sorted = p->known = false;
    return ST_OK;
}

size_t patients_count(const struct patients *p) { return p ? p->n : 0; }

static void sort(struct patients *p)
{
    if (!p->sorted)
        qsort(p->codes, p->n, CODE, by_code);
    p->sorted = true;
}

enum status patients_has(struct patients *p, uint64_t patient, bool *ret_has)
{
    char code[PATIENT_CODE_SIZE];

    *ret_has = false;
    if (patients_count(p) == 0 || patient == PATIENT_NONE)
        return ST_OK;
    if (!p->known || p->last != patient) {
        if (patient_code(p->key, p->dataset, patient, code) != ST_OK)
            return ST_NOMEM;
        sort(p);
        p->last_has = bsearch(code, p->codes, p->n, CODE, by_code) != NULL;
        p->last = patient;
        p->known = true;
    }
    *ret_has = p->last_has;
    return ST_OK;
}

enum status patients_mark(struct patients *p, const struct table *t, bool *ret)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < t->n_rows && st == ST_OK; i++)
        st = patients_has(p, t->rows[i].patient, &ret[i]);
    return st;
}

/* ---- whose rows a job uses ---- */

struct used {
    uint64_t patient;
    unsigned parts;
};

static int by_patient(const void *a, const void *b)
{
    const uint64_t p = ((const struct used *)a)->patient, q = ((const struct used *)b)->patient;

    return (p > q) - (p < q);
}

/* [HEAD + 1] */
static enum status head_make(const struct patients_key *key, char *ret)
{
    char check[PATIENT_CODE_SIZE];

    if (patients_key_check(key, check) != ST_OK)
        return ST_NOMEM;
    snprintf(ret, HEAD + 1, MAGIC "%s\n", check);
    return ST_OK;
}

/* Every patient of the split once. Returns how many. */
static size_t gather(const struct table *t, const struct split *split, struct used *used)
{
    size_t n = 0, kept = 0;

    for (int part = 0; part < N_SPLITS; part++)
        for (size_t i = 0; i < split->part[part].n; i++) {
            const uint64_t patient = t->rows[split->part[part].index[i]].patient;

            if (patient != PATIENT_NONE)
                used[n++] = (struct used){ patient, 1u << part };
        }
    qsort(used, n, sizeof *used, by_patient);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || used[kept - 1].patient != used[i].patient)
            used[kept++] = (struct used){ used[i].patient, 0 };
        used[kept - 1].parts |= used[i].parts;
    }
    return kept;
}

static enum status lines_put(const struct patients *p, const struct used *used, size_t n, char *lines)
{
    for (size_t i = 0; i < n; i++) {
        char code[PATIENT_CODE_SIZE], line[LINE + 1];

        if (patient_code(p->key, p->dataset, used[i].patient, code) != ST_OK)
            return ST_NOMEM;
        snprintf(line, sizeof line, "%s %u\n", code, used[i].parts & 7u);
        memcpy(lines + i * LINE, line, LINE);
    }
    if (n > 0) /* so that their order says nothing */
        qsort(lines, n, LINE, by_code);
    return ST_OK;
}

enum status patients_write(struct patients *p, const char *path, const struct table *t,
                           const struct split *split, struct error *err)
{
    size_t n = 0;
    struct used *used;
    char *lines, head[HEAD + 1];
    enum status st;

    for (int part = 0; part < N_SPLITS; part++)
        n += split->part[part].n;
    used = malloc((n + 1) * sizeof *used);
    lines = malloc((n + 1) * LINE);
    st = used && lines ? head_make(p->key, head) : ST_NOMEM;
    if (st == ST_OK) {
        n = gather(t, split, used);
        st = lines_put(p, used, n, lines);
    }
    if (st == ST_OK) {
        const struct iovec parts[] = { { head, HEAD }, { lines, n * LINE } };

        st = file_replace(path, parts, 2, err);
    } else {
        error_nomem(err);
    }
    free(used);
    free(lines);
    return st;
}

/* Codes of another key are nobody's. */
static enum status file_load(const struct patients_key *key, const char *path, struct file_bytes *ret,
                             struct error *err)
{
    char head[HEAD + 1];
    enum status st = file_read(path, HEAD + (size_t)TABLE_MAX_ROWS * LINE, ret, err);

    if (st == ST_OK && head_make(key, head) != ST_OK)
        st = error_nomem(err);
    else if (st == ST_OK &&
             (ret->size < HEAD || (ret->size - HEAD) % LINE != 0 || memcmp(ret->data, head, HEAD) != 0))
        st = error_set(err, ST_FORMAT, "the job's file of patients is damaged, or was made with another key");
    if (st != ST_OK)
        file_bytes_release(ret);
    return st;
}

static const char *line_find(const struct file_bytes *f, const char *code)
{
    return bsearch(code, (const char *)f->data + HEAD, (f->size - HEAD) / LINE, LINE, by_code);
}

static unsigned parts_of(const char *line) { return (unsigned)(line[CODE + 1] - '0') & 7u; }

enum status patients_read(struct patients *p, const char *path, unsigned parts, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_load(p->key, path, &file, err);

    for (size_t at = HEAD; st == ST_OK && at < file.size; at += LINE) {
        const char *line = (const char *)file.data + at;
        char code[PATIENT_CODE_SIZE];

        snprintf(code, sizeof code, "%.*s", CODE, line);
        if ((parts_of(line) & parts) && patients_add(p, code) != ST_OK)
            st = error_nomem(err);
    }
    file_bytes_release(&file);
    return st;
}

enum status patients_look(const struct patients_key *key, const char *path, const char *code,
                          unsigned *ret_parts, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const enum status st = file_load(key, path, &file, err);
    const char *line = st == ST_OK ? line_find(&file, code) : NULL;

    *ret_parts = line ? parts_of(line) : 0;
    file_bytes_release(&file);
    return st;
}

enum status patients_meet(const struct patients *p, const char *path, bool *ret_meet, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    const enum status st = file_load(p->key, path, &file, err);

    *ret_meet = false;
    for (size_t i = 0; st == ST_OK && i < p->n && !*ret_meet; i++)
        *ret_meet = line_find(&file, p->codes + i * CODE) != NULL;
    file_bytes_release(&file);
    return st;
}
