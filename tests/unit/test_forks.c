/* SPDX-License-Identifier: Apache-2.0 */
/* What forked processes inherit, in whatever order their streams come. */
#include "image.h"
#include "stream_maker.h"
#include "test.h"
#include "trace_check.h"

#define BLOCK(i) (UINT64_C(0x7f0000010000) + 16 * (uint64_t)(i))

struct process {
	struct maker maker;
	struct maker_thread thread;
	struct pp_image *image;
};

static struct pp_mem_totals totals_of(const struct pp_image *image)
{
	struct pp_mem_totals totals;

	mem_lens_read_totals(&image->mem, &totals);
	return totals;
}

static void process_start(struct process *process, uint64_t image, uint64_t parent, uint64_t fork_id)
{
	memset(process, 0, sizeof(*process));
	maker_init(&process->maker, image);
	if (parent) {
		process->maker.hello.origin = PP_ORIGIN_FORK;
		process->maker.hello.parent_image = parent;
		process->maker.hello.fork_id = fork_id;
	}
	thread_start(&process->thread, &process->maker, 0, "main");
}

static void process_send(struct process *process)
{
	thread_flush(&process->thread);
	check_feed(process->image, &process->maker, 1000);
}

static void process_fork(struct process *process, uint64_t fork_id)
{
	thread_extended(&process->thread, PP_EXT_FORK, 0, (uint64_t[]){fork_id}, 1, true);
}

static void process_end(struct process *process)
{
	process_send(process);
	image_end(process->image, &(struct pp_exit){.known = true}, process->maker.now_ns);
}

/* A child frees one inherited block twice, one of its own, one that was freed before the fork, one allocated after. */
static void child_frees(struct process *child)
{
	thread_free(&child->thread, BLOCK(1));
	thread_free(&child->thread, BLOCK(1));
	thread_alloc(&child->thread, BLOCK(50), 5, 0);
	thread_free(&child->thread, BLOCK(50));
	thread_free(&child->thread, BLOCK(2));
	thread_free(&child->thread, BLOCK(4));
}

static void child_check(const struct pp_profile *profile, uint32_t index)
{
	const struct pp_mem_totals *mem = &profile->processes[index].mem;

	PP_CHECK_EQ(mem->inherited_free_count, 1);
	PP_CHECK_EQ(mem->unknown_free_count, 3);
	PP_CHECK_EQ(mem->allocation_count, 1);
	PP_CHECK_EQ(mem->free_count, 1);
	PP_CHECK_EQ(mem->live_count, 0);
	PP_CHECK_EQ(mem->peak_bytes, 5);
}

/* Blocks 1 and 3 live at the fork, 2 freed before, 4 allocated after. */
static void parent_program(struct process *parent)
{
	thread_alloc(&parent->thread, BLOCK(1), 10, 0);
	thread_alloc(&parent->thread, BLOCK(2), 10, 0);
	thread_free(&parent->thread, BLOCK(2));
	thread_alloc(&parent->thread, BLOCK(3), 10, 0);
	process_fork(parent, 7);
	thread_free(&parent->thread, BLOCK(1));
	thread_alloc(&parent->thread, BLOCK(4), 10, 0);
}

static void play(bool child_first)
{
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;
	struct process parent, child;

	process_start(&parent, 1, 0, 0);
	parent.image = check_image(trace, &parent.maker);
	parent_program(&parent);
	process_start(&child, 2, 1, 7);
	if (!child_first)
		process_send(&parent);
	child.image = check_image(trace, &child.maker);
	child_frees(&child);
	process_send(&child);
	PP_CHECK_EQ(child.image->waiting, child_first);
	process_send(&parent);
	PP_CHECK(!child.image->waiting);
	PP_CHECK_EQ(parent.image->fork_count, 0); /* nobody else can come for it */
	process_end(&child);
	process_end(&parent);
	profile = trace_snapshot(trace, parent.maker.now_ns, false);
	child_check(profile, 1);
	PP_CHECK_EQ(profile->processes[0].mem.live_count, 2);
	PP_CHECK_EQ(profile->processes[1].parent, 0);
	profile_destroy(profile);
	trace_destroy(trace);
	maker_finish(&parent.maker);
	maker_finish(&child.maker);
}

PP_TEST(child_after_its_fork)
{
	play(false);
}

