/* tests/support/loopback.c - preloaded: a server that would listen on every interface listens on 127.0.0.1 alone. Orthanc 1.10.1
 * has no option that binds its DICOM port to an address. */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

typedef int bind_fn(int fd, const struct sockaddr *address, socklen_t size);

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    bind_fn *next;
    void *symbol = dlsym(RTLD_NEXT, "bind");
    struct sockaddr_in in;

    if (!symbol) {
        errno = ENOSYS;
        return -1;
    }
    memcpy(&next, &symbol, sizeof next); /* ISO C has no cast from an object's pointer to a function's */
    if (!address || address->sa_family != AF_INET || size < sizeof in)
        return next(fd, address, size);
    memcpy(&in, address, sizeof in);
    if (in.sin_addr.s_addr == htonl(INADDR_ANY))
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return next(fd, (const struct sockaddr *)&in, sizeof in);
}
