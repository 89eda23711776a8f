/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library (with PLUGIN) that carries code which others have too: an allocator, another liblzma, another libunwind.
 * Its own is what it must get; nobody else may. The program takes its symbols from itself in the same way, exported.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Names that libpreprof.so, built as it is, could take from elsewhere: wrong ones end the program. */
#define OTHERS(DO)                                                                                                     \
	DO(lzma_stream_decoder) DO(lzma_stream_buffer_decode) DO(lzma_code) DO(lzma_end) DO(lzma_index_buffer_decode)  \
	DO(lzma_stream_footer_decode) DO(lzma_index_uncompressed_size) DO(lzma_index_end) DO(lzma_version_number)      \
	DO(unw_step) DO(unw_get_reg) DO(unw_get_proc_name) DO(unw_init_local) DO(unw_init_local2) DO(unw_backtrace)    \
	DO(unw_set_caching_policy) DO(unw_flush_cache) DO(unw_getcontext) DO(unw_is_signal_frame)                      \
	DO(_ULx86_64_step) DO(_ULx86_64_get_reg) DO(_ULx86_64_init_local) DO(_ULx86_64_init_local2)                    \
	DO(_ULx86_64_set_caching_policy) DO(_ULx86_64_is_signal_frame) DO(_ULx86_64_local_addr_space)                  \
	DO(_Ux86_64_getcontext) DO(_Ux86_64_flush_cache) DO(_Ux86_64_setcontext) DO(_ULx86_64_dwarf_find_proc_info)    \
	DO(_Ux86_64_is_fpreg) DO(_Ux86_64_regname) DO(_U_dyn_info_list_addr) DO(_ULx86_64_dwarf_step)                  \
	DO(mi_open) DO(stack_capture) DO(pp_session) DO(session_start)

extern int carrier_own; /* goes where the names go */
int carrier_own;

#define DEFINE(name)                                                                                                   \
	int name(void);                                                                                                \
	__attribute__((visibility("default"), noinline)) int name(void)                                                \
	{                                                                                                              \
		if (!carrier_own)                                                                                              \
			abort();                                                                                       \
		return (int)sizeof(#name);                                                                             \
	}
OTHERS(DEFINE)

#define SUM(name) +name()
static int others_call(void)
{
	int sum;

	carrier_own = 1;
	sum = 0 OTHERS(SUM);
	carrier_own = 0;
	return sum;
}

#ifdef PLUGIN
#ifdef OWN_MALLOC
static char arena[1 << 20];
static size_t used, served;

#ifdef HIDDEN
#pragma GCC visibility push(hidden)
#endif
/* Linked with -Bsymbolic, or hidden, this is what the plugin gets, and nobody else. */
void *malloc(size_t size)
{
	char *block = arena + used;

	served++;
	used += (size + 15) & ~(size_t)15;
	return used <= sizeof(arena) ? block : NULL;
}

void free(void *block)
{
	if (block && ((char *)block < arena || (char *)block >= arena + sizeof(arena)))
		abort();
}
#ifdef HIDDEN
#pragma GCC visibility pop
#endif
#endif

#ifdef OWN_WRITE
/* Likewise. */
__attribute__((noinline)) ssize_t write(int fd, const void *bytes, size_t size)
{
	(void)fd, (void)bytes;
	__asm__ volatile("");
	return (ssize_t)size;
}
#endif

int plugin_work(char *text, size_t space);
int plugin_work(char *text, size_t space)
{
	for (int i = 0; i < 1000; i++)
		free(malloc(100));
#ifdef OWN_WRITE
	for (int i = 0; i < 1000; i++) {
		if (write(2, "not to be seen\n", 15) != 15)
			abort();
	}
#endif
#ifdef OWN_MALLOC
	/* Long enough to be sampled: what is never on a stack is not known to be there. */
	for (clock_t began = clock(); clock() - began < CLOCKS_PER_SEC / 20;)
		free(NULL);
	snprintf(text, space, "%zu served by its own", served);
#else
	snprintf(text, space, "served by the others");
#endif
	return others_call();
}
#else
__attribute__((noinline)) static void by_program(void)
{
	for (int i = 0; i < 1000; i++) {
		void *volatile block = malloc(200);

		free(block);
	}
}

/* Arguments: modes of dlopen and libraries, in turn. */
int main(int count, char **arguments)
{
	char text[100];

	printf("program %d\n", others_call());
	for (int i = 1; i + 1 < count; i += 2) {
		void *handle = dlopen(arguments[i + 1], RTLD_NOW | atoi(arguments[i]));
		int (*work)(char *, size_t);

		if (!handle) {
			printf("%s\n", dlerror());
			return 1;
		}
		work = (int (*)(char *, size_t))dlsym(handle, "plugin_work");
		printf("%d", work(text, sizeof(text)));
		printf(" %s\n", text);
		by_program();
	}
	return 0;
}
#endif
