/* SPDX-License-Identifier: Apache-2.0 */
/* Becomes a subreaper and executes its arguments. */
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		return 2;
	execv(argv[1], argv + 1);
	return 1;
}
