/* SPDX-License-Identifier: Apache-2.0 */
/* A program that gives up system calls in mid-run, by filters that kill for anything else. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALLOW(number)                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),   \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define OTHERS(what) BPF_STMT(BPF_RET | BPF_K, what)

static void allocate(int count)
{
	for (int i = 0; i < count; i++) {
		void *volatile block = malloc(100);

		free(block);
	}
}

static void burn(double seconds)
{
	clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
	volatile unsigned long sum = 0;

	while (clock() < end) {
		for (int i = 0; i < 10000; i++)
			sum += (unsigned long)i;
	}
}

/* clock() is a system call, which the strictest filters kill for. */
static void spin(void)
{
	volatile unsigned long sum = 0;

	for (unsigned long i = 0; i < 10000000; i++)
		sum += i;
}

static void print(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(99);
}

static void filter_install(struct sock_filter *steps, size_t count, int by_prctl)
{
	struct sock_fprog filter = {(unsigned short)count, steps};
	long result;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	result = by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0)
			  : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
	if (result != 0)
		print("the filter was refused\n");
}

#define INSTALL(steps, by_prctl) filter_install(steps, sizeof(steps) / sizeof((steps)[0]), by_prctl)

static void narrow(int by_prctl)
{
	struct sock_filter steps[] = {
		NUMBER, ALLOW(SYS_write), ALLOW(SYS_exit_group), ALLOW(SYS_exit), ALLOW(SYS_brk),
		OTHERS(SECCOMP_RET_KILL_PROCESS),
	};

	INSTALL(steps, by_prctl);
}

/* All but what a new process needs to join. */
static void no_sockets(uint32_t action)
{
	struct sock_filter steps[] = {
		NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		OTHERS(SECCOMP_RET_ALLOW),
	};

	INSTALL(steps, 0);
}

/* What tells the name of a descriptor. */
static void no_names(void)
{
	static const int numbers[] = {SYS_readlink, SYS_readlinkat, SYS_getsockname, SYS_getpeername, SYS_openat};
	struct sock_filter steps[2 + 2 * sizeof(numbers) / sizeof(numbers[0])] = {NUMBER};
	size_t count = 1;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		steps[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)numbers[i], 0, 1);
		steps[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	steps[count] = (struct sock_filter)OTHERS(SECCOMP_RET_ALLOW);
	INSTALL(steps, 0);
}

static void use_descriptors(void)
{
	int ends[2], copy;

	if (pipe(ends) != 0 || (copy = dup(ends[1])) < 0)
		_exit(98);
	for (int i = 0; i < 9; i++) {
		if (write(copy, "123", 3) != 3)
			_exit(97);
	}
	close(ends[0]);
	close(copy);
}

static void kill_for(unsigned int number)
{
	struct sock_filter steps[] = {
		NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		OTHERS(SECCOMP_RET_ALLOW),
	};

	INSTALL(steps, 0);
}

/* Duplicated, so that another number may have moved it. */
static void use_file(int file)
{
	int copy = dup(file);
	char read_back[3];

	for (int i = 0; i < 9; i++) {
		if (write(i & 1 ? copy : file, "123", 3) != 3)
			_exit(96);
	}
	if (pread(file, read_back, 3, 0) != 3 || read(copy, read_back, 3) != 0)
		_exit(95);
	close(copy);
	close(file);
}

static void made_inner(void)
{
	burn(0.05);
	allocate(200);
}

/* Through code that no object holds: an unwinder has to look at it. */
static void made_call(void)
{
	static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3}; /* push rbp; mov; call *rdi; pop; ret */
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(at, code, sizeof(code));
	mprotect(at, 4096, PROT_READ | PROT_EXEC);
	((void (*)(void (*)(void)))at)(made_inner);
}

static void harmless(void)
{
	struct sock_filter steps[] = {
		NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		OTHERS(SECCOMP_RET_ALLOW),
	};

	INSTALL(steps, 0);
}

static void *other(void *unused)
{
	burn(0.05);
	allocate(500);
	return unused;
}

static void children(char *self)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		allocate(300);
		execl(self, self, "nothing", (char *)NULL);
		_exit(9);
	}
	waitpid(pid, &status, 0);
	printf("child %d %d\n", WEXITSTATUS(status), WTERMSIG(status));
	pid = fork();
	if (pid == 0) {
		allocate(300);
		_exit(6);
	}
	waitpid(pid, &status, 0);
	printf("child %d %d\n", WEXITSTATUS(status), WTERMSIG(status));
	fflush(stdout);
	printf("shell %d\n", system("exit 3") >> 8);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	pthread_t thread;

	pthread_create(&thread, NULL, other, NULL);
	allocate(1000);
	pthread_join(thread, NULL);
	burn(0.05);
	if (!strcmp(mode, "strict")) {
		print("strict\n");
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
		allocate(5000);
		spin();
		print("still here\n");
		syscall(SYS_exit, 4);
	} else if (!strcmp(mode, "narrow") || !strcmp(mode, "narrow-prctl")) {
		char *last = strdup("at the end\n");

		narrow(!strcmp(mode, "narrow-prctl"));
		allocate(5000);
		spin();
		print(last);
		free(last);
		exit(4);
	} else if (!strcmp(mode, "made") || !strcmp(mode, "peeking")) {
		if (mode[0] == 'p')
			kill_for(SYS_process_vm_readv);
		made_call();
		if (mode[0] == 'p')
			execl(argv[0], argv[0], "made", (char *)NULL);
	} else if (!strcmp(mode, "no-clone") || !strcmp(mode, "no-wait")) {
		kill_for(mode[3] == 'c' ? SYS_clone : SYS_wait4);
		execl(argv[0], argv[0], "made", (char *)NULL);
	} else if (!strcmp(mode, "null")) {
		printf("%d %d\n", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0), errno);
		printf("%ld %d\n", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (void *)8), errno);
	} else if (!strcmp(mode, "harmless")) {
		harmless();
		children(argv[0]);
	} else if (!strcmp(mode, "names")) {
		no_names();
		use_descriptors();
		print("used\n");
	} else if (!strcmp(mode, "places")) {
		int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);

		if (write(file, "0", 1) != 1)
			_exit(94);
		kill_for(SYS_lseek); /* where a descriptor stands in its file */
		use_file(file);
		print("used\n");
	} else if (!strcmp(mode, "errno")) {
		no_sockets(SECCOMP_RET_ERRNO | EPERM);
		children(argv[0]);
	} else if (!strcmp(mode, "kill")) {
		no_sockets(SECCOMP_RET_KILL_PROCESS);
		children(argv[0]);
	}
	allocate(70);
	return 4;
}
