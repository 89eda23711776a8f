/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publishing thread; see publish.h. Between submission and collection everything in struct pp_publisher but
 * `state` belongs to that thread.
 */
#include "publish.h"

#include "clock.h"
#include "memory.h"
#include "profile_plan.h"
#include "recording.h"
#include "report.h"
#include "report_interpreter.h"
#include "trace.h"
#include "sql_outside.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#define SYMBOLS_BYTES	  ((size_t)256 << 20)
#define INTERVAL_LAST_NS  UINT64_C(30000000000)
#define COST_FACTOR	  50
#define COST_FACTOR_LEAST 1

enum state { STATE_IDLE, STATE_SUBMITTED, STATE_DONE, STATE_FINISH };

struct pp_publisher {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum state state; /* under lock */
	int event_fd;
	struct pp_publication job;
	struct pp_symbol_cache *cache;
	struct pp_plan_cache *plans;
	struct pp_sql_outside *outside;
	char wanted[PATH_MAX];	      /* what OUTPUT said */
	char path[PATH_MAX];	      /* where recordings go; "" while no folder takes them */
	struct pp_file_identity held; /* what lay at `path` when we chose it, or last wrote there */
	char trouble[1200];
	struct pp_profile *kept; /* see publisher_keep */
	bool published;		 /* something lies at `path` */
};

static bool path_choose(struct pp_publisher *publisher, const char *path, struct pp_error *error)
{
	if (!recording_choose(path, publisher->path, error))
		return false;
	recording_identify(publisher->path, &publisher->held);
	return true;
}

#define NAME_TRIES 100

/* Another tree with the same OUTPUT may have published there since we looked: its recording is not ours to replace. */
static bool publish_here(struct pp_publisher *publisher, const struct pp_profile *profile, struct pp_error *error)
{
	struct pp_file_identity now;
	bool written = false, taken = true;

	for (int tries = 0; !written && taken && tries < NAME_TRIES; tries++) {
		taken = false;
		recording_identify(publisher->path, &now);
		if (now.inode && (now.device != publisher->held.device || now.inode != publisher->held.inode)) {
			if (!recording_choose_free(publisher->wanted, publisher->path, error))
				return false;
			now.inode = 0;
		}
		written = now.inode ? recording_write(profile, publisher->path, error)
				    : recording_write_new(profile, publisher->path, &taken, error);
	}
	if (written)
		recording_identify(publisher->path, &publisher->held);
	return written;
}

/* A name in a folder that takes files where OUTPUT's does not: data must not be lost over a read-only folder or a full disk.
 * profile: what it has to take; NULL: nothing yet. false: none does, and all is as before. */
static bool fallback_choose(struct pp_publisher *publisher, const struct pp_profile *profile, const char *reason)
{
	const char *slash = strrchr(publisher->wanted, '/');
	const char *name = slash ? slash + 1 : publisher->wanted;
	const char *folders[] = {getenv("TMPDIR"), "/tmp", "/var/tmp"};
	const struct pp_file_identity held = publisher->held;
	struct pp_error error;
	char path[PATH_MAX], before[PATH_MAX];

	memcpy(before, publisher->path, sizeof(before));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (!folders[i] || folders[i][0] != '/')
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folders[i], name) >= sizeof(path))
			continue;
		/* The folder whose disk is full again would be no help. */
		if (before[0] && strcmp(path, before) == 0)
			continue;
		if (path_choose(publisher, path, &error) && (!profile || publish_here(publisher, profile, &error))) {
			snprintf(publisher->trouble, sizeof(publisher->trouble), "%s; the recording goes to %.400s",
				 reason, publisher->path);
			return true;
		}
	}
	memcpy(publisher->path, before, sizeof(before));
	publisher->held = held;
	snprintf(publisher->trouble, sizeof(publisher->trouble), "%s; no other folder takes it: set PREPROF_OUTPUT",
		 reason);
	return false;
}

