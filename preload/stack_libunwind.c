/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The third tier: libunwind, for this process only. The reference that the others are checked against, what takes
 * over where the rules cannot say, and all there is on other processors.
 *
 * Any thread outside of signal handlers, and not while the process forks or unmaps code: libunwind takes a
 * lock of its own around its cache and, for code that it has not seen, ld.so's lock (dl_iterate_phdr). A
 * process that forked while another thread held the first could never take it again. Its memory comes from
 * mmap, in pools that are never given back, not from malloc.
 *
 * Frame by frame (unw_step), not unw_backtrace: that keeps half a megabyte a thread and a thread-specific
 * key, and goes on using what it learnt about code that was unmapped.
 */
#define UNW_LOCAL_ONLY
#include <errno.h>
#include <libunwind.h>
#include <string.h>

#include "object.h"
#include "peek.h"
#include "raw.h"
#include "stack_tiers.h"

/* Frames of ours between unw_getcontext and the hook's caller, at most. */
#define OWN_FRAMES_MAX 16

/* Of the thread's own stack, found readable in this walk, | 1. No handler that walks comes in between. */
static __thread uint64_t probed_page __attribute__((tls_model("initial-exec")));

static bool own_page_readable(uint64_t address)
{
	const uint64_t page = address & ~UINT64_C(4095);
	char byte;

	if (probed_page == (page | 1))
		return true;
	if (peek_forbidden() ? !raw_readable((const void *)address) : !peek(&byte, address, 1))
		return false;
	probed_page = page | 1;
	return true;
}

/* In place of libunwind's own, which asks once for a page and then takes it to be there for ever. It writes nothing here. */
static int memory_access(unw_addr_space_t space, unw_word_t address, unw_word_t *word, int write, void *argument)
{
	const uint64_t here = (uint64_t)__builtin_frame_address(0), end = pp_stack_end(here);

	(void)space, (void)argument;
	if (write)
		return -UNW_EINVAL;
	if (address >= here && address < end && end - address >= sizeof(*word) && address % sizeof(*word) == 0) {
		if (!own_page_readable(address))
			return -UNW_EINVAL;
		*word = *(const unw_word_t *)address;
	} else if (!peek_forbidden())
		return peek(word, address, sizeof(*word)) == sizeof(*word) ? 0 : -UNW_EINVAL;
	else if (address % sizeof(*word) || !raw_readable((const void *)address))
		return -UNW_EINVAL;
	else
		*word = *(const unw_word_t *)address;
	return 0;
}

void stack_libunwind_init(void)
{
	unw_get_accessors(unw_local_addr_space)->access_mem = memory_access;
	unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_GLOBAL);
}

/* Code was unmapped since libunwind last ran. The policy is not for this: who holds the cache's lock while another thread
 * turns the cache off never gives it back. */
static bool forget;

void stack_libunwind_forget_code(void)
{
	__atomic_store_n(&forget, true, __ATOMIC_RELEASE);
}

/*
 * Is this frame the trampoline by which a signal handler returns? The frame outside it was interrupted and has an
 * exact pc. Looked up in the code: what unw_is_signal_frame says differs from processor to processor.
 */
#if defined(__x86_64__)
static const uint8_t trampoline[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
#elif defined(__aarch64__)
static const uint8_t trampoline[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};
#else
#error "stack_libunwind.c: this processor's way back from a signal handler is not here yet"
#endif

/* A pc that libunwind has stepped to may lead nowhere, and where no object is what it leads to may go. */
static bool frame_is_trampoline(uint64_t pc)
{
	const uint8_t *code = (const uint8_t *)pc;
	uint8_t copy[sizeof(trampoline)];
	struct pp_object object;

	if (!object_find(pc, &object))
		return peek(copy, pc, sizeof(copy)) == sizeof(copy) && !memcmp(copy, trampoline, sizeof(trampoline));
	return raw_readable(code) && raw_readable(code + sizeof(trampoline) - 1) && !memcmp(code, trampoline, sizeof(trampoline));
}

/* Steps from our own frame to that of `registers`. */
static bool cursor_reach(unw_cursor_t *cursor, const struct pp_registers *registers)
{
	unw_word_t pc;

	for (unsigned frame = 0; frame < OWN_FRAMES_MAX; frame++) {
		if (unw_step(cursor) <= 0 || unw_get_reg(cursor, UNW_REG_IP, &pc) < 0)
			return false;
		if (pc == registers->pc)
			return true;
	}
	return false;
}

static enum pp_walk_end walk(const struct pp_registers *registers, uint64_t *words, uint64_t *places, uint32_t *count)
{
	unw_context_t context;
	unw_cursor_t cursor;
	unw_word_t pc = registers->pc;
	unw_word_t sp = registers->sp;
	bool exact = registers->exact;
	uint32_t n = 0;

	probed_page = 0;
	if (unw_getcontext(&context) || unw_init_local(&cursor, &context) || !cursor_reach(&cursor, registers))
		return PP_WALK_BROKEN;
	while (n < PP_STACK_DEPTH) {
		unw_word_t inner = pc;
		int stepped;

		if (places)
			places[n] = sp;
		words[n++] = (pc & PP_NODE_ADDRESS_MASK) | PP_NODE_VALID | (exact ? PP_NODE_EXACT : 0);
		*count = n;
		stepped = unw_step(&cursor);
		if (stepped < 0 || (stepped > 0 && (unw_get_reg(&cursor, UNW_REG_IP, &pc) < 0 ||
						    unw_get_reg(&cursor, UNW_REG_SP, &sp) < 0))) {
			words[n - 1] |= PP_NODE_TRUNCATED;
			return PP_WALK_BROKEN;
		}
		if (!stepped || pc < PP_PC_MIN)
			return PP_WALK_COMPLETE;
		exact = frame_is_trampoline(inner);
	}
	words[n - 1] |= PP_NODE_TRUNCATED;
	return PP_WALK_DEEP;
}

/* A handler that jumps out of it (a time-out by siglongjmp) would leave libunwind's lock taken for ever. */
enum pp_walk_end stack_libunwind_walk(const struct pp_registers *registers, uint64_t *words, uint64_t *places,
				      uint32_t *count)
{
	uint64_t signals = raw_signals_block();
	int error = errno;
	enum pp_walk_end end;

	*count = 0;
	if (!pp_libunwind_enter()) {
		raw_signals_restore(signals);
		return PP_WALK_BROKEN;
	}
	if (__atomic_load_n(&forget, __ATOMIC_RELAXED) && __atomic_exchange_n(&forget, false, __ATOMIC_ACQUIRE))
		unw_flush_cache(unw_local_addr_space, 0, 0);
	end = walk(registers, words, places, count);
	pp_libunwind_leave();
	errno = error;
	raw_signals_restore(signals);
	return end;
}
