/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that allocate before main and after it: static, function-local, thread-local; and an exception nobody takes. */
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

static void *volatile keep;

static void allocate(int count)
{
	for (int i = 0; i < count; i++) {
		keep = operator new(500);
		operator delete(keep);
	}
}

struct Early {
	Early() : block(new char[100]) { allocate(10); }
	~Early()
	{
		allocate(10);
		delete[] block;
	}
	char *block;
};

static Early first;
static Early second;
static thread_local Early local;

int main(int argc, char **argv)
{
	static Early inside;

	local.block[0] = 1;
	std::thread([] { local.block[0] = 1; }).join();
	allocate(1000);
	if (argc > 1 && !std::strcmp(argv[1], "exit"))
		std::exit(50);
	if (argc > 1 && !std::strcmp(argv[1], "_exit"))
		_exit(51);
	if (argc > 1 && !std::strcmp(argv[1], "throw"))
		throw 1;
	return 52;
}
