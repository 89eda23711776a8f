/* SPDX-License-Identifier: Apache-2.0 */
/* Places in files, and descriptors' lives, in the text report: lives of one file that were made at one place are one row.
 * One thread. */
#include "report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- places ---- */

static bool has_places(const struct pp_io_entry *entry)
{
	return entry->totals.placed_count || entry->totals.reread_bytes;
}

uint32_t text_place_count(const struct pp_report_model *model)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < model->io_file_count; i++)
		count += has_places(&model->io_files[i]);
	return count;
}

static const char *part_of(char *buffer, uint64_t part, uint64_t whole)
{
	snprintf(buffer, PP_TEXT_NUMBER, whole ? "%.0f%%" : "-", percent_of(part, whole));
	return buffer;
}

void text_place_rows(const struct pp_text_report *report, uint32_t rows)
{
	const struct pp_report_model *model = report->model;
	char sequential[PP_TEXT_NUMBER], strided[PP_TEXT_NUMBER], small[PP_TEXT_NUMBER], large[PP_TEXT_NUMBER];
	char again[PP_TEXT_NUMBER], calls[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE];

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %11s  %10s  %7s  %9s  %9s  %10s  file\n", "calls", "sequential", "strided",
		"512-fold", "4096-fold", "read again");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0, shown = 0; i < model->io_file_count && shown < rows; i++) {
		const struct pp_io_entry *entry = &model->io_files[i];
		const struct pp_io_totals *io = &entry->totals;

		if (!has_places(entry))
			continue;
		shown++;
		fprintf(report->text.file, "  %11s  %10s  %7s  %9s  %9s  %10s  %s\n",
			text_count(calls, io->placed_count),
			part_of(sequential, io->sequential_count, io->placed_count),
			part_of(strided, io->strided_count, io->placed_count),
			part_of(small, io->aligned512_count, io->placed_count),
			part_of(large, io->aligned4096_count, io->placed_count), text_bytes(again, io->reread_bytes),
			text_fit(fitted, text_file_path(report, entry->file), report->text.columns - 71));
	}
}

/* ---- descriptors ---- */

struct group {
	uint32_t key, file, node, origin; /* key: the file, or of pipes and sockets that are known by a number only, their kind */
	bool more;			  /* it has others than `file` */
	uint64_t count, open_count, deleted_count, bytes[2], reread_bytes;
};

static int key_compare(const void *left, const void *right)
{
	const struct group *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->origin < b->origin ? -1 : a->origin > b->origin;
}

/* What is left open most often, then what moved most. */
static int size_compare(const void *left, const void *right)
{
	const struct group *a = left, *b = right;
	uint64_t moved_a = a->bytes[0] + a->bytes[1], moved_b = b->bytes[0] + b->bytes[1];

	if (a->open_count != b->open_count)
		return a->open_count < b->open_count ? 1 : -1;
	if (moved_a != moved_b)
		return moved_a < moved_b ? 1 : -1;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return key_compare(left, right);
}

#define KEY_NUMBERED UINT32_C(0xfffffff0)

/* "pipe:[12345]": a thousand of them that one line made are one row. */
static uint32_t file_key(const struct pp_profile *profile, uint32_t file)
{
	const char *path = file == PP_NONE ? NULL : profile->io_files[file].path;

	if (path && (strncmp(path, "pipe:[", 6) == 0 || strncmp(path, "socket:[", 8) == 0))
		return KEY_NUMBERED + (path[0] == 's');
	return file;
}

static struct group *groups_make(const struct pp_text_report *report, uint32_t *count)
{
	const struct pp_profile *profile = report->profile;
	struct group *groups = arena_array(report->model->arena, profile->io_descriptor_count, sizeof(*groups));
	uint32_t last = 0;

