/* server/http/router.c - raw paths against the route table, and query strings.
 *
 * Paths are compared as they were sent, byte by byte: "/PREDICT", "//predict", "/predict/" and "/%70redict" are other
 * paths, and not ours. So nothing that was checked before decoding can mean something else after it. */
#include "http.h"

#include "cxrd/encoding.h"
#include "cxrd/utf8.h"

#include <stdio.h>
#include <string.h>

/* One of our own file names: small letters, digits, '-', '_' and dots, none at the beginning. */
static bool file_ok(const char *name, size_t n)
{
    return n > 0 && name[0] != '.' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") >= n;
}

/* What names something outside of cxrd: a UID of DICOM, whose handler looks at it more closely. */
static bool uid_like(const char *text, size_t n)
{
    return n > 0 && n < PATH_ID_SIZE && strspn(text, "0123456789.") >= n;
}

typedef bool segment_check(const char *text, size_t n);

/* What a segment of a pattern takes. */
static segment_check *check_of(const char *segment)
{
    if (strncmp(segment, "{id}", 4) == 0)
        return id_ok;
    return strncmp(segment, "{uid}", 5) == 0 ? uid_like : file_ok;
}

/* Match a path against a pattern. */
static bool path_matches(const char *pattern, const char *path, char id[PATH_ID_SIZE])
{
    while (*pattern) {
        if (*pattern == '{') {
            const size_t n = strcspn(path, "/");
            segment_check *const fits = check_of(pattern);

            if (!fits(path, n))
                return false;
            if (fits != file_ok) {
                memcpy(id, path, n);
                id[n] = '\0';
            }
            path += n;
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/* "POST" after "GET" becomes "GET, POST"; what is there already is not added (no method is a part of another). */
static void allow_add(char allow[HTTP_TEXT], const char *method)
{
    const size_t n = strlen(allow), room = HTTP_TEXT - n;

    if (!strstr(allow, method) && n + strlen(method) + 3 < HTTP_TEXT)
        snprintf(allow + n, room, "%s%s", n ? ", " : "", method);
}

const struct route *route_find(const struct route_table *table, const char *method, const char *path,
                               char id[PATH_ID_SIZE], int *ret_status, char allow[HTTP_TEXT])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const bool every = strcmp(path, "*") == 0; /* OPTIONS of the server itself */

    allow[0] = '\0';
    id[0] = '\0';
    for (size_t i = 0; i < table->n; i++) {
        const struct route *r = &table->routes[i];

        if (!every && !path_matches(r->path, path, id))
            continue;
        if (!every && strcmp(r->method, wanted) == 0)
            return r;
        allow_add(allow, r->method);
        if (strcmp(r->method, "GET") == 0)
            allow_add(allow, "HEAD");
    }
    if (allow[0])
        allow_add(allow, "OPTIONS");
    *ret_status = !allow[0] ? 404 : strcmp(method, "OPTIONS") == 0 ? 204 : 405;
    return NULL;
}

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

bool lane_predicts(enum lane lane) { return lane == LANE_PREDICT || lane == LANE_RESULTS; }
