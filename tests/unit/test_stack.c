/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinder against the C library's own (backtrace), in the shapes that need code of their own: signal handlers,
 * code without unwind tables, wrong unwind tables, deep recursion, a full table, fork. What compilers make of
 * ordinary code is the business of tests/fuzz/stack_fuzz.py. Built a second time with PP_HAVE_RULES=0, as on a
 * processor that has the third tier only.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "object.h"
#include "peek.h"
#include "raw.h"
#include "stack_host.h"
#include "stack_tiers.h"
#include "test.h"

#define NOINLINE      __attribute__((noinline, noclone))
#define ADDRESS(word) ((word)&PP_NODE_ADDRESS_MASK)

static struct pp_memo *memo;
static uint64_t words[PP_STACK_DEPTH];
static uint64_t other_words[PP_STACK_DEPTH];
static uint32_t word_count;
static uint32_t last_id;
static void *reference[4096];
static int reference_count;
static volatile int sink;
static int errno_after;

static void *pages_map(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void start(enum pp_unwinder unwinder, uint32_t check_every)
{
	host_init();
	stack_init(unwinder, check_every);
	memo = pages_map(stack_memo_size());
	backtrace(reference, 1); /* loads libgcc_s now */
}

/* A hook: captures its caller's stack, and asks backtrace for the same. */
static NOINLINE void hook(void)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	int skip = 0;

	last_id = stack_capture(memo, &registers);
	errno_after = errno;
	word_count = stack_table_read(last_id, words, PP_STACK_DEPTH);
	reference_count = backtrace(reference, 4096);
	while (skip < reference_count && (uint64_t)reference[skip] != registers.pc)
		skip++;
	reference_count -= skip;
	memmove(reference, reference + skip, (size_t)reference_count * sizeof(reference[0]));
}

/* Whether the last capture is backtrace's stack; all of it, or its innermost `most` frames. */
static bool same_as_reference(uint32_t most)
{
	uint32_t expected = (uint32_t)reference_count < most ? (uint32_t)reference_count : most;

	if (word_count != expected)
		return false;
	for (uint32_t i = 0; i < expected; i++)
		if (ADDRESS(words[i]) != (uint64_t)reference[i])
			return false;
	return true;
}

static NOINLINE int recurse(int depth)
{
	int result;

	if (!depth) {
		hook();
		return 1;
	}
	result = recurse(depth - 1) + 1;
	sink = result;
	return result;
}

static void *thread_recurse(void *depth)
{
	recurse((int)(intptr_t)depth);
	return NULL;
}

/* On a thread, so that equal depths are equal stacks wherever this is called. */
static void capture_at(int depth)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_recurse, (void *)(intptr_t)depth);
	pthread_join(thread, NULL);
}

PP_TEST(whole_stack)
{
	uint32_t first;

	start(PP_UNWINDER_AUTO, 0);
	recurse(20);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
	PP_CHECK(word_count > 20);
	PP_CHECK_EQ(words[word_count - 1] & (PP_NODE_TRUNCATED | PP_NODE_EXACT), 0);
	PP_CHECK_EQ(words[0] & PP_NODE_VALID, PP_NODE_VALID);
	for (int depth = 0; depth < 60; depth = depth * 2 + 1) {
		for (int again = 0; again < 3; again++) {
			recurse(depth);
			PP_CHECK(same_as_reference(PP_STACK_DEPTH));
			if (again)
				PP_CHECK_EQ(last_id, first);
			first = last_id;
		}
	}
	PP_CHECK_EQ(host_skipped[PP_SKIP_UNWIND], 0);
	PP_CHECK_EQ(host_skipped[PP_SKIP_FALLBACK], 0);
}

PP_TEST(same_id_from_each_tier)
{
	uint32_t ids[3];

	for (enum pp_unwinder unwinder = PP_UNWINDER_AUTO; unwinder <= PP_UNWINDER_LIBUNWIND; unwinder++) {
		if (unwinder == PP_UNWINDER_AUTO)
			start(unwinder, 0);
		else
			pp_stack_state.unwinder = unwinder, pp_stack_state.slow = 1, pp_stack_fast_generation = 0;
		recurse(30);
		PP_CHECK(same_as_reference(PP_STACK_DEPTH));
		ids[unwinder] = last_id;
	}
	PP_CHECK_EQ(ids[1], ids[0]);
	PP_CHECK_EQ(ids[2], ids[0]);
}

