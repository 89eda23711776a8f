/* SPDX-License-Identifier: Apache-2.0 */
/* A program that has an interpreter linked into it: python_host_static SCRIPT ARGUMENT. */
#include <stdio.h>

extern void Py_InitializeEx(int);
extern int PyRun_SimpleString(const char *);
extern int Py_FinalizeEx(void);

int main(int argc, char **argv)
{
	char text[4096];
	int result;

	if (argc != 3)
		return 2;
	Py_InitializeEx(0);
	snprintf(text, sizeof(text), "import sys; sys.argv = [r'%s', '%s']; exec(compile(open(r'%s').read(), r'%s', 'exec'))",
		 argv[1], argv[2], argv[1], argv[1]);
	result = PyRun_SimpleString(text);
	return Py_FinalizeEx() ? 3 : result;
}
