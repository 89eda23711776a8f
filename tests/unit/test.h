/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit tests' runner: each PP_TEST registers itself, runs in a process of its own, and fails by PP_CHECK, by a
 * signal or by taking longer than PP_TEST_SECONDS. One executable per file that includes this; its arguments name
 * tests to run instead of all.
 */
#ifndef PREPROF_TEST_H
#define PREPROF_TEST_H

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PP_TEST_SECONDS 60

struct pp_test {
	const char *name;
	void (*run)(void);
	struct pp_test *next;
};

static struct pp_test *pp_tests, **pp_tests_end = &pp_tests;
static int pp_test_failures;

/* The constructor keeps the order of the file. */
#define PP_TEST(test_name)                                                                                             \
	static void test_name(void);                                                                                   \
	static struct pp_test pp_test_##test_name = { #test_name, test_name, NULL };                                   \
	__attribute__((constructor)) static void pp_register_##test_name(void)                                         \
	{                                                                                                              \
		*pp_tests_end = &pp_test_##test_name;                                                                  \
		pp_tests_end = &pp_test_##test_name.next;                                                              \
	}                                                                                                              \
	static void test_name(void)

#define PP_CHECK(condition)                                                                                            \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			pp_test_fail(__FILE__, __LINE__, "not true: %s", #condition);                                  \
	} while (0)

/* Integers of any width. */
#define PP_CHECK_EQ(actual, expected)                                                                                  \
	do {                                                                                                           \
		intmax_t pp_actual = (intmax_t)(actual), pp_expected = (intmax_t)(expected);                           \
		if (pp_actual != pp_expected)                                                                          \
			pp_test_fail(__FILE__, __LINE__, "%s is %jd, not %jd", #actual, pp_actual, pp_expected);       \
	} while (0)

#define PP_CHECK_STR(actual, expected)                                                                                 \
	do {                                                                                                           \
		const char *pp_actual = (actual), *pp_expected = (expected);                                           \
		if (!pp_actual || !pp_expected ? pp_actual != pp_expected : strcmp(pp_actual, pp_expected) != 0)       \
			pp_test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #actual,                          \
				     pp_actual ? pp_actual : "(null)", pp_expected ? pp_expected : "(null)");          \
	} while (0)

__attribute__((format(printf, 3, 4), unused)) static void pp_test_fail(const char *file, int line,
								       const char *format, ...)
{
	__builtin_va_list list;

	fprintf(stderr, "%s:%d: ", file, line);
	__builtin_va_start(list, format);
	vfprintf(stderr, format, list);
	__builtin_va_end(list);
	fputc('\n', stderr);
	pp_test_failures++;
}

static bool pp_test_run(const struct pp_test *test)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		alarm(PP_TEST_SECONDS);
		test->run();
		fflush(NULL);
		/* exit, so that a leak checker has its say */
		exit(pp_test_failures ? 1 : 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		return false;
	}
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s: ended by signal %d\n", test->name, WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int count, char **arguments)
{
	int ran = 0, failed = 0;

	for (const struct pp_test *test = pp_tests; test; test = test->next) {
		bool wanted = count < 2;

		for (int i = 1; i < count; i++)
			wanted |= strcmp(arguments[i], test->name) == 0;
		if (!wanted)
			continue;
		ran++;
		if (!pp_test_run(test)) {
			failed++;
			fprintf(stderr, "FAILED %s\n", test->name);
		}
	}
	fprintf(stderr, "%d tests, %d failed\n", ran, failed);
	return failed || ran == 0 ? 1 : 0;
}

#endif
