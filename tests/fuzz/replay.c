/* tests/fuzz/replay.c - a fuzz target as a program: feeds it every file of the folders it is given, in order of names.
 *
 *     replay_png [--tap=FILE] FOLDER...
 *
 * A finding ends the program as it would end the service. An empty folder is a failure: it would test nothing. */
#include "cxrd/file.h"
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 16 << 20 };

static int is_input(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Returns how many files there were. */
static size_t replay_folder(const char *folder, FILE *tap)
{
    struct dirent **entries = NULL;
    const int n = scandir(folder, &entries, is_input, alphasort);

    for (int i = 0; i < n; i++) {
        struct file_bytes file = FILE_BYTES_INIT;
        struct error err = { 0 };
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (file_read(path, LARGEST, &file, &err) != ST_OK) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        fprintf(stderr, "%s\n", path); /* before it runs: the last line names the culprit */
        LLVMFuzzerTestOneInput((const uint8_t *)file.data, file.size);
        fprintf(tap, "ok - %s\n", entries[i]->d_name);
        fflush(tap);
        file_bytes_release(&file);
        free(entries[i]);
    }
    free(entries);
    return n > 0 ? (size_t)n : 0;
}

int main(int argc, char **argv)
{
    FILE *tap = stdout;
    size_t n = 0;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--tap=", 6) == 0) {
            tap = fopen(argv[i] + 6, "w");
            if (!tap) {
                perror(argv[i] + 6);
                return 1;
            }
            continue;
        }
        const size_t found = replay_folder(argv[i], tap);

        if (found == 0) {
            fprintf(stderr, "%s: there is nothing to replay\n", argv[i]);
            return 1;
        }
        n += found;
    }
    fprintf(tap, "1..%zu\n", n);
    if (tap != stdout)
        fclose(tap);
    return n == 0;
}
