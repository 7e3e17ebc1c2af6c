/* server/http/syntax.c - see syntax.h. */
#include "syntax.h"

#include "cxrd/encoding.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static bool is_among(char c, const char *set) { return c != '\0' && strchr(set, c) != NULL; }

static bool all_among(struct span s, const char *set)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_among(s.at[i], set))
            return false;
    return true;
}

bool syntax_is_token(struct span s) { return s.n > 0 && all_among(s, ALPHA DIGIT "!#$%&'*+-.^_`|~"); }

bool syntax_is_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.at[i] < ' ' && s.at[i] != '\t') || s.at[i] == 127)
            return false;
    return true;
}

/* The text between the brackets of an IPv6 address. */
static bool is_ipv6(struct span s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (s.n >= sizeof text || memchr(s.at, '\0', s.n))
        return false;
    memcpy(text, s.at, s.n);
    text[s.n] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* A name or an IPv4 address (RFC 3986: reg-name). */
static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i] != '%' && !is_among(s.at[i], ALPHA DIGIT "-._~!$&'()*+,;="))
            return false;
        if (s.at[i] == '%' && (i + 2 >= s.n || hex_value(s.at[i + 1]) < 0 || hex_value(s.at[i + 2]) < 0))
            return false;
    }
    return s.n > 0;
}

bool syntax_is_host(struct span s)
{
    const bool six = s.n > 0 && s.at[0] == '[';
    const char *end = s.n > 0 ? memchr(s.at, six ? ']' : ':', s.n) : NULL;
    const size_t n = end ? (size_t)(end - s.at) : s.n;
    const size_t behind = n + (six ? 1 : 0);

    if (six ? !end || !is_ipv6((struct span){ s.at + 1, n - 1 }) : !is_name((struct span){ s.at, n }))
        return false;
    return behind == s.n ||
           (s.at[behind] == ':' && all_among((struct span){ s.at + behind + 1, s.n - behind - 1 }, DIGIT));
}

struct span syntax_trim(struct span s)
{
    while (s.n > 0 && is_among(s.at[0], " \t")) {
        s.at++;
        s.n--;
    }
    while (s.n > 0 && is_among(s.at[s.n - 1], " \t"))
        s.n--;
    return s;
}

bool syntax_is_word(struct span s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.at, word, s.n) == 0;
}

bool syntax_next(struct span *rest, struct span *ret)
{
    const char *comma;

    if (!rest->at)
        return false;
    comma = memchr(rest->at, ',', rest->n);
    ret->at = rest->at;
    ret->n = comma ? (size_t)(comma - rest->at) : rest->n;
    *rest = comma ? (struct span){ comma + 1, rest->n - ret->n - 1 } : (struct span){ NULL, 0 };
    *ret = syntax_trim(*ret);
    return true;
}
