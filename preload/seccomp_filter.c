/* SPDX-License-Identifier: Apache-2.0 */
/* See seccomp_filter.h; the instructions are those that Linux lets a seccomp filter have (seccomp_check_filter). */
#include "seccomp_filter.h"

#include <string.h>

#define REFUSED SECCOMP_RET_KILL_PROCESS

struct machine {
	uint32_t a, x;
	uint32_t memory[BPF_MEMWORDS];
};

/* false: a division by zero or an unknown operation. */
static bool calculate(uint32_t *a, uint16_t operation, uint32_t with)
{
	switch (operation) {
	case BPF_ADD:
		*a += with;
		return true;
	case BPF_SUB:
		*a -= with;
		return true;
	case BPF_MUL:
		*a *= with;
		return true;
	case BPF_DIV:
		if (!with)
			return false;
		*a /= with;
		return true;
	case BPF_AND:
		*a &= with;
		return true;
	case BPF_OR:
		*a |= with;
		return true;
	case BPF_XOR:
		*a ^= with;
		return true;
	case BPF_LSH:
		*a <<= with & 31;
		return true;
	case BPF_RSH:
		*a >>= with & 31;
		return true;
	case BPF_NEG:
		*a = -*a;
		return true;
	default:
		return false;
	}
}

static bool compare(uint32_t a, uint16_t operation, uint32_t with)
{
	switch (operation) {
	case BPF_JEQ:
		return a == with;
	case BPF_JGT:
		return a > with;
	case BPF_JGE:
		return a >= with;
	default: /* BPF_JSET */
		return a & with;
	}
}

/* false: not an instruction for a filter. */
static bool load(struct machine *machine, const struct sock_filter *step, const struct seccomp_data *call)
{
	uint32_t *to = BPF_CLASS(step->code) == BPF_LD ? &machine->a : &machine->x;

	switch (BPF_MODE(step->code)) {
	case BPF_IMM:
		*to = step->k;
		return true;
	case BPF_MEM:
		if (step->k >= BPF_MEMWORDS)
			return false;
		*to = machine->memory[step->k];
		return true;
	case BPF_LEN:
		*to = sizeof(*call);
		return true;
	case BPF_ABS:
		if (step->k & 3 || step->k > sizeof(*call) - 4 || to != &machine->a)
			return false;
		memcpy(to, (const char *)call + step->k, sizeof(*to));
		return true;
	default:
		return false;
	}
}

static bool store(struct machine *machine, const struct sock_filter *step)
{
	if (step->k >= BPF_MEMWORDS)
		return false;
	machine->memory[step->k] = BPF_CLASS(step->code) == BPF_ST ? machine->a : machine->x;
	return true;
}

uint32_t filter_run(const struct sock_filter *program, size_t count, const struct seccomp_data *call)
{
	struct machine machine = {0};

	/* Jumps lead forward only. */
	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *step = &program[at];
		uint32_t with = BPF_SRC(step->code) == BPF_X ? machine.x : step->k;
		bool fine = true;

		switch (BPF_CLASS(step->code)) {
		case BPF_LD:
		case BPF_LDX:
			fine = load(&machine, step, call);
			break;
		case BPF_ST:
		case BPF_STX:
			fine = store(&machine, step);
			break;
		case BPF_ALU:
			fine = calculate(&machine.a, BPF_OP(step->code), with);
			break;
		case BPF_JMP:
			if (BPF_OP(step->code) == BPF_JA)
				at += step->k;
			else
				at += compare(machine.a, BPF_OP(step->code), with) ? step->jt : step->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(step->code) == BPF_A ? machine.a : step->k;
		default: /* BPF_MISC */
			if (BPF_MISCOP(step->code) == BPF_TAX)
				machine.x = machine.a;
			else
				machine.a = machine.x;
		}
		if (!fine)
			return REFUSED;
	}
	return REFUSED;
}
