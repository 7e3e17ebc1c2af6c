/* server/audit_chain.c - see audit_chain.h. */
#include "audit_chain.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The record, 281 bytes: a digest is 64 hexadecimal digits, or 64 blanks where it is not known.
 *
 *   at 0     the last line's, and a newline
 *   at 65    the last synced line's, a blank, and in 20 decimal digits where that line begins in its file, and a newline
 *   at 151   what the log begins after, and a newline
 *   at 216   SHA-256 of the 216 bytes before, and a newline
 *
 * A cxrd of before wrote the first line alone. */
#define LAYOUT "%-64s\n%-64s %020lld\n%-64s\n"

enum {
    DIGITS = DIGEST_TEXT_SIZE - 1,
    AT_SYNCED = DIGITS + 1,
    AT_OFFSET = AT_SYNCED + DIGITS + 1,
    AT_BEGINS = AT_OFFSET + 20 + 1,
    SAID = AT_BEGINS + DIGITS + 1,
    RECORD = SAID + DIGITS + 1,
};

void chain_init(struct chain *c)
{
    *c = (struct chain){ .synced_at = 0 };
    memset(c->last, '0', DIGITS);
}

bool chain_path(const char *log, char ret[PATH_MAX])
{
    const char *slash = strrchr(log, '/');
    const size_t folder = slash ? (size_t)(slash - log) + 1 : 0;

    return snprintf(ret, PATH_MAX, "%.*s.%s.chain", (int)folder, log, log + folder) < PATH_MAX;
}

static size_t digits_at(const char *text) { return strspn(text, "0123456789abcdef"); }

static bool is_digest(const char *text) { return digits_at(text) == DIGITS && text[DIGITS] == '\0'; }

/* The digest that stands there; any other text does not count. */
static void digest_take(const char *from, char ret[DIGEST_TEXT_SIZE])
{
    ret[0] = '\0';
    if (digits_at(from) >= DIGITS) {
        memcpy(ret, from, DIGITS);
        ret[DIGITS] = '\0';
    }
}

void chain_read(int fd, struct chain *c)
{
    char text[RECORD + 1] = "", last[DIGEST_TEXT_SIZE], sum[DIGEST_TEXT_SIZE];
    const ssize_t n = pread(fd, text, RECORD, 0);

    digest_take(text, last);
    if (last[0])
        memcpy(c->last, last, sizeof last);
    if (n != RECORD || digest_bytes(text, SAID, sum) != ST_OK || memcmp(text + SAID, sum, DIGITS) != 0)
        return;
    digest_take(text + AT_SYNCED, c->synced);
    c->synced_at = (off_t)strtoll(text + AT_OFFSET, NULL, 10);
    digest_take(text + AT_BEGINS, c->begins);
}

bool chain_write(int fd, const struct chain *c)
{
    char text[RECORD + 1], sum[DIGEST_TEXT_SIZE];

    snprintf(text, sizeof text, LAYOUT, c->last, c->synced, (long long)c->synced_at, c->begins);
    if (digest_bytes(text, SAID, sum) != ST_OK)
        sum[0] = '\0'; /* no memory: what it says of the last line is believed all the same */
    snprintf(text + SAID, sizeof text - SAID, "%-64s\n", sum);
    return pwrite(fd, text, RECORD, 0) == RECORD;
}

/* ---- following it ---- */

enum status chain_line(const char *text, size_t n, struct before *before, bool *ret_torn, const char *where,
                       struct error *err)
{
    json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    const char *said = json_string_value(json_object_get(line, "prev"));
    enum status st = ST_OK;

    *ret_torn = !line;
    if (line && !(said && is_digest(said)))
        st = error_set(err, ST_FORMAT, "%s: this is no event", where);
    else if (line && before->digest[0] && strcmp(said, before->digest) != 0 &&
             strcmp(said, before->torn) != 0)
        st = error_set(err, ST_FORMAT,
                       "%s: it does not follow the line before: one of them was changed, or some are missing",
                       where);
    if (st == ST_OK && digest_bytes(text, n, line ? before->digest : before->torn) != ST_OK)
        st = error_nomem(err);
    if (line)
        before->torn[0] = '\0';
    if (said)
        snprintf(before->prev, sizeof before->prev, "%s", said);
    json_decref(line);
    return st;
}

/* A line of a file, without its end. */
struct line {
    char *text;
    size_t capacity, n;
};

static bool line_next(FILE *file, struct line *line)
{
    const ssize_t n = getline(&line->text, &line->capacity, file);

    if (n <= 0)
        return false;
    line->n = (size_t)n - (line->text[n - 1] == '\n');
    return true;
}

/* Whether the last synced line is where it was: the next to be read is then the one after it. */
static bool synced_is_there(FILE *log, const struct chain *c, struct line *line)
{
    char digest[DIGEST_TEXT_SIZE];

    return fseeko(log, c->synced_at, SEEK_SET) == 0 && line_next(log, line) &&
           digest_bytes(line->text, line->n, digest) == ST_OK && strcmp(digest, c->synced) == 0;
}

/* From the line behind `before` to the end. */
static enum status follow(FILE *log, const struct chain *c, struct before *before, struct line *line,
                          enum chain_end *ret, struct error *err)
{
    bool last = strcmp(before->digest, c->last) == 0, torn;
    enum status st = ST_OK;

    while (st == ST_OK && line_next(log, line)) {
        st = chain_line(line->text, line->n, before, &torn, "", err);
        last = last || strcmp(before->digest, c->last) == 0;
    }
    *ret = st == ST_FORMAT ? CHAIN_CUT : last ? CHAIN_WHOLE : CHAIN_UNSYNCED;
    return st == ST_FORMAT ? ST_OK : st;
}

enum status chain_compare(FILE *log, const struct chain *c, enum chain_end *ret, struct error *err)
{
    struct before before = { "", "", "" };
    struct line line = { NULL, 0, 0 };
    enum status st = ST_OK;

    *ret = CHAIN_WHOLE;
    if (!c->synced[0] || (fseeko(log, 0, SEEK_END) == 0 && ftello(log) == 0))
        return ST_OK;
    memcpy(before.digest, c->synced, sizeof before.digest);
    if (!synced_is_there(log, c, &line)) { /* it is in an older file, or nowhere */
        if (c->begins[0])
            memcpy(before.digest, c->begins, sizeof before.digest);
        rewind(log);
    }
    st = follow(log, c, &before, &line, ret, err);
    if (st == ST_OK && ferror(log))
        st = error_set(err, ST_IO, "cannot read the audit log");
    free(line.text);
    return st;
}
