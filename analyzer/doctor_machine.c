/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel gives, by asking for it; see doctor.h. */
#include "doctor.h"

#include "preprof/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* <linux/pidfd.h> of Linux 6.15; older headers lack it. */
struct kernel_pidfd_info {
	uint64_t mask, cgroup_id;
	uint32_t numbers[11];
	int32_t exit_code;
};
#define KERNEL_PIDFD_GET_INFO  _IOWR(0xFF, 11, struct kernel_pidfd_info)
#define KERNEL_PIDFD_INFO_EXIT (UINT64_C(1) << 3)

static void kernel_check(struct pp_doctor *doctor)
{
	struct utsname name = {0};

	uname(&name);
#if defined(__x86_64__)
	doctor_add(doctor, "kernel", PP_DOCTOR_OK, "%s %.80s, %s, glibc %s", name.sysname, name.release, name.machine,
		   gnu_get_libc_version());
#else
	doctor_add(doctor, "kernel", PP_DOCTOR_LIMITED,
		   "%s %.80s, %s, glibc %s: stacks come from libunwind alone, which costs more", name.sysname,
		   name.release, name.machine, gnu_get_libc_version());
#endif
}

/* How a child ended, asked after somebody has waited for it: 7 if the kernel tells. */
static int exit_status_probe(void)
{
	struct kernel_pidfd_info info = {.mask = KERNEL_PIDFD_INFO_EXIT};
	pid_t child = fork();
	int fd, result = -1;

	if (child == 0)
		_exit(7);
	fd = child > 0 ? (int)syscall(SYS_pidfd_open, child, 0) : -1;
	if (child > 0)
		waitpid(child, NULL, 0);
	if (fd < 0)
		return -2;
	if (ioctl(fd, KERNEL_PIDFD_GET_INFO, &info) == 0 && (info.mask & KERNEL_PIDFD_INFO_EXIT) &&
	    WIFEXITED(info.exit_code))
		result = WEXITSTATUS(info.exit_code);
	close(fd);
	return result;
}

static void exit_status_check(struct pp_doctor *doctor)
{
	int result = exit_status_probe();

	if (result == 7)
		doctor_add(doctor, "exit status", PP_DOCTOR_OK, "the kernel tells how any process ended (pidfd)");
	else if (result == -2) {
		doctor_add(doctor, "exit status", PP_DOCTOR_NO, "no process descriptors (pidfd_open): %s",
			   strerror(errno));
		doctor_mend(doctor, "Linux 5.3 or newer, and a seccomp filter that allows pidfd_open");
	} else {
		doctor_add(doctor, "exit status", PP_DOCTOR_LIMITED,
			   "pidfd works, and does not tell how a process ended (PIDFD_GET_INFO): with plain LD_PRELOAD, "
			   "statuses of processes that were killed may stay unknown");
		doctor_mend(doctor, "use preprof run, or Linux 6.15 or newer");
	}
}

/* As the library makes it: the soft limit of file sizes is lifted for the moment. NULL: good; else what failed. */
static const char *shared_probe(void)
{
	const char *failed = NULL;
	struct rlimit limit, lifted;
	void *memory;
	int fd = memfd_create("preprof-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return "memfd_create";
	getrlimit(RLIMIT_FSIZE, &limit);
	lifted = (struct rlimit){limit.rlim_max, limit.rlim_max};
	setrlimit(RLIMIT_FSIZE, &lifted);
	signal(SIGXFSZ, SIG_IGN);
	if (ftruncate(fd, (off_t)PP_WIRE_NODES + (1 << 20)) != 0)
		failed = "ftruncate";
	else if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		failed = "F_ADD_SEALS";
	signal(SIGXFSZ, SIG_DFL);
	setrlimit(RLIMIT_FSIZE, &limit);
	memory = failed ? MAP_FAILED : mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!failed && memory == MAP_FAILED)
		failed = "mmap";
	if (memory != MAP_FAILED) {
		memset(memory, 1, 4096);
		munmap(memory, 1 << 20);
	}
	close(fd);
	return failed;
}

/* A listening socket with an abstract name, and a connection that carries a descriptor. */
static const char *socket_probe(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size, peer_size = sizeof(struct ucred);
	int one = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), two = -1;
	const char *failed = NULL;
	struct ucred peer;

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "preprof-doctor-%d", (int)getpid());
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
	if (one < 0)
		failed = "socket";
	else if (bind(one, (struct sockaddr *)&address, size) != 0)
		failed = "bind";
	else if (listen(one, 1) != 0)
		failed = "listen";
	two = failed ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (!failed && (two < 0 || connect(two, (struct sockaddr *)&address, size) != 0))
		failed = "connect";
	else if (!failed && getsockopt(two, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) != 0)
		failed = "SO_PEERCRED";
	if (two >= 0)
		close(two);
	if (one >= 0)
		close(one);
	return failed;
}

static void channel_check(struct pp_doctor *doctor)
{
	const char *failed = shared_probe();

	if (!failed)
		failed = socket_probe();
	if (!failed) {
		doctor_add(doctor, "channel", PP_DOCTOR_OK,
			   "sealed memory (memfd) and local sockets work");
		return;
	}
	doctor_add(doctor, "channel", PP_DOCTOR_NO, "the analyzer cannot be reached: %s: %s", failed, strerror(errno));
	doctor_mend(doctor, strcmp(failed, "ftruncate") == 0 ? "raise the limit of file sizes (ulimit -f)"
			    : strcmp(failed, "mmap") == 0    ? "raise the limit of address space (ulimit -v)"
							     : "allow this call in the sandbox (seccomp, LSM)");
}