PP_TEST(child_before_its_fork)
{
	play(true);
}

/* They came before their parents' streams; one gives up, and the others' forks come in another order than they did. */
PP_TEST(children_that_wait_together)
{
	enum { CHILDREN = 5, GIVES_UP = 1 };
	static const uint64_t told[] = {5, 3, 1, 4, 2};
	struct pp_trace *trace = trace_create();
	struct process parent, children[CHILDREN];

	process_start(&parent, 1, 0, 0);
	parent.image = check_image(trace, &parent.maker);
	thread_alloc(&parent.thread, BLOCK(1), 10, 0);
	for (uint64_t i = 0; i < CHILDREN; i++) {
		process_start(&children[i], 2 + i, 1, 1 + i);
		children[i].image = check_image(trace, &children[i].maker);
		thread_free(&children[i].thread, BLOCK(1));
		thread_free(&children[i].thread, BLOCK(2));
		process_send(&children[i]);
	}
	PP_CHECK_EQ(trace->waiting_count, CHILDREN);
	image_heartbeat(children[GIVES_UP].image, MAKER_START_NS);
	image_heartbeat(children[GIVES_UP].image, MAKER_START_NS + 1100000000);
	PP_CHECK_EQ(trace->waiting_count, CHILDREN - 1);
	for (uint64_t i = 0; i < CHILDREN; i++) {
		process_fork(&parent, told[i]);
		process_send(&parent);
		PP_CHECK(!children[told[i] - 1].image->waiting);
		PP_CHECK_EQ(children[told[i] - 1].image->mem.totals->inherited_free_count,
			    told[i] - 1 == GIVES_UP ? 2 : 1);
	}
	PP_CHECK_EQ(trace->waiting_count, 0);
	PP_CHECK_EQ(parent.image->fork_count, 1); /* of the one that did not wait */
	for (uint64_t i = 0; i < CHILDREN; i++)
		process_end(&children[i]);
	process_end(&parent);
	trace_destroy(trace);
	for (uint64_t i = 0; i < CHILDREN; i++)
		maker_finish(&children[i].maker);
	maker_finish(&parent.maker);
}

PP_TEST(child_waits_for_a_second_at_most)
{
	struct pp_trace *trace = trace_create();
	struct process parent, child;

	process_start(&parent, 1, 0, 0);
	parent.image = check_image(trace, &parent.maker);
	process_start(&child, 2, 1, 7);
	child.image = check_image(trace, &child.maker);
	thread_free(&child.thread, BLOCK(1));
	process_send(&child);
	image_heartbeat(child.image, MAKER_START_NS);
	image_heartbeat(child.image, MAKER_START_NS + 900000000);
	PP_CHECK(child.image->waiting);
	image_heartbeat(child.image, MAKER_START_NS + 1100000000);
	PP_CHECK(!child.image->waiting);
	/* what it inherited is not known: a free of a stranger is most likely of that */
	PP_CHECK_EQ(child.image->mem.totals->inherited_free_count, 1);
	process_end(&child);
	process_end(&parent);
	trace_destroy(trace);
	maker_finish(&parent.maker);
	maker_finish(&child.maker);
}

PP_TEST(child_of_a_dead_parent)
{
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;
	struct process parent, child;

	process_start(&parent, 1, 0, 0);
	parent.image = check_image(trace, &parent.maker);
	parent_program(&parent);
	process_end(&parent);
	process_start(&child, 2, 1, 7);
	child.image = check_image(trace, &child.maker);
	PP_CHECK(!child.image->waiting);
	child_frees(&child);
	process_end(&child);
	profile = trace_snapshot(trace, parent.maker.now_ns, false);
	child_check(profile, 1);
	profile_destroy(profile);
	trace_destroy(trace);
	maker_finish(&parent.maker);
	maker_finish(&child.maker);
}

/* Other threads of the parent allocate between the record of its fork and the fork itself: what the child frees of that,
 * and what its own child frees, is inherited and not unknown. */
