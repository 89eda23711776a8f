/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of I/O's subjects; see rules_io.h. One thread; the profile is only read. */
#include "rules_io.h"

#include <math.h>

static double wall_share(const struct pp_profile *profile, uint64_t ns)
{
	double percent = metric_share(ns, profile->wall_ns);

	return percent > 100 ? 100 : percent; /* of several threads */
}

static uint64_t io_moved_ns(const struct pp_io_totals *io)
{
	return io->flows[PP_IO_GROUP_READ].ns + io->flows[PP_IO_GROUP_WRITE].ns;
}

static uint64_t io_moved_count(const struct pp_io_totals *io)
{
	return io->flows[PP_IO_GROUP_READ].call_count + io->flows[PP_IO_GROUP_WRITE].call_count;
}

static uint64_t io_stdios_count(const struct pp_io_totals *io)
{
	return io->stdios_read.call_count + io->stdios_write.call_count;
}

double io_site_metric(const struct pp_profile *profile, const struct pp_report_model *model,
		      const struct pp_io_totals *io, enum pp_metric metric)
{
	const struct pp_io_flow *sync = &io->flows[PP_IO_GROUP_SYNC], *open = &io->flows[PP_IO_GROUP_OPEN];
	const struct pp_io_flow *names = &io->flows[PP_IO_GROUP_METADATA];

	switch (metric) {
	case PP_METRIC_SMALL_COUNT: /* those that stdio made are for a rule of their own */
		return metric_number(io->small_count - io->stdios_small_count);
	case PP_METRIC_SMALL_PERCENT:
		return metric_share(io->small_count - io->stdios_small_count, io_moved_count(io) - io_stdios_count(io));
	case PP_METRIC_STDIO_SMALL_COUNT:
		return metric_number(io->stdios_small_count);
	case PP_METRIC_STDIO_SMALL_PERCENT:
		return metric_share(io->stdios_small_count, io_stdios_count(io));
	case PP_METRIC_STDIO_ASKED_COUNT:
		return metric_number(model->io_knows_asked ? io->flows[PP_IO_GROUP_STDIO_READ].call_count +
								     io->flows[PP_IO_GROUP_STDIO_WRITE].call_count
							   : PP_UNKNOWN);
	case PP_METRIC_STDIO_NS:
		return metric_number(io->stdios_read.ns + io->stdios_write.ns);
	case PP_METRIC_STDIO_WALL_PERCENT:
		return wall_share(profile, io->stdios_read.ns + io->stdios_write.ns);
	case PP_METRIC_MOVE_NS:
		return metric_number(io_moved_ns(io));
	case PP_METRIC_MOVE_WALL_PERCENT:
		return wall_share(profile, io_moved_ns(io));
	case PP_METRIC_SYNC_COUNT:
		return metric_number(sync->call_count);
	case PP_METRIC_SYNC_NS:
		return metric_number(sync->ns);
	case PP_METRIC_SYNC_WALL_PERCENT:
		return wall_share(profile, sync->ns);
	case PP_METRIC_MISSING_COUNT:
		return metric_number(io->missing_count);
	case PP_METRIC_MISSING_PERCENT:
		return metric_share(io->missing_count, open->call_count + names->call_count);
	case PP_METRIC_LOOKUP_NS:
		return metric_number(open->ns + names->ns);
	case PP_METRIC_LOOKUP_WALL_PERCENT:
		return wall_share(profile, open->ns + names->ns);
	default:
		return NAN;
	}
}

double thread_metric(const struct pp_profile *profile, const struct pp_report_model *model,
		     const struct pp_thread *thread, enum pp_metric metric)
{
	uint64_t wall_ns = thread_wall_ns(profile, thread), io_ns = 0;

	for (int kind = PP_WAIT_READ_WRITE; kind <= PP_WAIT_FILE; kind++)
		io_ns = metric_add(io_ns, thread->blocked_ns[kind]);
	/* Which of its threads SQLite worked for nobody says: it may have been this one. */
	if (io_ns != PP_UNKNOWN && model->has_io)
		io_ns -= io_ns < model->sqlite_io_ns[thread->process] ? io_ns : model->sqlite_io_ns[thread->process];
	switch (metric) {
	case PP_METRIC_THREAD_CPU_NS:
		return metric_number(thread->cpu_ns);
	case PP_METRIC_THREAD_CPU_PERCENT:
		return metric_share(thread->cpu_ns, wall_ns);
	case PP_METRIC_THREAD_IO_NS:
		return metric_number(io_ns);
	case PP_METRIC_THREAD_IO_PERCENT:
		return metric_share(io_ns, wall_ns);
	default:
		return NAN;
	}
}

