/* server/http/multipart.c - see multipart.h. */
#include "multipart.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_BOUNDARY = 70, MAX_PART_HEADERS = 4096, MAX_TYPE = 128 };

bool multipart_type_is(const char *content_type, const char *type)
{
    const size_t n = strlen(type);

    return strncasecmp(content_type, type, n) == 0 &&
           (content_type[n] == '\0' || strchr("; \t", content_type[n]));
}

bool multipart_is(const char *content_type) { return multipart_type_is(content_type, "multipart/form-data"); }

#define NOT_CLOSED SIZE_MAX

/* The value that begins at text[*at] with a quote, without quotes and escapes. Its length, of which up to size - 1
 * characters go to `ret`, or NOT_CLOSED; *at moves behind it. */
static size_t quoted(const char *text, size_t n, size_t *at, char *ret, size_t size)
{
    size_t i = *at + 1, length = 0;

    for (; i < n && text[i] != '"'; i++, length++) {
        if (text[i] == '\\' && i + 1 < n && (text[i + 1] == '"' || text[i + 1] == '\\'))
            i++;
        if (length + 1 < size)
            ret[length] = text[i];
    }
    *at = i + 1;
    return i < n ? length : NOT_CLOSED;
}

/* The same of a value without quotes. */
static size_t word(const char *text, size_t n, size_t *at, char *ret, size_t size)
{
    const size_t begin = *at;

    for (; *at < n && !strchr("; \t", text[*at]); ++*at)
        if (*at - begin + 1 < size)
            ret[*at - begin] = text[*at];
    return *at - begin;
}

/* The value of a parameter such as boundary=x or name="x" in `text` (a header's value behind its first ';'), with
 * quotes and their escapes removed. 1: found, 0: not there, -1: broken or longer than size - 1. */
static int parameter(const char *text, size_t n, const char *wanted, char *ret, size_t size)
{
    size_t i = 0;

    while (i < n) {
        size_t name, room, length;

        while (i < n && strchr("; \t", text[i]))
            i++;
        for (name = i; i < n && text[i] != '=' && text[i] != ';';)
            i++;
        if (i == n || text[i] == ';')
            continue; /* a word without a value */
        room = i - name == strlen(wanted) && strncasecmp(text + name, wanted, i - name) == 0 ? size : 0;
        i++;
        length = i < n && text[i] == '"' ? quoted(text, n, &i, ret, room) : word(text, n, &i, ret, room);
        if (length == NOT_CLOSED)
            return -1;
        if (room) {
            if (length + 1 > size || memchr(ret, '\0', length))
                return -1;
            ret[length] = '\0';
            return 1;
        }
    }
    return 0;
}

static enum status boundary_of(const char *content_type, char delimiter[MAX_BOUNDARY + 5], struct error *err)
{
    const char *parameters = strchr(content_type, ';');
    char boundary[MAX_BOUNDARY + 1];

    if (!parameters ||
        parameter(parameters, strlen(parameters), "boundary", boundary, sizeof boundary) != 1 || !boundary[0])
        return error_set(err, ST_FORMAT, "the multipart body's Content-Type has no usable boundary");
    snprintf(delimiter, MAX_BOUNDARY + 5, "\r\n--%s", boundary);
    return ST_OK;
}

enum status multipart_check(const char *content_type, struct error *err)
{
    char delimiter[MAX_BOUNDARY + 5];

    return boundary_of(content_type, delimiter, err);
}

enum status multipart_related_check(const char *content_type, const char *type, struct error *err)
{
    const char *parameters = strchr(content_type, ';');
    char said[MAX_TYPE];
    int found = 0;

    if (!multipart_type_is(content_type, "multipart/related"))
        return error_set(err, ST_UNSUPPORTED, "the body must be multipart/related; type=\"%s\"", type);
    if (parameters)
        found = parameter(parameters, strlen(parameters), "type", said, sizeof said);
    if (found < 0 || (found > 0 && !multipart_type_is(said, type)))
        return error_set(err, ST_UNSUPPORTED, "the parts of the multipart body must be of the type %s", type);
    return multipart_check(content_type, err);
}

/* Whether a header line of a part has this name, such as "content-type:". */
static bool is_header(const char *line, size_t n, const char *name)
{
    return n >= strlen(name) && strncasecmp(line, name, strlen(name)) == 0;
}

static void part_type(struct part *p, const char *line, size_t n)
{
    while (n > 0 && (*line == ' ' || *line == '\t'))
        line++, n--;
    if (n < sizeof p->type && !memchr(line, '\0', n))
        snprintf(p->type, sizeof p->type, "%.*s", (int)n, line);
}

/* One header line of a part: only Content-Disposition and Content-Type matter. */
static enum status part_header(struct part *p, const char *line, size_t n, bool is_form, bool *has_name,
                               struct error *err)
{
    static const char DISPOSITION[] = "content-disposition:", TYPE[] = "content-type:";
    const char *parameters;
    char filename[512];
    int found;

