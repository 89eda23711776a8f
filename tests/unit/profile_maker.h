/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles made up for tests: a small one, written out by hand so that every figure in it can be checked by eye, and
 * large ones from a seed. Everything a profile can hold occurs: several processes and threads, inlined frames, C++
 * names, modules without names, an unknown stack, numbers that need 64 bits, texts that are no UTF-8.
 */
#ifndef PREPROF_PROFILE_MAKER_H
#define PREPROF_PROFILE_MAKER_H

#include "arena.h"
#include "profile.h"

#include "preprof/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define MAKER_MS UINT64_C(1000000)

/* ---- the small one ---- */

enum maker_frame {
	MAKER_START, /* _start: no file */
	MAKER_MAIN,
	MAKER_STEP,    /* Simulation::step, calls itself */
	MAKER_MOVE,    /* inlined into step */
	MAKER_GROW,    /* a C++ name of 150 characters */
	MAKER_NEW,     /* operator new(unsigned long) */
	MAKER_UNKNOWN, /* of a stripped library */
	MAKER_CHILD,
	MAKER_JIT, /* no module at all */
	MAKER_FRAMES,
};

enum maker_node {
	NODE_ROOT,
	NODE_START,
	NODE_MAIN,
	NODE_STEP,	 /* main > step (with move inlined) */
	NODE_STEP_AGAIN, /* main > step > step */
	NODE_GROW,	 /* main > step > grow */
	NODE_NEW,	 /* main > step > grow > operator new */
	NODE_UNKNOWN,	 /* main > library+0x1234 */
	NODE_CHILD,
	NODE_JIT, /* cut off outside */
	MAKER_NODES,
};

static const struct pp_frame maker_frames[MAKER_FRAMES] = {
	[MAKER_START] = {"_start", NULL, 0, 0, 0x1060, PP_LANGUAGE_NATIVE, false, 0, false},
	[MAKER_MAIN] = {"main", "/home/user/simulation/main.cpp", 42, 0, 0x2010, PP_LANGUAGE_NATIVE, false, 0, false},
	[MAKER_MOVE] = {"Agent::move(Vector const&)", "/home/user/simulation/agent.h", 17, 0, 0x2108,
			PP_LANGUAGE_NATIVE, true, 0, false},
	[MAKER_STEP] = {"Simulation::step(double)", "/home/user/simulation/simulation.cpp", 120, 0, 0x2108,
			PP_LANGUAGE_NATIVE, false, 0, false},
	[MAKER_GROW] =
		{"std::vector<std::unique_ptr<Agent, std::default_delete<Agent> >, "
		 "std::allocator<std::unique_ptr<Agent, std::default_delete<Agent> > > >::_M_realloc_insert<Agent*&>"
		 "(Agent*&)",
		 "/usr/include/c++/12/bits/vector.tcc", 440, 0, 0x2230, PP_LANGUAGE_NATIVE, false, 0, false},
	[MAKER_NEW] = {"operator new(unsigned long)", NULL, 0, 2, 0xa4c0, PP_LANGUAGE_NATIVE, false, 0, false},
	[MAKER_UNKNOWN] = {NULL, NULL, 0, 1, 0x1234, PP_LANGUAGE_NATIVE, false, 0, false},
	[MAKER_CHILD] = {"worker", "worker.c", 9, 3, 0x1180, PP_LANGUAGE_NATIVE, false, 0, false},
	[MAKER_JIT] = {NULL, NULL, 0, PP_NONE, UINT64_C(0xffffffffff600000), PP_LANGUAGE_NATIVE, false, 0, false},
};

static inline void *maker_copy(struct pp_arena *arena, const void *from, size_t size)
{
	return memcpy(arena_alloc(arena, size), from, size);
}

