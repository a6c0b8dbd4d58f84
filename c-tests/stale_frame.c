/*
 * stale_frame CALL [threads]: a send that works, to a peer that lives, leaves return addresses on the stack below; then CALL fails
 * there, a little further down or up. The log names the call that has failed, never the send.
 *   asm      the program's own `syscall` instruction
 *   syscall  syscall(2)
 *   write, dprintf
 *   msg      the other way round: writes work, and sendmsg fails
 *   threads  there is a second thread, so that a call is a cancellation point in earnest
 */
#include "calls.h"

#include <alloca.h>

/* A call's frames keep to 16 bytes. */
enum { DEPTHS = 48, STEP = 16, DEPTH = 256 };

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

/* `call` from `depth` bytes further down. Nobody writes to these bytes. */
__attribute__((noinline)) static ssize_t deep(size_t depth, ssize_t (*call)(int, void *, size_t), int fd)
{
	char *unset = alloca(depth + 1);
	__asm__ volatile("" : : "r"(unset) : "memory");
	ssize_t result = call(fd, bytes, sizeof bytes);
	__asm__ volatile("" : : "r"(unset) : "memory");
	return result;
}

static void *wait_for_ever(void *unused)
{
	pause();
	return unused;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2 || (argc == 3 && strcmp(argv[2], "threads") == 0));
	pthread_t thread;
	if (argc == 3)
		CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
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
	struct connection dead[DEPTHS];
	for (int i = 0; i < DEPTHS; i++) {
		dead[i] = dead_tcp("v4");
		expect_dead(&dead[i], logged, "");
	}
	for (size_t i = 0; i < DEPTHS; i++) {
		ssize_t sent = deep(DEPTH, working, living.fd), result = deep(i * STEP, failing, dead[i].fd);
		CHECK(sent == sizeof bytes && result == -1 && errno == EPIPE);
	}
	return 0;
}
