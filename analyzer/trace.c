/* SPDX-License-Identifier: Apache-2.0 */
/* A trace and its images: their making, what feeds them, their end; see trace.h. */
#include "image.h"
#include "records.h"
#include "replay.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define IMAGE_LIMIT	  1000000
#define THREAD_LIMIT	  (1U << 20) /* an image; further ones are counted with the last */
#define HEAP_SAMPLE_LIMIT (UINT64_C(1) << 50)
#define WAIT_NS		  UINT64_C(1000000000)
#define NOTE_LIMIT	  256

static void trace_fold(void *owner)
{
	struct pp_trace *trace = owner;

	for (uint32_t i = 0; i < trace->image_count; i++) {
		mem_lens_fold(&trace->images[i]->mem);
		cpu_lens_fold(&trace->images[i]->cpu);
		io_lens_fold(&trace->images[i]->io);
		sql_lens_fold(&trace->images[i]->sql);
	}
}

struct pp_trace *trace_create(void)
{
	struct pp_trace *trace = memory_array(1, sizeof(*trace));

	table_seed_init();
	trace->arena = arena_create();
	stacks_init(&trace->stacks);
	return trace;
}

static void image_destroy(struct pp_image *image)
{
	image_forks_finish(image);
	order_finish(&image->order);
	mem_lens_finish(&image->mem);
	cpu_lens_finish(&image->cpu);
	gil_lens_finish(&image->gil);
	io_lens_finish(&image->io);
	sql_lens_finish(&image->sql);
	image_stacks_finish(&image->stacks);
	table_finish(&image->thread_of);
	free(image->slots);
	free(image->threads);
	free(image->partial);
	free(image->batch);
	free(image);
}

void trace_destroy(struct pp_trace *trace)
{
	if (!trace)
		return;
	for (uint32_t i = 0; i < trace->image_count; i++)
		image_destroy(trace->images[i]);
	free(trace->images);
	free(trace->waiting);
	ended_finish(&trace->ended);
	free(trace->notes);
	table_finish(&trace->image_of);
	stacks_finish(&trace->stacks);
	io_files_finish(&trace->files);
	sql_texts_finish(&trace->sql);
	arena_destroy(trace->arena);
	free(trace);
}

void trace_note(struct pp_trace *trace, const char *sentence)
{
	/* Each is compared with all others: there must be an end of them where each of thousands of processes has one. */
	if (trace->note_count == NOTE_LIMIT)
		return;
	for (uint32_t i = 0; i < trace->note_count; i++) {
		if (strcmp(trace->notes[i], sentence) == 0)
			return;
	}
	if (trace->note_count + 1 == NOTE_LIMIT)
		sentence = "more was noted than is kept";
	trace->notes =
		memory_grow(trace->notes, &trace->note_capacity, (size_t)trace->note_count + 1, sizeof(*trace->notes));
	trace->notes[trace->note_count++] = arena_string(trace->arena, sentence);
}

static void mem_sink(void *owner, const struct pp_event *events, size_t count)
{
	struct pp_image *image = owner;

	mem_lens_apply(&image->mem, events, count);
}

void image_flush(struct pp_image *image)
{
	size_t count = image->batch_count;

	image->batch_count = 0;
	if (count)
		mem_lens_apply(&image->mem, image->batch, count);
}

void image_watermark(struct pp_image *image, uint64_t watermark)
{
	if (!image->order.merging)
		return;
	if (image->trace->save)
		replay_save_watermark(image->trace->save, image, watermark);
	order_flush(&image->order, watermark);
	image->looked_held = image->order.held;
}

uint32_t image_thread(struct pp_image *image, uint32_t serial, uint32_t tid)
{
	uint64_t *found = table_find(&image->thread_of, serial);
	struct pp_image_thread *thread;
	uint32_t index;

	if (found)
		return (uint32_t)*found;
	if (image->thread_count >= THREAD_LIMIT)
		return image->thread_count - 1;
	index = image->thread_count++;
	image->threads =
		memory_grow(image->threads, &image->thread_capacity, (size_t)index + 1, sizeof(*image->threads));
	mem_lens_threads(&image->mem, image->thread_count);
	thread = &image->threads[index];
	thread->serial = serial;
	thread->tid = (int32_t)tid;
	thread->start_ns = thread->end_ns = thread->cpu_ns = thread->run_delay_ns = PP_UNKNOWN;
	table_set(&image->thread_of, serial, index);
	return index;
}

/* ---- making ---- */