	for (uint32_t i = 0; i < profile->io_descriptor_count; i++) {
		const struct pp_io_descriptor *row = &profile->io_descriptors[i];

		groups[i] = (struct group){file_key(profile, row->file),
					   row->file,
					   row->node,
					   row->origin,
					   false,
					   1,
					   row->end == 0,
					   row->deleted,
					   {row->read_bytes, row->write_bytes},
					   row->reread_bytes};
	}
	qsort(groups, profile->io_descriptor_count, sizeof(*groups), key_compare);
	for (uint32_t i = 1; i < profile->io_descriptor_count; i++) {
		if (key_compare(&groups[last], &groups[i]) != 0) {
			groups[++last] = groups[i];
			continue;
		}
		groups[last].count++;
		groups[last].more |= groups[last].file != groups[i].file;
		groups[last].open_count += groups[i].open_count;
		groups[last].deleted_count += groups[i].deleted_count;
		groups[last].bytes[0] += groups[i].bytes[0];
		groups[last].bytes[1] += groups[i].bytes[1];
		groups[last].reread_bytes += groups[i].reread_bytes;
	}
	*count = profile->io_descriptor_count ? last + 1 : 0;
	qsort(groups, *count, sizeof(*groups), size_compare);
	return groups;
}

uint32_t text_descriptor_count(const struct pp_text_report *report)
{
	uint32_t count;

	groups_make(report, &count);
	return count;
}

/* "/tmp/it (deleted meanwhile)"; of one that was never looked at, what it was made as. */
static const char *file_words(const struct pp_text_report *report, const struct group *group, char *buffer, size_t size)
{
	const char *path = group->file == PP_NONE ? NULL : report->profile->io_files[group->file].path;
	const char *end = path ? strrchr(path, '(') : NULL, *made = io_life_kind_name(0, group->origin);
	bool said = (end && strcmp(end, "(deleted)") == 0) || (path && strncmp(path, "/memfd:", 7) == 0);

	if (path)
		snprintf(buffer, size, "%s%s", path,
			 group->more ? " and others" : group->deleted_count && !said ? " (deleted meanwhile)" : "");
	else
		snprintf(buffer, size, "(%s that was never used)", strcmp(made, "other") == 0 ? "descriptor" : made);
	return buffer;
}

static void descriptor_figures(const struct pp_text_report *report, const struct group *group, const char *origin)
{
	char in[PP_TEXT_NUMBER], out[PP_TEXT_NUMBER], made[PP_TEXT_NUMBER], left[PP_TEXT_NUMBER];

	fprintf(report->text.file, "  %7s  %9s  %-8s  %10s  %10s  ", text_count(made, group->count),
		text_count(left, group->open_count), origin, text_bytes(in, group->bytes[0]),
		text_bytes(out, group->bytes[1]));
}

static void total_row(const struct pp_text_report *report, const struct group *groups, uint32_t count)
{
	struct group total = {0};

	for (uint32_t i = 0; i < count; i++) {
		total.count += groups[i].count;
		total.open_count += groups[i].open_count;
		total.bytes[0] += groups[i].bytes[0];
		total.bytes[1] += groups[i].bytes[1];
	}
	descriptor_figures(report, &total, "");
	fputs("in all\n", report->text.file);
}

void text_descriptor_rows(const struct pp_text_report *report, uint32_t rows)
{
	char made[PP_TEXT_NUMBER], fitted[PP_TEXT_LINE], name[PP_TEXT_LINE], file[PP_TEXT_LINE], whole[2 * PP_TEXT_LINE + 2];
	uint32_t count;
	const struct group *groups = groups_make(report, &count);

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %7s  %9s  %-8s  %10s  %10s  file, made by\n", "made",
		report->model->coverage->saw_the_end ? "left open" : "open", "by", "in", "out");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0; i < count && i < rows; i++) {
		uint32_t called, frame = groups[i].node ? stack_user_frame(report->profile, groups[i].node, &called) : PP_NONE;

		snprintf(whole, sizeof(whole), "%s%s%s", file_words(report, &groups[i], file, sizeof(file)),
			 frame == PP_NONE ? "" : ", ", frame == PP_NONE ? "" : frame_name(report->profile, frame, name));
		descriptor_figures(report, &groups[i], io_origin_name(groups[i].origin));
		fprintf(report->text.file, "%s\n", text_fit(fitted, whole, report->text.columns - 56));
	}
	total_row(report, groups, count);
	if (report->profile->io_descriptors_left_out)
		fprintf(report->text.file, "  %s more that moved less are in no row\n",
			text_count(made, report->profile->io_descriptors_left_out));
}
