/*
 * old_stack: a program whose stack is aligned to 4 bytes only, as the ABI of i386 had it until 2008, writes to a dead peer. On
 * other CPUs that was never allowed: there it is an ordinary call.
 */
#include "check.h"

static ssize_t call_with_stack(int off, int fd, const void *bytes, size_t length)
{
#ifdef __i386__
	ssize_t result = (ssize_t)write;
	__asm__ volatile("movl %%esp, %%esi\n\t"
			 "andl $-16, %%esp\n\t"
			 "subl %%edi, %%esp\n\t"
			 "pushl $0\n\t"
			 "pushl %%edx\n\t"
			 "pushl %%ecx\n\t"
			 "pushl %%ebx\n\t"
			 "call *%%eax\n\t"
			 "movl %%esi, %%esp"
			 : "+a"(result), "+c"(bytes), "+d"(length)
			 : "b"(fd), "D"(off)
			 : "esi", "memory", "cc");
	return result;
#else
	(void)off;
	return write(fd, bytes, length);
#endif
}

int main(void)
{
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	for (int off = 0; off < 16; off += 4)
		CHECK_FAILS(call_with_stack(off, c.fd, "x", 1), EPIPE);
	return 0;
}