static const char *const *command_split(struct pp_arena *arena, const char *command, size_t size)
{
	size_t count = 0, at = 0;
	const char **words;

	for (size_t i = 0; i < size; i++)
		count += command[i] == '\0' || i + 1 == size;
	words = arena_array(arena, count + 1, sizeof(*words));
	for (size_t i = 0; i < count; i++) {
		size_t length = strnlen(command + at, size - at);

		words[i] = arena_string_sized(arena, command + at, length);
		at += length + 1;
	}
	return words;
}

/* A copy of the header that stands still, if it is one. */
static bool header_check(const void *shared, size_t shared_size, struct pp_wire_header *header, struct pp_error *error)
{
	if (shared_size < PP_WIRE_HEADER_SPACE)
		return error_set(error, "a process's shared memory is too small (%zu bytes)", shared_size);
	memcpy(header, shared, sizeof(*header));
	if (header->magic != PP_WIRE_MAGIC || header->byte_order != PP_WIRE_BYTE_ORDER)
		return error_set(error, "a process's shared memory is not preprof's");
	if (header->version != PP_WIRE_VERSION || header->slot_size != sizeof(struct pp_wire_slot))
		return error_set(error, "a process speaks version %u of the protocol, this is version %d",
				 header->version, PP_WIRE_VERSION);
	if (header->stamp_shift > 32 || header->heap_sample_bytes > HEAP_SAMPLE_LIMIT)
		return error_set(error, "a process's header makes no sense");
	return true;
}

static bool command_is(const char *const *words, const char *command, size_t size)
{
	size_t at = 0;

	for (; *words && at < size; words++) {
		size_t length = strnlen(command + at, size - at);

		if (strlen(*words) != length || memcmp(*words, command + at, length) != 0)
			return false;
		at += length + 1;
	}
	return !*words && at >= size;
}

/* A forked process is called what its parent is: the strings are the same. */
static bool strings_share(struct pp_image *image, const char *executable, const char *command, size_t command_size,
			  const char *host)
{
	const struct pp_trace *trace = image->trace;
	const uint64_t *index = table_find(&trace->image_of, image->hello.parent_image);
	const struct pp_image *parent = index ? trace->images[*index] : NULL;

	if (!parent || strcmp(parent->executable, executable) != 0 || strcmp(parent->host, host) != 0 ||
	    !command_is(parent->command, command, command_size))
		return false;
	image->executable = parent->executable;
	image->host = parent->host;
	image->command = parent->command;
	return true;
}

static void image_strings(struct pp_image *image, const char *executable, const char *command, size_t command_size,
			  const char *host)
{
	struct pp_arena *arena = image->trace->arena;

	if (strings_share(image, executable ? executable : "", command, command ? command_size : 0, host ? host : ""))
		return;
	image->executable = arena_string(arena, executable ? executable : "");
	image->host = arena_string(arena, host ? host : "");
	image->command = command_split(arena, command, command ? command_size : 0);
}

static void image_facts(struct pp_image *image, const struct pp_wire_header *header)
{
	image->start_ns = header->start_ns ? header->start_ns : image->hello.start_ns;
	image->start_unix_ns = header->start_unix_ns;
	image->stamp_shift = header->stamp_shift;
	image->stamp_is_tsc = header->stamp_is_tsc != 0;
	image->sample_period_ns = header->sample_period_ns;
	records_learn(image, header->types);
}

