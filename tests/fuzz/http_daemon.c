/* tests/fuzz/http_daemon.c - see http_daemon.h. */
#include "http_daemon.h"

#include "fuzz.h"
#include "http/listen.h"
#include "http/work_queue.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct MHD_Daemon *the_daemon;

/* ---- libmicrohttpd ---- */

enum { MAX_OPTIONS = 32 };

/* One option of MHD_start_daemon()'s list with its arguments; false: it is left out, being of threads or sockets. */
static bool option_take(enum MHD_OPTION option, va_list *ap, struct MHD_OptionItem *ret)
{
    *ret = (struct MHD_OptionItem){ option, 0, NULL };
    switch ((int)option) {
    case MHD_OPTION_LISTEN_SOCKET: (void)va_arg(*ap, int); return false;
    case MHD_OPTION_THREAD_POOL_SIZE:
    case MHD_OPTION_LISTEN_BACKLOG_SIZE:
    case MHD_OPTION_CONNECTION_TIMEOUT: (void)va_arg(*ap, unsigned); return false;
    case MHD_OPTION_ARRAY: (void)va_arg(*ap, void *); return false; /* of TLS, and there is none here */
    case MHD_OPTION_THREAD_STACK_SIZE: (void)va_arg(*ap, size_t); return false;
    case MHD_OPTION_CONNECTION_LIMIT:
    case MHD_OPTION_PER_IP_CONNECTION_LIMIT: ret->value = (intptr_t)va_arg(*ap, unsigned); return true;
    case MHD_OPTION_STRICT_FOR_CLIENT: ret->value = va_arg(*ap, int); return true;
    case MHD_OPTION_CONNECTION_MEMORY_LIMIT: ret->value = (intptr_t)va_arg(*ap, size_t); return true;
    case MHD_OPTION_EXTERNAL_LOGGER:
    case MHD_OPTION_URI_LOG_CALLBACK:
    case MHD_OPTION_NOTIFY_COMPLETED:
    case MHD_OPTION_NOTIFY_CONNECTION:
    case MHD_OPTION_UNESCAPE_CALLBACK:
        ret->value = (intptr_t)va_arg(*ap, void *);
        ret->ptr_value = va_arg(*ap, void *);
        return true;
    default: fprintf(stderr, "http_daemon.c does not know option %d\n", (int)option); abort();
    }
}

struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept,
                                           void *accept_arg, MHD_AccessHandlerCallback handler,
                                           void *handler_arg, ...);
struct MHD_Daemon *__real_MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept,
                                           void *accept_arg, MHD_AccessHandlerCallback handler,
                                           void *handler_arg, ...);

struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept,
                                           void *accept_arg, MHD_AccessHandlerCallback handler,
                                           void *handler_arg, ...)
{
    struct MHD_OptionItem options[MAX_OPTIONS + 1];
    size_t n = 0;
    va_list ap;

    (void)flags, (void)port;
    va_start(ap, handler_arg);
    for (int option; (option = va_arg(ap, int)) != MHD_OPTION_END && n < MAX_OPTIONS;)
        n += option_take((enum MHD_OPTION)option, &ap, &options[n]);
    va_end(ap);
    options[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
    the_daemon = __real_MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, accept,
        accept_arg, handler, handler_arg, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return the_daemon;
}

bool daemon_adopt(int fd)
{
    const struct sockaddr_in someone = { .sin_family = AF_INET,
                                         .sin_port = htons(40000),
                                         .sin_addr = { htonl(INADDR_LOOPBACK) } };

    return MHD_add_connection(the_daemon, fd, (const struct sockaddr *)&someone, sizeof someone) == MHD_YES;
}

void daemon_turn(void) { MHD_run(the_daemon); }

unsigned daemon_connections(void)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(the_daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

    return info ? info->num_connections : 0;
}

/* ---- the listening socket, and the queues ---- */

enum status __wrap_listen_open(const char *text, int *ret_fd, char ret_address[ADDRESS_SIZE],
                               struct error *err);
enum status __wrap_listen_open(const char *text, int *ret_fd, char ret_address[ADDRESS_SIZE],
                               struct error *err)
{
    (void)err;
    *ret_fd = -1;
    snprintf(ret_address, ADDRESS_SIZE, "%s", text);
    return ST_OK;
}

struct work_queue {
    void (*fn)(struct work_item *item);
};

enum status __wrap_work_queue_start(size_t workers, size_t room, void (*fn)(struct work_item *item),
                                    struct work_queue **ret_queue, struct error *err);
enum status __wrap_work_queue_start(size_t workers, size_t room, void (*fn)(struct work_item *item),
                                    struct work_queue **ret_queue, struct error *err)
{
    (void)workers, (void)room;
    *ret_queue = malloc(sizeof **ret_queue);
    if (!*ret_queue)
        return error_nomem(err);
    (*ret_queue)->fn = fn;
    return ST_OK;
}

bool __wrap_work_queue_push(struct work_queue *l, struct work_item *item);
bool __wrap_work_queue_push(struct work_queue *l, struct work_item *item)
{
    l->fn(item);
    return true;
}

size_t __wrap_work_queue_waiting(struct work_queue *l);
size_t __wrap_work_queue_waiting(struct work_queue *l)
{
    (void)l;
    return 0;
}

void __wrap_work_queue_stop(struct work_queue *l);
void __wrap_work_queue_stop(struct work_queue *l) { (void)l; }

void __wrap_work_queue_free(struct work_queue *l);
void __wrap_work_queue_free(struct work_queue *l) { free(l); }
