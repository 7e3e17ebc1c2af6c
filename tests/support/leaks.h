/* tests/support/leaks.h - leaks in a test's own process, which Criterion ends without the check that comes at exit. */
#ifndef TESTS_LEAKS_H
#define TESTS_LEAKS_H

#include <criterion/criterion.h>

/* Fail the running test if there is memory that nobody points to. Does nothing without AddressSanitizer. */
void check_no_leaks(void);

/* A Test() that also fails if it leaves memory behind. */
#define TEST_WITHOUT_LEAKS(suite, name)       \
    static void suite##_##name##_alone(void); \
    Test(suite, name)                         \
    {                                         \
        suite##_##name##_alone();             \
        check_no_leaks();                     \
    }                                         \
    static void suite##_##name##_alone(void)

#endif
