/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of the stack fuzz (stack_fuzz.py writes the programs): leaf() captures by the memo and by the rules,
 * every few captures by libunwind too, and compares the complete stacks; so does a SIGPROF handler at
 * arbitrary instructions. Prints its counts; status 1 when a stack was wrong.
 */
#define UNW_LOCAL_ONLY
#include "../../preload/stack_memo.c"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include "../unit/stack_host.h"
#include "stack_fuzz.h"

#define SAMPLES_MAX 20000 /* each walks a deep stack by libunwind */

struct counts {
	uint64_t captures, wrong_memo, wrong_rules, checked, samples, wrong_samples, sample_truncated, short_reference,
		plain, truncated;
};
static struct counts counts;
static uint64_t capture_limit;
static uint32_t check_every = 10;
static bool keep_resting, deaf;

struct thread {
	struct pp_memo *memo;
	uint64_t *scratch;
	uint64_t *reference;
	uint64_t *actual;
	uint64_t captures;
};
static __thread struct thread thread;
enum { IDLE, BUSY, BUSY_LIBUNWIND }; /* what a sample interrupts: libunwind can't be entered twice */
static __thread volatile int busy;

#define ADD(field) __atomic_fetch_add(&counts.field, 1, __ATOMIC_RELAXED)

static void *pages(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void thread_prepare(void)
{
	if (thread.memo)
		return;
	thread.scratch = pages(PP_STACK_DEPTH * 8);
	thread.reference = pages(PP_STACK_DEPTH * 8);
	thread.actual = pages(PP_STACK_DEPTH * 8);
	thread.memo = pages(stack_memo_size());
}

static void print_stack(const char *name, const uint64_t *words, uint32_t count, uint32_t from)
{
	for (uint32_t i = from > 2 ? from - 2 : 0; i < count && i < from + 4; i++) {
		Dl_info info = {0};

		dladdr((void *)(words[i] & PP_NODE_ADDRESS_MASK), &info);
		fprintf(stderr, "  %s[%u] %016lx %s+%lx %s\n", name, i, words[i], info.dli_fname ? info.dli_fname : "?",
			(words[i] & PP_NODE_ADDRESS_MASK) - (uint64_t)info.dli_fbase,
			info.dli_sname ? info.dli_sname : "?");
	}
}

static int reports;

/* 0: equal, 1: wrong, 2: `expected` is a part of `actual` and ended early. */
static int compare(const char *what, const uint64_t *actual, uint32_t actual_count, const uint64_t *expected,
		   uint32_t expected_count)
{
	uint32_t same = 0;

	while (same < actual_count && same < expected_count && actual[same] == expected[same])
		same++;
	if (same == actual_count && same == expected_count)
		return 0;
	if (__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED) < 4) {
		fprintf(stderr, "%s: differs at %u (%u frames, expected %u)\n", what, same, actual_count,
			expected_count);
		print_stack("actual", actual, actual_count, same);
		print_stack("expected", expected, expected_count, same);
	}
	return 1;
}

void leaf(void)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_walk walk = {.pc = registers.pc, .sp = registers.sp, .fp = registers.fp, .simple = 2};
	uint32_t id, count, expected;
	uint64_t hash;
	enum pp_walk_end end;
	int error = errno;

	if (busy)
		return;
	busy = BUSY;
	thread_prepare();
	if (!keep_resting)
		thread.memo->plain = 0;
	else if (thread.memo->plain)
		ADD(plain);
	errno = 12345;
	id = stack_capture(thread.memo, &registers);
	if (errno != 12345) {
		fprintf(stderr, "errno was changed\n");
		ADD(wrong_memo);
	}
	count = stack_table_read(id, thread.actual, PP_STACK_DEPTH);
	end = stack_rules_walk(&walk, thread.scratch, &expected, &hash);
	if (end != PP_WALK_COMPLETE)
		ADD(truncated);
	else if (stack_table_find(hash) != id)
		ADD(wrong_memo);
	if (end != PP_WALK_FALLBACK && compare("memo", thread.actual, count, thread.scratch, expected))
		ADD(wrong_memo);
	if (++thread.captures % check_every == 0) {
		busy = BUSY_LIBUNWIND;
		end = stack_libunwind_walk(&registers, thread.reference, NULL, &expected);
		if (end == PP_WALK_COMPLETE && expected < count) {
			unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_NONE);
			end = stack_libunwind_walk(&registers, thread.reference, NULL, &expected);
			unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_GLOBAL);
		}
		busy = BUSY;
		if (end == PP_WALK_BROKEN) {
			ADD(short_reference);
		} else {
			ADD(checked);
			if (compare("rules", thread.actual, count, thread.reference, expected))
				ADD(wrong_rules);
		}
	}
	errno = error;
	busy = 0;
	if (ADD(captures) >= capture_limit)
		fuzz_finish();
}

