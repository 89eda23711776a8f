/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads of a snapshot: what the lenses have counted, beside what the process says of itself. */
#include "snapshot.h"

#include "io_operation.h"

#include <stdio.h>
#include <string.h>

_Static_assert(PP_PROFILE_SKIPS == PP_SKIP_COUNT, "the profile keeps every cause");

uint64_t snapshot_time(const struct pp_trace *trace, uint64_t ns)
{
	return ns > trace->start_ns ? ns - trace->start_ns : 0;
}

static uint64_t less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

static uint64_t known(uint64_t first, uint64_t second)
{
	if (first != PP_UNKNOWN)
		return first;
	return second ? second : PP_UNKNOWN;
}

static const char *const *copy_command(struct pp_arena *arena, const char *const *command)
{
	size_t count = 0;
	const char **copy;

	while (command[count])
		count++;
	copy = arena_array(arena, count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = arena_string(arena, command[i]);
	return copy;
}

/* Of the image's own time, as long as it was recorded: what samples stand for. */
static uint64_t recorded_cpu_ns(const struct pp_said *said)
{
	uint64_t cpu_ns = said->paused_cpu_ns ? said->paused_cpu_ns : said->cpu_ns;

	return cpu_ns > said->unrecorded_cpu_ns ? cpu_ns - said->unrecorded_cpu_ns : PP_UNKNOWN;
}

/* What the process was before it executed this. */
static const struct pp_image *image_before(const struct pp_image *image)
{
	const struct pp_trace *trace = image->trace;
	const uint64_t *parent = table_find(&trace->image_of, image->hello.parent_image);

	if (!parent || *parent >= image->index || image->hello.origin != PP_ORIGIN_EXEC)
		return NULL;
	return trace->images[*parent]->hello.pid == image->hello.pid ? trace->images[*parent] : NULL;
}

static uint64_t metric_less(uint64_t whole, uint64_t part)
{
	return whole == PP_UNKNOWN || part == PP_UNKNOWN ? whole : less(whole, part);
}

/* The kernel counts CPU time by process, whatever that executes. */
static void usage_split(struct pp_profile *profile, struct pp_process *process, const struct pp_image *image,
			const struct pp_said *said)
{
	const uint32_t pauses = PP_NOT_FRAMES_LATE | PP_NOT_STOPPED | PP_NOT_PAUSES;
	const struct pp_image *before = image_before(image);
	uint64_t recorded_ns;

	if (!before)
		return;
	process->user_ns = metric_less(process->user_ns, known(before->user_ns, before->said.user_ns));
	process->system_ns = metric_less(process->system_ns, known(before->system_ns, before->said.system_ns));
	if ((said->not_observed | before->said.not_observed) & pauses || !before->ended)
		return;
	/* It was last looked at some samples before the end. */
	recorded_ns = less(said->unrecorded_cpu_ns, before->said.unrecorded_cpu_ns);
	if (recorded_ns)
		profile->processes[before->index].cpu_ns = recorded_ns;
}

static void process_usage(struct pp_process *process, const struct pp_image *image, const struct pp_said *said)
{
	process->user_ns = known(image->user_ns, said->user_ns);
	process->system_ns = known(image->system_ns, said->system_ns);
	if (!process->user_ns && !process->system_ns) /* no process takes none: it was asked too late */
		process->user_ns = process->system_ns = PP_UNKNOWN;
	process->max_rss_bytes = known(image->max_rss_bytes, said->max_rss_bytes);
	process->cpu_ns = recorded_cpu_ns(said);
	process->sample_period_ns = image->sample_period_ns;
	process->sample_count = image->cpu.weight;
	process->sampled_ns = image->cpu.weight * image->sample_period_ns;
	process->overhead_bytes = said->overhead_bytes + image->shared_bytes;
	process->dropped_frames = said->dropped_frames;
	memcpy(process->skipped, said->skipped, sizeof(process->skipped));
	process->not_observed = said->not_observed | (image->io_uring ? PP_NOT_IO_URING : 0);
	process->python_version = said->python_version;
	process->python_merge_count = said->python_merge_count;
	process->python_matched_count = said->python_matched_count;
}

static void process_exit(struct pp_process *process, const struct pp_image *image, const struct pp_said *said)
{
	process->exit = image->exit;
	if (!process->exit.known && image->ended && said->ended)
		process->exit = (struct pp_exit){.known = true, .code = said->exit_code & 0xff};
}

/* Ended, or, where the tree is not running any more, on its way out. */
static bool image_is_over(const struct pp_profile *profile, const struct pp_image *image)
{
	return image->ended || !profile->running;
}

static void process_identity(struct pp_profile *profile, struct pp_process *process, const struct pp_image *image,
			     uint64_t now_ns)
{
	const struct pp_trace *trace = image->trace;
	uint64_t *parent = table_find(&trace->image_of, image->hello.parent_image);

	process->id = image->index + 1;
	process->pid = image->hello.pid;
	process->parent = parent && *parent < image->index ? (uint32_t)*parent : PP_NONE;
	process->origin = image->hello.origin;
	if (process->parent != PP_NONE && image->command == trace->images[process->parent]->command) {
		process->executable = profile->processes[process->parent].executable;
		process->command = profile->processes[process->parent].command;
	} else {
		process->executable = arena_string(profile->arena, image->executable);
		process->command = copy_command(profile->arena, image->command);
	}
	process->start_ns = snapshot_time(trace, image->start_ns);
	process->end_ns = PP_UNKNOWN;
	if (image_is_over(profile, image))
		process->end_ns = snapshot_time(trace, image->ended ? image->end_ns : now_ns);
}

static void note_damage(struct pp_image *image)
{
	char text[160];

	if (image->damaged_count + image->stacks.map.damaged == 0 || image->damage_noted)
		return;
	image->damage_noted = true;
	snprintf(text, sizeof(text), "parts of the stream of process %d made no sense and were left out",
		 (int)image->hello.pid);
	trace_note(image->trace, text);
}

/* The process itself says at its end, if it comes to it; else what the kernel was last heard to say. */
static void process_io(struct pp_process *process, const struct pp_image *image, const struct pp_said *said)
{
	process->io_recorded = said->families >> PP_FAMILY_IO & 1;
	process->sql_recorded = said->families >> PP_FAMILY_SQL & 1;
	process->descriptor_limit = said->descriptor_limit;
	process->kernel_read_bytes = process->kernel_write_bytes = PP_UNKNOWN;
	process->kernel_sampled_ns = PP_UNKNOWN;
	/* The kernel counts without a pause. */
	if (said->not_observed & (PP_NOT_FRAMES_LATE | PP_NOT_STOPPED | PP_NOT_PAUSES))
		return;
	process->kernel_sampled = said->io_known != 2 && image->kernel_io.known;
	if (process->kernel_sampled) {
		process->kernel_sampled_ns = snapshot_time(image->trace, image->kernel_io.at_ns);
		process->kernel_read_bytes = image->kernel_io.read_bytes;
		process->kernel_write_bytes = image->kernel_io.written_bytes;
	}
	if (said->io_known != 2)
		return;
	process->kernel_read_bytes = less(said->io_ended_read, said->io_base_read + said->io_own_read);
	process->kernel_write_bytes = less(said->io_ended_write, said->io_base_write + said->io_own_write);
}

void snapshot_process(struct pp_profile *profile, struct pp_image *image, uint64_t now_ns)
{
	struct pp_process *process = &profile->processes[profile->process_count++];
	const struct pp_trace *trace = image->trace;
	struct pp_said said = image->said;

	if (!image->ended)
		said_read(&said, profile->arena, (const struct pp_wire_header *)image->shared);
	process_identity(profile, process, image, now_ns);
	process_exit(process, image, &said);
	process_usage(process, image, &said);
	usage_split(profile, process, image, &said);
	process->event_count = image->event_count;
	process->lost_count = image->lost_count + image->missing_count;
	if (said.dropped_events > process->lost_count)
		process->lost_count = said.dropped_events;
	if (said.stop_reason)
		process->stop_reason = arena_string(profile->arena, said.stop_reason);
	process->complete = image_is_over(profile, image) && !said.stop_reason && !process->lost_count &&
			    !process->dropped_frames && !image->gap_count && !image->damaged_count;
	mem_lens_read_totals(&image->mem, &process->mem);
	process->mem.peak_at_ns = snapshot_time(trace, process->mem.peak_at_ns);
	if (said.families && !(said.families & 1u << PP_FAMILY_MEM))
		process->mem.allocation_count = PP_UNKNOWN; /* HEAP=off: not measured */
	process_io(process, image, &said);
	note_damage(image);
}

static void thread_heap(struct pp_thread *thread, const struct pp_mem_thread *heap)
{
	thread->allocation_count = heap->allocation_count;
	thread->allocated_bytes = heap->allocated_bytes;
	thread->free_count = heap->free_count;
	thread->freed_bytes = heap->freed_bytes;
	thread->live_bytes = heap->live_bytes;
	thread->live_count = heap->live_count;
	thread->temporary_count = heap->temporary_count;
}

static void thread_io(struct pp_thread *thread, const struct pp_io_thread *io)
{
	thread->io_call_count = io->call_count;
	thread->io_read_bytes = io->read_bytes;
	thread->io_written_bytes = io->written_bytes;
	thread->io_ns = io->ns;
	thread->stdio_call_count = io->stdio_call_count;
	thread->stdio_read_bytes = io->stdio_read_bytes;
	thread->stdio_written_bytes = io->stdio_written_bytes;
	thread->stdio_ns = io->stdio_ns;
	memcpy(thread->blocked_ns, io->kind_ns, sizeof(thread->blocked_ns));
	if (io->open_ns)
		thread->blocked_ns[io_operation_kind(io->open_operation)] += io->open_ns;
}

void snapshot_threads(struct pp_profile *profile, const struct pp_image *image)
{
	const struct pp_trace *trace = image->trace;

	for (uint32_t i = 0; i < image->thread_count; i++) {
		const struct pp_image_thread *from = &image->threads[i];
		struct pp_thread *thread = &profile->threads[profile->thread_count++];
		uint64_t end_ns = from->end_ns;

		if (end_ns == PP_UNKNOWN && image->ended)
			end_ns = image->end_ns;
		thread->process = image->index;
		thread->tid = from->tid;
		thread->serial = from->serial;
		/* Threads that do the same are called the same. */
		if (i && strcmp(thread[-1].name, from->name) == 0)
			thread->name = thread[-1].name;
		else
			thread->name = arena_string(profile->arena, from->name);
		thread->start_ns =
			snapshot_time(trace, from->start_ns == PP_UNKNOWN ? image->start_ns : from->start_ns);
		thread->end_ns = end_ns == PP_UNKNOWN ? PP_UNKNOWN : snapshot_time(trace, end_ns);
		thread->sample_count = from->sample_count;
		thread->sampled_ns = from->sample_count * image->sample_period_ns;
		thread->cpu_ns = from->cpu_ns;
		thread->python_ns = from->python_count * image->sample_period_ns;
		thread->gil_ns = from->gil_count * image->sample_period_ns;
		thread->gil_wait_ns = from->gil_wait_ns;
		thread->gil_wait_count = from->gil_wait_count;
		thread->event_count = from->event_count;
		thread->run_delay_ns = from->run_delay_ns;
		thread_heap(thread, &image->mem.threads[i]);
		if (i < image->io.thread_count)
			thread_io(thread, &image->io.threads[i]);
	}
}
