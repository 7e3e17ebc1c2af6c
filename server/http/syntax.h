/* server/http/syntax.h - which bytes HTTP allows where (RFC 9110, 9112 and 3986). */
#ifndef SERVER_HTTP_SYNTAX_H
#define SERVER_HTTP_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

/* Some of the bytes of a text; no NUL follows them. */
struct span {
    const char *at;
    size_t n;
};

/* A token, as methods and the names of headers are. */
bool syntax_is_token(struct span s);

/* A header's value: visible characters, bytes above 127, blanks and tabs between them. */
bool syntax_is_value(struct span s);

/* A Host, or the authority of an http URI: a host that is not empty, and perhaps a port; nobody's name before it. */
bool syntax_is_host(struct span s);

/* Blanks and tabs at both ends are cut off. */
struct span syntax_trim(struct span s);

/* Whether the bytes are this word, in any case. */
bool syntax_is_word(struct span s, const char *word);

/* The next element of a list such as "a, b", trimmed, may be empty; false: there is no more. `rest` moves behind it. */
bool syntax_next(struct span *rest, struct span *ret);

#endif