PP_TEST(libunwind_not_allowed)
{
	start(PP_UNWINDER_LIBUNWIND, 0);
	recurse(3);
	PP_CHECK(last_id != 0);
	host_libunwind_allowed = false;
	recurse(3);
	PP_CHECK_EQ(last_id, 0);
	PP_CHECK_EQ(host_skipped[PP_SKIP_UNWIND], 1);
}

PP_TEST(too_deep)
{
	uint32_t id;

	start(PP_UNWINDER_AUTO, 0);
	for (int depth = 900; depth < 1200; depth += 7) {
		uint64_t skipped = host_skipped[PP_SKIP_STACK_TRUNCATED];

		recurse(depth);
		PP_CHECK(same_as_reference(PP_STACK_DEPTH));
		if (reference_count > PP_STACK_DEPTH) {
			PP_CHECK(words[PP_STACK_DEPTH - 1] & PP_NODE_TRUNCATED);
			PP_CHECK_EQ(host_skipped[PP_SKIP_STACK_TRUNCATED], skipped + 1);
		} else {
			PP_CHECK(!(words[word_count - 1] & PP_NODE_TRUNCATED));
			PP_CHECK_EQ(host_skipped[PP_SKIP_STACK_TRUNCATED], skipped);
		}
	}
	capture_at(3000);
	id = last_id;
	capture_at(3000);
	PP_CHECK_EQ(last_id, id);
	recurse(2);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
}

PP_TEST(errno_is_kept)
{
	start(PP_UNWINDER_AUTO, 1);
	errno = 4321;
	recurse(5);
	PP_CHECK_EQ(errno_after, 4321);
	PP_CHECK_EQ(host_skipped[PP_SKIP_CHECKED], PP_HAVE_RULES);
	PP_CHECK_EQ(host_skipped[PP_SKIP_CHECK_FAILED], 0);
}

PP_TEST(full_table)
{
	start(PP_UNWINDER_AUTO, 0);
	capture_at(3);
	PP_CHECK(last_id != 0);
	host_node_limit = host_node_next + 2;
	capture_at(30);
	PP_CHECK_EQ(last_id, 0);
	PP_CHECK_EQ(host_skipped[PP_SKIP_STACK_TABLE], 1);
	capture_at(30);
	PP_CHECK_EQ(last_id, 0);
	PP_CHECK_EQ(host_skipped[PP_SKIP_STACK_TABLE], 2);
	capture_at(3);
	PP_CHECK(last_id != 0);
	host_node_limit = HOST_NODES;
	capture_at(30);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
}

/* As in a forked child: new shared memory, ids from the beginning, the old memo dead. */
PP_TEST(restart)
{
	start(PP_UNWINDER_AUTO, 0);
	for (int i = 0; i < 50; i++)
		capture_at(i);
	PP_CHECK(host_node_next > 50);
	host_init();
	host_node_next = 1;
	stack_init(PP_UNWINDER_AUTO, 0);
	capture_at(49);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
	PP_CHECK_EQ(host_node_next, word_count + 1);
}

/* Stacks through unmapped code get new ids, others keep theirs. */
PP_TEST(forgotten_code)
{
	uint32_t near, far;

	start(PP_UNWINDER_AUTO, 0);
	capture_at(3);
	near = last_id;
	stack_forget_code(4096, 8192);
	capture_at(3);
	far = last_id;
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
	stack_forget_code(0, UINT64_MAX);
	capture_at(3);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
	PP_CHECK(last_id != near);
	PP_CHECK_EQ(far, near);
}

#if PP_HAVE_RULES

/* A rule that lies: the check must see it, count it, and keep libunwind's stack. */
PP_TEST(check_finds_a_wrong_stack)
{
	uint64_t key;

	start(PP_UNWINDER_AUTO, 2);
	recurse(10);
	recurse(10);
	PP_CHECK_EQ(host_skipped[PP_SKIP_CHECKED], 1);
	key = ADDRESS(words[5]);
	pp_rule_table[stack_rule_slot(key)] = key << PP_RULE_BITS | PP_RULE_END;
	memset(memo, 0, stack_memo_size());
	recurse(11);
	PP_CHECK_EQ(host_skipped[PP_SKIP_CHECKED], 2);
	PP_CHECK_EQ(host_skipped[PP_SKIP_CHECK_FAILED], 1);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
	recurse(12); /* not checked: shows that the rule does lie */
	PP_CHECK(!same_as_reference(PP_STACK_DEPTH));
}