static inline void maker_small_code(struct pp_profile *profile)
{
	static const struct pp_module modules[] = {
		{"/home/user/simulation/simulation", "9f3c2a1b", false, true, 0, 0},
		{"/usr/lib/x86_64-linux-gnu/libstripped.so.2", "", false, false, 0, 0},
		{"/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", "aabbccddeeff00112233445566778899aabbccdd", false, false, 0, 0},
		{"/opt/worker/bin/worker", "01", false, true, 0, 0},
	};
	/* frames in this order: the inlined move lies before the step that it is inlined into */
	static const uint8_t order[MAKER_FRAMES] = {MAKER_START, MAKER_MAIN,	MAKER_MOVE,  MAKER_STEP, MAKER_GROW,
						    MAKER_NEW,	 MAKER_UNKNOWN, MAKER_CHILD, MAKER_JIT};
	static const struct pp_address addresses[] = {
		{0, 0, 1, 0x1060, false},
		{0, 1, 1, 0x2010, false},
		{0, 2, 2, 0x2108, false},
		{0, 4, 1, 0x2230, false},
		{2, 5, 1, 0xa4c0, false},
		{1, 6, 1, 0x1234, false},
		{3, 7, 1, 0x1180, false},
		{PP_NONE, 8, 1, UINT64_C(0xffffffffff600000), false},
	};
	static const struct pp_node nodes[MAKER_NODES] = {
		[NODE_ROOT] = {PP_NONE, PP_NONE, false},   [NODE_START] = {NODE_ROOT, 0, false},
		[NODE_MAIN] = {NODE_START, 1, false},	   [NODE_STEP] = {NODE_MAIN, 2, false},
		[NODE_STEP_AGAIN] = {NODE_STEP, 2, false}, [NODE_GROW] = {NODE_STEP, 3, false},
		[NODE_NEW] = {NODE_GROW, 4, false},	   [NODE_UNKNOWN] = {NODE_MAIN, 5, false},
		[NODE_CHILD] = {NODE_ROOT, 6, false},	   [NODE_JIT] = {NODE_ROOT, 7, true},
	};
	struct pp_frame frames[MAKER_FRAMES];

	for (int i = 0; i < MAKER_FRAMES; i++)
		frames[i] = maker_frames[order[i]];
	profile->modules = maker_copy(profile->arena, modules, sizeof(modules));
	profile->module_count = sizeof(modules) / sizeof(modules[0]);
	profile->frames = maker_copy(profile->arena, frames, sizeof(frames));
	profile->frame_count = MAKER_FRAMES;
	profile->addresses = maker_copy(profile->arena, addresses, sizeof(addresses));
	profile->address_count = sizeof(addresses) / sizeof(addresses[0]);
	profile->nodes = maker_copy(profile->arena, nodes, sizeof(nodes));
	profile->node_count = MAKER_NODES;
}

