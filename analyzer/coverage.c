/* SPDX-License-Identifier: Apache-2.0 */
/* The words for what is missing, and their collection; see coverage.h. */
#include "coverage.h"

#include "arena.h"

#include "preprof/wire.h"

#include <inttypes.h>
#include <string.h>

_Static_assert(PP_PROFILE_SKIPS == PP_SKIP_COUNT, "profile.h and wire.h count the same causes");

static const struct {
	const char *name;
	const char *sentence;
} skip_rows[PP_PROFILE_SKIPS] = {
	[PP_SKIP_FORKING] = {"forking", "stacks were not taken because the process was forking"},
	[PP_SKIP_BUSY] = {"busy", "samples fell into preprof's own work and have no stack"},
	[PP_SKIP_STACK_TABLE] = {"stack_table", "events have no stack because the table of stacks was full"},
	[PP_SKIP_STACK_TRUNCATED] = {"stack_truncated",
				     "stacks were deeper than the limit; their outermost frames are missing"},
	[PP_SKIP_UNWIND] = {"unwind", "stacks could not be walked to their outermost frame: they lead through code "
					   "that has neither unwind tables nor frame pointers"},
	[PP_SKIP_THREADS] = {"threads", "events came from threads beyond the limit and were not recorded"},
	[PP_SKIP_TIMERS] = {"timers", "threads could not be sampled: the kernel gave no timer"},
	[PP_SKIP_SIGNAL] = {"signal", "samples were not taken because the program uses the signal itself"},
	[PP_SKIP_DEFS] = {"definitions", "modules are nameless because the table of definitions was full"},
	[PP_SKIP_CHECK_FAILED] = {"check_failed", "stacks differed from libunwind's (CHECK_STACKS)"},
	[PP_SKIP_CHECKED] = {"checked", NULL},
	[PP_SKIP_FALLBACK] = {"fallback", NULL},
	[PP_SKIP_IO_BUSY] = {"io_busy", "I/O calls of signal handlers that interrupted preprof's own work were not recorded"},
	[PP_SKIP_SQL_STATEMENTS] = {"sql_statements",
				    "steps of SQL statements were not recorded: there were too many statements at once"},
	[PP_SKIP_SQL_BUSY] = {"sql_busy", "calls of SQLite that two threads made on one statement at once, or that came from within "
					  "preprof's own work, were not recorded"},
	[PP_SKIP_HEAP_BUSY] = {"heap_busy",
			       "allocations and frees of signal handlers that interrupted preprof's own work were not recorded"},
	[PP_SKIP_IO_DESCRIPTORS] = {"io_descriptors", "descriptors are in no list: their numbers are too high, or they were "
						       "closed by signal handlers that interrupted preprof's own work"},
	[PP_SKIP_BLOCKED] = {"blocked", "threads block every signal and were never sampled"},
	[PP_SKIP_PYTHON_TORN] = {"python_torn", "stacks were taken while the Python interpreter changed its frames: some of "
					       "those may be missing"},
	[PP_SKIP_PYTHON_CODE] = {"python_code", "stacks have nameless Python functions because the table of definitions was full"},
};

static const struct {
	uint32_t bit;
	const char *sentence;
} not_observed_rows[] = {
	{PP_NOT_MALLOC_IN_EXE, "defines malloc itself, in the executable: its allocations are not seen"},
	{PP_NOT_MALLOC_BEFORE, "has its malloc from a library that is preloaded before libpreprof.so: its allocations are not "
			       "seen (name libpreprof.so first in LD_PRELOAD, and they are)"},
	{PP_NOT_MALLOC_SANITIZER, "is built with a sanitizer, which serves malloc: its allocations are not seen"},
	{PP_NOT_CPU_SIGNAL, "leaves no signal free for sampling: CPU time was not sampled from then on"},
	{PP_NOT_CPU_TIMERS, "has threads that could not be sampled: the kernel gave no timer"},
	{PP_NOT_DEEPBIND, "loads a library with RTLD_DEEPBIND: the allocations of that library are not seen"},
	{PP_NOT_SQL_CALLS, "has an SQLite whose calls could not all be led past preprof: its statements are not all seen"},
	{PP_NOT_CHILD_SETUID, "started a set-uid program, which cannot be profiled"},
	{PP_NOT_CHILD_STATIC, "started a statically linked program, which cannot be profiled"},
	{PP_NOT_PYTHON, "runs a Python interpreter whose frames this version cannot read (it reads those of CPython 3.8 to 3.13 with "
			"a global lock): its stacks show the interpreter's functions"},
	{PP_NOT_STDIO_CALLS, "has a C library whose tables of stdio are not as preprof knows them: what it asked of stdio is "
			     "seen, the system calls that stdio made of it are not"},
	{PP_NOT_PYTHON_OBJECTS, "has small Python objects that are not seen (PYTHON_HEAP=exact shows them)"},
	{PP_NOT_IO_MAPPED, "maps files into its memory: what it reads and writes there is not among its I/O calls"},
	{PP_NOT_IO_URING, "uses io_uring: what it reads and writes by it is not seen"},
	{PP_NOT_CHILD_FOREIGN, "started a program for another processor or C library, which cannot be profiled"},
	{PP_NOT_CHILD_BARRED, "started a program as a user or in a root folder for which libpreprof.so cannot be opened: it was not profiled"},
	{PP_NOT_CHILD_SECCOMP, "installed a seccomp filter that forbids what preprof needs: what it started from then on "
			       "is not profiled"},
	{PP_NOT_EXACT_SITES, "was recorded with HEAP=sampled: its call sites are estimates, its totals are exact"},
	{PP_NOT_UNWIND_TABLES, "runs code without unwind tables: stacks through it end there"},
	{PP_NOT_FRAMES_LATE, "was profiled from later than its start: what was allocated before is not in it"},
	{PP_NOT_STOPPED, "was profiled for a part of its run: profiling stopped before its end, and what it freed or closed "
			 "after that is shown as live or open"},
	{PP_NOT_PAUSES, "was profiled with pauses: what it did in them is missing, and what it freed or closed in them is shown "
			"as live or open"},
};

