/* SPDX-License-Identifier: Apache-2.0 */
/* A program around chain.c that calls into libc through the procedure linkage table. */
#include <stdio.h>

int outer(int value);
int other(int value);
int plain(int value);
int pp_alias(int value);

int main(int count, char **arguments)
{
	puts(arguments[0]);
	return outer(count) + other(count) + plain(count) + pp_alias(count);
}