static inline void maker_small_processes(struct pp_profile *profile)
{
	static const char *const command[] = {"./simulation", "--agents",	  "1000",
					      "caf\xc3\xa9",  "\xff\"quoted\"\n", NULL};
	static const char *const child[] = {"worker", "", NULL};
	static const char *const nothing[] = {NULL};
	struct pp_process processes[3] = {
		{.id = 1,
		 .pid = 4711,
		 .parent = PP_NONE,
		 .origin = PP_ORIGIN_FIRST,
		 .executable = "/home/user/simulation/simulation",
		 .command = command,
		 .start_ns = 0,
		 .end_ns = 2000 * MAKER_MS,
		 .exit = {true, 0, 0},
		 .user_ns = 1600 * MAKER_MS,
		 .system_ns = 100 * MAKER_MS,
		 .max_rss_bytes = 96 << 20,
		 .cpu_ns = 1700 * MAKER_MS,
		 .sample_period_ns = 4 * MAKER_MS,
		 .sample_count = 420,
		 .sampled_ns = 1680 * MAKER_MS,
		 .event_count = 150021,
		 .overhead_bytes = 1 << 20,
		 .complete = true,
		 .mem = {.allocation_count = 100010,
			 .free_count = 50010,
			 .allocated_bytes = 52428800,
			 .freed_bytes = 20971520,
			 .live_bytes = 31457280,
			 .live_count = 50000,
			 .peak_bytes = 41943040,
			 .peak_at_ns = 1500 * MAKER_MS,
			 .temporary_count = 40000,
			 .realloc_count = 20,
			 .realloc_moved_count = 8,
			 .failed_count = 1,
			 .unknown_free_count = 2,
			 .mapping_count = 3,
			 .mapped_bytes = 12 << 20,
			 .mapping_peak_bytes = 8 << 20}},
		{.id = 2,
		 .pid = 4712,
		 .parent = 0,
		 .origin = PP_ORIGIN_EXEC,
		 .executable = "/opt/worker/bin/worker",
		 .command = child,
		 .start_ns = 200 * MAKER_MS,
		 .end_ns = 900 * MAKER_MS,
		 .exit = {true, -1, 11},
		 .user_ns = PP_UNKNOWN,
		 .system_ns = PP_UNKNOWN,
		 .max_rss_bytes = PP_UNKNOWN,
		 .cpu_ns = 80 * MAKER_MS,
		 .sample_period_ns = 4 * MAKER_MS,
		 .sample_count = 20,
		 .sampled_ns = 80 * MAKER_MS,
		 .event_count = 5000,
		 .lost_count = 12,
		 .dropped_frames = 1,
		 .not_observed = PP_NOT_MALLOC_IN_EXE | PP_NOT_UNWIND_TABLES,
		 .complete = false,
		 .mem = {.allocation_count = 3000,
			 .free_count = 2000,
			 .allocated_bytes = 3000000,
			 .freed_bytes = 1000000,
			 .live_bytes = 2000000,
			 .live_count = 1000,
			 .peak_bytes = 2500000,
			 .peak_at_ns = 800 * MAKER_MS,
			 .inherited_free_count = 7}},
		{.id = 3,
		 .pid = 4713,
		 .parent = 1,
		 .origin = PP_ORIGIN_FORK,
		 .executable = NULL,
		 .command = nothing,
		 .start_ns = 300 * MAKER_MS,
		 .end_ns = PP_UNKNOWN,
		 .exit = {false, 0, 0},
		 .user_ns = PP_UNKNOWN,
		 .system_ns = PP_UNKNOWN,
		 .max_rss_bytes = PP_UNKNOWN,
		 .cpu_ns = PP_UNKNOWN,
		 .stop_reason = "no space in shared memory",
		 .mem = {.peak_at_ns = PP_UNKNOWN}},
	};

	processes[0].skipped[PP_SKIP_UNWIND] = 4;
	processes[0].skipped[PP_SKIP_CHECKED] = UINT64_C(1) << 40;
	processes[1].skipped[PP_SKIP_UNWIND] = 1;
	processes[1].skipped[PP_PROFILE_SKIPS - 1] = 3;
	processes[0].mem.sizes.counts[0] = 10;
	processes[0].mem.sizes.counts[7] = 100000;
	processes[0].mem.lifetimes.counts[12] = 40000;
	processes[0].mem.lifetimes.counts[30] = 10010;
	processes[1].mem.sizes.counts[10] = 3000;
	processes[1].mem.sizes.counts[64] = 1;
	for (int i = 0; i < 3; i++) {
		const char **copy = arena_array(profile->arena, 8, sizeof(*copy));

		for (int j = 0; processes[i].command[j]; j++)
			copy[j] = processes[i].command[j];
		processes[i].command = copy;
	}
	profile->processes = maker_copy(profile->arena, processes, sizeof(processes));
	profile->process_count = 3;
}

static inline void maker_small_threads(struct pp_profile *profile)
{
	static const struct pp_thread threads[] = {
		{.process = 0,
		 .tid = 4711,
		 .serial = 1,
		 .name = "simulation",
		 .start_ns = 0,
		 .end_ns = 2000 * MAKER_MS,
		 .sample_count = 300,
		 .sampled_ns = 1200 * MAKER_MS,
		 .cpu_ns = 1210 * MAKER_MS,
		 .event_count = 150000,
		 .allocation_count = 100000,
		 .allocated_bytes = 52000000,
		 .free_count = 50000,
		 .freed_bytes = 20971520,
		 .live_bytes = 31000000,
		 .live_count = 49000,
		 .temporary_count = 40000,
		 .io_call_count = 20307,
		 .io_read_bytes = 900000,
		 .io_written_bytes = 210000,
		 .io_ns = 441021345,
		 .stdio_call_count = 1000,
		 .stdio_read_bytes = 1,
		 .stdio_written_bytes = 10000,
		 .stdio_ns = 350000},
		{.process = 0,
		 .tid = 4720,
		 .serial = 2,
		 .name = "",
		 .start_ns = 100 * MAKER_MS,
		 .end_ns = PP_UNKNOWN,
		 .sample_count = 120,
		 .sampled_ns = 480 * MAKER_MS,
		 .cpu_ns = PP_UNKNOWN,
		 .event_count = 21,
		 .allocation_count = 10,
		 .allocated_bytes = 428800,
		 .free_count = 10,
		 .live_bytes = 457280,
		 .live_count = 1000},
		{.process = 1,
		 .tid = 4712,
		 .serial = 1,
		 .name = "worker",
		 .start_ns = 200 * MAKER_MS,
		 .end_ns = 900 * MAKER_MS,
		 .sample_count = 20,
		 .sampled_ns = 80 * MAKER_MS,
		 .cpu_ns = 80 * MAKER_MS,
		 .event_count = 5000,
		 .allocation_count = 3000,
		 .allocated_bytes = 3000000,
		 .free_count = 2000,
		 .freed_bytes = 1000000,
		 .live_bytes = 2000000,
		 .live_count = 1000},
		{.process = 2,
		 .tid = 4713,
		 .serial = 1,
		 .name = NULL,
		 .start_ns = 300 * MAKER_MS,
		 .end_ns = PP_UNKNOWN,
		 .cpu_ns = PP_UNKNOWN},
	};

	profile->threads = maker_copy(profile->arena, threads, sizeof(threads));
	profile->thread_count = sizeof(threads) / sizeof(threads[0]);
}

