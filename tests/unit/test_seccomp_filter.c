/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreter of filters gives the kernel's answers: each instruction, and what the kernel refuses. */
#include "seccomp_filter.h"
#include "test.h"

#include <linux/audit.h>

#define RUN(call, ...)                                                                    \
	filter_run((const struct sock_filter[]){__VA_ARGS__},                              \
		   sizeof((const struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter), call)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN_A    BPF_STMT(BPF_RET | BPF_A, 0)
#define RETURN(k)   BPF_STMT(BPF_RET | BPF_K, k)
#define SET_A(k)    BPF_STMT(BPF_LD | BPF_IMM, k)
#define SET_X(k)    BPF_STMT(BPF_LDX | BPF_IMM, k)
#define ALU(operation, k) BPF_STMT(BPF_ALU | (operation) | BPF_K, k)

static const struct seccomp_data call = {
	.nr = 7, .arch = 0xc000003e, .args = {0x1122334455667788, 2, 3, 4, 5, 0x0606060600000006}};

PP_TEST(loads)
{
	PP_CHECK(RUN(&call, LOAD(nr), RETURN_A) == 7);
	PP_CHECK(RUN(&call, LOAD(arch), RETURN_A) == 0xc000003e);
	PP_CHECK(RUN(&call, LOAD(args[0]), RETURN_A) == 0x55667788);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]) + 4), RETURN_A) ==
	      0x11223344);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 60), RETURN_A) == 0x06060606);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), RETURN_A) == 64);
	PP_CHECK(RUN(&call, SET_X(9), BPF_STMT(BPF_MISC | BPF_TXA, 0), RETURN_A) == 9);
	PP_CHECK(RUN(&call, SET_A(8), BPF_STMT(BPF_MISC | BPF_TAX, 0), SET_A(1), BPF_STMT(BPF_MISC | BPF_TXA, 0), RETURN_A) ==
	      8);
	PP_CHECK(RUN(&call, SET_A(5), BPF_STMT(BPF_ST, 15), SET_A(0), BPF_STMT(BPF_LD | BPF_MEM, 15), RETURN_A) == 5);
	PP_CHECK(RUN(&call, SET_X(6), BPF_STMT(BPF_STX, 0), BPF_STMT(BPF_LD | BPF_MEM, 0), RETURN_A) == 6);
}

PP_TEST(arithmetic)
{
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_ADD, 4), RETURN_A) == 10);
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_SUB, 7), RETURN_A) == UINT32_MAX);
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_MUL, 4), RETURN_A) == 24);
	PP_CHECK(RUN(&call, SET_A(9), ALU(BPF_DIV, 2), RETURN_A) == 4);
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_AND, 3), RETURN_A) == 2);
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_OR, 1), RETURN_A) == 7);
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_XOR, 3), RETURN_A) == 5);
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_LSH, 2), RETURN_A) == 24);
	PP_CHECK(RUN(&call, SET_A(6), ALU(BPF_RSH, 1), RETURN_A) == 3);
	PP_CHECK(RUN(&call, SET_A(1), BPF_STMT(BPF_ALU | BPF_NEG, 0), RETURN_A) == UINT32_MAX);
	PP_CHECK(RUN(&call, SET_A(6), SET_X(5), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), RETURN_A) == 11);
}

PP_TEST(jumps)
{
	PP_CHECK(RUN(&call, SET_A(6), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 1), RETURN(1), RETURN(2)) == 1);
	PP_CHECK(RUN(&call, SET_A(6), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1), RETURN(1), RETURN(2)) == 2);
	PP_CHECK(RUN(&call, SET_A(6), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 6, 0, 1), RETURN(1), RETURN(2)) == 2);
	PP_CHECK(RUN(&call, SET_A(6), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 6, 0, 1), RETURN(1), RETURN(2)) == 1);
	PP_CHECK(RUN(&call, SET_A(6), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1), RETURN(1), RETURN(2)) == 2);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(1), RETURN(2)) == 2);
	PP_CHECK(RUN(&call, SET_A(6), SET_X(6), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), RETURN(1), RETURN(2)) == 1);
}

/* What the kernel would not take is answered as the worst. */
PP_TEST(refused)
{
	PP_CHECK(RUN(&call, SET_A(1), ALU(BPF_DIV, 0), RETURN(SECCOMP_RET_ALLOW)) == SECCOMP_RET_KILL_PROCESS);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(SECCOMP_RET_ALLOW)) == SECCOMP_RET_KILL_PROCESS);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RETURN(SECCOMP_RET_ALLOW)) == SECCOMP_RET_KILL_PROCESS);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_LD | BPF_MEM, 16), RETURN(SECCOMP_RET_ALLOW)) == SECCOMP_RET_KILL_PROCESS);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_ST, 16), RETURN(SECCOMP_RET_ALLOW)) == SECCOMP_RET_KILL_PROCESS);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RETURN(SECCOMP_RET_ALLOW)) == SECCOMP_RET_KILL_PROCESS);
	PP_CHECK(RUN(&call, BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), RETURN(SECCOMP_RET_ALLOW)) == SECCOMP_RET_KILL_PROCESS);
	PP_CHECK(RUN(&call, SET_A(1)) == SECCOMP_RET_KILL_PROCESS);
}
