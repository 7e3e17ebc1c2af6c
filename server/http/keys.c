/* server/http/keys.c - see keys.h. */
#include "keys.h"

#include "cxrd/file.h"
#include "cxrd/plain_text.h"

#include <stdlib.h>
#include <string.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

struct word {
    const char *text;
    size_t n;
};

/* The next word of a line that ends at `end`; empty when there is none. */
static struct word next_word(const char **at, const char *end)
{
    struct word w;

    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
    w.text = *at;
    while (*at < end && **at != ' ' && **at != '\t')
        (*at)++;
    w.n = (size_t)(*at - w.text);
    return w;
}

static bool word_is(struct word w, const char *text)
{
    return w.n == strlen(text) && memcmp(w.text, text, w.n) == 0;
}

/* Copy a word of `characters` only, at most size - 1 bytes. */
static bool word_take(struct word w, const char *characters, char *ret, size_t size)
{
    if (w.n == 0 || w.n >= size)
        return false;
    for (size_t i = 0; i < w.n; i++)
        if (w.text[i] == '\0' || !strchr(characters, w.text[i]))
            return false;
    memcpy(ret, w.text, w.n);
    ret[w.n] = '\0';
    return true;
}

/* The three words of a line into a key; what is wrong, or NULL. */
static const char *parse_line(const char *at, const char *end, struct key *ret)
{
    const struct word role = next_word(&at, end), name = next_word(&at, end), sha256 = next_word(&at, end);

    if (word_is(role, "predict"))
        ret->role = ROLE_PREDICT;
    else if (word_is(role, "admin"))
        ret->role = ROLE_ADMIN;
    else
        return "the role must be predict or admin";
    if (!word_take(name, NAME_CHARACTERS, ret->name, sizeof ret->name))
        return "the name must be 1 to 64 letters, digits, dots, dashes or underscores";
    if (sha256.n != DIGEST_TEXT_SIZE - 1 ||
        !word_take(sha256, "0123456789abcdef", ret->sha256, sizeof ret->sha256))
        return "the SHA-256 must be 64 hexadecimal digits, in lower case";
    return next_word(&at, end).n ? "there is a word too many" : NULL;
}

static const char *check_new(const struct keys *k, const struct key *new)
{
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->keys[i].name, new->name) == 0)
            return "the name is there already";
        if (strcmp(k->keys[i].sha256, new->sha256) == 0)
            return "the key is there already";
    }
    return NULL;
}

static enum status add_line(struct keys *k, size_t number, const char *at, const char *end, struct error *err)
{
    const char *rest = at, *wrong, *stop = at;
    struct key new;

    while (stop < end && *stop != '#')
        stop++;
    end = stop;
    if (next_word(&rest, end).n == 0)
        return ST_OK;
    wrong = parse_line(at, end, &new);
    if (!wrong)
        wrong = check_new(k, &new);
    if (wrong)
        return error_set(err, ST_FORMAT, "line %zu of the keys: %s", number, wrong);
    if (k->n == KEYS_MAX)
        return error_set(err, ST_LIMIT, "there are more than %d keys", KEYS_MAX);
    k->keys[k->n++] = new;
    return ST_OK;
}

enum status keys_parse(const char *text, size_t n, struct keys **ret_keys, struct error *err)
{
    struct plain_text rest = plain_text_of(text, n);
    const char *line;
    size_t length;
    struct keys *k;
    enum status st = ST_OK;

    if (n > KEYS_MAX_BYTES)
        return error_set(err, ST_LIMIT, "the keys have %zu bytes, the limit is %d", n, KEYS_MAX_BYTES);
    k = calloc(1, sizeof *k);
    if (k)
        k->keys = calloc(KEYS_MAX, sizeof *k->keys);
    if (!k || !k->keys) {
        keys_free(k);
        return error_nomem(err);
    }
    for (size_t number = 1; st == ST_OK && plain_text_line(&rest, &line, &length); number++)
        st = add_line(k, number, line, line + length, err);
    if (st == ST_OK && k->n == 0)
        st = error_set(err, ST_FORMAT, "there is no key");
    if (st != ST_OK) {
        keys_free(k);
        return st;
    }
    *ret_keys = k;
    return ST_OK;
}

enum status keys_read(const char *path, struct keys **ret_keys, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct error why = { 0 };
    enum status st = file_read(path, KEYS_MAX_BYTES, &file, err);

    if (st != ST_OK)
        return st;
    st = keys_parse(file.data, file.size, ret_keys, &why);
    if (st != ST_OK)
        st = error_set(err, st, "'%.120s': %.180s", path, why.text);
    file_bytes_release(&file);
    return st;
}

void keys_free(struct keys *k)
{
    if (!k)
        return;
    free(k->keys);
    free(k);
}

const struct key *keys_find(const struct keys *k, const char *presented, size_t n)
{
    char sha256[DIGEST_TEXT_SIZE];
    const struct key *found = NULL;

    if (n == 0 || n > KEY_MAX_BYTES || digest_bytes(presented, n, sha256) != ST_OK)
        return NULL;
    for (size_t i = 0; i < k->n; i++)
        if (digest_equal(k->keys[i].sha256, sha256))
            found = &k->keys[i]; /* and on to the end: how many were compared tells nothing */
    return found;
}