void fuzz_finish(void)
{
	static int once;

	if (__atomic_exchange_n(&once, 1, __ATOMIC_RELAXED))
		return;
	printf("captures %lu wrong_memo %lu checked %lu wrong_rules %lu samples %lu wrong_samples %lu "
	       "sample_truncated %lu short_reference %lu truncated %lu plain %lu fallback %lu nodes %u\n",
	       counts.captures, counts.wrong_memo, counts.checked, counts.wrong_rules, counts.samples,
	       counts.wrong_samples, counts.sample_truncated, counts.short_reference, counts.truncated, counts.plain,
	       host_skipped[PP_SKIP_FALLBACK], host_node_next);
	fflush(stdout);
	_exit(counts.wrong_memo || counts.wrong_rules || counts.wrong_samples);
}

void fuzz_forget_code(void)
{
	if (deaf)
		unw_flush_cache(unw_local_addr_space, 0, 0);
	else
		stack_forget_code(0, UINT64_MAX);
}

/* The interrupted stack by libunwind; what its last step returned. */
#define TRAMPOLINE "\x48\xc7\xc0\x0f\0\0\0\x0f\x05"
static int reference_walk(void *context, uint64_t *reference, uint32_t *count)
{
	unw_cursor_t cursor;
	bool exact = true;
	int stepped;

	*count = 0;
	unw_init_local2(&cursor, context, UNW_INIT_SIGNAL_FRAME);
	do {
		unw_word_t pc;

		unw_get_reg(&cursor, UNW_REG_IP, &pc);
		if (pc < PP_PC_MIN)
			return 0;
		reference[(*count)++] = pc | PP_NODE_VALID | (exact ? PP_NODE_EXACT : 0);
		exact = !memcmp((void *)pc, TRAMPOLINE, 9) || (exact && !memcmp((void *)(pc - 7), TRAMPOLINE, 9));
		stepped = unw_step(&cursor);
	} while (stepped > 0 && *count < PP_STACK_DEPTH);
	return stepped;
}

/* Compares the two. A truncated stack of ours need only be the inner part of libunwind's, and the other way round. */
static void on_sample(int signal, siginfo_t *info, void *context)
{
	static __thread uint64_t words[PP_STACK_DEPTH], reference[PP_STACK_DEPTH], scratch[PP_STACK_DEPTH];
	int stepped, error = errno, before = busy;
	uint32_t id, count, n;
	bool truncated;

	(void)signal;
	(void)info;
	if (before == BUSY_LIBUNWIND || counts.samples >= SAMPLES_MAX)
		return;
	busy = BUSY_LIBUNWIND;
	id = stack_capture_in_handler(context, scratch, &truncated);
	count = stack_table_read(id, words, PP_STACK_DEPTH);
	ADD(samples);
	if (truncated) {
		ADD(sample_truncated);
		words[count - 1] &= ~PP_NODE_TRUNCATED;
	}
	stepped = reference_walk(context, reference, &n);
	if (!truncated && count != n) {
		unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_NONE);
		stepped = reference_walk(context, reference, &n);
		unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_GLOBAL);
	}
	if (truncated && n > count)
		n = count;
	if (stepped < 0 && n < count) {
		ADD(short_reference);
		count = n;
	}
	if (compare("sample", words, count, reference, n))
		ADD(wrong_samples);
	busy = before;
	errno = error;
}

static pthread_t sampled[64];
static uint32_t sampled_count;

void fuzz_thread(void)
{
	uint32_t at = __atomic_fetch_add(&sampled_count, 1, __ATOMIC_RELAXED);

	if (at < 64)
		__atomic_store_n(&sampled[at], pthread_self(), __ATOMIC_RELEASE);
}

/* Far more often than any timer would. */
static void *sample_all(void *argument)
{
	uint32_t at = 0;

	for (;;) {
		pthread_t target = __atomic_load_n(&sampled[at++ % 64], __ATOMIC_ACQUIRE);

		if (!target)
			continue;
		pthread_kill(target, SIGPROF);
		usleep(20 + at % 30);
	}
	return argument;
}

void fuzz_init(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_sample, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	pthread_t sampler;
	int i;

	host_init();
	stack_init(PP_UNWINDER_AUTO, 0);
	capture_limit = 100000;
	for (i = 2; i < argc; i++) {
		if (!strncmp(argv[i], "captures=", 9))
			capture_limit = strtoull(argv[i] + 9, NULL, 10);
		else if (!strncmp(argv[i], "check=", 6))
			check_every = (uint32_t)atoi(argv[i] + 6);
		else if (!strcmp(argv[i], "rest"))
			keep_resting = true;
		else if (!strcmp(argv[i], "deaf"))
			deaf = true;
		else if (!strcmp(argv[i], "sample")) {
			sigaction(SIGPROF, &action, NULL);
			pthread_create(&sampler, NULL, sample_all, NULL);
		}
	}
}
