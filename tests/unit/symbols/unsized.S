/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols as hand-written assembler leaves them: without size, without type, and labels inside functions. */
	.text
	.globl	unsized
	.type	unsized, @function
unsized:
	nop
	nop
	nop
	nop
	.globl	untyped
untyped:
	nop
	nop
	.globl	sized
	.type	sized, @function
sized:
	nop
	.globl	label_inside
label_inside:
	nop
	nop
	.size	sized, . - sized
	.globl	versioned_1
	.type	versioned_1, @function
	.symver	versioned_1, versioned@@PP_1
versioned_1:
	nop
	nop
	.size	versioned_1, . - versioned_1
	.globl	copied.part.0.cold
	.type	copied.part.0.cold, @function
copied.part.0.cold:
	nop
	.size	copied.part.0.cold, . - copied.part.0.cold
	.section .note.GNU-stack, "", @progbits
