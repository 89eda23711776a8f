/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control flow that leaves functions by other ways than their end: cancellation, exceptions, jumps, coroutines. Each
 * part ends with blocks of a known number and size, for what was left behind may keep events from being recorded.
 */
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <new>
#include <pthread.h>
#include <search.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#define MARKED 500

extern "C" __attribute__((noinline)) void marked(void)
{
	for (int i = 0; i < MARKED; i++) {
		void *volatile block = malloc(777);

		free(block);
	}
}

static void *marked_thread(void *)
{
	marked();
	return nullptr;
}

static std::atomic<int> cleaned, destroyed, begun;

static void clean(void *block)
{
	free(block);
	free(malloc(100));
	cleaned++;
}

static void key_ends(void *block)
{
	free(block);
	for (int i = 0; i < 10; i++)
		free(malloc((size_t)(10 + i)));
	destroyed++;
}

static pthread_key_t key;

struct in_thread {
	std::string text = std::string(100, 'x');
	~in_thread()
	{
		std::vector<std::string> more(3, text);
		destroyed++;
	}
};
static thread_local in_thread of_thread;

static int tubes[2];
static pthread_t nobody;

/* Cancelled where it may be, in the middle of much allocating. */
static void *cancelled(void *how)
{
	volatile unsigned long sink = 0;
	sigset_t set;
	int number;
	char byte;

	pthread_setspecific(key, malloc(50));
	of_thread.text += "y";
	pthread_cleanup_push(clean, malloc(60));
	begun++;
	switch ((long)how) {
	case 0:
		for (;;) {
			free(malloc(70));
			pthread_testcancel();
		}
	case 1:
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
		for (;;)
			sink = sink + 1;
	case 2:
		(void)!read(tubes[0], &byte, 1);
		break;
	case 3:
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigwait(&set, &number);
		break;
	case 4:
		pthread_join(nobody, nullptr);
		break;
	case 5:
		pthread_exit(malloc(0));
	case 6:
		sigfillset(&set);
		sigwaitinfo(&set, nullptr);
		break;
	}
	pthread_cleanup_pop(0);
	return nullptr;
}

static void *forever(void *)
{
	for (;;)
		pause();
}

static void cancels(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, nullptr);
	pthread_key_create(&key, key_ends);
	(void)!pipe(tubes);
	pthread_create(&nobody, nullptr, forever, nullptr);
	for (long how = 0; how < 7; how++) {
		cleaned = destroyed = 0;
		for (int round = 0; round < 10; round++) {
			pthread_t threads[8];
			int ended = 0;

			begun = 0;
			for (pthread_t &thread : threads)
				pthread_create(&thread, nullptr, cancelled, (void *)how);
			while (begun < 8)
				usleep(500);
			for (pthread_t &thread : threads) {
				void *result;

				pthread_cancel(thread);
				pthread_join(thread, &result);
				ended += how == 5 ? result != PTHREAD_CANCELED : result == PTHREAD_CANCELED;
				if (how == 5)
					free(result);
			}
			if (ended != 8)
				printf("%d ended\n", ended);
		}
		printf("%ld: %d cleaned, %d destroyed\n", how, (int)cleaned, (int)destroyed);
	}
}

struct thrown {
	int value;
};

static int compare_throws(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	free(malloc(30));
	if (left == 500 || right == 500)
		throw thrown{left + right};
	return left - right;
}

static jmp_buf out;

static int compare_jumps(const void *a, const void *b)
{
	free(malloc(30));
	if (*(const int *)a == 500 || *(const int *)b == 500)
		longjmp(out, 1);
	return *(const int *)a - *(const int *)b;
}

static int handled;

static void new_fails(void)
{
	handled++;
	throw thrown{4};
}

