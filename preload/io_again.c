/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that repeat (io_again.h): what is remembered of them, and when it is forgotten.
 *
 * Context: between hook_enter and hook_leave, by the thread itself.
 */
#include "io_again.h"

#include <string.h>

#define ASIDE_LIMIT  4096 /* calls outside of the window until another one is looked for */
#define POOR_HITS    8	  /* fewer calls than that were not worth remembering it */
#define POOR_LIMIT   4
#define POOR_REST    4096 /* calls */
#define FAILED_REST  64	  /* one that cannot be remembered: too deep a stack, a descriptor that other threads use */
#define MIX_ASKED    UINT64_C(0x9e3779b97f4a7c15)
#define MIX_RESULT   UINT64_C(0xff51afd7ed558ccd)
#define WINDOW_BELOW 32 /* buckets below the first call, which took the long way and so a little longer: an octave */

_Static_assert(sizeof(((struct pp_wire_io_page *)0)->again[0]) == 8, "wire");
_Static_assert(offsetof(struct pp_wire_io_entry, count) % 8 == 0 &&
		       offsetof(struct pp_wire_io_entry, sequential) == offsetof(struct pp_wire_io_entry, count) + 4 &&
		       offsetof(struct pp_wire_io_entry, asked_bytes) % 16 == 0 &&
		       offsetof(struct pp_wire_io_entry, got_bytes) ==
			       offsetof(struct pp_wire_io_entry, asked_bytes) + 8 &&
		       offsetof(struct pp_wire_io_page, entries) % 16 == 0 &&
		       sizeof(struct pp_wire_io_entry) % 16 == 0 &&
		       offsetof(struct pp_wire_io_descriptor, own) % 16 == 0,
	       "added to in pairs");

size_t io_again_size(void)
{
	return PP_WIRE_IO_AGAIN * sizeof(struct pp_io_again);
}

void io_again_settle(struct pp_thread *thread, uint32_t index)
{
	struct pp_io_again *again = again_numbered(thread, thread->io_again_at[index] - 1U);

	if (*again->pending)
		again_fold(again->entry, again->pending, *again->pending);
}

void io_again_forget(struct pp_thread *thread, uint32_t index)
{
	struct pp_io_again *again = again_numbered(thread, thread->io_again_at[index] - 1U);

	io_again_settle(thread, index);
	again->proof.pc = again->proof.sp = 0;
	thread->io_again_at[index] = 0;
}

void io_again_drop(struct pp_thread *thread, uint32_t number)
{
	struct pp_io_again *again = again_numbered(thread, number);
	uint64_t *pending = &thread->io->again[number];
	uint64_t index = (*pending >> 32) - 1;

	if (*pending && index < PP_WIRE_IO_ENTRIES)
		again_fold(&thread->io->entries[index], pending, *pending);
	memset(again, 0, sizeof(*again));
}

uint32_t io_again_aside(struct pp_thread *thread, const struct io_call *call, uint32_t index)
{
	struct pp_io_again *again = again_numbered(thread, thread->io_again_at[index] - 1U);
	uint32_t bucket = call_bucket(call), beside;

	if (thread->io->entries[index].count >= PP_IO_AGAIN_LIMIT)
		io_entry_flush(thread, index);
	if (bucket - again->first < PP_WIRE_IO_CELLS)
		return index;
	/* Shorter ones say that it was remembered at a long one. */
	if (bucket < again->first || ++again->aside > ASIDE_LIMIT) {
		io_again_forget(thread, index);
		return index;
	}
	beside = io_entry_beside(thread, call, index);
	if (beside == UINT32_MAX)
		io_call_emit(thread, call);
	return beside;
}

/* --- remembering ------------------------------------------------------------------------------------------------------ */

/* The first tick whose nanoseconds are `ns`. */
static uint64_t ticks_of(uint64_t ns)
{
	return (uint64_t)((((unsigned __int128)ns << 32) + pp_session.tick_ns - 1) / pp_session.tick_ns);
}

