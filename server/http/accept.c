/* server/http/accept.c - see accept.h. */
#include "accept.h"

#include "syntax.h"

#include <string.h>

/* The next part of an element, between semicolons, trimmed; false: there is no more. `rest` moves behind it. */
static bool next_part(struct span *rest, struct span *ret)
{
    const char *end;

    if (!rest->at)
        return false;
    end = memchr(rest->at, ';', rest->n);
    *ret = (struct span){ rest->at, end ? (size_t)(end - rest->at) : rest->n };
    *rest = end ? (struct span){ end + 1, rest->n - ret->n - 1 } : (struct span){ NULL, 0 };
    *ret = syntax_trim(*ret);
    return true;
}

/* "0.25" in thousandths; 0 where it is no weight. */
static int weight_read(struct span text)
{
    int v = 0;

    if (text.n == 0 || text.n > 5 || (text.at[0] != '0' && text.at[0] != '1') ||
        (text.n > 1 && text.at[1] != '.'))
        return 0;
    for (size_t i = 0; i < 5; i++) {
        const char digit = i < text.n ? text.at[i] : '0';

        if (i == 1)
            continue;
        if (digit < '0' || digit > '9')
            return 0;
        v = v * 10 + (digit - '0');
    }
    return v <= ACCEPT_MOST ? v : 0;
}

/* The weight in an element behind its name. */
static int weight_of(struct span parameters)
{
    struct span part;

    while (next_part(&parameters, &part))
        if (part.n >= 2 && (part.at[0] == 'q' || part.at[0] == 'Q') && part.at[1] == '=')
            return weight_read((struct span){ part.at + 2, part.n - 2 });
    return ACCEPT_MOST;
}

/* The weight of the element of that name. */
static int find(struct span list, const char *name)
{
    struct span element, given;

    while (syntax_next(&list, &element))
        if (next_part(&element, &given) && syntax_is_word(given, name))
            return weight_of(element);
    return ACCEPT_UNSAID;
}

int accept_weight(const char *list, const char *const *names)
{
    int weight = ACCEPT_UNSAID;

    for (; *names && weight == ACCEPT_UNSAID; names++)
        weight = find((struct span){ list, strlen(list) }, *names);
    return weight;
}
