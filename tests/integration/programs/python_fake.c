/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Python that is not known looks like from outside: VERSION as PY_VERSION_HEX, FREE_THREADED 1 for a build without
 * the lock. Its list of offsets is 3.13's where VERSION is. Whoever walks frames here reads what is none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

extern const uint32_t Py_Version;
const uint32_t Py_Version = VERSION;

uint64_t _PyRuntime[64] = {
	[0] = 0x7970677562656478, /* "xdebugpy" */
	[1] = VERSION,		  [2] = FREE_THREADED, [23] = 72,  [29] = 8,   [30] = 0,  [31] = 56,
	[33] = 70,		  [35] = 112,	       [37] = 128, [38] = 136, [39] = 68, [43] = 200,
};
uint64_t PyCode_Type[64], PyUnicode_Type[64], PyBytes_Type[64];

int Py_IsInitialized(void);
void *PyGILState_GetThisThreadState(void);
void *PyThreadState_GetUnchecked(void);
void *_PyEval_EvalFrameDefault(void);

int Py_IsInitialized(void)
{
	return 1;
}

/* A state that no walk may touch. */
void *PyGILState_GetThisThreadState(void)
{
	abort();
}

void *PyThreadState_GetUnchecked(void)
{
	abort();
}

__attribute__((noinline)) void *_PyEval_EvalFrameDefault(void)
{
	void *block = malloc(4321);

	while ((double)clock() / CLOCKS_PER_SEC < 0.1)
		;
	return block;
}

int main(void)
{
	free(_PyEval_EvalFrameDefault());
	return 0;
}
