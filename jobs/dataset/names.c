/* jobs/dataset/names.c - see names.h. */
#include "names.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* In the order of their rank. */
static const char *const ENDINGS[] = { ".png", ".jpg", ".jpeg", ".dcm", ".dicom" };
enum { PNG, JPG, JPEG, DCM, DICOM, N_ENDINGS };

/* Which of them a name has; N_ENDINGS: none. */
static size_t ending_of(struct name a)
{
    for (size_t i = 0; i < N_ENDINGS; i++) {
        const size_t n = strlen(ENDINGS[i]);

        if (a.n > n && strncasecmp(a.text + a.n - n, ENDINGS[i], n) == 0)
            return i;
    }
    return N_ENDINGS;
}

static struct name without(struct name a, size_t ending)
{
    return ending < N_ENDINGS ? (struct name){ a.text, a.n - strlen(ENDINGS[ending]) } : a;
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

struct name name_stem(struct name a) { return without(a, ending_of(a)); }

struct name name_of_picture(struct name a)
{
    const size_t ending = ending_of(a);

    return ending == JPG || ending == JPEG ? without(a, ending) : a;
}

int name_order(struct name a, struct name b)
{
    int order;

    a = name_stem(a);
    b = name_stem(b);
    order = memcmp(a.text, b.text, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

size_t name_rank(struct name a)
{
    const size_t ending = ending_of(a);

    return ending < N_ENDINGS ? ending : 0;
}

bool name_may_be_dicom(struct name a) { return ending_of(a) >= DCM; }

/* With another ending in place of its own. */
static bool matches_with(const char *pattern, struct name name, size_t own, size_t other)
{
    const struct name stem = without(name, own);
    char changed[NAME_MAX + sizeof ".dicom"];

    snprintf(changed, sizeof changed, "%.*s%s", (int)stem.n, stem.text, ENDINGS[other]);
    return fnmatch(pattern, changed, FNM_PERIOD) == 0;
}

bool name_matches(const char *pattern, const char *name)
{
    const struct name whole = { name, strlen(name) };
    const size_t ending = ending_of(whole);

    if (fnmatch(pattern, name, FNM_PERIOD) == 0)
        return true;
    if (ending == N_ENDINGS)
        return false;
    return matches_with(pattern, whole, ending, ending) ||
           (ending_of((struct name){ pattern, strlen(pattern) }) == PNG &&
            matches_with(pattern, whole, ending, PNG));
}
