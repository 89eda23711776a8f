/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function whose rare part the compiler splits off and takes back in (as glibc's cancellable calls are): its DWARF says
 * that it is inlined into itself, at the line of its own head. To a reader it is one function.
 */
#define MARK(name) __asm__ volatile(".globl " #name "\n" #name ":\n\tnop")

extern volatile int rare;
volatile int rare;
long work(int value);
long work_begin(void);

__attribute__((noinline)) long work_begin(void)
{
	__asm__ volatile("" ::: "memory");
	return rare;
}

long work(int value)
{
	if (__builtin_expect(rare == 0, 1))
		return value * 3L;
	long old = work_begin();
	MARK(mark_work); /* at work */
	long result = work_begin() * value;
	return result + old;
}

static long (*volatile called)(int) = work;

int main(int count, char **arguments)
{
	(void)arguments;
	return (int)called(count);
}
