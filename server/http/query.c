/* server/http/query.c - query strings: their values, what is wrong with them, and names that a route does not take. */
#include "http.h"

#include "cxrd/encoding.h"
#include "cxrd/utf8.h"

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

/* Whether an earlier parameter of the query has the name at `at`, of `n` bytes. Names are compared as they were sent, as
 * http_query() does. */
static bool stands_before(const char *query, const char *at, size_t n)
{
    while (query < at) {
        if (strcspn(query, "=&") == n && memcmp(query, at, n) == 0)
            return true;
        query += strcspn(query, "&") + 1;
    }
    return false;
}

_Static_assert(QUERY_TEXT == 2048, "as query_fault() says");

const char *query_fault(const char *query)
{
    char whole[MAX_TARGET], value[QUERY_TEXT];

    if (!decode(query, strlen(query), whole, sizeof whole) || !is_utf8(whole))
        return "the query has a broken percent-encoding, or bytes that are no UTF-8";
    for (const char *at = query; *at;) {
        const size_t n = strcspn(at, "&"), name = strcspn(at, "=&");

        if (name < n && !decode(at + name + 1, n - name - 1, value, sizeof value))
            return "the query has a value of more than 2047 bytes";
        if (name > 0 && stands_before(query, at, name))
            return "the query has a parameter more than once";
        at += n + (at[n] == '&');
    }
    return NULL;
}

bool http_query(const struct http_request *req, const char *name, char ret[QUERY_TEXT])
{
    const size_t name_length = strlen(name);

    for (const char *at = req->query; *at;) {
        const size_t n = strcspn(at, "&");

        if (n > name_length && at[name_length] == '=' && memcmp(at, name, name_length) == 0)
            return decode(at + name_length + 1, n - name_length - 1, ret, QUERY_TEXT);
        at += n + (at[n] == '&');
    }
    return false;
}

/* ---- names that a route does not take ---- */

enum { MAX_NAME = 32 }; /* bytes of a name that is compared with others */

/* How many characters are to be put in, left out, replaced or swapped with the next to make one name of the other (Damerau,
 * CACM 1964; each swapped pair is left alone afterwards). */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][MAX_NAME + 1] = { 0 };

    for (size_t j = 0; j <= m; j++)
        rows[1][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[(i + 1) % 3], *before = rows[i % 3], *before_that = rows[(i + 2) % 3];

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t changed = before[j - 1] + (a[i - 1] != b[j - 1]), left = before[j] + 1,
                         put = now[j - 1] + 1;
            size_t least = changed < left ? changed : left;

            least = put < least ? put : least;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before_that[j - 2] + 1 < least)
                least = before_that[j - 2] + 1;
            now[j] = least;
        }
    }
    return rows[(n + 1) % 3][m];
}

/* The next of the words between blanks at `at`, which moves behind it; 0: there is no other. */
static size_t next_word(const char **at, const char **ret_word)
{
    *at += strspn(*at, " ");
    *ret_word = *at;
    *at += strcspn(*at, " ");
    return (size_t)(*at - *ret_word);
}

static bool is_taken(const char *taken, const char *name, size_t n)
{
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

    while (n <= MAX_NAME && (length = next_word(&taken, &word)) > 0)
        if (length <= MAX_NAME && distance(name, n, word, length) < best) {
            best = distance(name, n, word, length);
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

static void tell_unknown(const char *taken, const char *name, size_t n, char ret[HTTP_TEXT])
{
    const int shown = n < 64 ? (int)n : 64;
    const char *meant = NULL;
    const size_t length = nearest(taken, name, n, &meant);
    char names[128];

    list_taken(taken, names, sizeof names);
    if (length > 0)
        snprintf(ret, HTTP_TEXT, "this request has no parameter '%.*s' in its query; is '%.*s' meant?", shown,
                 name, (int)length, meant);
    else if (names[0])
        snprintf(ret, HTTP_TEXT, "this request has no parameter '%.*s' in its query; it takes %s", shown,
                 name, names);
    else
        snprintf(ret, HTTP_TEXT, "this request has no parameter '%.*s': it takes none in its query", shown,
                 name);
}

bool query_unknown(const char *taken, const char *query, char ret[HTTP_TEXT])
{
    for (const char *at = query; *at;) {
        const size_t n = strcspn(at, "&"), name = strcspn(at, "=&");

        if (name > 0 && !is_taken(taken ? taken : "", at, name)) {
            tell_unknown(taken ? taken : "", at, name, ret);
            return true;
        }
        if (name > 0 && at[name] != '=') {
            snprintf(ret, HTTP_TEXT, "the parameter '%.*s' has no value", (int)name, at);
            return true;
        }
        at += n + (at[n] == '&');
    }
    return false;
}
