/* server/api/maps.c - see maps.h. */
#include "maps.h"

#include "cxrd/words.h"

#include <string.h>

#define POSITIVE "positive"

/* The next name, without the spaces around it. False: there is none any more.
 *   at   is moved behind it
 *   ret  "": nothing stands there, or more than a name may have */
static bool name_next(const char **at, char ret[LABEL_SIZE])
{
    const char *begin = *at;
    size_t n;

    if (!begin)
        return false;
    n = strcspn(begin, ",");
    *at = begin[n] ? begin + n + 1 : NULL;
    for (; n > 0 && *begin == ' '; n--)
        begin++;
    while (n > 0 && begin[n - 1] == ' ')
        n--;
    if (n >= LABEL_SIZE)
        n = 0;
    memcpy(ret, begin, n);
    ret[n] = '\0';
    return true;
}

enum status maps_check(const char *text, struct error *err)
{
    char name[LABEL_SIZE];

    while (name_next(&text, name))
        if (!name[0])
            return error_set(err, ST_INVALID,
                             "must be " POSITIVE ", or names of findings such as Nodule,Mass");
    return ST_OK;
}

static void name_choose(const struct labels *labels, const char *name, bool ret[MAX_LABELS])
{
    const int k = label_of_word(labels, name, strlen(name));

    if (k >= 0 && (size_t)k < labels->n)
        ret[k] = true;
}

void maps_choose(const char *text, const struct model *m, const struct prediction *p, bool ret[MAX_LABELS])
{
    const struct labels *labels = model_labels(m);
    char name[LABEL_SIZE];
    memset(ret, 0, MAX_LABELS * sizeof *ret);
    while (name_next(&text, name))
        if (word_is(name, strlen(name), POSITIVE))
            for (size_t i = 0; i < labels->n; i++)
                ret[i] = ret[i] || prediction_verdict(m, p, i) == 1;
        else
            name_choose(labels, name, ret);
}
