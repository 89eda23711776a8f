/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rest of the library as stack_*.c sees it, for tests that link those alone: private memory in place of the
 * shared one, one module, counters.
 */
#ifndef PREPROF_TEST_STACK_HOST_H
#define PREPROF_TEST_STACK_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "preprof/wire.h"
#include "stack.h"

#define HOST_NODES (UINT32_C(1) << 26)

static struct pp_wire_node *host_nodes;
static uint32_t host_node_next = 1;
static uint32_t host_node_limit = HOST_NODES;
static uint64_t host_skipped[PP_SKIP_COUNT];
static bool host_libunwind_allowed = true;

static inline void host_init(void)
{
	host_nodes = (struct pp_wire_node *)mmap(NULL, sizeof(struct pp_wire_node) * HOST_NODES, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

struct pp_wire_node *pp_shared_nodes(uint32_t first)
{
	return &host_nodes[first & ~UINT32_C(65535)];
}

uint32_t pp_shared_node_claim(void)
{
	uint32_t id = __atomic_fetch_add(&host_node_next, 1, __ATOMIC_RELAXED);

	return id < host_node_limit ? id : 0;
}

uint32_t pp_loader_epoch_of(uint64_t address)
{
	(void)address;
	return 1;
}

void pp_skip(int cause)
{
	__atomic_fetch_add(&host_skipped[cause], 1, __ATOMIC_RELAXED);
}

uint64_t pp_stack_end(uint64_t sp)
{
	(void)sp;
	return 0;
}

bool pp_libunwind_enter(void)
{
	return host_libunwind_allowed;
}

void pp_libunwind_leave(void)
{
}

#endif
