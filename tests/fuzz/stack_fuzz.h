/* SPDX-License-Identifier: Apache-2.0 */
/* Between the generated programs of the stack fuzz and their judge. */
#ifndef PREPROF_STACK_FUZZ_H
#define PREPROF_STACK_FUZZ_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
void leaf(void);
void fuzz_init(int argc, char **argv);
void fuzz_thread(void); /* main threads: may be sampled */
void fuzz_forget_code(void);
void fuzz_finish(void);
#ifdef __cplusplus
}
#endif

#endif
