/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile from a trace: plain copies into an arena of its own, so that it can be symbolized and written by another
 * thread while the trace goes on. What the stacks' tree lacks is brought over first. Processes and threads are in
 * snapshot_process.c.
 */
#include "snapshot.h"

#include "memory.h"
#include "site_name.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "preprof/version.h"

/* ---- stacks ---- */

static uint32_t site_node(const struct pp_image *image, uint32_t stack)
{
	if (stack == PP_REC_STACK_UNSAMPLED && image->mem.sample_bytes)
		return 0;
	return image->ended ? stack : pages_get(&image->stacks.node_of, stack);
}

static void stack_bring(struct pp_image *image, uint32_t *stack)
{
	image_stacks_node(&image->trace->stacks, &image->stacks, *stack);
}

static void stack_settle(struct pp_image *image, uint32_t *stack)
{
	*stack = site_node(image, *stack);
}

static void image_bring_stacks(struct pp_image *image)
{
	struct pp_stacks *stacks = &image->trace->stacks;
	const struct pp_io_slow_state *slow = image->io.slow.rows;

	image_stacks_define(stacks, &image->stacks);
	for (uint32_t i = 0; i < image->mem.site_count; i++)
		image_stacks_node(stacks, &image->stacks, mem_lens_site(&image->mem, i)->stack);
	for (uint32_t i = 0; i < image->cpu.count; i++)
		image_stacks_node(stacks, &image->stacks, image->cpu.sites[i].stack);
	for (uint32_t i = 0; i < image->gil.count; i++)
		image_stacks_node(stacks, &image->stacks, image->gil.sites[i].stack);
	for (uint32_t i = 0; i < image->io.site_count; i++)
		image_stacks_node(stacks, &image->stacks, image->io.sites[i].stack);
	for (uint32_t i = 0; i < image->io.slow.count; i++)
		image_stacks_node(stacks, &image->stacks, slow[i].stack);
	for (uint32_t i = 0; i < image->io.lives.ended_count; i++)
		image_stacks_node(stacks, &image->stacks, image->io.lives.ended[i].stack);
	for (uint32_t i = 0; i < image->io.lives.open_count; i++)
		image_stacks_node(stacks, &image->stacks, image->io.lives.open[i].stack);
	snapshot_sql_stacks(image, stack_bring);
	for (uint32_t i = 0; i < image->io.thread_count; i++)
		image_stacks_node(stacks, &image->stacks, image->io.threads[i].open_stack);
}

void image_resolve_stacks(struct pp_image *image)
{
	struct pp_io_slow_state *slow = image->io.slow.rows;

	image->stacks.last = true;
	image_bring_stacks(image);
	for (uint32_t i = 0; i < image->mem.site_count; i++) {
		struct pp_mem_site_state *site = mem_lens_site(&image->mem, i);

		if (site->stack != PP_REC_STACK_UNSAMPLED || !image->mem.sample_bytes)
			site->stack = site_node(image, site->stack);
	}
	for (uint32_t i = 0; i < image->cpu.count; i++)
		image->cpu.sites[i].stack = site_node(image, image->cpu.sites[i].stack);
	for (uint32_t i = 0; i < image->gil.count; i++)
		image->gil.sites[i].stack = site_node(image, image->gil.sites[i].stack);
	for (uint32_t i = 0; i < image->io.site_count; i++)
		image->io.sites[i].stack = site_node(image, image->io.sites[i].stack);
	for (uint32_t i = 0; i < image->io.slow.count; i++)
		slow[i].stack = site_node(image, slow[i].stack);
	for (uint32_t i = 0; i < image->io.lives.ended_count; i++)
		image->io.lives.ended[i].stack = site_node(image, image->io.lives.ended[i].stack);
	for (uint32_t i = 0; i < image->io.lives.open_count; i++)
		image->io.lives.open[i].stack = site_node(image, image->io.lives.open[i].stack);
	snapshot_sql_stacks(image, stack_settle);
	for (uint32_t i = 0; i < image->io.thread_count; i++)
		image->io.threads[i].open_stack = site_node(image, image->io.threads[i].open_stack);
}

static void copy_modules(struct pp_profile *profile, const struct pp_stacks *stacks)
{
	int *files = arena_array(profile->arena, stacks->module_count, sizeof(*files));

	profile->module_count = stacks->module_count;
	profile->modules = arena_array(profile->arena, stacks->module_count, sizeof(*profile->modules));
	for (uint32_t i = 0; i < stacks->module_count; i++) {
		const struct pp_trace_module *module = &stacks->modules[i];

		profile->modules[i].path = arena_string(profile->arena, module->path);
		profile->modules[i].build_id = arena_string(profile->arena, module->build_id);
		profile->modules[i].interpreter = module->interpreter;
		profile->modules[i].own = module_is_own(module->path) && !module->interpreter;
		profile->modules[i].pid = module->pid;
		profile->modules[i].root_pid = module->root_pid;
		files[i] = module->file;
	}
	profile->module_files = files;
}