/* Threads whose stacks all look wrong at first: each is asked for again, while others are in the middle of theirs. */
static void *check_often(void *unused)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;
	struct pp_memo *own = pages_map(stack_memo_size());

	pp_rule_table[stack_rule_slot(registers.pc)] = registers.pc << PP_RULE_BITS | PP_RULE_END;
	for (int i = 0; i < 3000; i++)
		stack_capture(own, &registers);
	return unused;
}

PP_TEST(wrong_stacks_of_many_threads)
{
	pthread_t threads[8];

	start(PP_UNWINDER_AUTO, 1);
	for (size_t i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, check_often, NULL);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	PP_CHECK_EQ(host_skipped[PP_SKIP_CHECKED], 8 * 3000);
	PP_CHECK_EQ(host_skipped[PP_SKIP_CHECK_FAILED], 8 * 3000);
}

/* ---- signals ---- */

static uint64_t handler_words[PP_STACK_DEPTH];
static uint32_t handler_count;
static bool handler_truncated;
static uint64_t handler_pc;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	static uint64_t scratch[PP_STACK_DEPTH];
	uint32_t id;

	(void)signal;
	(void)info;
	handler_pc = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	id = stack_capture_in_handler(context, scratch, &handler_truncated);
	handler_count = stack_table_read(id, handler_words, PP_STACK_DEPTH);
	hook();
}

static NOINLINE int raise_here(int signal)
{
	raise(signal);
	sink++;
	return sink;
}

PP_TEST(signal_frame)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t alternate = {.ss_sp = pages_map(1 << 20), .ss_size = 1 << 20};

	start(PP_UNWINDER_AUTO, 0);
	sigaction(SIGUSR1, &action, NULL);
	for (int round = 0; round < 4; round++) {
		uint32_t from;

		if (round == 2)
			sigaltstack(&alternate, NULL);
		raise_here(SIGUSR1);
		PP_CHECK(same_as_reference(PP_STACK_DEPTH));
		PP_CHECK(!handler_truncated);
		PP_CHECK_EQ(handler_words[0], handler_pc | PP_NODE_VALID | PP_NODE_EXACT);
		/* What the handler saw is the outer part of what a hook called by it saw. */
		from = word_count - handler_count;
		PP_CHECK(word_count > handler_count);
		PP_CHECK(!memcmp(words + from, handler_words, handler_count * sizeof(words[0])));
	}
}

/* Stopped while another stack is copied over this one: frame pointers of nothing, frames that end above the last page. */
PP_TEST(stack_that_is_none)
{
	const size_t page = 4096;
	uint8_t *room = pages_map(3 * page);
	uint64_t *last = (uint64_t *)(room + 2 * page) - 2;
	const uint64_t small = 0x10001001, large = 0x10002001; /* return addresses: one by rbp, one with a frame of a page */
	static uint64_t scratch[PP_STACK_DEPTH];
	ucontext_t context = {0};

	start(PP_UNWINDER_AUTO, 0);
	munmap(room + 2 * page, page);
	pp_rule_table[stack_rule_slot(small)] = small << PP_RULE_BITS | PP_RULE_RBP | 16 | 2u << PP_RULE_SAVED_SHIFT;
	pp_rule_table[stack_rule_slot(large)] = large << PP_RULE_BITS | PP_RULE_RSP | 4096;
	context.uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)last;
	for (int round = 0; round < 64; round++) {
		context.uc_mcontext.gregs[REG_RIP] = (greg_t)(round % 2 ? large : small) - 1;
		context.uc_mcontext.gregs[REG_RBP] = round; /* the frame would begin just above 0 */
		handler_truncated = false;
		handler_count = stack_table_read(stack_capture_in_handler(&context, scratch, &handler_truncated), handler_words,
						 PP_STACK_DEPTH);
		PP_CHECK_EQ(handler_count, 1);
		PP_CHECK(handler_truncated);
	}
	PP_CHECK(!raw_readable(NULL) && !raw_readable((void *)8) && !raw_writable(NULL) && !raw_readable(room + 2 * page));
	PP_CHECK(raw_readable(last) && raw_writable(last));
	munmap(room, 2 * page);
}

