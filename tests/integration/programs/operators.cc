// SPDX-License-Identifier: Apache-2.0
// Every form of operator new and delete, 10 times each, from a function of its own; one bad_alloc through the hooks.
#include <cstdio>
#include <cstdlib>
#include <new>

#define SITE(name) static __attribute__((noinline)) void name()
#define KEEP(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

struct alignas(64) Wide {
	char bytes[192];
};

SITE(site_new)
{
	for (int i = 0; i < 10; i++) {
		int *p = new int(i);
		KEEP(p);
		delete p;
	}
}

SITE(site_new_array)
{
	for (int i = 0; i < 10; i++) {
		char *p = new char[50];
		KEEP(p);
		delete[] p;
	}
}

SITE(site_new_nothrow)
{
	for (int i = 0; i < 10; i++) {
		char *p = new (std::nothrow) char[60];
		KEEP(p);
		operator delete[](p, std::nothrow);
	}
}

SITE(site_new_aligned)
{
	for (int i = 0; i < 10; i++) {
		Wide *p = new Wide;
		KEEP(p);
		delete p;
	}
}

SITE(site_new_leak)
{
	for (int i = 0; i < 3; i++) {
		char *p = new char[111]; /* leak */
		KEEP(p);
	}
}

SITE(site_bad_alloc)
{
	volatile std::size_t huge = ~std::size_t(0) / 4;

	for (int i = 0; i < 5; i++) {
		try {
			char *p = new char[huge];
			KEEP(p);
		} catch (const std::bad_alloc &) {
			std::puts("bad_alloc");
		}
	}
}

// An argument leaves bad_alloc out: valgrind's operator new cannot throw.
int main(int argc, char **)
{
	site_new();
	site_new_array();
	site_new_nothrow();
	site_new_aligned();
	if (argc == 1)
		site_bad_alloc();
	site_new_leak();
	return 0;
}
