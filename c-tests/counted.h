/* The library's counters, read from inside the process: for cases where it must count without a line, or not at all. */
#ifndef COUNTED_H
#define COUNTED_H

#include "check.h"

#include <dlfcn.h>

/* The counters that follow the events by cause, in the block's order: core/src/stats.rs. */
enum counter { CONNECTIONS, FAILURES, UNDELIVERED, UNATTRIBUTED, LINES, SUPPRESSED, DROPPED, UNWANTED };

/* Looked up before a filter of the program's own: before glibc 2.34 dlsym(3) makes system calls. */
static const uint64_t *block;

__attribute__((constructor)) static void find_block(void)
{
	block = dlsym(RTLD_DEFAULT, "nopipe_stats");
}

/* A counter of this process; -1 without the library. */
UNUSED static long counted(enum counter counter)
{
	enum { BEFORE_EVENTS = 3, CAUSES = 7, VERSION = 1 };
	if (!block)
		return -1;
	CHECK(memcmp(block, "nopipe\0", 8) != 0 || ((const uint32_t *)block)[2] == VERSION);
	return (long)block[BEFORE_EVENTS + CAUSES + counter];
}

#define CHECK_COUNTED(failures)                            \
	do {                                               \
		long count = counted(FAILURES);            \
		CHECK(count == -1 || count == (failures)); \
	} while (0)

#endif
