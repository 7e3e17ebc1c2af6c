/* tests/support/decode_file.c - decode files as the product does, each in a child, without its sandbox; for comparisons.
 *
 *   decode_file [--write DIR] FILE...
 *
 * Writes a line of tab-separated fields for each file: its name, the status, the reason, width, height, bits a stored value, 1 if
 * those are signed, CPU milliseconds, the sentence. With --write also the grey pixels to DIR/NAME.grey and, of a grey DICOM file,
 * the stored values as 16-bit words to DIR/NAME.stored. The format is told by the first bytes. */
#include "decode/decode.h"
#include "decode/dicom_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct decode_reply *reply;
static uint8_t *grey;
static const struct decode_request REQUEST = {
    .limits = { .max_side = 8192, .max_pixels = 32u << 20, .max_bytes = 64u << 20 }
};

static uint8_t *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes;

    if (!f) {
        perror(path);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(*n + 1);
    if (!bytes || fread(bytes, 1, *n, f) != *n)
        exit(1);
    fclose(f);
    return bytes;
}

static void spill(const char *folder, const char *name, const char *ending, const void *bytes, size_t n)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        exit(1);
}

/* The stored value of a sample, sign-extended. */
static uint16_t stored_of(const struct picture *p, const struct pixels *pixels, size_t i)
{
    const uint32_t raw =
        pixels->allocated == 8 ? ((const uint8_t *)pixels->values)[i] : ((const uint16_t *)pixels->values)[i];
    const uint32_t v = raw >> (pixels->high_bit + 1 - pixels->stored) & (((uint32_t)1 << pixels->stored) - 1);

    return (uint16_t)(p->is_signed && v >> (pixels->stored - 1) ? v - ((uint32_t)1 << pixels->stored) : v);
}

static void stored_write(const char *folder, const char *name, const struct dicom_file *f)
{
    const struct picture *p = dicom_file_picture(f);
    const size_t n = p->width * p->height;
    uint16_t *stored = malloc(n * sizeof *stored);

    for (size_t i = 0; stored && i < n; i++)
        stored[i] = stored_of(p, dicom_file_pixels(f), i);
    if (p->channels == 1)
        spill(folder, name, "stored", stored, n * sizeof *stored);
    free(stored);
}

static void child(const char *path, const char *folder)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t n;
    uint8_t *bytes = slurp(path, &n);
    struct decode_request request = REQUEST;
    struct dicom_file *f = NULL;
    struct rusage used;

    request.format = n > 2 && bytes[0] == 0xFF && bytes[1] == 0xD8 ? IMAGE_JPEG : IMAGE_DICOM;
    decode_run(bytes, n, &request, reply, grey, request.limits.max_pixels);
    getrusage(RUSAGE_SELF, &used);
    reply->greatest = (uint32_t)(used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec +
                                 used.ru_stime.tv_sec * 1000000 + used.ru_stime.tv_usec);
    if (!folder || reply->status != ST_OK)
        return;
    spill(folder, name, "grey", grey, (size_t)reply->width * reply->height);
    if (request.format == IMAGE_DICOM && dicom_file_open(bytes, n, &request.limits, &f, NULL) == ST_OK) {
        reply->channels = dicom_file_picture(f)->is_signed;
        reply->bit_depth = dicom_file_picture(f)->stored;
        stored_write(folder, name, f);
        dicom_file_close(f);
    }
}

static void *shared(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        exit(1);
    return p;
}

static void run(const char *path, const char *folder)
{
    static const char *const REASONS[] = { "",
#define X(name, text) text,
                                           DECODE_REASONS(X)
#undef X
    };
    int how;
    pid_t pid;

    memset(reply, 0, sizeof *reply);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        child(path, folder);
        _exit(0);
    }
    waitpid(pid, &how, 0);
    if (how != 0) {
        printf("%s\tDIED %d\n", path, how);
        return;
    }
    printf("%s\t%s\t%s\t%u\t%u\t%u\t%u\t%.2f\t%s\t%s\n", path, status_name((enum status)reply->status),
           REASONS[reply->reason], reply->width, reply->height, reply->bit_depth, reply->channels,
           reply->greatest / 1000.0,
           (const char *const[]){ "none", "lut", "window", "identity" }[reply->source.voi], reply->text);
}

int main(int argc, char **argv)
{
    const bool writes = argc > 2 && strcmp(argv[1], "--write") == 0;

    if (!decode_warm_up())
        return 1;
    reply = shared(sizeof *reply);
    grey = shared(REQUEST.limits.max_pixels);
    for (int i = writes ? 3 : 1; i < argc; i++)
        run(argv[i], writes ? argv[2] : NULL);
    return 0;
}
