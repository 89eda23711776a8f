/* SPDX-License-Identifier: Apache-2.0 */
/* Waits in the text report and in the summary: what threads did while they did not compute. One thread. */
#include "report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WORTH_SAYING_NS 1000000

/* A kind of wait and the time in it. */
struct share {
	enum pp_wait_kind kind;
	uint64_t ns;
};

static int share_compare(const void *left, const void *right)
{
	const struct share *a = left, *b = right;

	return a->ns != b->ns ? (a->ns < b->ns ? 1 : -1) : (int)a->kind - (int)b->kind;
}

/* "condition 1.2 s, sleep 300 ms": the longest three, of those that are a thousandth of the whole. */
static const char *shares_text(const uint64_t *blocked_ns, char *words, size_t size)
{
	struct share shares[PP_WAIT_KINDS];
	char time[PP_TEXT_NUMBER], name[40];
	uint64_t sum = 0;

	for (int kind = 0; kind < PP_WAIT_KINDS; kind++) {
		shares[kind] = (struct share){(enum pp_wait_kind)kind, blocked_ns[kind] == PP_UNKNOWN ? 0 : blocked_ns[kind]};
		sum += shares[kind].ns;
	}
	qsort(shares, PP_WAIT_KINDS, sizeof(*shares), share_compare);
	words[0] = '\0';
	for (int i = 0; i < 3 && shares[i].ns > sum / 1000; i++) {
		size_t used = strlen(words);

		snprintf(name, sizeof(name), "%s", wait_kind_name(shares[i].kind));
		for (char *at = name; *at; at++)
			*at = *at == '_' ? ' ' : *at;
		snprintf(words + used, size - used, "%s%s %s", used ? ", " : "", name, text_duration(time, shares[i].ns));
	}
	return words;
}

void text_waits(const struct pp_text_report *report)
{
	const struct pp_profile *profile = report->profile;
	uint64_t sums[PP_WAIT_KINDS] = {0}, blocked_ns = 0;
	char time[PP_TEXT_NUMBER], words[PP_TEXT_LINE];

	for (uint32_t i = 0; i < profile->thread_count; i++) {
		for (int kind = 0; kind < PP_WAIT_KINDS; kind++)
			if (profile->threads[i].blocked_ns[kind] != PP_UNKNOWN)
				sums[kind] += profile->threads[i].blocked_ns[kind];
		blocked_ns += thread_blocked_ns(&profile->threads[i]);
	}
	if (!report->model->has_io || blocked_ns < WORTH_SAYING_NS)
		return;
	text_headline(report, "Waits", "%s by %" PRIu32 " thread%s: %s", text_duration(time, blocked_ns),
		      profile->thread_count, profile->thread_count == 1 ? "" : "s",
		      shares_text(sums, words, sizeof(words)));
}

static void site_rows(const struct pp_text_report *report)
{
	const struct pp_report_model *model = report->model;
	char time[PP_TEXT_NUMBER], max[PP_TEXT_NUMBER], calls[PP_TEXT_NUMBER];

	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %9s  %9s  %9s  %-16s  call site\n", "time", "longest", "waits", "for");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0; i < model->wait_place_count && i < report->top; i++) {
		const struct pp_io_entry *entry = &model->wait_places[i];
		const struct pp_heap_site site = {.node = entry->node, .frame = entry->frame};

		fprintf(report->text.file, "  %9s  %9s  %9s  %-16s  ", text_duration(time, entry->totals.ns),
			text_duration(max, entry->totals.max_ns), text_count(calls, entry->totals.call_count),
			io_operation_name(report->profile->io_sites[entry->rows[0]].operation));
		text_site(report, &site, report->text.columns - 53);
	}
}

static int thread_compare(const void *left, const void *right, void *profile)
{
	const struct pp_profile *of = profile;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	uint64_t first = thread_wall_ns(of, &of->threads[a]), second = thread_wall_ns(of, &of->threads[b]);

	return first != second ? (first < second ? 1 : -1) : a < b ? -1 : a > b;
}

static void thread_rows(const struct pp_text_report *report)
{
	const struct pp_profile *profile = report->profile;
	uint32_t *order = arena_array(report->model->arena, profile->thread_count, sizeof(*order));
	char wall[PP_TEXT_NUMBER], cpu[PP_TEXT_NUMBER], blocked[PP_TEXT_NUMBER], rest[PP_TEXT_NUMBER];
	char words[PP_TEXT_LINE / 2], line[PP_TEXT_LINE], fitted[PP_TEXT_LINE], queued[PP_TEXT_NUMBER];

	for (uint32_t i = 0; i < profile->thread_count; i++)
		order[i] = i;
	qsort_r(order, profile->thread_count, sizeof(*order), thread_compare, (void *)profile);
	text_style(&report->text, PP_STYLE_FAINT);
	fprintf(report->text.file, "  %9s  %9s  %9s  %9s  %9s  thread\n", "wall", "CPU", "blocked", "rest", "queued");
	text_style(&report->text, PP_STYLE_PLAIN);
	for (uint32_t i = 0; i < profile->thread_count && i < report->top; i++) {
		const struct pp_thread *thread = &profile->threads[order[i]];

		shares_text(thread->blocked_ns, words, sizeof(words));
		snprintf(line, sizeof(line), "%s (%d)%s%s", thread->name ? thread->name : "?", thread->tid,
			 words[0] ? ": " : "", words);
		fprintf(report->text.file, "  %9s  %9s  %9s  %9s  %9s  %s\n", text_duration(wall, thread_wall_ns(profile, thread)),
			text_duration(cpu, thread->cpu_ns), text_duration(blocked, thread_blocked_ns(thread)),
			text_duration(rest, thread_rest_ns(profile, thread)),
			text_duration(queued, thread->run_delay_ns), text_fit(fitted, line, report->text.columns - 57));
	}
}

static void section(const struct pp_text_report *report, const char *title, uint32_t count,
		    void (*print)(const struct pp_text_report *))
{
	if (count == 0)
		return;
	putc('\n', report->text.file);
	text_style(&report->text, PP_STYLE_TITLE);
	fprintf(report->text.file, "%s\n", title);
	text_style(&report->text, PP_STYLE_PLAIN);
	print(report);
	if (report->top < count)
		fprintf(report->text.file, "  ... and %" PRIu32 " more (--top 0 shows all)\n", count - report->top);
}

void text_waits_details(const struct pp_text_report *report)
{
	if (!report->model->has_io)
		return;
	section(report, "Waits by call site", report->model->wait_place_count, site_rows);
	section(report, "Time of threads", report->profile->thread_count, thread_rows);
}
