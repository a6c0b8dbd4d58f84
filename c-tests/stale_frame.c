/*
 * stale_frame CALL: sends that work, to a peer that lives, leave return addresses all over the stack below; then CALL
 * fails right there. The log names the call that has failed, never the send.
 *   asm      the program's own `syscall` instruction
 *   syscall  syscall(2)
 *   write, dprintf
 *   msg      the other way round: writes work, and sendmsg fails
 */
#include "calls.h"

#include <alloca.h>

enum { DEPTHS = 24, STEP = 16 };

static struct connection living;
static char bytes[64];

/* No function of libc. */
static ssize_t call_asm(int fd, void *bytes, size_t length)
{
#ifdef __x86_64__
	ssize_t result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_write), "D"(fd), "S"(bytes), "d"(length)
			 : "rcx", "r11", "memory");
	return result < 0 ? (errno = (int)-result, -1) : result;
#else
	return syscall(SYS_write, fd, bytes, length);
#endif
}

static ssize_t call_syscall(int fd, void *bytes, size_t length)
{
	return syscall(SYS_write, fd, bytes, length);
}

/* `call` from `depth` bytes further down, by a function whose own variables nobody has set. */
__attribute__((noinline)) static ssize_t deep(size_t depth, ssize_t (*call)(int, void *, size_t), int fd)
{
	volatile char unset[512];
	char *room = alloca(depth + 1);
	__asm__ volatile("" : : "r"(unset), "r"(room) : "memory");
	ssize_t result = call(fd, bytes, sizeof bytes);
	__asm__ volatile("" : : "r"(unset), "r"(room) : "memory");
	return result;
}

/* From everywhere near. */
static void succeed(ssize_t (*call)(int, void *, size_t))
{
	char arrived[sizeof bytes];
	for (size_t depth = 0; depth < 2048; depth += STEP) {
		CHECK(deep(depth, call, living.fd) == sizeof bytes);
		CHECK(recv(living.far, arrived, sizeof arrived, MSG_WAITALL) == sizeof arrived);
	}
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *name = argv[1], *logged = "libc";
	ssize_t (*failing)(int, void *, size_t), (*working)(int, void *, size_t) = call_send;
	if (strcmp(name, "asm") == 0) {
		failing = call_asm;
	} else if (strcmp(name, "syscall") == 0) {
		failing = call_syscall;
	} else if (strcmp(name, "msg") == 0) {
		failing = call_sendmsg;
		logged = "sendmsg";
		working = call_write;
	} else {
		failing = call_named(name)->run;
		logged = call_named(name)->logged;
	}
	living = tcp("v4");
	for (size_t i = 0; i < DEPTHS; i++) {
		struct connection c = dead_tcp("v4");
		expect_dead(&c, logged, "");
		succeed(working);
		errno = 0;
		CHECK(deep(i * STEP, failing, c.fd) == -1 && errno == EPIPE);
		CHECK(close(c.fd) == 0);
	}
	return 0;
}
