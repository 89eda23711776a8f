/* SPDX-License-Identifier: Apache-2.0 */
/* I/O calls of a snapshot: files, sites by process, the slowest calls of the tree. */
#include "snapshot.h"

#include "io_operation.h"

#include <stdlib.h>
#include <string.h>

static void readable_bytes(struct pp_profile *profile, const struct pp_io_files *files)
{
	for (uint32_t i = 0; i < files->extent_count; i++) {
		const struct pp_io_extent *extent = &files->extents[i];
		uint32_t index = io_files_index(files, extent->number);
		uint64_t bytes = extent->sizes > extent->read_to ? extent->sizes : extent->read_to;

		if (!extent->known || index == PP_NONE)
			continue;
		if (profile->io_files[index].readable_bytes != PP_UNKNOWN)
			bytes += profile->io_files[index].readable_bytes;
		profile->io_files[index].readable_bytes = bytes;
	}
}

void snapshot_io_begin(struct pp_profile *profile, const struct pp_trace *trace)
{
	size_t sites = 0, slows = trace->ended.io_slow.count, lives = trace->ended.lives.count;

	for (uint32_t i = 0; i < trace->image_count; i++) {
		sites += trace->images[i]->io.site_count + trace->images[i]->io.thread_count; /* calls they are in */
		slows += trace->images[i]->io.slow.count;
		lives += trace->images[i]->io.lives.ended_count + trace->images[i]->io.lives.open_count;
	}
	profile->io_file_count = trace->files.count;
	profile->io_files = arena_array(profile->arena, trace->files.count, sizeof(*profile->io_files));
	for (uint32_t i = 0; i < trace->files.count; i++) {
		const struct pp_io_file *file = &trace->files.files[i];

		profile->io_files[i].kind = file->kind;
		profile->io_files[i].path = file->path ? arena_string(profile->arena, file->path) : NULL;
		profile->io_files[i].readable_bytes = PP_UNKNOWN;
	}
	readable_bytes(profile, &trace->files);
	profile->io_descriptors = arena_array(profile->arena, lives, sizeof(*profile->io_descriptors));
	profile->io_sites = arena_array(profile->arena, sites, sizeof(*profile->io_sites));
	profile->io_slows = arena_array(profile->arena, slows, sizeof(*profile->io_slows));
}

static const void *copy(struct pp_profile *profile, const void *rows, uint32_t count, size_t size)
{
	void *made = arena_array(profile->arena, count, size);

	return count ? memcpy(made, rows, count * size) : made;
}

static void copy_slow(struct pp_profile *profile, const struct pp_image *image, const struct pp_io_slow_state *state,
		      uint32_t first_thread, uint32_t node)
{
	profile->io_slows[profile->io_slow_count++] =
		(struct pp_io_slow){.process = image->index,
				    .thread = first_thread + state->thread,
				    .node = node,
				    .file = io_files_index(&image->trace->files, state->file),
				    .operation = state->operation,
				    .error = state->error,
				    .asked_bytes = state->asked_bytes,
				    .got_bytes = state->got_bytes,
				    .ns = state->ns,
				    .end_ns = snapshot_time(image->trace, state->end_ns)};
}

/* Waits that are not over: a row without a call. Of other calls it is not known where they are. */
static void copy_open(struct pp_profile *profile, const struct pp_image *image,
		      uint32_t (*node_of)(const struct pp_image *image, uint32_t stack))
{
	for (uint32_t i = 0; i < image->io.thread_count; i++) {
		const struct pp_io_thread *thread = &image->io.threads[i];

		if (thread->open_ns && io_operation_group(thread->open_operation) == PP_IO_GROUP_WAIT)
			profile->io_sites[profile->io_site_count++] =
				(struct pp_io_site){.process = image->index,
						    .node = node_of(image, thread->open_stack),
						    .file = PP_NONE,
						    .operation = thread->open_operation,
						    .ns = thread->open_ns,
						    .max_ns = thread->open_ns};
	}
}

static uint64_t untold_count(const struct pp_image *image)
{
	const struct pp_wire_header *header = (const struct pp_wire_header *)image->shared;

	return image->ended ? 0 : __atomic_load_n(&header->descriptors_untold, __ATOMIC_RELAXED);
}

/* thread: in the profile. */
static void copy_life(struct pp_profile *profile, const struct pp_image *image, const struct pp_io_life *life,
		      uint32_t thread, uint32_t node)
{
	uint32_t file = io_files_index(&image->trace->files, life->file);

	profile->io_descriptors[profile->io_descriptor_count++] = (struct pp_io_descriptor){
		.process = image->index,
		.thread = thread,
		.node = node,
		.file = file,
		.number = life->number,
		.from = life->from,
		.serial = life->serial,
		.origin = life->origin,
		.end = life->end,
		.flags = life->flags,
		.used_serial = life->used,
		.deleted = life->deleted,
		.opened_ns = snapshot_time(image->trace, life->opened_ns),
		.ended_ns = life->end ? snapshot_time(image->trace, life->ended_ns) : PP_UNKNOWN,
		.read_calls = life->calls[0],
		.read_bytes = life->bytes[0],
		.write_calls = life->calls[1],
		.write_bytes = life->bytes[1],
		.reread_bytes = life->reread_bytes,
	};
}

