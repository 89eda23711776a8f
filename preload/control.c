/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to record. DELAY and DURATION count from the start of the tree's first process, for all of them. Waiting and
 * paused are one state: everything is ready, hooks pass through. The clock is looked at where it is known anyway (time
 * records, samples) and, while waiting, by each hook that passes. A control signal belongs to the user who named it: its
 * handler is ours.
 */
#include "control.h"
#include "emit.h"
#include "resolve.h"
#include "sampler.h"

#include <signal.h>
#include <string.h>

static uint64_t start_at_ns; /* 0: not by time */
static uint64_t stop_at_ns;

/* CPU time that passes without being sampled is not what samples are to stand for. */
static void pause_begin(uint32_t not_observed)
{
	struct pp_wire_header *header = pp_session.header;

	header->paused_cpu_ns = clock_process_cpu_ns();
	__atomic_or_fetch(&header->not_observed, not_observed, __ATOMIC_RELAXED);
}

static void pause_end(void)
{
	struct pp_wire_header *header = pp_session.header;

	header->unrecorded_cpu_ns += clock_process_cpu_ns() - header->paused_cpu_ns;
	header->paused_cpu_ns = 0;
	if (__atomic_fetch_and(&header->not_observed, ~(uint32_t)PP_NOT_STOPPED, __ATOMIC_RELAXED) & PP_NOT_STOPPED)
		__atomic_or_fetch(&header->not_observed, PP_NOT_PAUSES, __ATOMIC_RELAXED);
}

static void control_switch(uint32_t from, uint32_t to, uint64_t now_ns)
{
	if (!__atomic_compare_exchange_n(&pp_session.state, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	if (to == PP_STATE_ON) {
		pause_end();
		if (pp_session.settings.duration)
			stop_at_ns = (start_at_ns ? start_at_ns : now_ns) + pp_session.settings.duration;
		start_at_ns = 0;
		sampler_resume();
	} else {
		stop_at_ns = 0;
		pause_begin(PP_NOT_STOPPED);
		sampler_pause();
	}
}

void control_check(uint64_t now_ns)
{
	if (pp_unlikely(start_at_ns && now_ns >= start_at_ns))
		control_switch(PP_STATE_WAITING, PP_STATE_ON, now_ns);
	if (pp_unlikely(stop_at_ns && now_ns >= stop_at_ns))
		control_switch(PP_STATE_ON, PP_STATE_WAITING, now_ns);
}

static void control_signal(int number)
{
	struct pp_settings *settings = &pp_session.settings;
	uint64_t now = clock_now_ns();

	if (number == settings->start_signal && pp_session.state == PP_STATE_WAITING)
		control_switch(PP_STATE_WAITING, PP_STATE_ON, now);
	else if (number == settings->stop_signal)
		control_switch(PP_STATE_ON, PP_STATE_WAITING, now);
	if (number == settings->snapshot_signal)
		session_send(PP_MSG_SNAPSHOT, 0, pp_session.pid, -1);
}

static void control_install(int number)
{
	struct sigaction action;

	if (!number)
		return;
	memset(&action, 0, sizeof(action));
	action.sa_handler = control_signal;
	action.sa_flags = SA_RESTART;
	real_sigaction(number, &action, NULL);
}

void control_init(void)
{
	struct pp_settings *settings = &pp_session.settings;
	uint64_t now = clock_now_ns(), from = pp_session.tree_start_ns + settings->delay;
	uint32_t state = PP_STATE_ON;

	start_at_ns = stop_at_ns = 0;
	if (settings->delay && from > now)
		start_at_ns = from;
	else if ((settings->delay || !settings->start_signal) && settings->duration)
		stop_at_ns = from + settings->duration;
	if (start_at_ns || (settings->start_signal && !settings->delay)) {
		state = PP_STATE_WAITING;
		pause_begin(PP_NOT_FRAMES_LATE);
	} else if (stop_at_ns && stop_at_ns <= now) {
		state = PP_STATE_WAITING;
		stop_at_ns = 0;
		pause_begin(PP_NOT_STOPPED);
	}
	control_install(settings->start_signal);
	if (settings->stop_signal != settings->start_signal)
		control_install(settings->stop_signal);
	if (settings->snapshot_signal != settings->start_signal && settings->snapshot_signal != settings->stop_signal)
		control_install(settings->snapshot_signal);
	__atomic_store_n(&pp_session.state, state, __ATOMIC_RELEASE);
}
