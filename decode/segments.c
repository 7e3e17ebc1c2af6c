/* decode/segments.c - see segments.h. Every segment must give an entry, so that there are no more steps than entries. */
#include "segments.h"

enum { DISCRETE, LINEAR, INDIRECT };

struct expansion {
    const struct dicom_table *t;
    size_t size; /* numbers that there are */
    uint16_t *to;
    size_t n, made;
};

/* Entries of up to 8 bits are bytes, and so is all that stands between them. */
static bool by_bytes(const struct dicom_table *t) { return t->descriptor[2] <= 8; }

static uint16_t number_at(const struct expansion *x, size_t i)
{
    const uint16_t *words = x->t->words;

    if (!by_bytes(x->t))
        return words[i];
    return (uint16_t)(i % 2 ? words[i / 2] >> 8 : words[i / 2] & 0xFF);
}

/* n numbers as they are. */
static bool put_discrete(struct expansion *x, size_t at, size_t n)
{
    if (n > x->size - at)
        return false;
    for (size_t i = 0; i < n; i++)
        x->to[x->made++] = number_at(x, at + i);
    return true;
}

/* From the last entry, which is there already, to the number at `at`, in n equal steps; halves are rounded up. */
static bool put_line(struct expansion *x, size_t at, size_t n)
{
    int64_t from, rise, steps = (int64_t)n;

    if (at == x->size || x->made == 0)
        return false;
    from = x->to[x->made - 1];
    rise = number_at(x, at) - from;
    for (int64_t i = 1; i <= steps; i++)
        x->to[x->made++] = (uint16_t)(((2 * from + 1) * steps + 2 * rise * i) / (2 * steps));
    return true;
}

/* The segment at *at, which moves behind it, unless it is one that stands for others. */
static bool put_plain(struct expansion *x, size_t *at)
{
    size_t kind, n, begin = *at + 2;

    if (x->size - *at < 2)
        return false;
    kind = number_at(x, *at);
    n = number_at(x, *at + 1);
    if (kind > LINEAR || n == 0 || n > x->n - x->made)
        return false;
    if (kind == DISCRETE) {
        *at = begin + n;
        return put_discrete(x, begin, n);
    }
    *at = begin + 1;
    return put_line(x, begin, n);
}

/* Where the segments begin that are taken once more: bytes from the first, in four bytes or two words, the lower first. */
static size_t offset_at(const struct expansion *x, size_t at)
{
    size_t offset = 0;

    if (!by_bytes(x->t))
        return ((size_t)number_at(x, at + 1) << 16 | number_at(x, at)) / 2;
    for (size_t i = 4; i-- > 0;)
        offset = offset << 8 | number_at(x, at + i);
    return offset;
}

static bool put_again(struct expansion *x, size_t *at)
{
    const size_t size = by_bytes(x->t) ? 6 : 4, here = *at;
    size_t n, from;

    if (x->size - here < size)
        return false;
    n = number_at(x, here + 1);
    from = offset_at(x, here + 2);
    for (size_t i = 0; i < n; i++)
        if (from >= here || !put_plain(x, &from))
            return false;
    *at = here + size;
    return n > 0;
}

bool segments_expand(const struct dicom_table *t, size_t n, uint16_t *to)
{
    struct expansion x = { t, by_bytes(t) ? 2 * t->n_words : t->n_words, to, n, 0 };
    size_t at = 0;
    bool ok = true;

    while (ok && x.made < n && at < x.size)
        ok = number_at(&x, at) == INDIRECT ? put_again(&x, &at) : put_plain(&x, &at);
    return ok && x.made == n && x.size - at <= 1; /* a byte may fill up the last word */
}