static void clock_check(struct pp_doctor *doctor)
{
	char source[64];

	doctor_read("/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof(source));
	source[strcspn(source, "\n")] = '\0';
#if defined(__x86_64__)
	if (strncmp(source, "tsc", 3) == 0 || strncmp(source, "kvm-clock", 9) == 0 ||
	    strncmp(source, "hyperv", 6) == 0) {
		doctor_add(doctor, "clock", PP_DOCTOR_OK,
			   "%s: trusted by the kernel, stamps the events of threads", source);
		return;
	}
#endif
	doctor_add(doctor, "clock", PP_DOCTOR_LIMITED,
		   "%s: the kernel does not trust the processor's counter; each event of a program with threads costs "
		   "a clock_gettime more",
		   source[0] ? source : "clock source unknown (/sys is not mounted?)");
	doctor_mend(doctor, "in a virtual machine, have its host pass on a stable TSC (clocksource=tsc)");
}

static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A timer of this thread's CPU time, armed for 1 ms: how much CPU time until its signal came; -1 with errno. */
static int64_t timer_probe(void)
{
	struct itimerspec soon = {.it_value = {.tv_nsec = 1000000}};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMAX};
	struct timespec none = {0, 0};
	int64_t start_ns = cpu_ns(), used_ns = -1;
	sigset_t one, before;
	timer_t timer;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0)
		return -1;
	sigemptyset(&one);
	sigaddset(&one, SIGRTMAX);
	sigprocmask(SIG_BLOCK, &one, &before);
	if (timer_settime(timer, 0, &soon, NULL) == 0) {
		while (used_ns < 0 && cpu_ns() - start_ns < 200000000)
			if (sigtimedwait(&one, NULL, &none) == SIGRTMAX)
				used_ns = cpu_ns() - start_ns;
	}
	timer_delete(timer);
	while (sigtimedwait(&one, NULL, &none) == SIGRTMAX)
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = ETIME;
	return used_ns;
}

static void timers_check(struct pp_doctor *doctor)
{
	struct timespec tick = {0, 4000000};
	int64_t used_ns = timer_probe();

	if (used_ns < 0) {
		doctor_add(doctor, "CPU timers", PP_DOCTOR_LIMITED, "no CPU samples, memory only: a timer %s: %s",
			   errno == ETIME ? "did not fire" : "cannot be made", strerror(errno));
		doctor_mend(doctor, "%s",
			    errno == EAGAIN ? "raise the limit of pending signals (ulimit -i)"
					    : "allow timer_create in the sandbox (seccomp)");
		return;
	}
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	doctor_add(doctor, "CPU timers", PP_DOCTOR_OK,
		   "work for each thread, at most %ld samples a second (the kernel's tick)",
		   tick.tv_nsec > 0 ? 1000000000L / tick.tv_nsec : 0L);
}

static void perf_check(struct pp_doctor *doctor)
{
	struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE,
					     .size = sizeof(attributes),
					     .config = PERF_COUNT_SW_CPU_CLOCK,
					     .exclude_kernel = 1,
					     .exclude_hv = 1,
					     .disabled = 1};
	int fd = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	int failure = errno;
	char level[16];

	doctor_read("/proc/sys/kernel/perf_event_paranoid", level, sizeof(level));
	level[strcspn(level, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
	if (!level[0])
		strcpy(level, "unknown");
	if (fd >= 0)
		doctor_add(doctor, "perf", PP_DOCTOR_OK, "not needed (perf_event_paranoid %s: allowed for your programs%s)",
			   level, atoi(level) > 1 && geteuid() != 0 ? ", without the kernel" : "");
	else
		doctor_add(doctor, "perf", PP_DOCTOR_OK, "not needed, and not allowed: %s (perf_event_paranoid %s)",
			   strerror(failure), level);
}

/* As an analyzer would read the memory of the process that has started it. 0, or errno. */
static int ptrace_probe(void)
{
	static volatile char there = 42;
	pid_t parent = getpid(), child = fork();
	int status = 0;

	if (child == 0) {
		char here = 0;
		struct iovec to = {&here, 1}, from = {(void *)&there, 1};
		ssize_t got = process_vm_readv(parent, &to, 1, &from, 1, 0);

		_exit(got == 1 && here == 42 ? 0 : errno ? errno : EIO);
	}
	if (child < 0)
		return errno;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static void ptrace_check(struct pp_doctor *doctor)
{
	int failure = ptrace_probe();
	char scope[16];

	doctor_read("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	scope[strcspn(scope, "\n")] = '\0';
	if (!scope[0])
		strcpy(scope, "absent");
	if (failure == 0)
		doctor_add(doctor, "ptrace", PP_DOCTOR_OK, "not needed (ptrace_scope %s: your programs' memory may be read)",
			   scope);
	else
		doctor_add(doctor, "ptrace", PP_DOCTOR_OK,
			   "not needed, and not allowed on what is already running: %s (ptrace_scope %s)",
			   strerror(failure), scope);
}

void doctor_machine(struct pp_doctor *doctor)
{
	doctor->group = "machine";
	kernel_check(doctor);
	exit_status_check(doctor);
	channel_check(doctor);
	clock_check(doctor);
	timers_check(doctor);
	perf_check(doctor);
	ptrace_check(doctor);
}
