/*
 * testkit: what every unit test includes first: cmocka, allocations that fail on demand, and children that may die.
 * Linked into each unit test; malloc, calloc and realloc of the code under test go through it (ld --wrap).
 */
#ifndef TESTS_UNIT_TESTKIT_H
#define TESTS_UNIT_TESTKIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/**
 * The n-th allocation from now fails, once (0: the next one). Loop n upwards until testkit_alloc_failed() is false:
 * then the code under test has met a failure at each of its allocations.
 */
void testkit_fail_alloc(unsigned n);
/** Back to normal; true when an allocation did fail. */
bool testkit_alloc_failed(void);

/** Runs fn in a child; its wait status is returned, the begin of its stderr stands in err as a C string. */
int testkit_child(void (*fn)(void), char *err, size_t err_size);

/** The child died of a BUG_ON or die(code), and its last words have `words` in them. */
void testkit_assert_bug(void (*fn)(void), const char *words);
void testkit_assert_dies(void (*fn)(void), int code, const char *words);

#endif
