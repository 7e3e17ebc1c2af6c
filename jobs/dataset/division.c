/* jobs/dataset/division.c - see division.h. */
#include "division.h"

#include "cxrd/dataset.h"

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

static bool is_there(int root, const char *path)
{
    const int fd = open_beneath(root, path, O_RDONLY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

enum division division_of(int root, enum table_format format, const char *csv, char ret_table[TABLE_PATH])
{
    if (table_format_split(format, csv, ret_table) && is_there(root, ret_table))
        return DIVISION_COLUMN;
    if (table_format_tested(format, csv, ret_table) && is_there(root, ret_table) &&
        !is_there(root, TEST_LIST))
        return DIVISION_TABLES;
    return DIVISION_LISTS;
}