static inline void maker_small_io(struct pp_profile *profile)
{
	static const struct pp_io_file files[] = {
		{"/home/user/simulation/out.csv", PP_IO_KIND_FILE, 4096},
		{"tcp 127.0.0.1:5432", PP_IO_KIND_SOCKET, PP_UNKNOWN},
		{NULL, PP_IO_KIND_PIPE, PP_UNKNOWN},
	};
	/* 20 000 writes of 10 bytes, 500 ns most of them: buckets 159 and 160 are 496 and 504 ns upwards */
	static const struct pp_io_cell ten_bytes[] = {{4, 20000}}, quick[] = {{159, 15000}, {160, 4999}, {512, 1}};
	static const struct pp_io_cell lines[] = {{4, 1000}}, timed[] = {{159, 700}}, blocks[] = {{12, 3}};
	static const struct pp_io_cell waits[] = {{800, 10}};
	static const struct pp_io_cell answers[] = {{12, 300}}, slow[] = {{511, 290}, {700, 10}};
	static const struct pp_sum_bin bins[] = {{0, {10000, 100000, 5000000}}, {19, {10000, 100000, 6012345}}};
	const struct pp_io_site sites[] = {
		{.process = 0,
		 .node = NODE_STEP,
		 .file = 0,
		 .operation = PP_IO_WRITE,
		 .call_count = 20000,
		 .asked_bytes = 200000,
		 .got_bytes = 200000,
		 .ns = 11012345,
		 .max_ns = 1048576,
		 .sequential_count = 19990,
		 .strided_count = 2,
		 .aligned512_count = 400,
		 .aligned4096_count = 50,
		 .size_count = 1,
		 .sizes = ten_bytes,
		 .latency_count = 3,
		 .latencies = quick,
		 .bin_count = 2,
		 .bins = bins},
		{.process = 0, .node = NODE_STEP, .file = 0, .operation = PP_IO_FSYNC, .call_count = 3, .ns = 30 * MAKER_MS,
		 .max_ns = 12 * MAKER_MS},
		{.process = 0,
		 .node = NODE_MAIN,
		 .file = 1,
		 .operation = PP_IO_RECV,
		 .call_count = 300,
		 .asked_bytes = 4096 * 300,
		 .got_bytes = 3000 * 300,
		 .ns = 400 * MAKER_MS,
		 .max_ns = 33 * MAKER_MS,
		 .size_count = 1,
		 .sizes = answers,
		 .latency_count = 2,
		 .latencies = slow},
		{.process = 1, .node = NODE_ROOT, .file = PP_NONE, .operation = PP_IO_OPEN, .error = 2, .call_count = 17, .ns = 17000,
		 .max_ns = 2000},
		{.process = 1, .node = NODE_CHILD, .file = 2, .operation = PP_IO_READ, .error = 11, .call_count = 5, .ns = 1500,
		 .max_ns = 400, .asked_bytes = 500},
		/* 700 of 1000 lines were timed, three writes came of them */
		{.process = 0,
		 .node = NODE_MAIN,
		 .file = 0,
		 .operation = PP_IO_STDIO_PRINTF,
		 .call_count = 1000,
		 .asked_bytes = 10000,
		 .got_bytes = 10000,
		 .ns = 350000,
		 .max_ns = 516,
		 .size_count = 1,
		 .sizes = lines,
		 .latency_count = 1,
		 .latencies = timed},
		{.process = 0,
		 .node = NODE_MAIN,
		 .file = 0,
		 .operation = PP_IO_STDIO_SYS_WRITE,
		 .call_count = 3,
		 .asked_bytes = 10000,
		 .got_bytes = 10000,
		 .ns = 9000,
		 .max_ns = 4000,
		 .size_count = 1,
		 .sizes = blocks,
		 .sequential_count = 3},
		{.process = 0, .node = NODE_STEP, .file = PP_NONE, .operation = PP_IO_STAT, .error = 2, .call_count = 40, .ns = 80000,
		 .max_ns = 4000},
		{.process = 0, .node = NODE_MAIN, .file = PP_NONE, .operation = PP_IO_CONDITION, .call_count = 10,
		 .ns = 200 * MAKER_MS, .max_ns = 90 * MAKER_MS, .latency_count = 1, .latencies = waits},
		{.process = 0, .node = NODE_MAIN, .file = PP_NONE, .operation = PP_IO_CONDITION, .ns = 50 * MAKER_MS,
		 .max_ns = 50 * MAKER_MS},
		{.process = 1, .node = NODE_CHILD, .file = PP_NONE, .operation = PP_IO_POLL, .error = 4, .call_count = 2,
		 .ns = 3 * MAKER_MS, .max_ns = 2 * MAKER_MS},
	};
	static const struct pp_io_slow slows[] = {
		{0, 0, NODE_MAIN, 1, PP_IO_RECV, 0, 4096, 3000, 33 * MAKER_MS, 900 * MAKER_MS},
		{0, 0, NODE_STEP, 0, PP_IO_FSYNC, 0, 0, 0, 12 * MAKER_MS, 100 * MAKER_MS},
	};

	static const struct pp_io_descriptor lives[] = {
		{0, 0, NODE_MAIN, 1, 5, -1, 2, PP_IO_MADE_SOCKET, PP_IO_END_CLOSED, 2 | O_NONBLOCK, false, 10 * MAKER_MS,
		 950 * MAKER_MS, 300, 900000, 0, 0, 0, 3},
		{0, 0, NODE_STEP, 0, 6, -1, 3, PP_IO_OPENED, 0, O_WRONLY | O_APPEND, true, 20 * MAKER_MS, PP_UNKNOWN, 0, 0, 20003,
		 210000, 0, 3},
		{1, PP_NONE, 0, PP_NONE, 1, 0, 1, PP_IO_DUPLICATED, PP_IO_END_REPLACED, 0, false, 5 * MAKER_MS, 6 * MAKER_MS, 0, 0, 0,
		 0, 0, 0},
	};

	profile->io_descriptors = maker_copy(profile->arena, lives, sizeof(lives));
	profile->io_descriptor_count = sizeof(lives) / sizeof(lives[0]);
	profile->io_descriptors_left_out = 12;
	profile->io_files = maker_copy(profile->arena, files, sizeof(files));
	profile->io_file_count = sizeof(files) / sizeof(files[0]);
	profile->io_sites = maker_copy(profile->arena, sites, sizeof(sites));
	profile->io_site_count = sizeof(sites) / sizeof(sites[0]);
	profile->io_slows = maker_copy(profile->arena, slows, sizeof(slows));
	profile->io_slow_count = sizeof(slows) / sizeof(slows[0]);
	profile->threads[0].blocked_ns[PP_WAIT_CONDITION] = 250 * MAKER_MS;
	profile->threads[0].blocked_ns[PP_WAIT_SOCKET] = 299 * MAKER_MS;
	profile->threads[0].run_delay_ns = 7 * MAKER_MS;
	profile->processes[0].io_recorded = profile->processes[1].io_recorded = true;
	profile->processes[0].kernel_read_bytes = 12345;
	profile->processes[0].kernel_write_bytes = 200100;
	profile->processes[0].kernel_sampled_ns = PP_UNKNOWN;
	profile->processes[0].descriptor_limit = 1024;
	profile->processes[1].kernel_sampled = true;
	profile->processes[1].kernel_sampled_ns = 444 * MAKER_MS;
	profile->processes[1].kernel_read_bytes = profile->processes[1].kernel_write_bytes = 77;
}