    if (is_header(line, n, TYPE))
        part_type(p, line + sizeof TYPE - 1, n - (sizeof TYPE - 1));
    if (!is_form || !is_header(line, n, DISPOSITION))
        return ST_OK;
    parameters = memchr(line, ';', n);
    if (!parameters)
        return error_set(err, ST_FORMAT, "a part of the multipart body has no name");
    n -= (size_t)(parameters - line);
    found = parameter(parameters, n, "name", p->name, sizeof p->name);
    if (found < 0)
        return error_set(err, ST_FORMAT, "a part of the multipart body has a broken name");
    *has_name = *has_name || found;
    p->is_file = parameter(parameters, n, "filename", filename, sizeof filename) != 0 ||
                 parameter(parameters, n, "filename*", filename, sizeof filename) != 0;
    return ST_OK;
}

/* The header lines of the part at *at, up to the empty line; *at moves behind it. A form's part has a name. */
static enum status part_headers(struct part *p, const char **at, const char *end, bool is_form,
                                struct error *err)
{
    bool has_name = !is_form;

    for (const char *begin = *at;;) {
        const char *stop = memmem(*at, (size_t)(end - *at), "\r\n", 2);
        const char *line = *at;
        enum status st;

        if (!stop || stop - begin > MAX_PART_HEADERS)
            return error_set(err, ST_FORMAT, "a part of the multipart body has no end to its headers");
        *at = stop + 2;
        if (stop == line)
            break;
        st = part_header(p, line, (size_t)(stop - line), is_form, &has_name, err);
        if (st != ST_OK)
            return st;
    }
    return has_name ? ST_OK : error_set(err, ST_FORMAT, "a part of the multipart body has no name");
}

/* Behind a delimiter: "--" ends the body, white space and a line end begin a part. */
enum after { NEXT_PART, THE_END, BROKEN };

static enum after after_delimiter(const char **at, const char *end)
{
    if (end - *at >= 2 && memcmp(*at, "--", 2) == 0)
        return THE_END;
    while (*at < end && (**at == ' ' || **at == '\t'))
        ++*at;
    if (end - *at < 2 || memcmp(*at, "\r\n", 2) != 0)
        return BROKEN;
    *at += 2;
    return NEXT_PART;
}

static enum status parse(const char *content_type, const void *body, size_t body_len, bool is_form,
                         struct multipart *ret, struct error *err)
{
    const char *at = body ? body : "", *end = at + body_len;
    char delimiter[MAX_BOUNDARY + 5];
    size_t n_delimiter;
    enum status st = boundary_of(content_type, delimiter, err);

    ret->n = 0;
    if (st != ST_OK)
        return st;
    n_delimiter = strlen(delimiter);
    if (body_len >= n_delimiter - 2 && memcmp(at, delimiter + 2, n_delimiter - 2) == 0) {
        at += n_delimiter - 2; /* the first one may stand at the very beginning, without its line end */
    } else {
        at = body_len ? memmem(at, body_len, delimiter, n_delimiter) : NULL;
        if (!at)
            return error_set(err, ST_FORMAT, "the multipart body does not contain its boundary");
        at += n_delimiter;
    }
    for (;;) {
        struct part p = { .is_file = false };
        const char *stop;

        switch (after_delimiter(&at, end)) {
        case THE_END: return ST_OK;
        case BROKEN: return error_set(err, ST_FORMAT, "the multipart body has a broken boundary line");
        case NEXT_PART: break;
        }
        if (ret->n == MULTIPART_MAX_PARTS)
            return error_set(err, ST_LIMIT, "the multipart body has more than %d parts", MULTIPART_MAX_PARTS);
        st = part_headers(&p, &at, end, is_form, err);
        if (st != ST_OK)
            return st;
        /* an empty part's delimiter shares the line end with its headers' end */
        stop = memmem(at - 2, (size_t)(end - at) + 2, delimiter, n_delimiter);
        if (!stop)
            return error_set(err, ST_FORMAT, "the multipart body has no closing boundary");
        p.data = at;
        p.size = stop < at ? 0 : (size_t)(stop - at);
        ret->parts[ret->n++] = p;
        at = stop + n_delimiter;
    }
}

enum status multipart_parse(const char *content_type, const void *body, size_t body_len,
                            struct multipart *ret, struct error *err)
{
    return parse(content_type, body, body_len, true, ret, err);
}

enum status multipart_related_parse(const char *content_type, const void *body, size_t body_len,
                                    struct multipart *ret, struct error *err)
{
    return parse(content_type, body, body_len, false, ret, err);
}

enum status multipart_file(const struct multipart *m, const struct part **ret_part, struct error *err)
{
    const struct part *file = NULL;

    for (size_t i = 0; i < m->n; i++) {
        if (!m->parts[i].is_file)
            continue;
        if (file)
            return error_set(err, ST_FORMAT, "the multipart body has more than one file");
        file = &m->parts[i];
    }
    if (!file)
        return error_set(err, ST_NOTFOUND, "the multipart body has no file");
    if (file->size == 0)
        return error_set(err, ST_NOTFOUND, "the file in the multipart body is empty");
    *ret_part = file;
    return ST_OK;
}

enum status multipart_field(const struct multipart *m, const char *name, char *ret, size_t size,
                            struct error *err)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct part *p = &m->parts[i];

        if (p->is_file || strcmp(p->name, name) != 0)
            continue;
        if (p->size >= size || memchr(p->data, '\0', p->size))
            return error_set(err, ST_INVALID, "the form's '%s' must be text of at most %zu bytes", name,
                             size - 1);
        memcpy(ret, p->data, p->size);
        ret[p->size] = '\0';
        return ST_OK;
    }
    return error_set(err, ST_NOTFOUND, "the form has no '%s'", name);
}
