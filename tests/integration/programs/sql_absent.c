/* SPDX-License-Identifier: Apache-2.0 */
/* Has no SQLite, and looks for one in every way: what it finds must not be ours. */
#include <dlfcn.h>
#include <stdio.h>

int sqlite3_libversion_number(void) __attribute__((weak));
int sqlite3_step(void *statement) __attribute__((weak));

int main(void)
{
	printf("weak %d %d\n", sqlite3_libversion_number != NULL, sqlite3_step != NULL);
	printf("default %d, next %d, program %d\n", dlsym(RTLD_DEFAULT, "sqlite3_step") != NULL,
	       dlsym(RTLD_NEXT, "sqlite3_open_v2") != NULL, dlsym(dlopen(NULL, RTLD_NOW), "sqlite3_exec") != NULL);
	return 0;
}