/* What a guess leads to may be unmapped at any moment, and mapped again. */
static uint8_t *going;
static volatile int gone;

static void *come_and_go(void *unused)
{
	while (!gone) {
		munmap(going, 4096);
		mmap(going, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	return unused;
}

PP_TEST(memory_that_goes)
{
	static uint64_t scratch[PP_STACK_DEPTH];
	const uint64_t stays = (uint64_t)pages_map(4096) + 100; /* code of nobody's */
	uint64_t frame[2] = {0}, deepest = 0;
	pthread_t thread;

	start(PP_UNWINDER_AUTO, 0);
	going = pages_map(4096);
	frame[1] = (uint64_t)going + 100;
	pthread_create(&thread, NULL, come_and_go, NULL);
	for (int round = 0; round < 300000; round++) {
		const uint64_t pointers[] = {(uint64_t)frame, (uint64_t)going + 200};
		ucontext_t context = {0};
		uint32_t id;

		context.uc_mcontext.gregs[REG_RIP] = (greg_t)(round % 3 ? stays : (uint64_t)going + 100);
		context.uc_mcontext.gregs[REG_RBP] = (greg_t)pointers[round % 2];
		context.uc_mcontext.gregs[REG_RSP] = context.uc_mcontext.gregs[REG_RBP] - 16;
		id = stack_capture_in_handler(&context, scratch, &handler_truncated);
		handler_count = stack_table_read(id, handler_words, PP_STACK_DEPTH);
		deepest = handler_count > deepest ? handler_count : deepest;
	}
	gone = 1;
	pthread_join(thread, NULL);
	PP_CHECK_EQ(deepest, 2);
	PP_CHECK(host_skipped[PP_SKIP_STACK_TABLE] == 0);
}

/* Up to where it can be read, which the kernel says; not at all where it is not to be asked. */
PP_TEST(peeking)
{
	uint8_t *room = pages_map(8192), copy[16] = {0};
	uint64_t word = 0;

	memset(room, 7, 8192);
	munmap(room + 4096, 4096);
	errno = 4321;
	PP_CHECK_EQ(peek(&word, (uint64_t)&room, sizeof(word)), sizeof(word));
	PP_CHECK_EQ(word, (uint64_t)room);
	PP_CHECK_EQ(peek(copy, (uint64_t)room + 4090, sizeof(copy)), 6);
	PP_CHECK(copy[5] == 7 && !copy[6]);
	PP_CHECK_EQ(peek(copy, (uint64_t)room + 4096, 1), 0);
	PP_CHECK_EQ(peek(copy, 0, 1), 0);
	PP_CHECK_EQ(peek(copy, UINT64_MAX - 4, 8), 0);
	PP_CHECK_EQ(errno, 4321);
	peek_init(); /* nothing forbids it here */
	PP_CHECK(!peek_forbidden());
	peek_forbid();
	PP_CHECK_EQ(peek(&word, (uint64_t)&room, sizeof(word)), 0);
}

static bool signal_is_blocked(int number)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	return sigismember(&set, number);
}

/* Who jumps out of a handler while an object is held would leave it held for ever. */
PP_TEST(nothing_interrupts_a_hold)
{
	struct pp_object object, other;

	PP_CHECK_EQ(object_hold((uint64_t)pages_map(4096), &object), PP_OBJECT_NONE);
	PP_CHECK_EQ(object_hold((uint64_t)&hook, &object), PP_OBJECT_HELD);
	PP_CHECK(signal_is_blocked(SIGALRM) && !signal_is_blocked(SIGSEGV));
	PP_CHECK_EQ(object_hold((uint64_t)&mmap, &other), PP_OBJECT_HELD);
	object_release(&other);
	PP_CHECK(signal_is_blocked(SIGALRM));
	object_release(&object);
	PP_CHECK(!signal_is_blocked(SIGALRM));
	objects_unload_begin(); /* does not wait for anybody */
	PP_CHECK_EQ(object_hold((uint64_t)&hook, &object), PP_OBJECT_HELD); /* the unloading thread's own look */
	object_release(&object);
	objects_unload_end();
	PP_CHECK(!signal_is_blocked(SIGALRM));
}

static pthread_barrier_t unload_step;
static int finds_until_step; /* of this many looks of the dynamic linker, the last waits until the unload is over */

int _dl_find_object(void *address, struct dl_find_object *found)
{
	int (*real)(void *, struct dl_find_object *) =
		(int (*)(void *, struct dl_find_object *))dlsym(RTLD_NEXT, "_dl_find_object");
	int result = real(address, found);

	if (finds_until_step && --finds_until_step == 0) {
		pthread_barrier_wait(&unload_step);
		pthread_barrier_wait(&unload_step);
	}
	return result;
}

static void *unload_during_a_look(void *unused)
{
	objects_unload_begin();
	pthread_barrier_wait(&unload_step);
	pthread_barrier_wait(&unload_step);
	objects_unload_end();
	pthread_barrier_wait(&unload_step);
	return unused;
}

/* What is found while an unload goes on may be gone when that is over, even if it is over before anybody looks. */
PP_TEST(unload_ends_during_a_look)
{
	struct pp_object object;
	pthread_t thread;

	PP_CHECK_EQ(object_hold((uint64_t)&hook, &object), PP_OBJECT_HELD); /* the executable is known from now on */
	object_release(&object);
	pthread_barrier_init(&unload_step, NULL, 2);
	pthread_create(&thread, NULL, unload_during_a_look, NULL);
	pthread_barrier_wait(&unload_step); /* it has begun */
	finds_until_step = 2;		    /* the look before the hold, and the one within */
	PP_CHECK_EQ(object_hold((uint64_t)&mmap, &object), PP_OBJECT_LEAVING);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&unload_step);
	PP_CHECK_EQ(object_hold((uint64_t)&mmap, &object), PP_OBJECT_HELD);
	object_release(&object);
}

