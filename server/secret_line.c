/* server/secret_line.c - see secret_line.h. */
#include "secret_line.h"

#include "cxrd/file.h"
#include "cxrd/plain_text.h"

#include <string.h>

enum { MOST_BYTES = 4096 };

enum status secret_line_read(const char *path, char **ret_line, struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_read(path, MOST_BYTES, &file, err);
    struct plain_text text;
    const char *line = "";
    char *copy;
    size_t n = 0;

    if (st != ST_OK)
        return st;
    text = plain_text_of(file.data, file.size);
    plain_text_line(&text, &line, &n);
    while (n > 0 && line[n - 1] == ' ')
        n--;
    copy = memchr(line, 0, n) ? NULL : strndup(line, n);
    if (copy)
        *ret_line = copy;
    else if (memchr(line, 0, n))
        st = error_set(err, ST_FORMAT, "the first line of a file that an option names has a zero byte");
    else
        st = error_nomem(err);
    if (file.data)
        explicit_bzero(file.data, file.size);
    file_bytes_release(&file);
    return st;
}
