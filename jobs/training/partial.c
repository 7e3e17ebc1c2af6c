/* jobs/training/partial.c - see partial.h. */
#include "partial.h"

#include "cxrd/digest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A stretch: its numbers, then the rows, then of each row what came of it, then its logits, then the sentences of those that are
 * no good, each with its NUL, then the digest of all that. */
struct head {
    uint32_t n, n_labels, sentences; /* rows; of each; bytes */
};

enum { MOST_BYTES = STRETCH_ROWS * (MAX_LABELS * sizeof(float) + 8 + sizeof((struct error *)0)->text) + 256 };

struct partial {
    int fd;
    size_t n_labels;
    off_t at; /* of the next stretch */
    bool end; /* nothing is behind it */
};

static bool read_whole(int fd, void *to, size_t n, off_t at)
{
    size_t done = 0;

    while (done < n) {
        const ssize_t got = pread(fd, (char *)to + done, n - done, at + (off_t)done);

        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static enum status write_whole(struct partial *p, const struct buf *b, struct error *err)
{
    size_t done = 0;

    while (done < b->len) {
        const ssize_t put = pwrite(p->fd, b->data + done, b->len - done, p->at + (off_t)done);

        if (put < 0)
            return error_errno(err, ST_IO, "what has been scored so far cannot be written");
        done += (size_t)put;
    }
    p->at += (off_t)b->len;
    return ST_OK;
}

enum status partial_open(const char *path, const char key[DIGEST_TEXT_SIZE], size_t n_labels,
                         struct partial **ret, struct error *err)
{
    char there[DIGEST_TEXT_SIZE] = "";
    struct buf begin = BUF_INIT(DIGEST_TEXT_SIZE);
    struct partial *p = malloc(sizeof *p);
    enum status st = ST_OK;

    if (!p)
        return error_nomem(err);
    *p = (struct partial){ .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), .n_labels = n_labels };
    if (p->fd < 0)
        st = error_inner(err, error_errno(err, ST_IO, "what has been scored so far cannot be kept"), path);
    buf_put(&begin, key, DIGEST_TEXT_SIZE);
    if (st == ST_OK && read_whole(p->fd, there, sizeof there, 0) && memcmp(there, key, sizeof there) == 0)
        p->at = sizeof there;
    else if (st == ST_OK && ftruncate(p->fd, 0) != 0)
        st = error_errno(err, ST_IO, "what was scored before cannot be forgotten");
    else if (st == ST_OK)
        st = buf_status(&begin) == ST_OK ? write_whole(p, &begin, err) : error_nomem(err);
    buf_release(&begin);
    if (st == ST_OK)
        *ret = p;
    else
        partial_close(p);
    return st;
}

void partial_close(struct partial *p)
{
    if (!p)
        return;
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

/* The rest of a stretch after its head: whether it is as it was written, and of these rows. */
static bool take(const char *bytes, const struct head *h, struct stretch_scores *t)
{
    const char *rows = bytes + sizeof *h, *status = rows + h->n * sizeof *t->rows;
    const char *logits = status + h->n * sizeof(uint32_t);
    const char *sentence = logits + (size_t)h->n * h->n_labels * sizeof(float),
               *end = sentence + h->sentences;
    char digest[DIGEST_TEXT_SIZE];

    if (memcmp(rows, t->rows, h->n * sizeof *t->rows) != 0 ||
        digest_bytes(bytes, (size_t)(end - bytes), digest) != ST_OK ||
        memcmp(end, digest, sizeof digest) != 0)
        return false;
    for (size_t i = 0; i < h->n; i++) {
        uint32_t came;

        memcpy(&came, status + i * sizeof came, sizeof came);
        memcpy(t->logits[i], logits + i * h->n_labels * sizeof(float), h->n_labels * sizeof(float));
        t->status[i] = (enum status)came;
        if (came == ST_OK)
            continue;
        error_set(&t->errors[i], t->status[i], "%s", sentence);
        sentence += strlen(sentence) + 1;
    }
    return true;
}

static size_t bytes_of(const struct head *h)
{
    return sizeof *h + (size_t)h->n * 2 * sizeof(uint32_t) + (size_t)h->n * h->n_labels * sizeof(float) +
           h->sentences + DIGEST_TEXT_SIZE;
}

bool partial_recall(struct partial *p, struct stretch_scores *t)
{
    char *bytes = p->end ? NULL : malloc(MOST_BYTES);
    struct head h;
    bool known = bytes && read_whole(p->fd, &h, sizeof h, p->at) && h.n == t->n &&
                 h.n_labels == p->n_labels && h.sentences < MOST_BYTES && bytes_of(&h) <= MOST_BYTES &&
                 read_whole(p->fd, bytes, bytes_of(&h), p->at) && take(bytes, &h, t);

    free(bytes);
    if (known)
        p->at += (off_t)bytes_of(&h);
    p->end = !known;
    return known;
}

enum status partial_keep(struct partial *p, const struct stretch_scores *t, struct error *err)
{
    struct head h = { (uint32_t)t->n, (uint32_t)p->n_labels, 0 };
    struct buf b = BUF_INIT(MOST_BYTES);
    char digest[DIGEST_TEXT_SIZE];
    enum status st;

    for (size_t i = 0; i < t->n; i++)
        h.sentences += t->status[i] != ST_OK ? (uint32_t)strlen(t->errors[i].text) + 1 : 0;
    buf_put(&b, &h, sizeof h);
    buf_put(&b, t->rows, t->n * sizeof *t->rows);
    for (size_t i = 0; i < t->n; i++) {
        const uint32_t status = (uint32_t)t->status[i];

        buf_put(&b, &status, sizeof status);
    }
    for (size_t i = 0; i < t->n; i++)
        buf_put(&b, t->logits[i], p->n_labels * sizeof(float));
    for (size_t i = 0; i < t->n; i++)
        if (t->status[i] != ST_OK)
            buf_put(&b, t->errors[i].text, strlen(t->errors[i].text) + 1);
    st = buf_status(&b);
    if (st == ST_OK && digest_bytes(b.data, b.len, digest) != ST_OK)
        st = ST_NOMEM;
    if (st == ST_OK)
        buf_put(&b, digest, sizeof digest);
    st = st == ST_OK && buf_status(&b) == ST_OK ? write_whole(p, &b, err) : error_nomem(err);
    buf_release(&b);
    return st;
}