static void copy_places(struct pp_profile *profile, const struct pp_python_places *from)
{
	struct pp_source_place *places = arena_array(profile->arena, from->count, sizeof(*places));
	const char *last = NULL, *copied = NULL;

	for (uint32_t i = 0; i < from->count; i++) {
		const struct pp_python_place *place = &from->places[i];

		/* Neighbours are often of one file. */
		if (place->file != last) {
			last = place->file;
			copied = last ? arena_string(profile->arena, last) : NULL;
		}
		places[i] = (struct pp_source_place){.function = arena_string(profile->arena, place->function),
						     .file = copied,
						     .line = place->line,
						     .first_line = place->first_line};
	}
	profile->places = places;
}

static void copy_tree(struct pp_profile *profile, const struct pp_stacks *stacks)
{
	profile->address_count = stacks->address_count;
	profile->addresses = arena_array(profile->arena, stacks->address_count, sizeof(*profile->addresses));
	if (stacks->address_count)
		memcpy(profile->addresses, stacks->addresses, stacks->address_count * sizeof(*profile->addresses));
	profile->node_count = stacks->node_count;
	profile->nodes = arena_array(profile->arena, stacks->node_count, sizeof(*profile->nodes));
	memcpy(profile->nodes, stacks->nodes, stacks->node_count * sizeof(*profile->nodes));
}

/* ---- sites ---- */

static void mem_bin_add(struct pp_mem_bin *to, const struct pp_mem_bin *from)
{
	to->allocation_count += from->allocation_count;
	to->allocated_bytes += from->allocated_bytes;
	to->free_count += from->free_count;
	to->freed_bytes += from->freed_bytes;
}

/* Two sorted lists into one. `room`: what the row's own list has; it grows by doubling, for a library that is loaded
 * thousands of times makes as many stacks of one row. */
static void mem_bins_merge(struct pp_profile *profile, struct pp_mem_site *to, uint32_t *room,
			   const struct pp_mem_site *from)
{
	struct pp_mem_bin *bins = memory_array((size_t)to->bin_count + from->bin_count + 1, sizeof(*bins)), *kept;
	uint32_t a = 0, b = 0, count = 0;

	while (a < to->bin_count || b < from->bin_count) {
		bool first = b == from->bin_count || (a < to->bin_count && to->bins[a].bin <= from->bins[b].bin);
		const struct pp_mem_bin *next = first ? &to->bins[a++] : &from->bins[b++];

		if (count && bins[count - 1].bin == next->bin)
			mem_bin_add(&bins[count - 1], next);
		else
			bins[count++] = *next;
	}
	kept = (struct pp_mem_bin *)to->bins;
	if (count > *room) {
		*room = 2 * count;
		kept = arena_array(profile->arena, *room, sizeof(*kept));
	}
	memcpy(kept, bins, count * sizeof(*bins));
	free(bins);
	to->bins = kept;
	to->bin_count = count;
}

/* Two of the image's stacks that are one in the trace (a library that was loaded twice). The site's own maximum is
 * then only known to be at least the greater of the two. */
static void mem_site_merge(struct pp_profile *profile, struct pp_mem_site *to, uint32_t *room,
			   const struct pp_mem_site *from)
{
	to->allocation_count += from->allocation_count;
	to->allocated_bytes += from->allocated_bytes;
	to->live_count += from->live_count;
	to->live_bytes += from->live_bytes;
	to->peak_bytes += from->peak_bytes;
	to->peak_count += from->peak_count;
	if (from->max_live_bytes > to->max_live_bytes)
		to->max_live_bytes = from->max_live_bytes;
	if (to->live_bytes > to->max_live_bytes)
		to->max_live_bytes = to->live_bytes;
	if (to->peak_bytes > to->max_live_bytes)
		to->max_live_bytes = to->peak_bytes;
	to->temporary_count += from->temporary_count;
	to->failed_count += from->failed_count;
	to->mapping_count += from->mapping_count;
	to->mapped_bytes += from->mapped_bytes;
	if (to->allocated_error_bytes != PP_UNKNOWN && from->allocated_error_bytes != PP_UNKNOWN)
		to->allocated_error_bytes = (uint64_t)hypot((double)to->allocated_error_bytes,
							    (double)from->allocated_error_bytes);
	mem_bins_merge(profile, to, room, from);
}

