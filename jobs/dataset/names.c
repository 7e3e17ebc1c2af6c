/* jobs/dataset/names.c - see names.h. */
#include "names.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdint.h>
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

struct name name_tail(const char *text, size_t n, size_t parts)
{
    while (n > 0 && is_blank(*text))
        text++, n--;
    while (n > 0 && is_blank(text[n - 1]))
        n--;
    for (size_t i = n; i > 0; i--)
        if ((text[i - 1] == '/' || text[i - 1] == '\\') && --parts == 0)
            return (struct name){ text + i, n - i };
    return (struct name){ text, n };
}

struct name name_base(const char *text, size_t n) { return name_tail(text, n, 1); }

struct name name_part(const char *text, size_t n, size_t from_end)
{
    const struct name with = name_tail(text, n, from_end), all = name_tail(text, n, SIZE_MAX);
    size_t length = 0;

    if (with.n == all.n && from_end > 1) { /* the path begins with it, or has fewer parts */
        size_t parts = 1;

        for (size_t i = 0; i < all.n; i++)
            parts += all.text[i] == '/' || all.text[i] == '\\';
        if (parts < from_end)
            return (struct name){ all.text, 0 };
    }
    while (length < with.n && with.text[length] != '/' && with.text[length] != '\\')
        length++;
    return (struct name){ with.text, length };
}

/* Without one of these extensions, in any case of its letters. */
static struct name without(struct name a, const char *const *extensions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(extensions[i]);

        if (a.n > length && strncasecmp(a.text + a.n - length, extensions[i], length) == 0)
            return (struct name){ a.text, a.n - length };
    }
    return a;
}

struct name name_stem(struct name a)
{
    static const char *const PNG[] = { EXTENSION };

    return without(a, PNG, 1);
}

struct name name_of_picture(struct name a)
{
    static const char *const JPEG[] = { ".jpg", ".jpeg" };

    return without(a, JPEG, 2);
}

int name_order(struct name a, struct name b)
{
    int order;

    a = name_stem(a);
    b = name_stem(b);
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
