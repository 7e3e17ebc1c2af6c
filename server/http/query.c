/* server/http/query.c - query strings: their values, what is wrong with them, and names that a route does not take. */
#include "http.h"

#include "multipart.h"

#include "cxrd/encoding.h"
#include "cxrd/utf8.h"
#include "cxrd/words.h"

#include <stdio.h>
#include <string.h>

/* `n` bytes of a query into text. False: a broken escape, a NUL, or longer than size - 1. */
static bool decode(const char *from, size_t n, char *ret, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        char c = from[i] == '+' ? ' ' : from[i];

        if (from[i] == '%') {
            const int high = i + 2 < n ? hex_value(from[i + 1]) : -1;
            const int low = high >= 0 ? hex_value(from[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || length == size - 1)
            return false;
        ret[length++] = c;
    }
    ret[length] = '\0';
    return true;
}

static bool is_utf8(const char *text)
{
    while (*text) {
        const size_t n = utf8_character(text);

        if (n == 0 && (unsigned char)*text >= 0x80)
            return false;
        text += n ? n : 1; /* a control character is text, too */
    }
    return true;
}

/* No name that a route takes has as many bytes. */
enum { NAME_SIZE = 65 };

struct parameter {
    char name[NAME_SIZE]; /* decoded; cut where it is longer than any that is taken */
    const char *value;    /* as it was sent; NULL: there is no '=' */
    size_t n;             /* its bytes */
};

/* The next parameter that has a name, of a query without a broken escape; *at moves behind it. False: there is no other. */
static bool next_parameter(const char **at, struct parameter *ret)
{
    while (**at) {
        const size_t n = strcspn(*at, "&"), name = strcspn(*at, "=&");
        const char *begin = *at;

        *at += n + (begin[n] == '&');
        if (name == 0)
            continue;
        if (!decode(begin, name, ret->name, sizeof ret->name))
            ret->name[sizeof ret->name - 1] = '\0';
        ret->value = name < n ? begin + name + 1 : NULL;
        ret->n = name < n ? n - name - 1 : 0;
        return true;
    }
    return false;
}

/* Whether another parameter with the name of this one stands before the `end` of what was read. */
static bool stands_before(const char *query, const char *end, const char *name)
{
    struct parameter p;
    size_t n = 0;

    while (query < end && next_parameter(&query, &p))
        n += strcmp(p.name, name) == 0;
    return n > 1;
}

_Static_assert(QUERY_TEXT == 2048, "as query_fault() says");

const char *query_fault(const char *query)
{
    char whole[MAX_TARGET], value[QUERY_TEXT];
    const char *at = query;
    struct parameter p;

    if (!decode(query, strlen(query), whole, sizeof whole) || !is_utf8(whole))
        return "the query has a broken percent-encoding, or bytes that are no UTF-8";
    while (next_parameter(&at, &p)) {
        if (p.value && !decode(p.value, p.n, value, sizeof value))
            return "the query has a value of more than 2047 bytes";
        if (stands_before(query, at, p.name))
            return "the query has a parameter more than once";
    }
    return NULL;
}

bool http_parameter(const struct http_request *req, const char *name, char ret[PARAMETER_TEXT])
{
    const char *at = req->query;
    struct parameter p;
    struct error none;

    while (next_parameter(&at, &p))
        if (p.value && strcmp(p.name, name) == 0)
            return decode(p.value, p.n, ret, QUERY_TEXT);
    return req->form && multipart_field(req->form, name, ret, PARAMETER_TEXT, &none) == ST_OK;
}

/* ---- names that a route does not take ---- */

/* The next of the words between blanks at `at`, which moves behind it; 0: there is no other. */
static size_t next_word(const char **at, const char **ret_word)
{
    *at += strspn(*at, " ");
    *ret_word = *at;
    *at += strcspn(*at, " ");
    return (size_t)(*at - *ret_word);
}

static bool is_taken(const char *taken, const char *name)
{
    const size_t n = strlen(name);
    const char *word;
    size_t length;

    while ((length = next_word(&taken, &word)) > 0)
        if (length == n && memcmp(word, name, n) == 0)
            return true;
    return false;
}

/* The name that was meant, as far as one is near enough: a third of it may be wrong. 0: each is too far away. */
static size_t nearest(const char *taken, const char *name, size_t n, const char **ret_word)
{
    size_t best = n / 3 + 1, best_length = 0, length;
    const char *word;

    while (n <= WORD_COMPARED && (length = next_word(&taken, &word)) > 0)
        if (length <= WORD_COMPARED && word_distance(name, n, word, length) < best) {
            best = word_distance(name, n, word, length);
            best_length = length;
            *ret_word = word;
        }
    return best_length;
}

/* "age, sex and view" */
static void list_taken(const char *taken, char *ret, size_t size)
{
    const char *word;
    size_t used = 0, length = next_word(&taken, &word);

    ret[0] = '\0';
    while (length > 0 && used + length + 8 < size) {
        const char *before = used == 0 ? "" : *taken ? ", " : " and ";

        used += (size_t)snprintf(ret + used, size - used, "%s%.*s", before, (int)length, word);
        length = next_word(&taken, &word);
    }
}

static void tell_unknown(const char *taken, const char *name, char ret[HTTP_TEXT])
{
    const char *meant = NULL;
    const size_t length = nearest(taken, name, strlen(name), &meant);
    char names[128];

    list_taken(taken, names, sizeof names);
    if (length > 0)
        snprintf(ret, HTTP_TEXT, "this request has no parameter '%s' in its query; is '%.*s' meant?", name,
                 (int)length, meant);
    else if (names[0])
        snprintf(ret, HTTP_TEXT, "this request has no parameter '%s' in its query; it takes %s", name, names);
    else
        snprintf(ret, HTTP_TEXT, "this request has no parameter '%s': it takes none in its query", name);
}

bool query_unknown(const char *taken, const char *query, char ret[HTTP_TEXT])
{
    struct parameter p;

    while (next_parameter(&query, &p)) {
        if (!is_taken(taken ? taken : "", p.name)) {
            tell_unknown(taken ? taken : "", p.name, ret);
            return true;
        }
        if (!p.value) {
            snprintf(ret, HTTP_TEXT, "the parameter '%s' has no value", p.name);
            return true;
        }
    }
    return false;
}

/* ---- forms ---- */

/* A field of a form that is a parameter: said once, and text. */
static enum status field_check(const struct multipart *form, size_t at, struct error *err)
{
    const char *name = form->parts[at].name;
    char text[PARAMETER_TEXT];
    enum status st;

    for (size_t i = 0; i < at; i++)
        if (!form->parts[i].is_file && strcmp(form->parts[i].name, name) == 0)
            return error_set(err, ST_FORMAT, "the form has the field '%s' more than once", name);
    st = multipart_field(form, name, text, sizeof text, err);
    if (st == ST_OK && !is_utf8(text))
        st = error_set(err, ST_INVALID, "the form's '%s' has bytes that are no UTF-8", name);
    return st == ST_INVALID ? ST_FORMAT : st;
}

enum status form_take(const char *taken, const struct http_request *req, struct multipart *ret,
                      struct error *err)
{
    enum status st = multipart_parse(req->content_type, req->body, req->body_len, ret, err);

    if (st == ST_LIMIT)
        st = ST_FORMAT;
    for (size_t i = 0; i < ret->n && st == ST_OK; i++)
        if (!ret->parts[i].is_file && is_taken(taken ? taken : "", ret->parts[i].name))
            st = field_check(ret, i, err);
    return st;
}