static const char *const numbered_names[PP_PROFILE_SKIPS] = {
	"cause_0",  "cause_1",	"cause_2",  "cause_3",	"cause_4",  "cause_5",	"cause_6",  "cause_7",
	"cause_8",  "cause_9",	"cause_10", "cause_11", "cause_12", "cause_13", "cause_14", "cause_15",
	"cause_16", "cause_17", "cause_18", "cause_19", "cause_20", "cause_21", "cause_22", "cause_23",
};

const char *coverage_skip_name(uint32_t cause)
{
	if (cause >= PP_PROFILE_SKIPS)
		return "unknown";
	return skip_rows[cause].name ? skip_rows[cause].name : numbered_names[cause];
}

const char *coverage_skip_sentence(uint32_t cause)
{
	if (cause >= PP_PROFILE_SKIPS)
		return NULL;
	return skip_rows[cause].name ? skip_rows[cause].sentence
				     : "events were skipped for a cause that this version cannot name";
}

/* Sentences that several processes share are said once, with their number. */
struct collector {
	struct pp_arena *arena;
	const char **sentences;
	uint32_t count, space;
};

static void collector_add(struct collector *collector, const char *sentence)
{
	for (uint32_t i = 0; i < collector->count; i++)
		if (strcmp(collector->sentences[i], sentence) == 0)
			return;
	if (collector->count + 1 >= collector->space) {
		uint32_t space = collector->space ? collector->space * 2 : 16;
		const char **sentences = arena_array(collector->arena, space, sizeof(*sentences));

		if (collector->count)
			memcpy(sentences, collector->sentences, collector->count * sizeof(*sentences));
		collector->sentences = sentences;
		collector->space = space;
	}
	collector->sentences[collector->count++] = sentence;
}

bool coverage_sees_stdios(const struct pp_process *process)
{
	return !(process->not_observed & PP_NOT_STDIO_CALLS);
}

bool coverage_sees_asked(const struct pp_process *process)
{
	return !(process->not_observed & PP_NOT_STDIO_ASKED);
}

static const char *process_name(const struct pp_process *process)
{
	const char *name = process->executable ? process->executable : "a process";
	const char *slash = strrchr(name, '/');

	return slash && slash[1] ? slash + 1 : name;
}

/* One sentence for all processes with this bit: "sh (pid 7) ..." or "sh (pid 7) and 3 more processes: ...". */
static void not_observed_add(struct collector *collector, const struct pp_profile *profile, uint32_t bit,
			     const char *sentence)
{
	const struct pp_process *first = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; i < profile->process_count; i++) {
		if (!(profile->processes[i].not_observed & bit))
			continue;
		first = first ? first : &profile->processes[i];
		count++;
	}
	if (!first)
		return;
	if (count == 1)
		collector_add(collector, arena_format(collector->arena, "%s (pid %d) %s", process_name(first),
						      first->pid, sentence));
	else
		collector_add(collector, arena_format(collector->arena, "%s (pid %d), like %" PRIu32 " more, %s",
						      process_name(first), first->pid, count - 1, sentence));
}

static void process_sentences(struct collector *collector, const struct pp_process *process)
{
	if (process->stop_reason)
		collector_add(collector, arena_format(collector->arena, "profiling of %s (pid %d) stopped: %s",
						      process_name(process), process->pid, process->stop_reason));
	else if (!process->complete && process->end_ns != PP_UNKNOWN)
		collector_add(collector,
			      arena_format(collector->arena, "the last events of %s (pid %d) were not received",
					   process_name(process), process->pid));
}

#define FEW_BUFFERS 4

/* getc_unlocked and putc_unlocked are compiled into programs: what shows of them are the ends of the buffer. A few buffers
 * (4 KiB each as a rule; an interpreter reads its options and first lines so) are not worth a line in every report. */