static void copy_lives(struct pp_profile *profile, const struct pp_image *image, const struct pp_io_life *lives,
		       uint32_t count, uint32_t first_thread,
		       uint32_t (*node_of)(const struct pp_image *image, uint32_t stack))
{
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t *thread = table_find(&image->thread_of, lives[i].thread);

		copy_life(profile, image, &lives[i], thread ? first_thread + (uint32_t)*thread : PP_NONE,
			  node_of(image, lives[i].stack));
	}
}

void snapshot_io_sites(struct pp_profile *profile, const struct pp_image *image, const struct pp_snapshot_first *first,
		       uint32_t (*node_of)(const struct pp_image *image, uint32_t stack))
{
	const struct pp_io_files *files = &image->trace->files;
	const struct pp_io_slow_state *slow = image->io.slow.rows;

	for (uint32_t i = 0; i < image->io.site_count; i++) {
		const struct pp_io_site_state *state = &image->io.sites[i];
		struct pp_io_site *site = &profile->io_sites[profile->io_site_count++];

		site->process = image->index;
		site->node = node_of(image, state->stack);
		site->file = io_files_index(files, state->file);
		site->operation = state->operation;
		site->error = state->error;
		site->call_count = state->call_count;
		site->asked_bytes = state->asked_bytes;
		site->got_bytes = state->got_bytes;
		site->ns = state->ns;
		site->max_ns = state->max_ns;
		site->sequential_count = state->sequential_count;
		site->strided_count = state->strided_count;
		site->reread_bytes = state->reread_bytes;
		site->aligned512_count = state->aligned512_count;
		site->aligned4096_count = state->aligned4096_count;
		site->size_count = state->sizes.count;
		site->sizes = copy(profile, state->sizes.cells, state->sizes.count, sizeof(*site->sizes));
		site->latency_count = state->latencies.count;
		site->latencies =
			copy(profile, state->latencies.cells, state->latencies.count, sizeof(*site->latencies));
		site->bin_count = state->series.count;
		site->bins = copy(profile, state->series.bins, state->series.count, sizeof(*site->bins));
	}
	copy_open(profile, image, node_of);
	copy_lives(profile, image, image->io.lives.ended, image->io.lives.ended_count, first->thread, node_of);
	copy_lives(profile, image, image->io.lives.open, image->io.lives.open_count, first->thread, node_of);
	profile->io_descriptors_left_out += image->io.lives.left_out_count + untold_count(image);
	for (uint32_t i = 0; i < image->io.slow.count; i++)
		copy_slow(profile, image, &slow[i], first->thread, node_of(image, slow[i].stack));
}

/* What ended images have left to the trace. */
static void copy_ended(struct pp_profile *profile, const struct pp_trace *trace, const struct pp_snapshot_first *firsts)
{
	const struct pp_ended_io_slow *slow = trace->ended.io_slow.rows;
	const struct pp_ended_life *lives = trace->ended.lives.rows;

	for (uint32_t i = 0; i < trace->ended.io_slow.count; i++)
		copy_slow(profile, trace->images[slow[i].image], &slow[i].state, firsts[slow[i].image].thread,
			  slow[i].state.stack);
	for (uint32_t i = 0; i < trace->ended.lives.count; i++) {
		uint32_t thread = lives[i].thread;

		copy_life(profile, trace->images[lives[i].image], &lives[i].life,
			  thread == PP_NONE ? PP_NONE : firsts[lives[i].image].thread + thread, lives[i].life.stack);
	}
	profile->io_descriptors_left_out += trace->ended.lives_left_out_count;
}

static int slow_compare(const void *left, const void *right)
{
	const struct pp_io_slow *a = left, *b = right;

	if (a->ns != b->ns)
		return a->ns < b->ns ? 1 : -1;
	return a->end_ns < b->end_ns ? -1 : a->end_ns > b->end_ns;
}

static int descriptor_compare(const void *left, const void *right)
{
	const struct pp_io_descriptor *a = left, *b = right;
	uint64_t moved_a = a->read_bytes + a->write_bytes, moved_b = b->read_bytes + b->write_bytes;

	if (moved_a != moved_b)
		return moved_a < moved_b ? 1 : -1;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

static int open_compare(const void *left, const void *right)
{
	const struct pp_io_descriptor *a = left, *b = right;

	if ((a->end == 0) != (b->end == 0))
		return a->end == 0 ? -1 : 1;
	return descriptor_compare(left, right);
}

/* What is open is kept before what has ended: a leak is many that move nothing. */
static void descriptors_cut(struct pp_profile *profile)
{
	qsort(profile->io_descriptors, profile->io_descriptor_count, sizeof(*profile->io_descriptors), open_compare);
	profile->io_descriptors_left_out += profile->io_descriptor_count - PP_IO_DESCRIPTOR_LIMIT;
	profile->io_descriptor_count = PP_IO_DESCRIPTOR_LIMIT;
}

void snapshot_io_finish(struct pp_profile *profile, const struct pp_trace *trace, const struct pp_snapshot_first *firsts)
{
	copy_ended(profile, trace, firsts);
	if (profile->io_descriptor_count > PP_IO_DESCRIPTOR_LIMIT)
		descriptors_cut(profile);
	qsort(profile->io_descriptors, profile->io_descriptor_count, sizeof(*profile->io_descriptors),
	      descriptor_compare);
	qsort(profile->io_slows, profile->io_slow_count, sizeof(*profile->io_slows), slow_compare);
	if (profile->io_slow_count > PP_IO_SLOW_LIMIT)
		profile->io_slow_count = PP_IO_SLOW_LIMIT;
}