struct pp_image *trace_image_add(struct pp_trace *trace, const struct pp_wire_hello *hello, const char *executable,
				 const char *command, size_t command_size, const char *host, const void *shared,
				 size_t shared_size, struct pp_error *error)
{
	struct pp_wire_header header;
	struct pp_image *image;

	if (!header_check(shared, shared_size, &header, error))
		return NULL;
	if (trace->image_count >= IMAGE_LIMIT || table_find(&trace->image_of, hello->image)) {
		error_set(error, "a process announced itself twice, or too many have");
		return NULL;
	}
	image = memory_array(1, sizeof(*image));
	image->trace = trace;
	image->hello = *hello;
	image->shared = shared;
	image->shared_size = shared_size;
	image->stack_limit = image_stacks_limit(shared_size);
	image->user_ns = image->system_ns = image->max_rss_bytes = PP_UNKNOWN;
	image->threads = memory_grow(NULL, &image->thread_capacity, 1, sizeof(*image->threads));
	image->batch = memory_array(PP_EVENT_BATCH, sizeof(*image->batch));
	image_strings(image, executable, command, command_size, host);
	image_facts(image, &header);
	if (trace->image_count == 0) {
		trace->start_ns = image->start_ns;
		trace->start_unix_ns = image->start_unix_ns;
		bin_clock_init(&trace->clock, trace->start_ns, trace_fold, trace);
	}
	order_init(&image->order, mem_sink, image);
	mem_lens_init(&image->mem, &trace->clock, header.stamp_shift, header.page_size);
	image->mem.sample_bytes = header.heap_sample_bytes;
	image->mem.fork = image_fork;
	image->mem.owner = image;
	cpu_lens_init(&image->cpu, &trace->clock);
	io_lens_init(&image->io, &trace->clock);
	sql_lens_init(&image->sql, &trace->clock);
	image->stacks = (struct pp_image_stacks){.shared = shared,
						 .shared_size = shared_size,
						 .executable = image->executable,
						 .pid = hello->pid,
						 .root_pid = hello->pid,
						 .open_files = !trace->replaying};
	image->index = trace->image_count;
	trace->images = memory_grow(trace->images, &trace->image_capacity, (size_t)trace->image_count + 1,
				    sizeof(*trace->images));
	trace->images[trace->image_count++] = image;
	table_set(&trace->image_of, hello->image, image->index);
	if (hello->origin == PP_ORIGIN_FORK) {
		uint64_t *parent = table_find(&trace->image_of, hello->parent_image);

		if (parent)
			trace->images[*parent]->fork_come_count++;
		image->waiting = true;
		trace->waiting = memory_grow(trace->waiting, &trace->waiting_capacity,
					     (size_t)trace->waiting_count + 1, sizeof(struct pp_image *));
		trace->waiting[trace->waiting_count++] = image;
		trace->forks_moved = true;
	}
	if (trace->save)
		replay_save_image(trace->save, image, command, command_size);
	trace_inherit(trace, NULL);
	return image;
}

/* ---- feeding ---- */

void image_feed(struct pp_image *image, const void *bytes, size_t size)
{
	if (image->ended)
		return;
	if (image->trace->save)
		replay_save_pipe(image->trace->save, image, bytes, size);
	if (image->waiting) {
		image_hold(image, bytes, size);
		return;
	}
	reader_feed(image, bytes, size);
	image_flush(image);
	order_trim(&image->order);
	bin_clock_trim(&image->trace->clock);
	if (image->trace->forks_moved)
		trace_inherit(image->trace, NULL);
}

void image_heartbeat(struct pp_image *image, uint64_t now_ns)
{
	struct pp_trace *trace = image->trace;

	if (image->ended)
		return;
	image->now_ns = now_ns;
	if (image->waiting) {
		if (!image->waiting_since_ns)
			image->waiting_since_ns = now_ns;
		if (now_ns > image->waiting_since_ns + WAIT_NS)
			trace_inherit(trace, image);
		if (image->waiting)
			return;
	}
	if (!trace->replaying)
		reader_look(image, image_stamp_now(image));
	image_flush(image);
	order_trim(&image->order);
	image_forks_trim(image);
	image_stacks_define(&trace->stacks, &image->stacks);
	if (trace->forks_moved)
		trace_inherit(trace, NULL);
}

/* ---- the end ---- */

static const char *stop_reason_copy(struct pp_arena *arena, const struct pp_wire_header *header)
{
	return arena_string_sized(arena, header->stop_reason, strnlen(header->stop_reason, sizeof(header->stop_reason)));
}

void said_read(struct pp_said *said, struct pp_arena *arena, const struct pp_wire_header *shared)
{
	struct pp_wire_header header;

	memcpy(&header, shared, sizeof(header));
	*said = (struct pp_said){.stop_reason = header.stopped ? stop_reason_copy(arena, &header) : NULL,
				 .ended = header.ended != 0,
				 .exit_code = header.exit_code,
				 .families = header.families,
				 .not_observed = header.not_observed,
				 .python_version = header.python_version,
				 .descriptor_limit = header.descriptor_limit,
				 .io_known = header.io_known,
				 .cpu_ns = header.cpu_ns,
				 .paused_cpu_ns = header.paused_cpu_ns,
				 .unrecorded_cpu_ns = header.unrecorded_cpu_ns,
				 .user_ns = header.user_ns,
				 .system_ns = header.system_ns,
				 .max_rss_bytes = header.max_rss_bytes,
				 .overhead_bytes = header.overhead_bytes,
				 .dropped_frames = header.dropped_frames,
				 .dropped_events = header.dropped_events,
				 .python_merge_count = header.python_merge_count,
				 .python_matched_count = header.python_matched_count,
				 .io_base_read = header.io_base_read,
				 .io_base_write = header.io_base_write,
				 .io_ended_read = header.io_ended_read,
				 .io_ended_write = header.io_ended_write,
				 .io_own_read = header.io_own_read,
				 .io_own_write = header.io_own_write};
	memcpy(said->skipped, header.skipped, sizeof(said->skipped));
}