/* Between the unload and the moment when it is known what went, another object may lie there. */
PP_TEST(rules_of_what_may_go)
{
	uint64_t key;

	start(PP_UNWINDER_AUTO, 0);
	capture_at(3);
	key = ADDRESS(words[1]);
	PP_CHECK_EQ(pp_rule_table[stack_rule_slot(key)] >> PP_RULE_BITS, key);
	objects_unload_begin();
	stack_forget_rules(key - 1000, key + 1000);
	PP_CHECK_EQ(pp_rule_table[stack_rule_slot(key)], 0);
	capture_at(3);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
	PP_CHECK_EQ(pp_rule_table[stack_rule_slot(key)], 0);
	objects_unload_end();
	capture_at(3);
	PP_CHECK_EQ(pp_rule_table[stack_rule_slot(key)] >> PP_RULE_BITS, key);
}

/* ---- code of no object ---- */

static const uint8_t with_frame_pointer[] = {
	0x55,			/* push %rbp */
	0x48, 0x89, 0xe5,	/* mov %rsp, %rbp */
	0x48, 0x83, 0xec, 0x20, /* sub $32, %rsp */
	0xff, 0xd7,		/* call *%rdi */
	0xc9,			/* leave */
	0xc3,			/* ret */
};
static const uint8_t without_frame_pointer[] = {
	0x55,					  /* push %rbp */
	0x48, 0x83, 0xec, 0x20,			  /* sub $32, %rsp */
	0x48, 0xc7, 0xc5, 0x10, 0x27, 0x00, 0x00, /* mov $10000, %rbp */
	0xff, 0xd7,				  /* call *%rdi */
	0x48, 0x83, 0xc4, 0x20,			  /* add $32, %rsp */
	0x5d,					  /* pop %rbp */
	0xc3,					  /* ret */
};

static const uint8_t trampoline[] = {
	0x48, 0x83, 0xec, 0x08, /* sub $8, %rsp */
	0x90,			/* nop: the call is Python's, by rcx, but for its register */
	0xff, 0xd7,		/* call *%rdi */
	0x48, 0x83, 0xc4, 0x08, /* add $8, %rsp */
	0xc3,			/* ret */
};

static void (*code_make(const void *code, size_t size))(void (*)(void))
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(at, code, size);
	mprotect(at, 4096, PROT_READ | PROT_EXEC);
	return (void (*)(void (*)(void)))at;
}

static NOINLINE void hook_below(void)
{
	hook();
	sink++;
}

static NOINLINE void call_code(void (*code)(void (*)(void)))
{
	code(hook_below);
	sink++;
}