/* 64 buckets that hold all cells of the entry, or `bucket` where it has none; false: it has some further apart. */
static bool window_find(struct pp_io_again *again, const struct pp_wire_io_entry *entry, uint32_t bucket)
{
	uint32_t first = bucket, last = bucket;
	uint64_t above;

	for (uint32_t i = 0; i < PP_WIRE_IO_CELLS; i++) {
		if (!entry->cells[i].count)
			continue;
		if (entry->cells[i].bucket < first)
			first = entry->cells[i].bucket;
		if (entry->cells[i].bucket > last)
			last = entry->cells[i].bucket;
	}
	if (last - first >= PP_WIRE_IO_CELLS)
		return false;
	first = first > WINDOW_BELOW ? first - WINDOW_BELOW : 0;
	if (last - first >= PP_WIRE_IO_CELLS)
		first = last - PP_WIRE_IO_CELLS + 1;
	above = pp_wire_io_bucket_low(first + PP_WIRE_IO_CELLS);
	again->first = first;
	again->low = ticks_of(pp_wire_io_bucket_low(first));
	again->width = ticks_of(above < PP_IO_SLOW_NS ? above : PP_IO_SLOW_NS);
	if (again->width <= again->low || again->width > UINT32_MAX)
		return false;
	again->width -= again->low;
	return true;
}

static bool is_poor(struct pp_io_again *again)
{
	if (again->proof.pc && again->entry->count - again->count < POOR_HITS && ++again->poor >= POOR_LIMIT) {
		again->poor = 0;
		again->rest = POOR_REST;
	}
	return again->rest != 0;
}

/* The call was the same as the one before from its place: from now on it is looked for. false: it cannot be. */
static bool again_remember(struct pp_thread *thread, struct pp_io_again *again, const struct io_call *call,
			   struct pp_io_fd *state, uint64_t what, uint64_t asked, int64_t result,
			   const struct pp_registers *registers)
{
	uint32_t index = thread->io_last, number = (uint32_t)(again - again_numbered(thread, 0));
	struct pp_wire_io_entry *entry = &thread->io->entries[index];
	struct pp_wire_io_descriptor *row = io_fd_row(state);

	if (again->proof.pc)
		io_again_forget(thread, again->index);
	if (thread->io_again_at[index] || row->owner != thread->serial || !row->serial || !pp_session.tick_ns ||
	    call->ns >= PP_IO_SLOW_NS || !stack_proof_take(thread->memo, registers, &again->proof))
		return false;
	/* A call that took long is among those of the entry: they are told. */
	if (!window_find(again, entry, call_bucket(call))) {
		io_entry_flush(thread, index);
		thread->io_since[index] = io_ticks();
		if (!window_find(again, entry, call_bucket(call))) {
			again->proof.pc = again->proof.sp = 0;
			return false;
		}
	}
	again->what = what;
	again->asked = asked;
	again->result = result;
	again->entry = entry;
	again->pending = &thread->io->again[number];
	again->pending_entry = (uint64_t)(index + 1) << 32;
	again->since = &thread->io_since[index];
	again->state = state;
	again->file = state->file;
	again->row = row;
	again->serial = row->serial;
	again->counted = 1 | (uint64_t)call->sequential << 32;
	again->moved = (pp_pair){call->asked, call->got};
	again->passed = (pp_pair){1, call->got};
	again->index = index;
	again->aside = 0;
	again->count = entry->count;
	thread->io_again_at[index] = (uint8_t)(number + 1);
	return true;
}

/* Does it differ from what is remembered only in ways that make no difference to the next one? */
static bool is_known(const struct pp_io_again *again, const struct pp_io_fd *state, uint64_t what, uint64_t asked,
		     int64_t result, uint32_t index)
{
	return again->index == index && again->what == what && again->asked == asked && again->result == result &&
	       again->serial == io_fd_row(state)->serial;
}

void io_again_consider(struct pp_thread *thread, const struct io_call *call, struct pp_io_fd *state, uint64_t what,
		       uint64_t asked, int64_t result, int64_t offset, const struct pp_registers *registers)
{
	struct pp_io_again *again = again_at(thread, registers->pc);
	uint64_t mixed =
		((registers->pc ^ what) + asked * MIX_ASKED) ^ ((uint64_t)result * MIX_RESULT + thread->io_last);
	bool ours = again->proof.pc == registers->pc;

	if (pp_likely(again->last != mixed)) {
		again->last = mixed;
		again->seen = again->proof.pc ? again->entry->count : 0;
		return;
	}
	if (again->rest) {
		again->rest--;
		return;
	}
	if (!thread->io || result <= 0 || !state || !pp_stack_fast_generation ||
	    (offset != IO_NO_OFFSET && (!call->sequential || call->reread || call->aligned512)) ||
	    (ours && is_known(again, state, what, asked, result, thread->io_last)))
		return;
	/* The line that is remembered goes on repeating: it stays. */
	if (again->proof.pc && !ours && again->seen != again->entry->count)
		again->seen = again->entry->count;
	else if (!is_poor(again) && !again_remember(thread, again, call, state, what, asked, result, registers))
		again->rest = FAILED_REST;
}
