/* unhooked CALL: writes that no interposed symbol sees. Only the signal handler can save and report these. */
#include "calls.h"

#include <dlfcn.h>

static ssize_t asm_write(int fd, const void *bytes, size_t length)
{
#ifdef __x86_64__
	ssize_t result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_write), "D"(fd), "S"(bytes), "d"(length)
			 : "rcx", "r11", "memory");
	return result < 0 ? (errno = (int)-result, -1) : result;
#elif defined __i386__
	ssize_t result;
	__asm__ volatile("int $0x80" : "=a"(result) : "0"(SYS_write), "b"(fd), "c"(bytes), "d"(length) : "memory");
	return result < 0 ? (errno = (int)-result, -1) : result;
#elif defined __aarch64__
	register long number __asm__("x8") = SYS_write, first __asm__("x0") = fd;
	register const void *second __asm__("x1") = bytes;
	register size_t third __asm__("x2") = length;
	__asm__ volatile("svc #0" : "+r"(first) : "r"(number), "r"(second), "r"(third) : "memory");
	return first < 0 ? (errno = (int)-first, -1) : first;
#else
	return syscall(SYS_write, fd, bytes, length);
#endif
}

/* socketcall(2) has the descriptor in memory; the first argument is the number of what it does. */
static ssize_t syscall_send(int fd, const void *bytes, size_t length)
{
#ifdef __i386__
	long arguments[] = {fd, (long)bytes, (long)length, 0};
	return syscall(SYS_socketcall, 9, arguments);
#else
	return syscall(SYS_sendto, fd, bytes, length, 0, NULL, 0);
#endif
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *call = argv[1], *raw = strchr(call, '_'), *logged = BY_NUMBER(raw ? raw + 1 : "");
	struct connection c = dead_tcp("v4");
	char bytes[64] = {0};
	struct iovec part = {bytes, sizeof bytes};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct mmsghdr messages = {.msg_hdr = message};

	if (strcmp(call, "fwrite") == 0 || strcmp(call, "fprintf") == 0 || strcmp(call, "dprintf") == 0)
		logged = STDIO;
	else if (strcmp(call, "dlsym_write") == 0)
		logged = "write";
	else if (strcmp(call, "syscall_send") == 0)
		logged = BY_NUMBER("sendto");
	expect_dead(&c, logged, "");
	for (int i = 0; i < 2; i++) {
		if (strcmp(call, "fwrite") == 0) {
			FILE *stream = fdopen(c.fd, "w");
			CHECK(stream);
			CHECK(fwrite(bytes, 1, sizeof bytes, stream) == sizeof bytes);
			CHECK_FAILS(fflush(stream), EPIPE);
			CHECK(ferror(stream));
		} else if (strcmp(call, "fprintf") == 0) {
			FILE *stream = fdopen(c.fd, "w");
			CHECK(stream);
			setbuf(stream, NULL);
			errno = 0;
			CHECK(fprintf(stream, "%d\n", 42) < 0 && errno == EPIPE);
		} else if (strcmp(call, "dprintf") == 0) {
			errno = 0;
			CHECK(dprintf(c.fd, "%d\n", 42) < 0 && errno == EPIPE);
		} else if (strcmp(call, "syscall_write") == 0) {
			CHECK_FAILS(syscall(SYS_write, c.fd, bytes, sizeof bytes), EPIPE);
		} else if (strcmp(call, "syscall_sendto") == 0) {
			CHECK_FAILS(syscall(SYS_sendto, c.fd, bytes, sizeof bytes, 0, NULL, 0), EPIPE);
		} else if (strcmp(call, "syscall_sendfile") == 0) {
			int file = file_of(bytes, sizeof bytes);
			CHECK_FAILS(syscall(SYS_sendfile, c.fd, file, NULL, sizeof bytes), EPIPE);
		} else if (strcmp(call, "syscall_writev") == 0) {
			CHECK_FAILS(syscall(SYS_writev, c.fd, &part, 1), EPIPE);
		} else if (strcmp(call, "syscall_sendmsg") == 0) {
			CHECK_FAILS(syscall(SYS_sendmsg, c.fd, &message, 0), EPIPE);
		} else if (strcmp(call, "syscall_sendmmsg") == 0) {
			CHECK_FAILS(syscall(SYS_sendmmsg, c.fd, &messages, 1, 0), EPIPE);
		} else if (strcmp(call, "syscall_send") == 0) {
			CHECK_FAILS(syscall_send(c.fd, bytes, sizeof bytes), EPIPE);
		} else if (strcmp(call, "dlsym_write") == 0) {
			ssize_t (*libc_write)(int, const void *, size_t) =
				(ssize_t (*)(int, const void *, size_t))dlsym(dlopen("libc.so.6", RTLD_LAZY), "write");
			CHECK(libc_write);
			CHECK_FAILS(libc_write(c.fd, bytes, sizeof bytes), EPIPE);
		} else if (strcmp(call, "syscall_splice") == 0) {
			int writer, reader = pipe_of(bytes, sizeof bytes, &writer);
			CHECK_FAILS(syscall(SYS_splice, reader, NULL, c.fd, NULL, sizeof bytes, 0), EPIPE);
		} else {
			CHECK_FAILS(asm_write(c.fd, bytes, sizeof bytes), EPIPE);
		}
	}
	return 0;
}
