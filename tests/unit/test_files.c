/* tests/unit/test_files.c - files that are sent: one descriptor a file, a limited number of files, what is written to
 * many at once is written once. */
#include "api/scrape.h"
#include "cxrd/clock.h"
#include "http/files.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* A file that is gone as soon as nobody holds it. */
static int make_file(const char *text)
{
    char path[] = "/tmp/cxrd-files-XXXXXX";
    const int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    unlink(path);
    return fd;
}

Test(files, share_one_descriptor_and_know_each_other_apart)
{
    struct files *f = files_new(2);
    const size_t before = open_descriptors();
    const int one = make_file("one"), other = make_file("other");
    struct sent_file *a = files_share(f, dup(one)), *b = files_share(f, dup(one)), *c = files_share(f, other);
    char text[8] = "";

    cr_assert_not_null(a);
    cr_assert_eq(a, b);
    cr_assert_neq(a, c);
    close(one);
    cr_assert_eq(open_descriptors(), before + 2);
    cr_assert_eq(sent_file_read(a, 1, text, 8), 2);
    cr_assert_str_eq(text, "ne");
    cr_assert_eq(sent_file_read(c, 5, text, 8), 0);
    sent_file_release(a);
    cr_assert_eq(sent_file_read(b, 0, text, 8), 3);
    sent_file_release(b);
    sent_file_release(c);
    sent_file_release(NULL);
    cr_assert_eq(open_descriptors(), before);
    files_free(f);
    check_no_leaks();
}

Test(files, are_no_more_at_a_time_than_may_be)
{
    struct files *f = files_new(1);
    const size_t before = open_descriptors();
    struct sent_file *a = files_share(f, make_file("a")), *b;

    cr_assert_null(files_share(f, make_file("b")));
    cr_assert_eq(open_descriptors(), before + 1); /* what was refused is closed */
    sent_file_release(a);
    b = files_share(f, make_file("b"));
    cr_assert_not_null(b);
    sent_file_release(b);
    files_free(f);
}

/* ---- a text for many ---- */

static enum status count(void *arg, struct buf *out, struct error *err)
{
    int *written = arg;

    (void)err;
    buf_printf(out, "%d", ++*written);
    return ST_OK;
}

/* A text for a request that came then, given back at once: which one was it? */
static int lend(struct scrape *s, double received, int *written)
{
    struct http_lent lent;
    int which;

    cr_assert_eq(scrape_lend(s, received, count, written, &lent, NULL), ST_OK);
    which = (int)strtol(lent.bytes, NULL, 10);
    lent.give_back(lent.arg);
    return which;
}

Test(scrape, is_new_to_who_came_after_it_was_begun_and_not_written_all_the_time)
{
    const double begun = clock_seconds();
    struct scrape *s;
    struct http_lent kept;
    int written = 0;

    cr_assert_eq(scrape_new(&s, NULL), ST_OK);
    cr_assert_eq(lend(s, begun, &written), 1);
    cr_assert_eq(lend(s, begun, &written), 1); /* came before the first was begun */
    cr_assert_eq(lend(s, clock_seconds(), &written), 2);
    cr_assert_eq(scrape_lend(s, begun, count, &written, &kept, NULL), ST_OK);
    for (int i = 0; i < 10000; i++)
        lend(s, clock_seconds(), &written);
    cr_assert_leq(written, 101 + 20 * (clock_seconds() - begun));
    scrape_free(s);
    cr_assert_eq(memcmp(kept.bytes, "2", 1), 0); /* out still */
    kept.give_back(kept.arg);
    check_no_leaks();
}