/* What the slots' present threads have counted and nobody has seen. */
static uint64_t image_missing(const struct pp_image *image)
{
	uint64_t missing = 0;

	for (uint32_t i = 0; i < image->slot_count; i++) {
		const struct pp_wire_slot *slot = (const struct pp_wire_slot *)(image->shared + PP_WIRE_SLOTS) + i;
		const struct pp_image_thread *thread;
		uint64_t *index, told;

		if (PP_WIRE_SLOTS + (i + UINT64_C(1)) * sizeof(*slot) > image->shared_size)
			break;
		index = table_find(&image->thread_of, slot->thread);
		if (!index)
			continue;
		thread = &image->threads[*index];
		told = __atomic_load_n(&slot->event_count, __ATOMIC_RELAXED);
		if (told > thread->event_count + thread->lost_count)
			missing += told - thread->event_count - thread->lost_count;
	}
	return missing;
}

/* What only receiving needs goes: a tree may have thousands of images. */
static void image_shrink(struct pp_image *image)
{
	image_stacks_finish(&image->stacks);
	order_finish(&image->order);
	table_finish(&image->thread_of);
	free(image->slots);
	free(image->partial);
	free(image->batch);
	image->slots = NULL;
	image->partial = NULL;
	image->batch = NULL;
	image->slot_count = image->slot_capacity = 0;
	image->threads =
		memory_fit(image->threads, &image->thread_capacity, image->thread_count, sizeof(*image->threads));
}

void image_end(struct pp_image *image, const struct pp_exit *exit, uint64_t end_ns)
{
	struct pp_trace *trace = image->trace;

	if (image->ended)
		return;
	if (trace->save)
		replay_save_end(trace->save, image, exit, end_ns);
	if (image->waiting)
		trace_inherit(trace, image);
	reader_look_last(image);
	image_flush(image);
	order_flush_all(&image->order);
	image->missing_count = image_missing(image);
	image_take_io(image, true);
	image_take_sql(image, true);
	image_resolve_stacks(image);
	said_read(&image->said, trace->arena, (const struct pp_wire_header *)image->shared);
	mem_lens_close(&image->mem);
	image_forks_trim(image);
	cpu_lens_close(&image->cpu);
	gil_lens_close(&image->gil);
	io_lens_close(&image->io);
	sql_lens_close(&image->sql);
	ended_take(&trace->ended, image);
	image_shrink(image);
	image->ended = true;
	image->end_ns = end_ns;
	image->shared = NULL;
	image_set_exit(image, exit);
	trace->forks_moved = true;
	trace_inherit(trace, NULL);
	bin_clock_trim(&trace->clock);
}

void image_set_root_pid(struct pp_image *image, int32_t pid)
{
	image->stacks.root_pid = pid;
}

void image_set_shared_bytes(struct pp_image *image, uint64_t bytes)
{
	image->shared_bytes = bytes;
}

void image_set_usage(struct pp_image *image, uint64_t user_ns, uint64_t system_ns, uint64_t max_rss_bytes)
{
	image->user_ns = user_ns;
	image->system_ns = system_ns;
	image->max_rss_bytes = max_rss_bytes;
}

void image_set_kernel_io(struct pp_image *image, const struct pp_kernel_io *io)
{
	if (!image->ended)
		image->kernel_io = *io;
}

void image_set_io_uring(struct pp_image *image)
{
	image->io_uring = true;
}

bool image_has_io_uring(const struct pp_image *image)
{
	return image->io_uring;
}

void image_set_schedule(struct pp_image *image, uint32_t serial, uint64_t cpu_ns, uint64_t run_delay_ns)
{
	uint64_t *found = table_find(&image->thread_of, serial);
	struct pp_image_thread *thread = found ? &image->threads[*found] : NULL;

	if (image->ended || !thread || thread->ended)
		return;
	if (thread->cpu_ns == PP_UNKNOWN || cpu_ns > thread->cpu_ns)
		thread->cpu_ns = cpu_ns;
	thread->run_delay_ns = run_delay_ns;
}

void image_set_stopped(struct pp_image *image, const struct pp_wire_header *header)
{
	if (!__atomic_load_n(&header->stopped, __ATOMIC_ACQUIRE))
		return;
	image->said.stop_reason = stop_reason_copy(image->trace->arena, header);
}

void image_set_exit(struct pp_image *image, const struct pp_exit *exit)
{
	if (exit && exit->known)
		image->exit = *exit;
}
