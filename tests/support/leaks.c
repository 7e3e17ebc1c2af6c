/* tests/support/leaks.c - see leaks.h. */
#include "leaks.h"

#ifndef __has_feature /* clang's way to ask; gcc defines __SANITIZE_ADDRESS__ */
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>

void check_no_leaks(void)
{
    cr_assert_eq(__lsan_do_recoverable_leak_check(), 0, "memory was leaked; the sanitizer says where");
}
#else
void check_no_leaks(void) {}
#endif