static void check_code(const void *bytes, size_t size)
{
	void (*code)(void (*)(void)) = code_make(bytes, size);
	uint32_t depth, id = 0;

	start(PP_UNWINDER_AUTO, 0);
	hook_below();
	depth = word_count;
	for (int round = 0; round < 3; round++) {
		call_code(code);
		/* The made code and call_code() more than before. */
		PP_CHECK_EQ(word_count, depth + 2);
		PP_CHECK_EQ(ADDRESS(words[1]) & ~UINT64_C(4095), (uint64_t)code);
		PP_CHECK(!(words[word_count - 1] & PP_NODE_TRUNCATED));
		if (id)
			PP_CHECK_EQ(last_id, id);
		id = last_id;
	}
	PP_CHECK_EQ(host_skipped[PP_SKIP_UNWIND], 0);
}

PP_TEST(code_without_object)
{
	check_code(with_frame_pointer, sizeof(with_frame_pointer));
}

PP_TEST(code_that_shows_how_it_returns)
{
	check_code(trampoline, sizeof(trampoline));
}

PP_TEST(code_without_object_or_frame_pointer)
{
	start(PP_UNWINDER_AUTO, 0);
	call_code(code_make(without_frame_pointer, sizeof(without_frame_pointer)));
	PP_CHECK_EQ(word_count, 2);
	PP_CHECK(words[1] & PP_NODE_TRUNCATED);
	PP_CHECK_EQ(host_skipped[PP_SKIP_UNWIND], 1);
}

/* ---- unwind tables that lie, or that the rules do not speak ---- */

void lies_about_rbp(void (*function)(void));
void cfa_on_rbx(void (*function)(void));
void without_tables(void (*function)(void));
void without_anything(void (*function)(void), uint64_t rbp);

__asm__(".text\n"
	".type lies_about_rbp, @function\n"
	"lies_about_rbp:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_def_cfa %rbp, 16\n" /* true only if rbp were set */
	"	.cfi_offset %rbp, -16\n"
	"	mov $0x10000, %rbp\n"
	"	sub $16, %rsp\n"
	"	call *%rdi\n"
	"	add $16, %rsp\n"
	"	pop %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size lies_about_rbp, . - lies_about_rbp\n"
	".type cfa_on_rbx, @function\n"
	"cfa_on_rbx:\n"
	"	.cfi_startproc\n"
	"	push %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbx, 0\n"
	"	mov %rsp, %rbx\n"
	"	.cfi_def_cfa %rbx, 16\n"
	"	sub $64, %rsp\n"
	"	call *%rdi\n"
	"	mov %rbx, %rsp\n"
	"	.cfi_def_cfa %rsp, 16\n"
	"	pop %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore %rbx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size cfa_on_rbx, . - cfa_on_rbx\n"
	".type without_tables, @function\n"
	"without_tables:\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	call *%rdi\n"
	"	pop %rbp\n"
	"	ret\n"
	".size without_tables, . - without_tables\n"
	"	nop\n"
	".type without_anything, @function\n"
	"without_anything:\n"
	"	push %rbp\n"
	"	mov %rsi, %rbp\n"
	"	call *%rdi\n"
	"	pop %rbp\n"
	"	ret\n"
	".size without_anything, . - without_anything\n"
	"	nop\n");

/* Without backtrace, which would believe the lie and crash. */
static NOINLINE void hook_only(void)
{
	struct pp_registers registers = PP_REGISTERS_OF_CALLER;

	last_id = stack_capture(memo, &registers);
	word_count = stack_table_read(last_id, words, PP_STACK_DEPTH);
}

/* A frame that cannot be read ends the stack, not the program. */
PP_TEST(wrong_tables)
{
	start(PP_UNWINDER_RULES, 0);
	lies_about_rbp(hook_only);
	PP_CHECK_EQ(word_count, 1);
	PP_CHECK(words[0] & PP_NODE_TRUNCATED);
}

PP_TEST(fallback)
{
	start(PP_UNWINDER_AUTO, 0);
	cfa_on_rbx(hook_below);
	PP_CHECK(same_as_reference(PP_STACK_DEPTH));
	PP_CHECK_EQ(host_skipped[PP_SKIP_FALLBACK], 1);
	host_libunwind_allowed = false;
	cfa_on_rbx(hook_below);
	PP_CHECK_EQ(word_count, 2);
	PP_CHECK(words[1] & PP_NODE_TRUNCATED);
	PP_CHECK_EQ(host_skipped[PP_SKIP_FALLBACK], 1);
	PP_CHECK_EQ(host_skipped[PP_SKIP_UNWIND], 1);
}