/* row_of: by node, the row that was made for it last. */
static void copy_mem_sites(struct pp_profile *profile, const struct pp_image *image, uint32_t *row_of)
{
	uint32_t *room = memory_array((size_t)image->mem.site_count + 1, sizeof(*room));
	uint32_t first = profile->mem_site_count;

	for (uint32_t i = 0; i < image->mem.site_count; i++) {
		const struct pp_mem_site_state *state = mem_lens_site(&image->mem, i);
		uint32_t node = site_node(image, state->stack), row = row_of[node];
		struct pp_mem_bin *bins;
		struct pp_mem_site site;

		if (!mem_lens_read_site(&image->mem, i, &site))
			continue;
		bins = memory_array((size_t)state->series.count + 1, sizeof(*bins));
		site.process = image->index;
		site.node = node;
		site.bin_count = mem_series_read(&state->series, bins);
		site.bins = bins;
		if (row != PP_NONE && row >= first) {
			mem_site_merge(profile, &profile->mem_sites[row], &room[row - first], &site);
		} else {
			site.bins = memcpy(arena_array(profile->arena, site.bin_count, sizeof(*bins)), bins,
					   site.bin_count * sizeof(*bins));
			room[profile->mem_site_count - first] = site.bin_count;
			row_of[node] = profile->mem_site_count;
			profile->mem_sites[profile->mem_site_count++] = site;
		}
		free(bins);
	}
	free(room);
}

static void cpu_bins_merge(struct pp_profile *profile, struct pp_cpu_site *to, uint32_t *room,
			   const struct pp_cpu_site *from)
{
	struct pp_cpu_bin *bins = memory_array((size_t)to->bin_count + from->bin_count + 1, sizeof(*bins)), *kept;
	uint32_t i = 0, j = 0, count = 0;

	while (i < to->bin_count || j < from->bin_count) {
		bool first = j == from->bin_count || (i < to->bin_count && to->bins[i].bin <= from->bins[j].bin);
		const struct pp_cpu_bin *next = first ? &to->bins[i++] : &from->bins[j++];

		if (count && bins[count - 1].bin == next->bin)
			bins[count - 1].sample_count += next->sample_count;
		else
			bins[count++] = *next;
	}
	kept = (struct pp_cpu_bin *)to->bins;
	if (count > *room) {
		*room = 2 * count;
		kept = arena_array(profile->arena, *room, sizeof(*kept));
	}
	memcpy(kept, bins, count * sizeof(*bins));
	free(bins);
	to->bins = kept;
	to->bin_count = count;
}

static void copy_cpu_sites(struct pp_profile *profile, const struct pp_image *image, uint32_t first_thread)
{
	uint32_t *room = memory_array((size_t)image->cpu.count + 1, sizeof(*room));
	uint32_t first = profile->cpu_site_count;
	struct pp_table row_of = {0};

	for (uint32_t i = 0; i < image->cpu.count; i++) {
		const struct pp_cpu_site_state *state = &image->cpu.sites[i];
		struct pp_cpu_site site = {.process = image->index,
					   .thread = first_thread + state->thread,
					   .node = site_node(image, state->stack),
					   .sample_count = state->weight};
		struct pp_cpu_bin *bins = memory_array((size_t)state->series.count + 1, sizeof(*bins));
		uint64_t key = (uint64_t)state->thread << 32 | site.node;
		uint64_t *row = table_find(&row_of, key);

		site.sampled_ns = state->weight * image->sample_period_ns;
		site.bin_count = cpu_series_read(&state->series, bins);
		site.bins = bins;
		if (row) {
			struct pp_cpu_site *to = &profile->cpu_sites[*row];

			cpu_bins_merge(profile, to, &room[*row - first], &site);
			to->sample_count += site.sample_count;
			to->sampled_ns += site.sampled_ns;
		} else {
			site.bins = memcpy(arena_array(profile->arena, site.bin_count, sizeof(*bins)), bins,
					   site.bin_count * sizeof(*bins));
			room[profile->cpu_site_count - first] = site.bin_count;
			table_set(&row_of, key, profile->cpu_site_count);
			profile->cpu_sites[profile->cpu_site_count++] = site;
		}
		free(bins);
	}
	free(room);
	table_finish(&row_of);
}

static void copy_gil_sites(struct pp_profile *profile, const struct pp_image *image)
{
	for (uint32_t i = 0; i < image->gil.count; i++) {
		const struct pp_gil_site_state *state = &image->gil.sites[i];

		profile->gil_sites[profile->gil_site_count++] =
			(struct pp_gil_site){.process = image->index,
					     .node = site_node(image, state->stack),
					     .wait_count = state->count,
					     .wait_ns = state->ns,
					     .max_ns = state->max_ns};
	}
}

/* ---- the whole ---- */