static inline void maker_small_sites(struct pp_profile *profile)
{
	/* bytes that are never given back, in every bin: what "unfreed bytes grow" looks for */
	static struct pp_mem_bin growing[20];
	static const struct pp_mem_bin short_lived[] = {{3, 40000, 19971520, 40000, 19971520}};
	static const struct pp_cpu_bin early[] = {{0, 100}, {1, 150}, {19, 3}};
	const struct pp_mem_site mem_sites[] = {
		{.process = 0,
		 .node = NODE_NEW,
		 .allocation_count = 50000,
		 .allocated_bytes = 31457280,
		 .live_count = 50000,
		 .live_bytes = 31457280,
		 .peak_bytes = 30000000,
		 .peak_count = 45000,
		 .max_live_bytes = 31457280,
		 .bin_count = 20,
		 .bins = growing},
		{.process = 0,
		 .node = NODE_STEP,
		 .allocation_count = 50000,
		 .allocated_bytes = 19971520,
		 .temporary_count = 40000,
		 .peak_bytes = 11943040,
		 .peak_count = 2,
		 .max_live_bytes = 12000000,
		 .failed_count = 1,
		 .bin_count = 1,
		 .bins = short_lived},
		{.process = 0,
		 .node = NODE_UNKNOWN,
		 .allocation_count = 10,
		 .allocated_bytes = 1000000,
		 .max_live_bytes = 100000,
		 .mapping_count = 3,
		 .mapped_bytes = 12 << 20},
		{.process = 1,
		 .node = NODE_CHILD,
		 .allocation_count = 3000,
		 .allocated_bytes = 3000000,
		 .live_count = 1000,
		 .live_bytes = 2000000,
		 .peak_bytes = 2500000,
		 .peak_count = 1200,
		 .max_live_bytes = 2500000},
		{.process = 1, .node = NODE_ROOT, .allocation_count = PP_UNKNOWN - 1},
	};
	const struct pp_cpu_site cpu_sites[] = {
		{.process = 0,
		 .thread = 0,
		 .node = NODE_STEP,
		 .sample_count = 253,
		 .sampled_ns = 1012 * MAKER_MS,
		 .bin_count = 3,
		 .bins = early},
		{.process = 0, .thread = 0, .node = NODE_STEP_AGAIN, .sample_count = 47, .sampled_ns = 188 * MAKER_MS},
		{.process = 0, .thread = 1, .node = NODE_UNKNOWN, .sample_count = 110, .sampled_ns = 440 * MAKER_MS},
		{.process = 0, .thread = 1, .node = NODE_JIT, .sample_count = 10, .sampled_ns = 40 * MAKER_MS},
		{.process = 1, .thread = 2, .node = NODE_CHILD, .sample_count = 20, .sampled_ns = 80 * MAKER_MS},
	};

	static const struct pp_gil_site gil_sites[] = {
		{.process = 0, .node = NODE_STEP, .wait_count = 4000, .wait_ns = 3 * MAKER_MS, .max_ns = MAKER_MS},
		{.process = 1, .node = NODE_UNKNOWN, .wait_count = 1, .wait_ns = 77, .max_ns = 77},
	};

	for (uint32_t i = 0; i < 20; i++)
		growing[i] = (struct pp_mem_bin){i, 2500, 1572864, 0, 0};
	profile->mem_sites = maker_copy(profile->arena, mem_sites, sizeof(mem_sites));
	profile->mem_site_count = sizeof(mem_sites) / sizeof(mem_sites[0]);
	profile->cpu_sites = maker_copy(profile->arena, cpu_sites, sizeof(cpu_sites));
	profile->cpu_site_count = sizeof(cpu_sites) / sizeof(cpu_sites[0]);
	profile->gil_sites = maker_copy(profile->arena, gil_sites, sizeof(gil_sites));
	profile->gil_site_count = sizeof(gil_sites) / sizeof(gil_sites[0]);
}