static void inlined_sentence(struct collector *collector, const struct pp_profile *profile)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < profile->io_site_count; i++)
		if (profile->io_sites[i].operation == PP_IO_STDIO_UFLOW ||
		    profile->io_sites[i].operation == PP_IO_STDIO_OVERFLOW)
			count += profile->io_sites[i].call_count;
	if (count > FEW_BUFFERS)
		collector_add(collector,
			      arena_format(collector->arena,
					   "characters that programs take from the buffers of stdio, or put there, without a "
					   "call (getc_unlocked, putc_unlocked) are not counted; %" PRIu64
					   " times one was empty or full",
					   count));
}

/* What was published for the last time, or for now, before the tree had ended. */
static void running_sentence(struct collector *collector, const struct pp_profile *profile)
{
	const struct pp_process *first = NULL;
	uint32_t count = 0;

	if (!profile->running)
		return;
	for (uint32_t i = 0; i < profile->process_count; i++) {
		if (profile->processes[i].end_ns != PP_UNKNOWN)
			continue;
		first = first ? first : &profile->processes[i];
		count++;
	}
	if (!first) /* one was announced, and had not come */
		collector_add(collector, "the program was still running when this was recorded: once that has ended, report "
					 "again for the rest");
	else if (count == 1)
		collector_add(collector, arena_format(collector->arena, "%s (pid %d) was still running when this was recorded: "
								 "once it has ended, report again for the rest",
						      process_name(first), first->pid));
	else
		collector_add(collector, arena_format(collector->arena, "%s (pid %d) and %" PRIu32 " more were still running when "
								 "this was recorded: once they have ended, report again for the rest",
						      process_name(first), first->pid, count - 1));
}

static void totals_add(struct pp_coverage *coverage, const struct pp_process *process)
{
	coverage->event_count += process->event_count;
	coverage->lost_count += process->lost_count;
	coverage->overhead_bytes += process->overhead_bytes == PP_UNKNOWN ? 0 : process->overhead_bytes;
	for (uint32_t cause = 0; cause < PP_PROFILE_SKIPS; cause++)
		coverage->skipped[cause] += process->skipped[cause];
	if (process->sample_period_ns == 0 || process->sample_period_ns == PP_UNKNOWN)
		return;
	if (coverage->sampled_ns == PP_UNKNOWN)
		coverage->sampled_ns = coverage->measured_ns = 0;
	coverage->sampled_ns += process->sampled_ns == PP_UNKNOWN ? 0 : process->sampled_ns;
	coverage->measured_ns += process->cpu_ns == PP_UNKNOWN ? 0 : process->cpu_ns;
}

/* Whether `process` was recorded to its end; events that were lost on the way are told apart. */
static bool process_saw_its_end(const struct pp_process *process)
{
	return !(process->not_observed & (PP_NOT_STOPPED | PP_NOT_PAUSES)) && !process->stop_reason &&
	       process->end_ns != PP_UNKNOWN;
}

static void tree_count(struct pp_coverage *coverage, const struct pp_profile *profile)
{
	coverage->process_count = coverage->program_count = profile->process_count;
	coverage->thread_count = profile->thread_count;
	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct pp_process *process = &profile->processes[i];

		if (process->origin == PP_ORIGIN_FORK) {
			coverage->program_count--;
		} else if (process->parent < i && profile->processes[process->parent].pid == process->pid) {
			coverage->process_count--;
			coverage->thread_count -= coverage->thread_count > 1;
		}
	}
}

struct pp_coverage *coverage_create(const struct pp_profile *profile, struct pp_arena *arena)
{
	struct pp_coverage *coverage = arena_alloc(arena, sizeof(*coverage));
	struct collector collector = {.arena = arena};

	coverage->sampled_ns = coverage->measured_ns = PP_UNKNOWN;
	for (uint32_t i = 0; i < profile->process_count; i++)
		totals_add(coverage, &profile->processes[i]);
	tree_count(coverage, profile);
	running_sentence(&collector, profile);
	if (coverage->lost_count)
		collector_add(&collector, arena_format(arena, "%" PRIu64 " events were lost", coverage->lost_count));
	for (uint32_t i = 0; i < profile->process_count; i++)
		process_sentences(&collector, &profile->processes[i]);
	for (size_t i = 0; i < sizeof(not_observed_rows) / sizeof(not_observed_rows[0]); i++)
		not_observed_add(&collector, profile, not_observed_rows[i].bit, not_observed_rows[i].sentence);
	inlined_sentence(&collector, profile);
	for (const char *const *note = profile->notes; note && *note; note++)
		collector_add(&collector, *note);
	for (uint32_t cause = 0; cause < PP_PROFILE_SKIPS; cause++)
		if (coverage->skipped[cause] && coverage_skip_sentence(cause))
			collector_add(&collector, arena_format(arena, "%" PRIu64 " %s", coverage->skipped[cause],
							       coverage_skip_sentence(cause)));
	coverage->saw_the_end = !profile->running;
	for (uint32_t i = 0; i < profile->process_count; i++)
		coverage->saw_the_end &= process_saw_its_end(&profile->processes[i]);
	coverage->complete = profile->complete && !profile->running && coverage->lost_count == 0;
	coverage->sentence_count = collector.count;
	coverage->sentences = collector.sentences ? collector.sentences : arena_alloc(arena, sizeof(char *));
	return coverage;
}
