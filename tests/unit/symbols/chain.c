/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls inlined into each other, with a label of its own wherever a test looks. A comment "at NAME" marks the line
 * that the frame called NAME must show; the tests find the numbers by it.
 */
#define MARK(name) __asm__ volatile(".globl " #name "\n" #name ":\n\tnop")

#include "chain.h"

int outer(int value);
int other(int value);
int plain(int value);
int __pp_alias(int value);
int unused(int value);

__attribute__((always_inline)) static inline int middle(int value)
{
	int twice = value * 2;

	return leaf(twice + 1) + 1; /* at middle */
}

__attribute__((noinline)) int outer(int value)
{
	if (value > 3)
		value ^= 5;
	return middle(value) ^ value; /* at outer */
}

__attribute__((noinline)) static int hidden(int value)
{
	MARK(mark_hidden); /* at hidden */
	return value + 11;
}

__attribute__((noinline)) int other(int value)
{
	return hidden(value) * 2;
}

__attribute__((noinline)) int plain(int value)
{
	MARK(mark_plain); /* at plain */
	return value - 7;
}

/* The name for users is the weak one. */
__attribute__((noinline)) int __pp_alias(int value)
{
	MARK(mark_alias);
	return value * value;
}

extern __typeof(__pp_alias) pp_alias __attribute__((weak, alias("__pp_alias")));

/* Thrown away by a linker that is told to: its DIE stays, at address 0. */
__attribute__((noinline)) int unused(int value)
{
	for (int i = 0; i < value; i++)
		value ^= i << 3;
	return value;
}