PP_TEST(children_of_threads)
{
	struct pp_trace *trace = trace_create();
	struct process parent, child, grandchild;
	struct maker_thread other;

	process_start(&parent, 1, 0, 0);
	parent.image = check_image(trace, &parent.maker);
	thread_start(&other, &parent.maker, 1, "other");
	process_fork(&parent, 7);
	thread_alloc(&other, BLOCK(1), 10, 0);
	thread_flush(&other);
	process_send(&parent);
	reader_look(parent.image, UINT64_MAX);
	process_start(&child, 2, 1, 7);
	child.image = check_image(trace, &child.maker);
	thread_free(&child.thread, BLOCK(1));
	thread_alloc(&child.thread, BLOCK(2), 10, 0);
	process_fork(&child, 1);
	process_end(&child);
	process_start(&grandchild, 3, 2, 1);
	grandchild.image = check_image(trace, &grandchild.maker);
	thread_free(&grandchild.thread, BLOCK(2));
	thread_free(&grandchild.thread, BLOCK(3));
	process_end(&grandchild);
	process_end(&parent);
	PP_CHECK_EQ(totals_of(child.image).inherited_free_count, 1);
	PP_CHECK_EQ(totals_of(child.image).unknown_free_count, 0);
	PP_CHECK_EQ(totals_of(grandchild.image).inherited_free_count, 2);
	PP_CHECK_EQ(totals_of(grandchild.image).unknown_free_count, 0);
	trace_destroy(trace);
	maker_finish(&parent.maker);
	maker_finish(&child.maker);
	maker_finish(&grandchild.maker);
}

/* Each generation allocates a block, frees one of its grandparent's and forks the next. */
PP_TEST(generations)
{
	enum { COUNT = 20 };
	static struct process processes[COUNT];
	struct pp_trace *trace = trace_create();
	struct pp_profile *profile;

	for (uint32_t i = 0; i < COUNT; i++) {
		struct process *process = &processes[i];

		process_start(process, i + 1, i, i);
		process->image = check_image(trace, &process->maker);
		thread_alloc(&process->thread, BLOCK(2 * i), 1, 0);
		thread_alloc(&process->thread, BLOCK(2 * i + 1), 1, 0);
		if (i >= 2)
			thread_free(&process->thread, BLOCK(2 * (i - 2)));
		if (i >= 3) /* its parent has freed that one */
			thread_free(&process->thread, BLOCK(2 * (i - 3)));
		for (uint32_t old = 0; i == COUNT - 1 && old < i; old++)
			thread_free(&process->thread, BLOCK(2 * old + 1));
		process_fork(process, i + 1);
		process_send(process);
	}
	for (uint32_t i = 0; i < COUNT; i++)
		process_end(&processes[i]);
	profile = trace_snapshot(trace, MAKER_START_NS, false);
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct pp_mem_totals *mem = &profile->processes[i].mem;

		PP_CHECK_EQ(mem->live_count, 2);
		PP_CHECK_EQ(mem->inherited_free_count, (i >= 2 ? 1 : 0) + (i == COUNT - 1 ? COUNT - 1 : 0));
		PP_CHECK_EQ(mem->unknown_free_count, i >= 3 ? 1 : 0);
		maker_finish(&processes[i].maker);
	}
	profile_destroy(profile);
	trace_destroy(trace);
}

/* Forks between which little changed: each child has what lived at its own, for little room. */
PP_TEST(children_of_a_large_parent)
{
	enum { BLOCKS = 20000, FORKS = 300 };
	struct pp_trace *trace = trace_create();
	struct process parent;

	process_start(&parent, 1, 0, 0);
	parent.image = check_image(trace, &parent.maker);
	for (uint32_t i = 0; i < BLOCKS; i++)
		thread_alloc(&parent.thread, BLOCK(i), 1, 0);
	for (uint64_t id = 0; id < FORKS; id++) {
		process_fork(&parent, id + 1);
		thread_free(&parent.thread, BLOCK(3 * id));
		thread_alloc(&parent.thread, BLOCK(BLOCKS + id), 1, 0);
		thread_alloc(&parent.thread, BLOCK(3 * id + (id % 2 ? 0 : BLOCKS * 2)), 1,
			     0); /* every other one comes back */
		if (id == 200) { /* more than a journal holds */
			for (uint32_t i = 0; i < 3000; i++)
				thread_alloc(&parent.thread, BLOCK(BLOCKS * 3 + i), 1, 0);
		}
	}
	process_send(&parent);
	PP_CHECK(trace->fork_bytes < 10 * BLOCKS * sizeof(uint64_t) + FORKS * BLOCKS / 8 * 2);
	for (uint64_t id = 0; id < FORKS; id++) {
		struct pp_inherited *view = parent.image->forks[id].inherited;

		/* freed by the parent for good, freed and given out again, new, later */
		for (uint64_t old = 0; old < id; old++) {
			PP_CHECK_EQ(inherited_take(view, BLOCK(3 * old)), old % 2);
			PP_CHECK(inherited_take(view, BLOCK(BLOCKS + old)));
			PP_CHECK_EQ(inherited_take(view, BLOCK(3 * old + BLOCKS * 2)), !(old % 2));
			PP_CHECK(!inherited_take(view, BLOCK(BLOCKS + old)));
		}
		PP_CHECK(inherited_take(view, BLOCK(3 * id)));
		PP_CHECK(!inherited_take(view, BLOCK(BLOCKS + id)));
		PP_CHECK(inherited_take(view, BLOCK(BLOCKS - 1)));
		PP_CHECK_EQ(inherited_take(view, BLOCK(BLOCKS * 3 + 2999)), id > 200);
	}
	process_end(&parent);
	trace_destroy(trace);
	maker_finish(&parent.maker);
}