static inline struct pp_profile *profile_make_small(void)
{
	static const char *const notes[] = {"a process of another user keeps a recording of its own: other.pprf", NULL};
	struct pp_profile *profile = profile_create();

	profile->preprof_version = "0.1.0-test";
	profile->host = "testhost";
	profile->start_unix_ns = UINT64_C(1700000000123456789);
	profile->wall_ns = 2000 * MAKER_MS;
	profile->notes = notes;
	profile->analyzer_cpu_ns = 12345678;
	profile->analyzer_max_rss_bytes = 30 << 20;
	profile->bin_ns = 100 * MAKER_MS;
	maker_small_code(profile);
	maker_small_processes(profile);
	maker_small_threads(profile);
	maker_small_sites(profile);
	maker_small_io(profile);
	return profile;
}

/* One process that did nothing that was recorded. */
static inline struct pp_profile *profile_make_empty(void)
{
	static const char *const command[] = {"true", NULL};
	static const struct pp_process process = {
		.id = 1,
		.pid = 100,
		.parent = PP_NONE,
		.origin = PP_ORIGIN_FIRST,
		.executable = "/usr/bin/true",
		.command = command,
		.end_ns = MAKER_MS,
		.exit = {true, 0, 0},
		.sample_period_ns = 4 * MAKER_MS,
		.complete = true,
	};
	static const struct pp_thread thread = {.tid = 100, .serial = 1, .name = "true", .end_ns = MAKER_MS};
	static const struct pp_node root = {PP_NONE, PP_NONE, false};
	struct pp_profile *profile = profile_create();

	profile->preprof_version = "0.1.0-test";
	profile->host = "testhost";
	profile->wall_ns = MAKER_MS;
	profile->complete = true;
	profile->bin_ns = MAKER_MS;
	profile->processes = maker_copy(profile->arena, &process, sizeof(process));
	profile->threads = maker_copy(profile->arena, &thread, sizeof(thread));
	profile->nodes = maker_copy(profile->arena, &root, sizeof(root));
	profile->process_count = profile->thread_count = profile->node_count = 1;
	return profile;
}

