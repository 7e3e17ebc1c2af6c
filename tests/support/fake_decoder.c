/* tests/support/fake_decoder.c - takes cxrd-decode's place, and does with a picture what its first byte says. */
#include "cxrd/decode.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIDE = 4, INPUT = DECODE_SOCKET + 1, OUTPUT /* the lowest numbers that are free */ };

static void answer(struct decode_reply *r, const char *file, const struct decode_request *request)
{
    *r = (struct decode_reply){
        .status = ST_OK, .width = SIDE, .height = SIDE, .channels = 1, .bit_depth = 8
    };
    r->source.format = request->format;
    memset((char *)r + DECODE_PIXELS, file[1], SIDE * SIDE);
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

/* False: nothing more is said. */
static bool picture(const char *file, const struct decode_request *request, struct decode_reply *reply)
{
    struct decode_done done = { .id = request->id, .outcome = DECODE_ANSWERED };

    switch (file[0]) {
    case 'a': answer(reply, file, request); break;         /* answers */
    case 'i': done.id++; break;                            /* answers something else */
    case 'l': return write(DECODE_SOCKET, "long", 4) == 4; /* speaks another language */
    case 'e': return false;                                /* ends */
    case 'h': wait_for_ever(); break;                      /* hangs */
    case 'o': done.outcome = 99; break;                    /* an outcome that does not exist */
    case 'k': done.outcome = DECODE_KILLED; break;         /* the outcomes that are no answer */
    case 't': done.outcome = DECODE_LATE; break;
    case 's': done.outcome = DECODE_STARVED; break;
    case 'n': done.outcome = DECODE_NO_PROCESS; break;
    case 'z': break; /* leaves the reply as it found it: zeros */
    default: exit(1);
    }
    return write(DECODE_SOCKET, &done, sizeof done) == sizeof done;
}

/* False: there is none. The two descriptors take the lowest numbers that are free. */
static bool request_read(struct decode_request *ret)
{
    char control[CMSG_SPACE(DECODE_MEMORIES * sizeof(int))];
    struct iovec place = { ret, sizeof *ret };
    struct msghdr message = {
        .msg_iov = &place, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };

    return recvmsg(DECODE_SOCKET, &message, 0) == sizeof *ret;
}

int main(void)
{
    const struct decode_ready ready = { .protocol = DECODE_PROTOCOL,
                                        .reply_size = sizeof(struct decode_reply) };
    struct decode_request request;

    if (write(DECODE_SOCKET, &ready, sizeof ready) != sizeof ready)
        return 1;
    while (request_read(&request)) {
        char *input = mmap(NULL, 4096, PROT_READ, MAP_SHARED, INPUT, 0);
        void *output = mmap(NULL, 2 * DECODE_PIXELS, PROT_READ | PROT_WRITE, MAP_SHARED, OUTPUT, 0);

        close(INPUT);
        close(OUTPUT);
        if (input == MAP_FAILED || output == MAP_FAILED || !picture(input + request.at, &request, output))
            return 1;
        munmap(input, 4096);
        munmap(output, 2 * DECODE_PIXELS);
    }
    return 0;
}
