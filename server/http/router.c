/* server/http/router.c - raw paths against the route table.
 *
 * Paths are compared as they were sent, byte by byte: "/PREDICT", "//predict", "/predict/" and "/%70redict" are other
 * paths, and not ours. So nothing that was checked before decoding can mean something else after it. */
#include "http.h"

#include "cxrd/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* One of our own file names: small letters, digits, '-', '_' and dots, none at the beginning. */
static bool file_ok(const char *name, size_t n)
{
    return n > 0 && name[0] != '.' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") >= n;
}

/* A name of something outside of cxrd: a UID of DICOM, whose handler looks at it more closely. */
static bool uid_like(const char *text, size_t n)
{
    return n > 0 && n < PATH_ID_SIZE && strspn(text, "0123456789.") >= n;
}

typedef bool segment_check(const char *text, size_t n);

/* The kinds of text that a segment of a pattern takes. */
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

/* The same where anything stands for an {id}. */
static bool path_resembles(const char *pattern, const char *path)
{
    while (*pattern && *path) {
        if (strncmp(pattern, "{id}", 4) == 0) {
            path += strcspn(path, "/");
            pattern += 4;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == *path;
}

const char *route_thing(const struct route_table *table, const char *path)
{
    for (size_t i = 0; i < table->n; i++)
        if (table->routes[i].thing && path_resembles(table->routes[i].path, path))
            return table->routes[i].thing;
    return NULL;
}

/* ---- the path that was meant ---- */

enum { LONGEST_MEANT = 256 }; /* bytes of a path that may be misspelt: each route reads it */

/* Words that are held against each other. */
struct word {
    char text[WORD_COMPARED];
    size_t n;   /* WORD_COMPARED: too long */
    size_t any; /* of them stand for any text */
};

static void word_put(struct word *w, char c)
{
    if (w->n < WORD_COMPARED)
        w->text[w->n++] = c;
}

/* A piece between slashes, in small letters, or '*' for any text. */
static void piece_put(struct word *w, const char *piece, size_t n, bool any)
{
    if (any)
        word_put(w, '*');
    for (size_t i = 0; i < n && !any; i++)
        word_put(w, (char)tolower((unsigned char)piece[i]));
}

/* A pattern and a path without what may be any text, and without regard to the case of letters: an id is '*' in both. */
static void fold(const char *pattern, const char *path, struct word *ret_pattern, struct word *ret_path)
{
    *ret_pattern = *ret_path = (struct word){ .n = 0 };
    for (; *pattern || *path; pattern += *pattern == '/', path += *path == '/') {
        const size_t n = strcspn(pattern, "/"), m = strcspn(path, "/");
        const bool any = *pattern == '{' && m > 0;

        piece_put(ret_pattern, pattern, n, *pattern == '{');
        piece_put(ret_path, path, m, any);
        ret_path->any += any;
        pattern += n;
        path += m;
        if (*pattern)
            word_put(ret_pattern, '/');
        if (*path)
            word_put(ret_path, '/');
    }
}

const char *route_meant(const struct route_table *table, const char *path)
{
    const char *meant = NULL;
    size_t best = WORD_COMPARED;

    if (strlen(path) > LONGEST_MEANT)
        return NULL;
    for (size_t i = 0; i < table->n; i++) {
        struct word pattern, asked;
        size_t apart;

        fold(table->routes[i].path, path, &pattern, &asked);
        if (pattern.n == WORD_COMPARED || asked.n == WORD_COMPARED)
            continue;
        apart = word_distance(asked.text, asked.n, pattern.text, pattern.n);
        if (apart < best && apart < (asked.n - asked.any) / 3 + 1) {
            best = apart;
            meant = table->routes[i].path;
        }
    }
    return meant;
}

bool queue_predicts(enum queue queue) { return queue == QUEUE_PREDICT || queue == QUEUE_RESULTS; }
