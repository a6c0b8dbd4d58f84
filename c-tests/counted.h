/* What the library has counted, read from within: where it must count without a line, or must not count at all. */
#ifndef COUNTED_H
#define COUNTED_H

#include "check.h"

#include <dlfcn.h>

/* The failed calls of this process; -1 without the library. The block's layout is that of core/src/stats.rs. */
static long counted_failures(void)
{
	enum { BEFORE_EVENTS = 3, CAUSES = 7, CONNECTIONS = 1, VERSION = 1 };
	const uint64_t *block = dlsym(RTLD_DEFAULT, "nopipe_stats");
	if (!block)
		return -1;
	CHECK(memcmp(block, "nopipe\0", 8) != 0 || ((const uint32_t *)block)[2] == VERSION);
	return (long)block[BEFORE_EVENTS + CAUSES + CONNECTIONS];
}

#define CHECK_COUNTED(failures)                                    \
	do {                                                       \
		long counted = counted_failures();                 \
		CHECK(counted == -1 || counted == (failures));     \
	} while (0)

#endif
