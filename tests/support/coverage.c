/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file coverage.c
 * Has children that end with _exit() count: gcc writes its counters in exit(). Tests are linked so that their calls of
 * _exit() come here, where the counters are there.
 */
#ifdef ALEX_COVERAGE
#include <gcov.h>

_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);

void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
#else
/* ISO C wants a declaration in every file. */
typedef int coverage_is_not_measured;
#endif