static void exceptions(void)
{
	int found = 0, numbers[1000];

	for (int round = 0; round < 300; round++) {
		for (int i = 0; i < 1000; i++)
			numbers[i] = (i * 7) % 1000;
		try {
			qsort(numbers, 1000, sizeof(int), compare_throws);
		} catch (const thrown &) {
			found++;
		}
		for (int i = 0; i < 1000; i++)
			numbers[i] = i;
		try {
			int key_wanted = 499;

			bsearch(&key_wanted, numbers, 1000, sizeof(int), compare_throws);
		} catch (const thrown &) {
			found++;
		}
		if (setjmp(out) == 0)
			qsort(numbers, 1000, sizeof(int), compare_jumps);
		else
			found++;
	}
	printf("%d found\n", found);
	std::set_new_handler(new_fails);
	found = 0;
	for (int round = 0; round < 300; round++) {
		try {
			::operator delete(::operator new((size_t)1 << 60));
		} catch (const thrown &) {
			found++;
		}
		try {
			::operator delete[](::operator new[]((size_t)1 << 60, std::align_val_t{64}), std::align_val_t{64});
		} catch (const thrown &) {
			found++;
		}
		found += ::operator new((size_t)1 << 60, std::nothrow) == nullptr;
	}
	std::set_new_handler(nullptr);
	for (int round = 0; round < 300; round++) {
		try {
			::operator delete(::operator new((size_t)1 << 60));
		} catch (const std::bad_alloc &) {
			found++;
		}
	}
	printf("%d found, %d handled\n", found, handled);
}

#define FIBERS	    64
#define FIBER_BYTES 16384

static ucontext_t main_context, fibers[FIBERS];
static int fiber_sum;

static void fiber(int number)
{
	for (int round = 0; round < 40; round++) {
		void *volatile block = malloc((size_t)(number + 1) * 16);
		volatile unsigned long sink = 0;

		for (int i = 0; i < 20000; i++)
			sink = sink + 1;
		if (number + 1 < FIBERS)
			swapcontext(&fibers[number], &fibers[number + 1]);
		else
			swapcontext(&fibers[number], &fibers[0]);
		free(block);
		fiber_sum++;
	}
	/* Each ends into the next one's last round. */
	fibers[number].uc_link = number + 1 < FIBERS ? &fibers[number + 1] : &main_context;
}

static void coroutines(void)
{
	for (int i = 0; i < FIBERS; i++) {
		char *stack = (char *)mmap(nullptr, FIBER_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		mprotect(stack, 4096, PROT_NONE);
		getcontext(&fibers[i]);
		fibers[i].uc_stack.ss_sp = stack + 4096;
		fibers[i].uc_stack.ss_size = FIBER_BYTES;
		fibers[i].uc_link = i + 1 < FIBERS ? &fibers[i + 1] : &main_context;
		makecontext(&fibers[i], (void (*)())fiber, 1, i);
	}
	swapcontext(&main_context, &fibers[0]);
	printf("sum %d\n", fiber_sum);
}

static std::atomic<int> loaded;

static void *loads(void *name)
{
	for (int i = 0; i < 150; i++) {
		void *handle = dlopen((const char *)name, RTLD_NOW);
		void *(*run)(int);

		if (!handle) {
			printf("%s\n", dlerror());
			return nullptr;
		}
		run = (void *(*)(int))dlsym(handle, "plugin_run");
		for (int call = 0; call < 20; call++)
			free(run(20));
		loaded += dlclose(handle) == 0;
	}
	return nullptr;
}

/* The further arguments: libraries, one for each thread. */
static void storm(int count, char **names)
{
	std::vector<pthread_t> threads((size_t)count);

	for (int i = 0; i < count; i++)
		pthread_create(&threads[(size_t)i], nullptr, loads, names[i]);
	for (pthread_t thread : threads)
		pthread_join(thread, nullptr);
	printf("%d loaded\n", (int)loaded);
}

static std::atomic<int> last_said;

/* main leaves, others go on. */
static void *last_one(void *main_thread)
{
	pthread_join(*(pthread_t *)main_thread, nullptr);
	marked();
	last_said = 1;
	printf("the last\n");
	return nullptr;
}

int main(int count, char **arguments)
{
	const char *part = count > 1 ? arguments[1] : "";
	static pthread_t self;
	pthread_t other;

	if (!strcmp(part, "cancels"))
		cancels();
	else if (!strcmp(part, "exceptions"))
		exceptions();
	else if (!strcmp(part, "coroutines"))
		coroutines();
	else if (!strcmp(part, "storm"))
		storm(count - 2, arguments + 2);
	else if (!strcmp(part, "leaves")) {
		self = pthread_self();
		pthread_create(&other, nullptr, last_one, &self);
		marked();
		pthread_exit(nullptr);
	}
	marked();
	pthread_create(&other, nullptr, marked_thread, nullptr);
	pthread_join(other, nullptr);
	return 0;
}