/* Nothing but its frame pointer tells where a function without tables came from, in an object as elsewhere. */
PP_TEST(no_tables)
{
	uint64_t outer[PP_STACK_DEPTH];
	uint32_t outer_count;

	start(PP_UNWINDER_AUTO, 0);
	hook_below();
	outer_count = word_count - 2; /* hook_below, and this function, which will be at another instruction */
	memcpy(outer, words + 2, outer_count * sizeof(outer[0]));
	for (int round = 0; round < 3; round++) {
		without_tables(hook_below);
		PP_CHECK_EQ(word_count, outer_count + 3);
		PP_CHECK(!memcmp(words + 3, outer, outer_count * sizeof(outer[0])));
	}
	PP_CHECK_EQ(host_skipped[PP_SKIP_UNWIND], 0);
}

/* One that uses rbp for something else ends the stack, whatever is in it. */
PP_TEST(no_tables_and_no_pointer)
{
	static uint64_t zeros[16];
	uint8_t *page = pages_map(4096);
	uint64_t frame[2] = {0};
	/* nobody has called from there: no memory, a page of zeros, an object's variable */
	const uint64_t returns[] = {4096, UINT64_MAX, (uint64_t)page + 100, (uint64_t)(zeros + 8)};
	const uint64_t pointers[] = {12345678, (uint64_t)frame + 4, (uint64_t)frame - 65536, (uint64_t)page, (uint64_t)zeros};
	uint64_t round = 0;

	start(PP_UNWINDER_AUTO, 0);
	for (size_t i = 0; i < sizeof(returns) / sizeof(returns[0]) + sizeof(pointers) / sizeof(pointers[0]); i++) {
		frame[1] = i < 4 ? returns[i] : 0;
		without_anything(hook_below, i < 4 ? (uint64_t)frame : pointers[i - 4]);
		PP_CHECK_EQ(word_count, 2);
		PP_CHECK(words[1] & PP_NODE_TRUNCATED);
		PP_CHECK_EQ(host_skipped[PP_SKIP_UNWIND], ++round); /* also when the memo knows it */
	}
	munmap(page, 4096);
}

#endif

/* ---- threads ---- */

#define THREADS 4
#define STACKS	100000

static pthread_barrier_t barrier;
static uint32_t thread_ids[THREADS][STACKS];

/* The same stacks in another order each: three frames, of which the outer two are shared by many. */
static void stack_make(uint64_t *stack, uint32_t number)
{
	stack[0] = (0x400000 + number) | PP_NODE_VALID;
	stack[1] = (0x500000 + number / 10) | PP_NODE_VALID;
	stack[2] = (0x600000 + number / 1000) | PP_NODE_VALID;
}

static void *intern_all(void *argument)
{
	uint32_t thread = (uint32_t)(uintptr_t)argument;

	pthread_barrier_wait(&barrier);
	for (uint32_t i = 0; i < STACKS; i++) {
		uint32_t number = thread % 2 ? STACKS - 1 - i : i;
		uint64_t stack[3];

		stack_make(stack, number);
		thread_ids[thread][number] = stack_table_intern(stack, 3);
	}
	return NULL;
}

PP_TEST(table_shared_by_threads)
{
	pthread_t threads[THREADS];
	uint32_t twice = 0;

	start(PP_UNWINDER_AUTO, 0);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, intern_all, (void *)i);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t number = 0; number < STACKS; number++) {
		uint64_t stack[3];

		stack_make(stack, number);
		for (uint32_t thread = 0; thread < THREADS; thread++) {
			PP_CHECK_EQ(stack_table_read(thread_ids[thread][number], other_words, 10), 3);
			PP_CHECK(!memcmp(stack, other_words, sizeof(stack)));
			twice += thread_ids[thread][number] != thread_ids[0][number];
		}
		if (pp_test_failures)
			return;
	}
	/* Only while one table gives way to the next may a stack get two ids. */
	PP_CHECK(twice <= THREADS * 8);
}
