/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one capture costs: nanoseconds of processor time, the calls that lead to it subtracted; medians of rounds that
 * take turns with bare ones. Built with just the stack_*.c of
 * preload/ (see tests/meson.build).
 *
 *   bench_stack [repetitions]
 *
 * Scenarios: `same` captures one stack again and again; `shareN` goes round 200 stacks that have the outer N percent in
 * common; `recursion` is one function 200 deep below 5 changing ones. Tiers: memo, rules, libunwind's steps.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../unit/stack_host.h"
#include "stack_tiers.h"

#define PATHS		200
#define DEPTH_MAX	256
#define REPETITIONS_MAX 101
#define NOINLINE	__attribute__((noinline, noclone))
#define BARE		__attribute__((optimize("omit-frame-pointer")))

enum tier { TIER_NONE, TIER_MEMO, TIER_RULES, TIER_BACKTRACE, TIER_STEPS, TIER_COUNT };
static const char *const tier_names[] = {"none", "memo", "rules", "unw_backtrace", "libunwind"};

static struct pp_memo *memo;
static enum tier tier;
static uint8_t paths[PATHS][DEPTH_MAX];
static volatile uint32_t sink;

static NOINLINE void hook(void)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	static void *buffer[PP_STACK_DEPTH];

	switch (tier) {
	case TIER_MEMO:
		sink = stack_capture(memo, &registers);
		break;
	case TIER_RULES:
		sink = stack_capture_by_rules(memo, &registers);
		break;
	case TIER_STEPS: {
		uint32_t count;

		stack_libunwind_walk(&registers, stack_memo_scratch(memo), &count);
		sink = count;
		break;
	}
	case TIER_BACKTRACE:
		sink = (uint32_t)unw_backtrace(buffer, PP_STACK_DEPTH);
		break;
	default:
		break;
	}
}

typedef int (*function)(const uint8_t *path, int depth);
static const function functions[];

#define FUNCTION(n)                                                   \
	static NOINLINE BARE int f##n(const uint8_t *path, int depth) \
	{                                                             \
		volatile int local[(n % 7) * 3 + 1];                  \
		int r;                                                \
                                                                      \
		local[0] = depth;                                     \
		if (!depth) {                                         \
			hook();                                       \
			return n + local[0];                          \
		}                                                     \
		r = functions[*path](path + 1, depth - 1);            \
		return r + path[0] + local[0];                        \
	}
#define FUNCTIONS_8(n) \
	FUNCTION(n##0) \
	FUNCTION(n##1) FUNCTION(n##2) FUNCTION(n##3) FUNCTION(n##4) FUNCTION(n##5) FUNCTION(n##6) FUNCTION(n##7)
FUNCTIONS_8(1)
FUNCTIONS_8(2) FUNCTIONS_8(3) FUNCTIONS_8(4)
#define NAMES_8(n) f##n##0, f##n##1, f##n##2, f##n##3, f##n##4, f##n##5, f##n##6, f##n##7
	static const function functions[] = {NAMES_8(1), NAMES_8(2), NAMES_8(3), NAMES_8(4)};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void paths_make(int depth, int shared)
{
	uint64_t state = 12345;

	for (int path = 0; path < PATHS; path++)
		for (int i = 0; i < depth; i++) {
			state = state * 6364136223846793005 + 1442695040888963407;
			paths[path][i] = i < shared ? (uint8_t)(i % 32) : (uint8_t)(state >> 59);
		}
}

static double round_ns(int depth, int count, int path_count)
{
	uint64_t start = now_ns();

	for (int i = 0, path = 0; i < count; i++) {
		sink = (uint32_t)functions[0](paths[path], depth - 1);
		if (++path == path_count)
			path = 0;
	}
	return (double)(now_ns() - start) / count;
}

static int compare(const void *left, const void *right)
{
	double difference = *(const double *)left - *(const double *)right;

	return (difference > 0) - (difference < 0);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(values[0]), compare);
	return values[count / 2];
}

static void scenario(const char *name, int depth, int shared, int path_count, int repetitions)
{
	double base[REPETITIONS_MAX], added[TIER_COUNT][REPETITIONS_MAX];

	paths_make(depth, shared);
	memset(memo, 0, stack_memo_size());
	for (int i = -1; i < repetitions; i++) { /* the first warms up */
		int round = i < 0 ? 0 : i;

		for (tier = TIER_NONE; tier < TIER_COUNT; tier++) {
			double ns = round_ns(depth, tier >= TIER_BACKTRACE ? 5000 : 50000, path_count);

			if (tier == TIER_NONE)
				base[round] = ns;
			added[tier][round] = ns - base[round];
		}
	}
	printf("%-10s depth %3d", name, depth);
	for (int t = TIER_MEMO; t < TIER_COUNT; t++)
		printf("  %s %7.1f", tier_names[t], median(added[t], repetitions));
	printf("  (calls %.1f)\n", median(base, repetitions));
}

int main(int argc, char **argv)
{
	int repetitions = argc > 1 ? atoi(argv[1]) : 31;

	if (repetitions < 1 || repetitions > REPETITIONS_MAX)
		return 2;
	host_init();
	stack_init(PP_UNWINDER_AUTO, 0);
	memo = mmap(NULL, stack_memo_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int depth = 8; depth <= 40; depth = depth == 8 ? 20 : depth * 2) {
		scenario("same", depth, depth, 1, repetitions);
		scenario("share80", depth, depth * 8 / 10, PATHS, repetitions);
		scenario("share50", depth, depth / 2, PATHS, repetitions);
		scenario("share0", depth, 0, PATHS, repetitions);
	}
	scenario("recursion", 205, 200, 5, repetitions);
	return 0;
}