static double io_mean(uint64_t sum, uint64_t count)
{
	return count ? (double)sum / (double)count : NAN;
}

static double io_seek_metric(const struct pp_profile *profile, const struct pp_io_totals *io, enum pp_metric metric)
{
	const struct pp_io_flow *seek = &io->flows[PP_IO_GROUP_SEEK];

	switch (metric) {
	case PP_METRIC_SEEK_COUNT:
		return metric_number(seek->call_count);
	case PP_METRIC_SEEK_NS:
		return metric_number(seek->ns);
	case PP_METRIC_SEEK_WALL_PERCENT:
		return wall_share(profile, seek->ns);
	case PP_METRIC_SEEK_SHARE:
		return metric_share(seek->call_count, io_moved_count(io));
	case PP_METRIC_SEEK_MOVE_COUNT:
		return metric_number(io_moved_count(io));
	case PP_METRIC_IN_PLACE_COUNT:
		return metric_number(io->in_place_count);
	case PP_METRIC_IN_PLACE_PERCENT:
		return metric_share(io->in_place_count, seek->call_count);
	case PP_METRIC_IN_PLACE_WALL_PERCENT:
		return wall_share(profile, seek->ns) * metric_share(io->in_place_count, seek->call_count) / 100;
	default:
		return NAN;
	}
}

double io_file_metric(const struct pp_profile *profile, const struct pp_io_totals *io, enum pp_metric metric)
{
	const struct pp_io_flow *recv = &io->flows[PP_IO_GROUP_RECV], *send = &io->flows[PP_IO_GROUP_SEND];
	uint64_t move_ns = io_moved_ns(io) + recv->ns + send->ns;
	uint64_t move_count = io_moved_count(io) + recv->call_count + send->call_count;

	switch (metric) {
	case PP_METRIC_OPEN_COUNT:
		return metric_number(io->opened_count);
	case PP_METRIC_NAMES_COUNT:
		return metric_number(io->asked_count);
	case PP_METRIC_NAMES_NS:
		return metric_number(io->asked_ns);
	case PP_METRIC_NAMES_WALL_PERCENT:
		return wall_share(profile, io->asked_ns);
	case PP_METRIC_OPEN_NS:
		return metric_number(io->flows[PP_IO_GROUP_OPEN].ns);
	case PP_METRIC_OPEN_WALL_PERCENT:
		return wall_share(profile, io->flows[PP_IO_GROUP_OPEN].ns);
	case PP_METRIC_PLACED_COUNT:
		return metric_number(io->placed_count);
	case PP_METRIC_RANDOM_PERCENT:
		return 100 - metric_share(io->sequential_count + io->strided_count, io->placed_count);
	case PP_METRIC_MEAN_BYTES:
		return io_mean(io->flows[PP_IO_GROUP_READ].bytes + io->flows[PP_IO_GROUP_WRITE].bytes,
			       io_moved_count(io));
	case PP_METRIC_WAIT_COUNT:
		return metric_number(move_count);
	case PP_METRIC_WAIT_NS:
		return metric_number(move_ns);
	case PP_METRIC_WAIT_MEAN_NS:
		return io_mean(move_ns, move_count);
	case PP_METRIC_WAIT_WALL_PERCENT:
		return wall_share(profile, move_ns);
	case PP_METRIC_AGAIN_BYTES:
		return metric_number(io->reread_bytes);
	case PP_METRIC_AGAIN_PERCENT:
		return metric_share(io->reread_bytes, io->flows[PP_IO_GROUP_READ].bytes);
	case PP_METRIC_READ_BYTES:
		return metric_number(io->flows[PP_IO_GROUP_READ].bytes);
	case PP_METRIC_READ_NS:
		return metric_number(io->flows[PP_IO_GROUP_READ].ns);
	case PP_METRIC_READ_WALL_PERCENT:
		return wall_share(profile, io->flows[PP_IO_GROUP_READ].ns);
	case PP_METRIC_AGAIN_WALL_PERCENT:
		return wall_share(profile, io->flows[PP_IO_GROUP_READ].ns) *
		       metric_share(io->reread_bytes, io->flows[PP_IO_GROUP_READ].bytes) / 100;
	case PP_METRIC_FILE_WALL_PERCENT:
		return wall_share(profile, io_moved_ns(io));
	default:
		return io_seek_metric(profile, io, metric);
	}
}
