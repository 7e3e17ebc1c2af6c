/* jobs/dataset/names.c - see names.h. */
#include "names.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char EXTENSION[] = ".png";
enum { EXTENSION_LENGTH = sizeof EXTENSION - 1 };

static bool has_extension(struct name a)
{
    return a.n > EXTENSION_LENGTH &&
           strncasecmp(a.text + a.n - EXTENSION_LENGTH, EXTENSION, EXTENSION_LENGTH) == 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

struct name name_base(const char *text, size_t n)
{
    while (n > 0 && is_blank(*text))
        text++, n--;
    while (n > 0 && is_blank(text[n - 1]))
        n--;
    for (size_t i = n; i > 0; i--)
        if (text[i - 1] == '/' || text[i - 1] == '\\')
            return (struct name){ text + i, n - i };
    return (struct name){ text, n };
}

int name_order(struct name a, struct name b)
{
    int order;

    a.n -= has_extension(a) ? EXTENSION_LENGTH : 0;
    b.n -= has_extension(b) ? EXTENSION_LENGTH : 0;
    order = memcmp(a.text, b.text, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool name_matches(const char *pattern, const char *name)
{
    const struct name whole = { name, strlen(name) };
    char plain[NAME_MAX + 1];

    if (fnmatch(pattern, name, FNM_PERIOD) == 0)
        return true;
    if (!has_extension(whole))
        return false;
    snprintf(plain, sizeof plain, "%.*s%s", (int)(whole.n - EXTENSION_LENGTH), name, EXTENSION);
    return fnmatch(pattern, plain, FNM_PERIOD) == 0;
}