/* ---- large ones ---- */

static inline uint64_t maker_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Like a compiler's profile: chains that branch off at a random older node. */
static inline struct pp_profile *profile_make_large(uint32_t node_count, uint32_t site_count, uint32_t function_count)
{
	struct pp_profile *profile = profile_make_small();
	struct pp_arena *arena = profile->arena;
	uint64_t random = 88172645463325252u;
	uint32_t branch = 0;

	profile->notes = NULL;
	profile->frames = arena_array(arena, function_count, sizeof(*profile->frames));
	profile->addresses = arena_array(arena, function_count, sizeof(*profile->addresses));
	profile->nodes = arena_array(arena, node_count, sizeof(*profile->nodes));
	profile->mem_sites = arena_array(arena, site_count, sizeof(*profile->mem_sites));
	profile->frame_count = profile->address_count = function_count;
	profile->node_count = node_count;
	profile->mem_site_count = site_count;
	profile->cpu_site_count = 0;
	for (uint32_t i = 0; i < function_count; i++) {
		profile->frames[i] =
			(struct pp_frame){i % 3 ? arena_format(arena, "compiler_pass_%u(tree_node*)", i / 2) : NULL,
					  "gcc/compiler.cc",
					  i % 5000 + 1,
					  0,
					  0x401000 + i * 61,
					  0,
					  false,
					  0,
					  false};
		profile->addresses[i] = (struct pp_address){0, i, 1, profile->frames[i].offset, false};
	}
	profile->nodes[0] = (struct pp_node){PP_NONE, PP_NONE, false};
	for (uint32_t i = 1; i < node_count; i++) {
		if (--branch == 0 || i == 1)
			branch = 1 + (uint32_t)(maker_random(&random) % 9);
		profile->nodes[i] = (struct pp_node){branch == 1 ? (uint32_t)(maker_random(&random) % i) : i - 1,
						     (uint32_t)(maker_random(&random) % function_count), false};
	}
	for (uint32_t i = 0; i < site_count; i++) {
		uint64_t count = 1 + maker_random(&random) % (i % 10 ? 4 : 3000),
			 bytes = count * (maker_random(&random) % 200);
		struct pp_mem_bin *bin = arena_alloc(arena, sizeof(*bin));

		*bin = (struct pp_mem_bin){(uint32_t)(maker_random(&random) % 1000), count, bytes, count / 2,
					   bytes / 2};
		profile->mem_sites[i] = (struct pp_mem_site){
			.process = 0,
			.node = (uint32_t)((uint64_t)i * node_count / site_count),
			.allocation_count = count,
			.allocated_bytes = bytes,
			.live_count = count - count / 2,
			.live_bytes = bytes - bytes / 2,
			.peak_bytes = bytes,
			.peak_count = count,
			.max_live_bytes = bytes,
			.bin_count = 1,
			.bins = bin,
		};
	}
	return profile;
}

#endif
