/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts of a living process, asked now and then: a process that is killed cannot tell it, and one that runs
 * has not told it yet. Bytes read and written and CPU time, by thread, since the process's own sums take in the children
 * that it has waited for. The server's thread, before each publication, and when a process has died.
 */
#include "server_internal.h"

#include "clock.h"
#include "process_end.h"

#define THREADS_LIMIT 256 /* of a process; more would take longer than the figures are worth */
#define TRIES	      3

static const struct pp_wire_slot *slot_of(const struct pp_source *source, uint32_t index)
{
	if (PP_WIRE_SLOTS + (index + UINT64_C(1)) * sizeof(struct pp_wire_slot) > source->shared_size)
		return NULL;
	return (const struct pp_wire_slot *)((const uint8_t *)source->header + PP_WIRE_SLOTS) + index;
}

static void thread_account(struct pp_source *source, const struct pp_wire_slot *slot, struct pp_kernel_io *sum)
{
	uint64_t read = 0, written = 0, cpu_ns, delay_ns;
	pid_t tid = (pid_t)slot->tid;

	if (process_io_read(source->pid, tid, &read, &written)) {
		sum->read_bytes += read;
		sum->written_bytes += written;
	} else {
		sum->known = false;
	}
	if (process_schedule_read(source->pid, tid, &cpu_ns, &delay_ns))
		image_set_schedule(source->image, slot->thread, cpu_ns, delay_ns);
}

/* All threads that live, and what is known of those that do not. */
static bool threads_account(struct pp_source *source, struct pp_kernel_io *sum)
{
	const struct pp_wire_header *header = source->header;
	uint32_t count = __atomic_load_n(&header->slot_count, __ATOMIC_ACQUIRE);
	uint64_t ended = __atomic_load_n(&header->io_ended_read, __ATOMIC_ACQUIRE);

	*sum = (struct pp_kernel_io){.known = true,
				     .read_bytes = ended - header->io_base_read - header->io_own_read,
				     .written_bytes = header->io_ended_write - header->io_base_write - header->io_own_write};
	for (uint32_t i = 0; i < count && i < THREADS_LIMIT; i++) {
		const struct pp_wire_slot *slot = slot_of(source, i);

		if (slot && __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == PP_SLOT_LIVE &&
		    !__atomic_load_n(&slot->end_ns, __ATOMIC_ACQUIRE))
			thread_account(source, slot, sum);
	}
	/* A thread that ended meanwhile may be in both. */
	return __atomic_load_n(&header->io_ended_read, __ATOMIC_ACQUIRE) == ended && count <= THREADS_LIMIT;
}

void source_account(struct pp_source *source)
{
	struct pp_kernel_io sum;

	if (source->image && source->header->families >> PP_FAMILY_IO & 1 && !image_has_io_uring(source->image) &&
	    process_has_io_uring(source->pid))
		image_set_io_uring(source->image);
	if (!source->image || __atomic_load_n(&source->header->io_known, __ATOMIC_ACQUIRE) != 1)
		return;
	for (int i = 0; i < TRIES; i++) {
		if (!threads_account(source, &sum))
			continue;
		/* Ours are counted where they are made, the kernel's when they are over. */
		sum.read_bytes = (int64_t)sum.read_bytes < 0 ? 0 : sum.read_bytes;
		sum.written_bytes = (int64_t)sum.written_bytes < 0 ? 0 : sum.written_bytes;
		sum.at_ns = clock_now_ns();
		if (sum.known)
			image_set_kernel_io(source->image, &sum);
		return;
	}
}
