/* SPDX-License-Identifier: Apache-2.0 */
/* Linked statically it cannot be profiled; what it starts can. */
#include <stdlib.h>

int main(void)
{
	return system("ls / >/dev/null") != 0;
}