static void copy_notes(struct pp_profile *profile, const struct pp_trace *trace)
{
	const char **notes;

	notes = arena_array(profile->arena, (size_t)trace->note_count + 1, sizeof(*notes));
	for (uint32_t i = 0; i < trace->note_count; i++)
		notes[i] = arena_string(profile->arena, trace->notes[i]);
	profile->notes = notes;
}

static void copy_frame(struct pp_profile *profile, const struct pp_trace *trace, uint64_t now_ns, bool running)
{
	struct rusage usage;
	uint64_t end_ns = running ? now_ns : 0;

	profile->preprof_version = PP_VERSION;
	profile->host = arena_string(profile->arena, trace->image_count ? trace->images[0]->host : "");
	profile->start_unix_ns = trace->start_unix_ns;
	profile->bin_ns = trace->clock.width_ns;
	profile->complete = !running && trace->image_count > 0;
	for (uint32_t i = 0; i < trace->image_count; i++) {
		const struct pp_image *image = trace->images[i];
		uint64_t image_end_ns = image->ended ? image->end_ns : now_ns;

		if (!running && image_end_ns > end_ns)
			end_ns = image_end_ns;
		if (!profile->processes[i].complete)
			profile->complete = false;
	}
	if (!end_ns)
		end_ns = now_ns;
	profile->wall_ns = snapshot_time(trace, end_ns);
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		profile->analyzer_cpu_ns = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
					   (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
		profile->analyzer_max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
	}
}

struct pp_profile *trace_snapshot(struct pp_trace *trace, uint64_t now_ns, bool running)
{
	struct pp_profile *profile = profile_create();
	size_t mem_count = 0, cpu_count = 0, gil_count = 0, thread_count = 0;
	struct pp_snapshot_first *firsts = memory_array(trace->image_count, sizeof(*firsts));
	uint32_t *row_of;

	for (uint32_t i = 0; i < trace->image_count; i++) {
		struct pp_image *image = trace->images[i];

		if (!image->ended) {
			image_take_io(image, false);
			image_take_sql(image, false);
			image_bring_stacks(image);
		}
		mem_count += image->mem.site_count;
		cpu_count += image->cpu.count;
		gil_count += image->gil.count;
		thread_count += image->thread_count;
	}
	profile->running = running;
	copy_modules(profile, &trace->stacks);
	copy_places(profile, &trace->stacks.places);
	copy_tree(profile, &trace->stacks);
	snapshot_io_begin(profile, trace);
	snapshot_sql_begin(profile, trace);
	profile->processes = arena_array(profile->arena, trace->image_count, sizeof(*profile->processes));
	profile->threads = arena_array(profile->arena, thread_count, sizeof(*profile->threads));
	profile->mem_sites = arena_array(profile->arena, mem_count, sizeof(*profile->mem_sites));
	profile->cpu_sites = arena_array(profile->arena, cpu_count, sizeof(*profile->cpu_sites));
	profile->gil_sites = arena_array(profile->arena, gil_count, sizeof(*profile->gil_sites));
	row_of = memory_array(profile->node_count, sizeof(*row_of));
	memset(row_of, 0xff, profile->node_count * sizeof(*row_of));
	for (uint32_t i = 0; i < trace->image_count; i++) {
		struct pp_image *image = trace->images[i];

		firsts[i] = (struct pp_snapshot_first){profile->thread_count, profile->sql_attached_count};
		snapshot_process(profile, image, now_ns);
		snapshot_threads(profile, image);
		copy_mem_sites(profile, image, row_of);
		copy_cpu_sites(profile, image, firsts[i].thread);
		copy_gil_sites(profile, image);
		snapshot_io_sites(profile, image, &firsts[i], site_node);
		snapshot_sql_sites(profile, image, &firsts[i], site_node);
	}
	snapshot_io_finish(profile, trace, firsts);
	snapshot_sql_finish(profile, trace, firsts);
	free(row_of);
	free(firsts);
	copy_notes(profile, trace);
	copy_frame(profile, trace, now_ns, running);
	snapshot_waits(profile);
	return profile;
}

struct pp_profile *trace_stub(struct pp_trace *trace, uint64_t now_ns)
{
	struct pp_profile *profile = trace_snapshot(trace, now_ns, true);
	const char **notes = arena_array(profile->arena, (size_t)trace->note_count + 2, sizeof(*notes));

	for (uint32_t i = 0; i < trace->note_count; i++)
		notes[i] = arena_string(profile->arena, trace->notes[i]);
	notes[trace->note_count] = "the analyzer ran out of memory before it had published anything: what it had received is lost";
	profile->notes = notes;
	for (uint32_t i = 0; i < profile->process_count; i++) {
		profile->processes[i].complete = false;
		profile->processes[i].sample_period_ns = 0;
		profile->processes[i].mem.allocation_count = PP_UNKNOWN; /* not measured */
		profile->processes[i].io_recorded = false;
	}
	return profile;
}