/* Forks between which nothing changed share one set. */
PP_TEST(children_share)
{
	struct pp_trace *trace = trace_create();
	struct process parent;

	process_start(&parent, 1, 0, 0);
	parent.image = check_image(trace, &parent.maker);
	for (uint32_t i = 0; i < 5; i++)
		thread_alloc(&parent.thread, BLOCK(i), 1, 0);
	for (uint64_t id = 1; id <= 50; id++)
		process_fork(&parent, id);
	process_send(&parent);
	PP_CHECK_EQ(parent.image->fork_count, 50);
	for (uint64_t id = 0; id < 50; id += 7) {
		struct pp_inherited *view = parent.image->forks[id].inherited;

		PP_CHECK(inherited_take(view, BLOCK(id % 5)));
		PP_CHECK(!inherited_take(view, BLOCK(id % 5)));
		PP_CHECK(inherited_take(view, BLOCK((id + 1) % 5)));
		PP_CHECK(!inherited_take(view, BLOCK(5)));
	}
	process_end(&parent);
	trace_destroy(trace);
	maker_finish(&parent.maker);
}

/* Stamps that are not exact: a thread seems to get an inherited block's address before another has freed that block. */
PP_TEST(inherited_block_whose_free_is_late)
{
	const uint64_t address = BLOCK(7);
	const struct pp_event events[] = {
		{.stamp = 1000, .address = address, .size = 64, .thread = 1, .type = PP_EVENT_ALLOC},
		{.stamp = 1001, .address = address, .thread = 0, .type = PP_EVENT_FREE},
		{.stamp = 1002, .address = BLOCK(8), .thread = 0, .type = PP_EVENT_FREE},
	};
	const struct pp_event last = {.stamp = 1u << 30, .address = address, .thread = 1, .type = PP_EVENT_FREE};
	struct pp_blocks parent = {0};
	struct pp_bin_clock clock;
	struct pp_mem_lens lens;
	struct pp_block old;

	bin_clock_init(&clock, 0, NULL, NULL);
	mem_lens_init(&lens, &clock, 3, 4096);
	mem_lens_threads(&lens, 2);
	blocks_insert(&parent, address, 1, 0, &old);
	blocks_insert(&parent, BLOCK(8), 1, 0, &old);
	lens.inherited = inherited_create(&parent, NULL);
	blocks_finish(&parent);
	mem_lens_apply(&lens, events, 3);
	PP_CHECK_EQ(lens.totals->live_count, 1);
	PP_CHECK_EQ(lens.totals->live_bytes, 64);
	PP_CHECK_EQ(lens.totals->free_count, 0);
	PP_CHECK_EQ(lens.totals->inherited_free_count, 2);
	mem_lens_apply(&lens, &last, 1);
	mem_lens_settle(&lens);
	PP_CHECK_EQ(lens.totals->live_count, 0);
	PP_CHECK_EQ(lens.totals->free_count, 1);
	PP_CHECK_EQ(lens.totals->unknown_free_count, 0);
	PP_CHECK_EQ(lens.totals->inherited_free_count, 2);
	mem_lens_finish(&lens);
}
