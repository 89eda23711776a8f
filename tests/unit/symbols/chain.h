/* SPDX-License-Identifier: Apache-2.0 */
/* The innermost call of chain.c stands in another file, so that call_file is put to the test. */
__attribute__((always_inline)) static inline int leaf(int value)
{
	MARK(mark_leaf); /* at leaf */
	return value * 3;
}
