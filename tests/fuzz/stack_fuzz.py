#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fuzzes the unwinder: writes programs whose stacks have every shape that compilers make, builds them with
changing flags, and lets stack_fuzz_runtime.c compare each captured stack with libunwind's.

    stack_fuzz.py [--seeds N] [--first SEED] [--captures N] [--keep FOLDER] [--only WORD]

Prints one line a run; status 1 if one stack was wrong, or if the unwinder built without its check of rbp
got every stack right: then this test proves nothing.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get('PREPROF_SOURCE') or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBUNWIND = os.environ.get('PREPROF_LIBUNWIND') or os.path.join(SOURCE, 'build/deps/libunwind')
FUNCTIONS = 64

HEAD = r'''
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "stack_fuzz.h"

typedef int (*function)(const uint8_t *, int);
extern const function table[];
#define NOINLINE __attribute__((noinline))
static thread_local int catchers;
static thread_local jmp_buf *jump;
static thread_local int threads_below;
static thread_local int fibers_below;
static thread_local const uint8_t *handed_p;
static thread_local int handed_d;
volatile int sink;

/* Nobody may throw or jump across what begins here. */
struct frontier {
	int catchers_before = catchers;
	jmp_buf *jump_before = jump;
	frontier() { catchers = 0; jump = 0; }
	~frontier() { catchers = catchers_before; jump = jump_before; }
};
static NOINLINE int below(const uint8_t *p, int d) { return table[p[0] % FUNCTIONS](p + 1, d - 1); }
/* No fibers in here: a signal that came on one would begin the alternate stack anew, in use as it is. */
static void on_signal(int) {
	frontier f; const uint8_t *p = handed_p; int d = handed_d, before = fibers_below; fibers_below = 1;
	leaf(); sink += table[p[0] % FUNCTIONS](p + 1, d); fibers_below = before;
}
static int compare_below(const void *, const void *) {
	frontier f; const uint8_t *p = handed_p; int d = handed_d;
	leaf(); sink += table[p[0] % FUNCTIONS](p + 1, d); return 0;
}
struct work { const uint8_t *p; int d; };
static void *thread_below(void *argument) {
	struct work *w = (struct work *)argument; threads_below = 9;
	sink += below(w->p, w->d); return 0;
}
static thread_local ucontext_t fiber_main, fiber;
static void fiber_below(void) { const uint8_t *p = handed_p; int d = handed_d; sink += below(p, d); }
extern "C" int asm_rbp(function f, const uint8_t *p, int d);
extern "C" int asm_pushes(function f, const uint8_t *p, int d);
/* rbp as a plain register, and pushes without a frame pointer. */
asm(R"(
	.text
	.type asm_rbp, @function
asm_rbp: .cfi_startproc
	push %rbp; .cfi_adjust_cfa_offset 8; .cfi_rel_offset %rbp, 0
	push %rbx; .cfi_adjust_cfa_offset 8; .cfi_rel_offset %rbx, 0
	sub $24, %rsp; .cfi_adjust_cfa_offset 24
	mov %rdi, %rax; mov %rsi, %rdi; mov %edx, %esi; mov $0x1234567, %ebp; call *%rax
	lea (%rax,%rbp), %eax
	add $24, %rsp; .cfi_adjust_cfa_offset -24
	pop %rbx; .cfi_adjust_cfa_offset -8; .cfi_restore %rbx
	pop %rbp; .cfi_adjust_cfa_offset -8; .cfi_restore %rbp
	ret
	.cfi_endproc
	.size asm_rbp, . - asm_rbp
	.type asm_pushes, @function
asm_pushes: .cfi_startproc
	push $1; .cfi_adjust_cfa_offset 8
	push $2; .cfi_adjust_cfa_offset 8
	push $3; .cfi_adjust_cfa_offset 8
	mov %rdi, %rax; mov %rsi, %rdi; mov %edx, %esi; call *%rax
	add $24, %rsp; .cfi_adjust_cfa_offset -24
	ret
	.cfi_endproc
	.size asm_pushes, . - asm_pushes
)");
'''

