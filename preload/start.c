/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's constructor: starts the session where no hook has done so yet, and looks at what can be known about the
 * host only now. Runs before the constructors of everything that does not come before us in the search order.
 */
#include "emit.h"
#include "finish.h"
#include "sql.h"

#include "preprof/version.h"

/* For `preprof doctor`, who compares it with its own. */
static const char version_mark[] __attribute__((used, retain, section(".preprof_version"))) = PP_VERSION;

__attribute__((constructor(101))) static void start(void)
{
	struct pp_thread *thread = hook_enter();

	finish_init();
	if (thread)
		hook_leave(thread);
	guard_library_begin();
	sql_libraries_look();
	guard_library_end();
}
