/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where threads' wall time went: CPU time, time blocked in calls, and the rest. A call's duration holds the CPU time that
 * the kernel spent on it: all of it where data lie in memory, hardly any where the thread slept. What of a thread's CPU
 * time lies in calls is known from its samples: a stack that goes on below the frame that made such a call was taken
 * within it. Their share of the samples is their share of the thread's CPU time, and that is no time blocked.
 *
 * On a snapshot's tree, before anything is hidden or renumbered. One thread.
 */
#include "snapshot.h"

#include "io_operation.h"
#include "memory.h"

#include <stdlib.h>

#define OUTSIDE PP_WAIT_KINDS

/* The stack of a call of stdio is that of the system calls that it makes as well: CPU time there is either's. */
static bool call_is_alone(uint32_t operation)
{
	return !io_group_is_stdio(io_operation_group(operation)) && !io_operation_is_stdios(operation);
}

/* For each node: the kind of the call that stacks ending in it were taken in. */
static uint8_t *nodes_kinds(const struct pp_profile *profile)
{
	uint8_t *calls = memory_array((size_t)profile->node_count + 1, sizeof(*calls)); /* kind + 1 of a call made there */
	uint8_t *inside = memory_array((size_t)profile->node_count + 1, sizeof(*inside));

	for (uint32_t i = 0; i < profile->io_site_count; i++)
		if (profile->io_sites[i].node && call_is_alone(profile->io_sites[i].operation))
			calls[profile->io_sites[i].node] =
				(uint8_t)(io_operation_kind(profile->io_sites[i].operation) + 1);
	inside[0] = OUTSIDE;
	for (uint32_t i = 1; i < profile->node_count; i++) {
		uint32_t parent = profile->nodes[i].parent, address = profile->nodes[i].address;

		inside[i] = calls[parent] ? (uint8_t)(calls[parent] - 1) : inside[parent];
		/* In the library itself: before or after the call. */
		if (address != PP_NONE && !profile->addresses[address].python &&
		    profile->addresses[address].module != PP_NONE &&
		    profile_module_is_own(profile->modules[profile->addresses[address].module].path))
			inside[i] = OUTSIDE;
	}
	free(calls);
	return inside;
}

static void blocked_less(struct pp_thread *thread, enum pp_wait_kind kind, uint64_t sampled_ns)
{
	double cpu_ns = (double)sampled_ns;

	/* The share of the samples, of the time that the clock says. */
	if (thread->cpu_ns != PP_UNKNOWN && thread->sampled_ns)
		cpu_ns *= (double)thread->cpu_ns / (double)thread->sampled_ns;
	thread->blocked_ns[kind] -=
		cpu_ns < (double)thread->blocked_ns[kind] ? (uint64_t)cpu_ns : thread->blocked_ns[kind];
}

static uint64_t blocked_cut(uint64_t *blocked_ns, uint64_t excess_ns)
{
	uint64_t cut = excess_ns < *blocked_ns ? excess_ns : *blocked_ns;

	*blocked_ns -= cut;
	return excess_ns - cut;
}

/* No thread is blocked for longer than it did not compute: what is too much is CPU time that no sample met, of calls that
 * mostly compute first, and then of the longest waits. */
static void blocked_limit(struct pp_thread *thread, uint64_t end_ns)
{
	uint64_t wall_ns = (thread->end_ns == PP_UNKNOWN ? end_ns : thread->end_ns) - thread->start_ns, sum = 0, limit;

	if (thread->cpu_ns == PP_UNKNOWN || wall_ns > end_ns)
		return;
	limit = wall_ns > thread->cpu_ns ? wall_ns - thread->cpu_ns : 0;
	for (int kind = 0; kind < PP_WAIT_KINDS; kind++)
		sum += thread->blocked_ns[kind];
	sum = sum > limit ? sum - limit : 0;
	for (int kind = PP_WAIT_READ_WRITE; kind <= PP_WAIT_FILE; kind++)
		sum = blocked_cut(&thread->blocked_ns[kind], sum);
	while (sum) {
		int longest = 0;

		for (int kind = 0; kind < PP_WAIT_KINDS; kind++)
			if (thread->blocked_ns[kind] > thread->blocked_ns[longest])
				longest = kind;
		sum = blocked_cut(&thread->blocked_ns[longest], sum);
	}
}

void snapshot_waits(struct pp_profile *profile)
{
	uint64_t(*sampled)[PP_WAIT_KINDS + 1] = memory_array((size_t)profile->thread_count + 1, sizeof(*sampled));
	uint8_t *inside = nodes_kinds(profile);
	uint64_t end_ns = 0;

	for (uint32_t i = 0; i < profile->cpu_site_count; i++) {
		const struct pp_cpu_site *site = &profile->cpu_sites[i];

		sampled[site->thread][inside[site->node]] += site->sampled_ns;
	}
	for (uint32_t i = 0; i < profile->process_count; i++)
		if (profile->processes[i].end_ns != PP_UNKNOWN && profile->processes[i].end_ns > end_ns)
			end_ns = profile->processes[i].end_ns;
	if (profile->wall_ns > end_ns)
		end_ns = profile->wall_ns;
	for (uint32_t i = 0; i < profile->thread_count; i++) {
		for (int kind = 0; kind < PP_WAIT_KINDS; kind++)
			blocked_less(&profile->threads[i], (enum pp_wait_kind)kind, sampled[i][kind]);
		blocked_limit(&profile->threads[i], end_ns);
	}
	free(inside);
	free(sampled);
}