KINDS = {
    'plain': '',
    'alloca': 'volatile char *z = (volatile char *)alloca(16 * (1 + (p[1] & 7))); z[0] = d;',
    'alloca_large': 'volatile char *z = (volatile char *)alloca(16 * (1 + p[1] * (p[2] & 3))); z[0] = d;',
    'vla': 'volatile int z[1 + (p[1] & 31)]; z[p[1] & 31] = d;',
    'aligned': 'volatile char z[64] __attribute__((aligned(64))); z[d & 63] = 1;',
    'aligned_alloca': 'volatile char y[64] __attribute__((aligned(64))); y[d & 63] = 1;'
                      'volatile char *z = (volatile char *)alloca(16 * (1 + (p[1] & 7))); z[0] = 1;',
    'array': 'volatile char z[96]; z[d % 96] = 1;',
    'array_large': 'volatile char z[9000]; z[d] = 1;',
    'array_huge': 'volatile char z[70000]; z[d] = 1; z[69999] = 2;',
    'aligned_large': 'volatile char z[9000] __attribute__((aligned(128))); z[d] = 1;',
}

BODY = r'''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	int a = p[0] * %(n)d, r = 0;
	%(prologue)s
	if (d <= 0 || (p[1] & 15) == 0) leaf();
	if (d > 0) {
		r = %(call)s;
		if (p[2] & 1) r += table[p[3] %% FUNCTIONS](p + 1, d - 1 > 3 ? 3 : d - 1);
		if ((p[3] & 7) == 0) leaf();
	}
	return r + a;
}
'''

SPECIAL = {
    'catch': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	int r = 0; if (d <= 0) { leaf(); return 1; }
	jmp_buf *before = jump; catchers++;
	try { r = below(p, d); } catch (int e) { jump = before; leaf(); r = e; }
	catchers--; leaf(); return r;
}''',
    'throw': '''
struct guard%(n)d { int v; NOINLINE ~guard%(n)d() { if (v & 1) leaf(); } };
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	guard%(n)d g = { p[1] };
	if (d <= 0) { leaf(); if (catchers && (p[2] & 3) == 0) throw 5; return 1; }
	return below(p, d) + g.v;
}''',
    'setjmp': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	jmp_buf here; jmp_buf *volatile before = jump; volatile int catchers_before = catchers;
	if (d <= 0) { leaf(); return 1; }
	if (!_setjmp(here)) { jump = &here; sink += below(p, d); } else { catchers = catchers_before; leaf(); }
	jump = before; leaf(); return 2;
}''',
    'longjmp': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	leaf(); if (jump && !catchers && d < 6 && (p[2] & 3) == 0) longjmp(*jump, 1);
	return d > 0 ? below(p, d) + 3 : 1;
}''',
    'signal': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	if (d > 0 && (p[1] & 3) == 0) { handed_p = p; handed_d = d / 2; raise(%(signal)s); }
	leaf(); return d > 0 ? below(p, d) + 3 : 1;
}''',
    'trap': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	if (d > 0 && (p[1] & 3) == 0) { handed_p = p; handed_d = d / 2; asm volatile("ud2"); }
	leaf(); return d > 0 ? below(p, d) + 3 : 1;
}''',
    'bsearch': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	int v[2] = { 1, 2 }; if (d <= 0) { leaf(); return 1; }
	handed_p = p; handed_d = d - 1; %(search)s; leaf(); return v[1];
}''',
    'thread': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	pthread_t t; struct work w = { p, d / 2 };
	if (threads_below < 2 && (p[1] & 63) == 0 && d > 1) {
		threads_below++; if (!pthread_create(&t, 0, thread_below, &w)) pthread_join(t, 0); threads_below--;
	}
	leaf(); return d > 0 ? below(p, d) + 3 : 1;
}''',
    'fiber': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	if (!fibers_below && d > 1 && (p[1] & 3) == 0) {
		frontier f; fibers_below = 1; size_t size = 1 << 20;
		char *stack = (char *)mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		getcontext(&fiber); fiber.uc_stack.ss_sp = stack; fiber.uc_stack.ss_size = size; fiber.uc_link = &fiber_main;
		handed_p = p; handed_d = d / 2; makecontext(&fiber, fiber_below, 0); swapcontext(&fiber_main, &fiber);
		munmap(stack, size); fibers_below = 0;
	}
	leaf(); return d > 0 ? below(p, d) + 3 : 1;
}''',
    'recursion': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	static thread_local int depth; %(prologue)s
	if (depth < (fibers_below ? %(times)d %% 61 : %(times)d)) { depth++; /* a fiber's stack is 1 MiB */ int r = f%(n)d(p, d) + 1; depth--; return r; }
	int before = depth; frontier f; depth = 1 << 20; leaf(); int r = d > 0 ? below(p, d) : 1; depth = before; return r + 1;
}''',
    'tail': '''
