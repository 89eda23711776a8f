/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved streams that were tampered with, through the whole data path to a snapshot: nothing may crash, hang or eat the
 * memory.
 */
#include "replay.h"
#include "trace.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Sums that must hold of any profile, however the stream was. */
static void profile_check(const struct pp_profile *profile)
{
	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct pp_mem_totals *mem = &profile->processes[i].mem;

		if (mem->allocation_count == PP_UNKNOWN)
			continue; /* a process whose heap was not recorded */
		if (mem->allocation_count - mem->free_count != mem->live_count || mem->peak_bytes < mem->live_bytes)
			abort();
	}
	for (uint32_t i = 1; i < profile->node_count; i++) {
		if (profile->nodes[i].parent >= i || profile->nodes[i].address >= profile->address_count)
			abort();
	}
	for (uint32_t i = 0; i < profile->address_count; i++) {
		if (profile->addresses[i].module != PP_NONE && profile->addresses[i].module >= profile->module_count)
			abort();
	}
	for (uint32_t i = 0; i < profile->mem_site_count; i++) {
		const struct pp_mem_site *site = &profile->mem_sites[i];

		if (site->node >= profile->node_count || site->bin_count > PP_BIN_LIMIT)
			abort();
		for (uint32_t j = 1; j < site->bin_count; j++) {
			if (site->bins[j].bin <= site->bins[j - 1].bin)
				abort();
		}
	}
	for (uint32_t i = 0; i < profile->cpu_site_count; i++) {
		if (profile->cpu_sites[i].thread >= profile->thread_count ||
		    profile->cpu_sites[i].node >= profile->node_count)
			abort();
	}
}

/* What names something names what is there. */
static bool known(uint32_t index, uint32_t count)
{
	return index < count || index == PP_NONE;
}

static void io_check(const struct pp_profile *profile)
{
	for (uint32_t i = 0; i < profile->io_site_count; i++) {
		const struct pp_io_site *site = &profile->io_sites[i];

		if (site->process >= profile->process_count || site->node >= profile->node_count ||
		    !known(site->file, profile->io_file_count) || site->bin_count > PP_BIN_LIMIT ||
		    site->sequential_count > site->call_count)
			abort();
	}
	for (uint32_t i = 0; i < profile->io_slow_count; i++) {
		const struct pp_io_slow *slow = &profile->io_slows[i];

		if (slow->process >= profile->process_count || slow->thread >= profile->thread_count ||
		    slow->node >= profile->node_count || !known(slow->file, profile->io_file_count))
			abort();
	}
	for (uint32_t i = 0; i < profile->gil_site_count; i++)
		if (profile->gil_sites[i].node >= profile->node_count)
			abort();
}

static void sql_check(const struct pp_profile *profile)
{
	for (uint32_t i = 0; i < profile->sql_site_count; i++) {
		const struct pp_sql_site *site = &profile->sql_sites[i];

		if (site->process >= profile->process_count || site->node >= profile->node_count ||
		    !known(site->statement, profile->sql_statement_count) ||
		    !known(site->database, profile->sql_database_count) || site->bin_count > PP_BIN_LIMIT)
			abort();
	}
	for (uint32_t i = 0; i < profile->sql_transaction_count; i++) {
		const struct pp_sql_transaction *one = &profile->sql_transactions[i];

		if (one->node >= profile->node_count || one->end_node >= profile->node_count ||
		    !known(one->database, profile->sql_database_count))
			abort();
	}
	for (uint32_t i = 0; i < profile->sql_slow_count; i++) {
		const struct pp_sql_slow *slow = &profile->sql_slows[i];

		if (slow->thread >= profile->thread_count || slow->node >= profile->node_count ||
		    !known(slow->statement, profile->sql_statement_count) ||
		    !known(slow->database, profile->sql_database_count))
			abort();
	}
	for (uint32_t i = 0; i < profile->sql_hold_count; i++) {
		const struct pp_sql_hold *hold = &profile->sql_holds[i];

		if (hold->thread >= profile->thread_count || hold->node >= profile->node_count ||
		    hold->end_node >= profile->node_count || hold->long_node >= profile->node_count ||
		    !known(hold->statement, profile->sql_statement_count) ||
		    !known(hold->database, profile->sql_database_count))
			abort();
	}
	for (uint32_t i = 0; i < profile->sql_wait_count; i++) {
		const struct pp_sql_wait *wait = &profile->sql_waits[i];

		if (wait->thread >= profile->thread_count || wait->node >= profile->node_count ||
		    !known(wait->statement, profile->sql_statement_count) ||
		    !known(wait->database, profile->sql_database_count))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pp_trace *trace = trace_create();
	struct pp_replay *replay = replay_load_bytes(trace, bytes, size, NULL);

	if (replay) {
		struct pp_profile *profile = trace_snapshot(trace, UINT64_C(1) << 41, false);

		profile_check(profile);
		io_check(profile);
		sql_check(profile);
		profile_destroy(profile);
	}
	trace_destroy(trace);
	replay_free(replay);
	return 0;
}