static bool recording_publish(struct pp_publisher *publisher, const struct pp_profile *profile)
{
	struct pp_error error = {""};

	if (!publisher->path[0] && !path_choose(publisher, publisher->wanted, &error))
		publisher->path[0] = '\0';
	else if (publish_here(publisher, profile, &error))
		return true;
	return fallback_choose(publisher, profile, error.text);
}

static char *summary_make(const struct pp_publisher *publisher, const struct pp_publication *job)
{
	struct pp_report_options options = {
		.top = 5,
		.colour = job->colour,
		.columns = job->columns ? job->columns : 100,
		.recording = job->written ? publisher->path : NULL,
	};
	struct pp_error error = {""};
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	if (publisher->trouble[0])
		fprintf(file, "preprof: %s\n", publisher->trouble);
	if (!job->brief && !report_summary(job->profile, &options, file, &error))
		fprintf(file, "preprof: %s\n", error.text);
	if (fclose(file) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void own_usage_fill(struct pp_profile *profile)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return;
	profile->analyzer_cpu_ns = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
				   (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
	profile->analyzer_max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

/* What files say: names, copies of SQLite, plans. */
static void job_read_files(struct pp_publisher *publisher)
{
	struct pp_publication *job = &publisher->job;
	struct pp_error error = {""};

	if (!publisher->cache)
		publisher->cache = symbol_cache_create();
	/* Without symbols a recording still has modules and offsets. The library that reads them ends a process whose memory
	 * ends. */
	if (memory_is_exhausted() && !memory_has_room(SYMBOLS_BYTES))
		snprintf(publisher->trouble, sizeof(publisher->trouble), "symbols are missing: no memory is left to read them");
	else if (!profile_symbolize(job->profile, publisher->cache, &error))
		snprintf(publisher->trouble, sizeof(publisher->trouble), "symbols are missing: %s", error.text);
	if (!publisher->outside)
		publisher->outside = sql_outside_create();
	sql_outside_fill(job->profile, publisher->outside, !job->profile->running);
	if (!publisher->plans)
		publisher->plans = plan_cache_create();
	if (!memory_is_exhausted())
		profile_plan(job->profile, publisher->plans);
}

static void job_do(struct pp_publisher *publisher)
{
	struct pp_publication *job = &publisher->job;
	uint64_t start_ns = clock_now_ns();

	if (job->bare)
		profile_name_places(job->profile);
	else
		job_read_files(publisher);
	own_usage_fill(job->profile);
	job->written = recording_publish(publisher, job->profile);
	if (job->written)
		__atomic_store_n(&publisher->published, true, __ATOMIC_RELEASE);
	if (job->wants_summary)
		profile_hide_interpreter(job->profile);
	job->summary = job->wants_summary ? summary_make(publisher, job) : NULL;
	profile_destroy(job->profile);
	job->profile = NULL;
	job->cost_ns = clock_now_ns() - start_ns;
}

static void *publisher_main(void *argument)
{
	struct pp_publisher *publisher = argument;
	uint64_t one = 1;

	pthread_mutex_lock(&publisher->lock);
	for (;;) {
		while (publisher->state != STATE_SUBMITTED && publisher->state != STATE_FINISH)
			pthread_cond_wait(&publisher->changed, &publisher->lock);
		if (publisher->state == STATE_FINISH)
			break;
		pthread_mutex_unlock(&publisher->lock);
		job_do(publisher);
		pthread_mutex_lock(&publisher->lock);
		publisher->state = STATE_DONE;
		pthread_cond_broadcast(&publisher->changed);
		while (write(publisher->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
	pthread_mutex_unlock(&publisher->lock);
	return NULL;
}

uint64_t publication_interval_ns(uint64_t cost_ns, uint64_t shortest_ns)
{
	uint64_t interval_ns = cost_ns * COST_FACTOR;

	if (interval_ns < shortest_ns)
		interval_ns = shortest_ns;
	if (interval_ns > INTERVAL_LAST_NS)
		interval_ns = INTERVAL_LAST_NS;
	if (interval_ns < cost_ns * COST_FACTOR_LEAST)
		interval_ns = cost_ns * COST_FACTOR_LEAST;
	return interval_ns;
}

struct pp_publisher *publisher_create(const char *path, struct pp_error *error)
{
	struct pp_publisher *publisher = calloc(1, sizeof(*publisher));
	struct pp_error reason = {""};

	if (!publisher) {
		error_set(error, "out of memory");
		return NULL;
	}
	snprintf(publisher->wanted, sizeof(publisher->wanted), "%s", path);
	if (!path_choose(publisher, path, &reason)) {
		publisher->path[0] = '\0';
		fallback_choose(publisher, NULL, reason.text);
	}
	pthread_mutex_init(&publisher->lock, NULL);
	pthread_cond_init(&publisher->changed, NULL);
	publisher->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (publisher->event_fd >= 0 && pthread_create(&publisher->thread, NULL, publisher_main, publisher) == 0)
		return publisher;
	error_set(error, "cannot start the publishing thread: %s", strerror(errno));
	if (publisher->event_fd >= 0)
		close(publisher->event_fd);
	free(publisher);
	return NULL;
}

static void kept_write(void *argument)
{
	struct pp_publisher *publisher = argument;
	struct pp_error error;

	if (!__atomic_load_n(&publisher->published, __ATOMIC_ACQUIRE) && publisher->path[0])
		publish_here(publisher, publisher->kept, &error);
}

void publisher_keep(struct pp_publisher *publisher, struct pp_profile *profile)
{
	publisher->kept = profile;
	memory_at_the_end(kept_write, publisher);
}

void publisher_destroy(struct pp_publisher *publisher)
{
	if (!publisher)
		return;
	publisher_wait(publisher);
	memory_at_the_end(NULL, NULL);
	profile_destroy(publisher->kept);
	pthread_mutex_lock(&publisher->lock);
	publisher->state = STATE_FINISH;
	pthread_cond_broadcast(&publisher->changed);
	pthread_mutex_unlock(&publisher->lock);
	pthread_join(publisher->thread, NULL);
	symbol_cache_destroy(publisher->cache);
	plan_cache_destroy(publisher->plans);
	sql_outside_destroy(publisher->outside);
	pthread_mutex_destroy(&publisher->lock);
	pthread_cond_destroy(&publisher->changed);
	close(publisher->event_fd);
	free(publisher->job.summary);
	free(publisher);
}

int publisher_descriptor(const struct pp_publisher *publisher)
{
	return publisher->event_fd;
}

static enum state state_get(const struct pp_publisher *publisher)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&publisher->lock;
	enum state state;

	pthread_mutex_lock(lock);
	state = publisher->state;
	pthread_mutex_unlock(lock);
	return state;
}

bool publisher_busy(const struct pp_publisher *publisher)
{
	return state_get(publisher) != STATE_IDLE;
}

void publisher_submit(struct pp_publisher *publisher, const struct pp_publication *publication)
{
	publisher->job = *publication;
	publisher->job.summary = NULL;
	publisher->job.written = false;
	pthread_mutex_lock(&publisher->lock);
	publisher->state = STATE_SUBMITTED;
	pthread_cond_broadcast(&publisher->changed);
	pthread_mutex_unlock(&publisher->lock);
}

bool publisher_collect(struct pp_publisher *publisher, struct pp_publication *publication)
{
	uint64_t count;

	if (state_get(publisher) != STATE_DONE)
		return false;
	if (read(publisher->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return false;
	*publication = publisher->job;
	publisher->job.summary = NULL;
	pthread_mutex_lock(&publisher->lock);
	publisher->state = STATE_IDLE;
	pthread_mutex_unlock(&publisher->lock);
	return true;
}

void publisher_wait(struct pp_publisher *publisher)
{
	pthread_mutex_lock(&publisher->lock);
	while (publisher->state == STATE_SUBMITTED)
		pthread_cond_wait(&publisher->changed, &publisher->lock);
	pthread_mutex_unlock(&publisher->lock);
}

const char *publisher_path(const struct pp_publisher *publisher)
{
	return publisher->path;
}

const char *publisher_trouble(const struct pp_publisher *publisher)
{
	return publisher->trouble;
}
