/* tests/plain/criterion/criterion.h - as much of Criterion as our tests use, without its sandbox.
 *
 * Criterion runs every test in a process that shares memory with its parent at a fixed address, and under
 * ThreadSanitizer there is no such address to be had (Criterion 2.4.1: "Could not initialize inheritable arena"); in qemu's
 * user mode it cannot execute itself. There, and only there, the tests are built with this header in its place: each test is a function that
 * runs in a forked child, and the first assertion that fails ends it. */
#ifndef PLAIN_CRITERION_H
#define PLAIN_CRITERION_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct criterion_test_params {
    size_t size;
    void *params;
    size_t length;
    void (*cleanup)(struct criterion_test_params *params);
};

struct plain_suite {
    const char *name;
    void (*init)(void), (*fini)(void);
    double timeout; /* Criterion's; here ctest has one */
    struct plain_suite *next;
};

struct plain_test {
    const char *suite, *name;
    void (*run)(void);
    void (*run_with)(void *param); /* of a parameterized test, instead of `run` */
    struct criterion_test_params (*params)(void);
    struct plain_test *next;
};

void plain_suite_add(struct plain_suite *s);
void plain_test_add(struct plain_test *t);
int plain_run(int argc, char **argv);
__attribute__((format(printf, 4, 5))) void plain_check(bool ok, const char *file, int line, const char *fmt,
                                                       ...);
__attribute__((noreturn, format(printf, 1, 2))) void plain_skip(const char *fmt, ...);

#define PLAIN_REGISTER(id, type, add, ...)                       \
    __attribute__((constructor)) static void id##_register(void) \
    {                                                            \
        static struct type entry = { __VA_ARGS__ };              \
        add(&entry);                                             \
    }

#define TestSuite(suite_name, ...)                                                                     \
    PLAIN_REGISTER(suite_name##_suite, plain_suite, plain_suite_add, .name = #suite_name, __VA_ARGS__) \
    void plain_suite_add(struct plain_suite *s) /* and the semicolon that stands behind it */

#define Test(suite_name, test_name, ...)                                                       \
    static void suite_name##_##test_name##_impl(void);                                         \
    PLAIN_REGISTER(suite_name##_##test_name, plain_test, plain_test_add, .suite = #suite_name, \
                   .name = #test_name, .run = suite_name##_##test_name##_impl)                 \
    static void suite_name##_##test_name##_impl(void)

#define ParameterizedTestParameters(suite_name, test_name) \
    static struct criterion_test_params suite_name##_##test_name##_params(void)
#define ParameterizedTest(param, suite_name, test_name, ...)                                          \
    static void suite_name##_##test_name##_impl(param);                                               \
    PLAIN_REGISTER(suite_name##_##test_name, plain_test, plain_test_add, .suite = #suite_name,        \
                   .name = #test_name, .run_with = (void (*)(void *))suite_name##_##test_name##_impl, \
                   .params = suite_name##_##test_name##_params)                                       \
    static void suite_name##_##test_name##_impl(param)
#define cr_make_param_array(type, array, n, ...) \
    (struct criterion_test_params) { sizeof(type), (void *)(array), (n), ##__VA_ARGS__ }
#define cr_malloc malloc
#define cr_free   free

#define PLAIN_CHECK(ok, text, ...)     plain_check((ok), __FILE__, __LINE__, text " " __VA_ARGS__)
#define cr_assert(c, ...)              PLAIN_CHECK((c), "", ##__VA_ARGS__)
#define cr_assert_not(c, ...)          PLAIN_CHECK(!(c), "", ##__VA_ARGS__)
#define cr_assert_fail(...)            PLAIN_CHECK(false, "", ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...)        PLAIN_CHECK((a) == (b), "", ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...)       PLAIN_CHECK((a) != (b), "", ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...)        PLAIN_CHECK((a) < (b), "", ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...)       PLAIN_CHECK((a) <= (b), "", ##__VA_ARGS__)
#define cr_expect                      cr_assert /* the first that fails ends the test, here */
#define cr_expect_fail                 cr_assert_fail
#define cr_expect_eq                   cr_assert_eq
#define cr_expect_float_eq             cr_assert_float_eq
#define cr_expect_leq                  cr_assert_leq
#define cr_expect_lt                   cr_assert_lt
#define cr_expect_not_null             cr_assert_not_null
#define cr_expect_null                 cr_assert_null
#define cr_expect_str_eq               cr_assert_str_eq
#define cr_assert_gt(a, b, ...)        PLAIN_CHECK((a) > (b), "", ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...)       PLAIN_CHECK((a) >= (b), "", ##__VA_ARGS__)
#define cr_assert_null(p, ...)         PLAIN_CHECK((p) == NULL, "", ##__VA_ARGS__)
#define cr_assert_not_null(p, ...)     PLAIN_CHECK((p) != NULL, "", ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)    PLAIN_CHECK(strcmp((a), (b)) == 0, "", ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)   PLAIN_CHECK(strcmp((a), (b)) != 0, "", ##__VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) PLAIN_CHECK(memcmp((a), (b), (n)) == 0, "", ##__VA_ARGS__)
#define cr_assert_float_eq(a, b, eps, ...) \
    PLAIN_CHECK(fabs((double)((a) - (b))) <= (double)(eps), "", ##__VA_ARGS__)
#define cr_skip_test(...) plain_skip(" " __VA_ARGS__)

#endif
