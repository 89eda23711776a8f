/* SPDX-License-Identifier: Apache-2.0 */
/* A known peak: low rises to 1 MB and falls to half, high then adds 3 MB for a moment, low rises again but not as far. */
#include <stdio.h>
#include <stdlib.h>

#define SITE(name) static __attribute__((noinline)) void name(void)

static void *low[1000], *high[300];

SITE(site_low)
{
	for (int i = 0; i < 1000; i++)
		low[i] = malloc(1000);
}

SITE(site_high)
{
	for (int i = 0; i < 300; i++)
		high[i] = malloc(10000);
}

SITE(site_last)
{
	for (int i = 0; i < 300; i++)
		high[i] = malloc(9000);
}

static void low_halve(void)
{
	for (int i = 0; i < 500; i++)
		free(low[i]);
}

static void high_free(void)
{
	for (int i = 0; i < 300; i++)
		free(high[i]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	site_low();
	low_halve();
	site_high();
	high_free();
	site_last();
	high_free();
	return 0;
}