NOINLINE int f%(n)d(const uint8_t *p, int d) {
	if (d <= 0 || (p[1] & 7) == 0) leaf();
	return d > 0 ? table[p[0] %% FUNCTIONS](p + 1, d - 1) : 1;
}''',
}

TAIL = r'''
static struct { uint64_t x; } state;
static unsigned next(void) { state.x = state.x * 6364136223846793005u + 1442695040888963407u; return state.x >> 33; }
static void *main_below(void *seed) {
	static thread_local uint8_t p[4096]; uint64_t x = (uintptr_t)seed;
	stack_t alternate = {};
	alternate.ss_size = 4 << 20;
	alternate.ss_sp = mmap(0, alternate.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&alternate, 0);
	fuzz_thread();
	for (long i = 0;; i++) {
		for (int j = 0; j < 200; j++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			if (i == 0 || (unsigned)(x >> 59) < CHANGE) p[j] = x >> 40;
		}
		sink += table[p[0] % FUNCTIONS](p + 1, 8 + (x >> 33) % 30);
	}
	return 0;
}
/* The trap is stepped over. */
static void on_trap(int signal, siginfo_t *, void *context) {
	on_signal(signal); ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}
int main(int argc, char **argv) {
	struct sigaction action = {};
	fuzz_init(argc, argv);
	action.sa_flags = SA_NODEFER; action.sa_handler = on_signal; sigaction(SIGUSR1, &action, 0);
	action.sa_flags = SA_NODEFER | SA_ONSTACK; sigaction(SIGUSR2, &action, 0);
	action.sa_flags = SA_NODEFER | SA_SIGINFO; action.sa_sigaction = on_trap; sigaction(SIGILL, &action, 0);
	for (int i = 1; i < THREADS; i++) { pthread_t t; pthread_create(&t, 0, main_below, (void *)(uintptr_t)(atoi(argv[1]) + i)); }
	main_below((void *)(uintptr_t)atoi(argv[1]));
}
'''

# Every build mixes kinds: the quiet ones repeat much, so that the memo is met often; the wild ones rarely do.
MIXES = {
    'quiet': (list(KINDS), []),
    'mixed': (list(KINDS) * 3, list(SPECIAL)),
    'wild': (list(KINDS), list(SPECIAL) * 2),
}
FLAGS = [['-O2'], ['-O0'], ['-O1'], ['-O3', '-march=native'], ['-Os'], ['-O2', '-fno-omit-frame-pointer'],
         ['-O2', '-mstackrealign'], ['-O2', '-fcf-protection=full', '-fstack-protector-all'],
         ['-O2', '-maccumulate-outgoing-args', '-fstack-clash-protection']]
RUNTIME_FLAGS = ['-O2', '-g', '-fno-tree-slp-vectorize', '-std=gnu11', '-D_GNU_SOURCE', '-fno-omit-frame-pointer', '-fno-strict-aliasing',
                 '-fno-stack-protector', '-fexceptions', '-fasynchronous-unwind-tables', '-Wall', '-Wextra']


def program_text(rng, mix, threads, change):
    kinds, special = MIXES[mix]
    choice = kinds + special
    names = []
    parts = [HEAD.replace('#include "stack', f'#define FUNCTIONS {FUNCTIONS}\n#define THREADS {threads}\n'
                          f'#define CHANGE {change}\n#include "stack')]
    for n in range(FUNCTIONS):
        kind = choice[n % len(choice)] if n < len(choice) else rng.choice(choice)
        values = {
            'n': n,
            'prologue': KINDS.get(kind, rng.choice([KINDS['plain'], KINDS['alloca'], KINDS['aligned']])),
            'call': rng.choice(['table[p[0] % FUNCTIONS](p + 1, d - 1)'] * 3 +
                               ['asm_rbp(table[p[0] % FUNCTIONS], p + 1, d - 1)',
                                'asm_pushes(table[p[0] % FUNCTIONS], p + 1, d - 1)']),
            'signal': rng.choice(['SIGUSR1', 'SIGUSR2']),
            'search': rng.choice(['bsearch(v, v, 2, 4, compare_below)', 'qsort(v, 2, 4, compare_below)']),
            'times': rng.choice([3, 60, 60, 300, 1100, 2500]),
        }
        parts.append((SPECIAL[kind] if kind in SPECIAL else BODY) % values)
        names.append(f'f{n}')
    parts.append('const function table[] = {' + ', '.join(names) + '};')
    parts.append(TAIL)
    return '\n'.join(parts)


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def must(command):
    done = run(command)
    if done.returncode:
        sys.exit(f'{" ".join(command)}\n{done.stdout}')


def runtime_build(folder, extra=()):
    """The judge and the unwinder, as one archive; its name."""
    archive = os.path.join(folder, 'runtime' + ''.join(extra).replace('-', '_') + '.a')
    objects = []
    sources = ['tests/fuzz/stack_fuzz_runtime.c'] + [
        f'preload/{name}.c' for name in ('stack', 'stack_cfi', 'stack_cfi_cursor', 'stack_rule_pack', 'stack_rules', 'stack_table', 'peek',
                                         'stack_libunwind', 'libunwind_calls', 'object')]
    for source in sources:
        objects.append(archive[:-2] + '_' + os.path.basename(source)[:-2] + '.o')
        must(['gcc', *RUNTIME_FLAGS, *extra, '-I' + SOURCE + '/include', '-I' + SOURCE + '/preload',
              '-I' + SOURCE + '/tests/fuzz', '-isystem', LIBUNWIND + '/include', '-c', os.path.join(SOURCE, source),
              '-o', objects[-1]])
    must(['ar', 'rcs', archive, *objects])
    return archive


def program_build(folder, name, text, compiler, flags, archive):
    source = os.path.join(folder, name + '.cc')
    with open(source, 'w') as file:
        file.write(text)
    program = os.path.join(folder, name)
    link = [] if '-static-pie' in flags else ['-rdynamic']
    must([compiler, '-w', '-g1', *flags, '-I' + SOURCE + '/tests/fuzz', source, '-Wl,--start-group',
          archive, LIBUNWIND + '/lib/libunwind.a', '-Wl,--end-group', '-pthread', *link, '-o', program])
    return program


def ablate(folder, captures):
    """A memo that leaves out rbp, or the words, must get stacks wrong, or the programs are too tame."""
    failed = 0
    for check in ('RBP', 'WORDS'):
        archive = runtime_build(folder, [f'-DPP_MEMO_CHECKS_{check}=0'])
        text = program_text(random.Random(1), 'quiet', 1, 6)
        program = program_build(folder, 'ablate' + check, text, 'g++', ['-O2'], archive)
        done = run([program, '1', f'captures={max(captures, 300000)}'], timeout=300)
        caught = done.returncode == 1 and ' wrong_memo 0 ' not in done.stdout
        failed += not caught
        print(f'{"ok" if caught else "FAILED"} without its check of {check.lower()}: {done.stdout.splitlines()[-1]}',
              flush=True)
    return failed


LIBRARY = r'''
#include <stdint.h>
/* Two of these have their functions at the same offsets, and frames of other sizes. */
extern "C" __attribute__((visibility("default"))) int enter(void (*back)(int), int d)
{
	volatile char z[SIZE]; z[d] = 1;
	if (d) return enter(back, d - 1) + z[d];
	back(1);
	return z[d];
}
'''
RELOAD = r'''
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include "stack_fuzz.h"
static void back(int) { leaf(); }
static void *last; static int same_address;
static __attribute__((noinline)) void visit(const char *name, int round)
{
	void *library = dlopen(name, RTLD_NOW);
	auto enter = (int (*)(void (*)(int), int))dlsym(library, "enter");
	if (!enter) abort();
	same_address += (void *)enter == last; last = (void *)enter;
	for (int i = 0; i < 6; i++) enter(back, i / 3 + round % 3);
	dlclose(library); fuzz_forget_code();
}
int main(int argc, char **argv)
{
	fuzz_init(argc, argv);
	for (int round = 0;; round++) {
		visit(argv[2 + (round * 7 % 5 < 2)], round);
		if (round == 2000 && same_address < 1000) { puts("the libraries never met at one address"); return 1; }
		leaf();
	}
}
'''


def reload(folder, archive, captures):
    """Two libraries by turns at one address: nothing remembered of the one may serve the other."""
    names = []
    for size in (24, 88):
        names.append(os.path.join(folder, f'reload{size}.so'))
        with open(names[-1] + '.cc', 'w') as file:
            file.write(LIBRARY)
        must(['g++', '-O1', '-shared', '-fPIC', f'-DSIZE={size}', names[-1] + '.cc', '-o', names[-1]])
    program = program_build(folder, 'reload', RELOAD, 'g++', ['-O2'], archive)
    done = run([program, '1', *names, f'captures={captures // 4}', 'check=3'], timeout=300)
    # Without being told of the unmapping it must go wrong.
    deaf = run([program, '1', *names, f'captures={captures // 4}', 'check=3', 'deaf'], timeout=300)
    good = done.returncode == 0 and deaf.returncode != 0
    print(f'{"ok" if good else "FAILED"} reload: {done.stdout.strip()}\n'
          f'   not told: {(deaf.stdout.splitlines() or [deaf.returncode])[-1]}', flush=True)
    return not good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument('--first', type=int, default=1)
    parser.add_argument('--captures', type=int, default=100000)
    parser.add_argument('--keep')
    parser.add_argument('--only', default='')
    options = parser.parse_args()
    if not shutil.which('g++') or not os.path.exists(LIBUNWIND + '/lib/libunwind.a'):
        print('skipped: needs g++ and the libunwind that scripts/bootstrap builds')
        sys.exit(77)
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
        sys.exit(1 if fuzz(options, options.keep) else 0)
    with tempfile.TemporaryDirectory(prefix='stack-fuzz.') as folder:
        failed = fuzz(options, folder)
    sys.exit(1 if failed else 0)


def fuzz(options, folder):
    compilers = ['g++', 'g++', 'clang++' if shutil.which('clang++') else 'g++']
    archive = runtime_build(folder)
    failed = ablate(folder, options.captures) if 'ablate'.startswith(options.only) else 0
    failed += reload(folder, archive, options.captures) if 'reload'.startswith(options.only) else 0
    for seed in range(options.first, options.first + options.seeds):
        rng = random.Random(seed)
        for mix in MIXES:
            threads = rng.choice([1, 1, 4])
            compiler = rng.choice(compilers)
            flags = rng.choice(FLAGS if compiler == 'g++' else FLAGS[:6])
            extra = rng.choice([[], ['sample'], ['sample'], ['rest']])
            name = f'{mix}{seed}'
            if options.only not in name:
                continue
            text = program_text(rng, mix, threads, rng.choice([1, 3, 6, 12]))
            program = program_build(folder, name, text, compiler, flags, archive)
            command = [program, str(seed), f'captures={options.captures}', *extra]
            try:
                done = run(command, timeout=300)
                status, output = done.returncode, done.stdout
            except subprocess.TimeoutExpired as error:
                status, output = 'timeout', (error.stdout or b'').decode(errors='replace')
            failed += status != 0
            print(f'{"ok" if status == 0 else "FAILED " + str(status)} {name} {compiler} {" ".join(flags)} '
                  f'threads={threads} {" ".join(extra)}: {output.strip()}', flush=True)
    return failed


if __name__ == '__main__':
    main()
