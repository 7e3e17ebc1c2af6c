/* tests/unit/test_epoll_wait.c - events come in batches that never fill the array, and none is lost. */
#include <criterion/criterion.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { N = 10, MOST = 4 };

Test(epoll_wait, never_fills_the_array_and_loses_nothing)
{
    struct epoll_event events[MOST];
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    int fds[N], told[N] = { 0 }, n, batches = 0;

    for (int i = 0; i < N; i++) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = i };

        fds[i] = eventfd(1, EFD_CLOEXEC);
        cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event), 0);
    }
    while ((n = epoll_wait(epoll, events, MOST, 0)) > 0) {
        cr_assert_lt(n, MOST);
        for (int i = 0; i < n; i++)
            told[events[i].data.fd]++;
        batches++;
    }
    cr_assert_eq(n, 0);
    cr_assert_eq(batches, 4);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(told[i], 1);
        close(fds[i]);
    }
    close(epoll);
}

Test(epoll_wait, an_array_of_one_takes_one)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = 7 };
    const int epoll = epoll_create1(EPOLL_CLOEXEC), fd = eventfd(1, EFD_CLOEXEC);

    cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    event.data.fd = 0;
    cr_assert_eq(epoll_wait(epoll, &event, 1, 0), 1);
    cr_assert_eq(event.data.fd, 7);
    close(fd);
    close(epoll);
}
