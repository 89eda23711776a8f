/* SPDX-License-Identifier: Apache-2.0 */
/* A program that loads an interpreter where nobody else sees it, and unloads it: python_host LIBRARY SECONDS. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *library = argc > 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	int (*run)(const char *), (*finalize)(void), result;
	void (*initialize)(int);
	char text[512];

	if (!library || dlsym(RTLD_DEFAULT, "Py_IsInitialized"))
		return 2;
	initialize = (void (*)(int))dlsym(library, "Py_InitializeEx");
	run = (int (*)(const char *))dlsym(library, "PyRun_SimpleString");
	finalize = (int (*)(void))dlsym(library, "Py_FinalizeEx");
	initialize(0);
	snprintf(text, sizeof(text),
		 "import time\n"
		 "def embedded():\n"
		 "    end = time.thread_time() + %s\n"
		 "    while time.thread_time() < end:\n"
		 "        sum(range(5000))\n"
		 "embedded()\n"
		 "block = bytearray(123457)\n",
		 argv[2]);
	result = run(text);
	finalize();
	dlclose(library);
	return result;
}
