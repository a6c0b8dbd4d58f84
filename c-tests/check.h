/*
 * What every program here shares: CHECK, the lines for the harness, and connections on loopback.
 *
 * A program does not know about the library. It prints on standard output what the log must hold, one line for each
 * event (`expect key=value ...`; an empty value means: no such field), and which facts must be the same with and
 * without the library (`same ...`). The kernel's truth comes from raw system calls, /proc and wait statuses.
 */
#ifndef CHECK_H
#define CHECK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* Exit statuses that the harness tells apart from a failed CHECK. */
enum { FAILED = 99, HANDLER_RAN = 7 };

UNUSED static void put(int fd, const char *text, size_t length)
{
	while (length > 0) {
		long wrote = syscall(SYS_write, fd, text, length);
		if (wrote <= 0)
			return;
		text += wrote;
		length -= (size_t)wrote;
	}
}

/* Writes one line at once, because children and threads may write too. */
__attribute__((format(printf, 2, 3), unused)) static void say_to(int fd, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof line - 1, format, args);
	va_end(args);
	if (length < 0 || length >= (int)sizeof line - 1)
		_exit(FAILED);
	line[length] = '\n';
	put(fd, line, (size_t)length + 1);
}
#define say(...) say_to(1, __VA_ARGS__)

#define CHECK(condition)                                                                                        \
	do {                                                                                                    \
		errno_seen = errno;                                                                             \
		if (!(condition)) {                                                                             \
			int errno_now = errno;                                                                  \
			say_to(2, "%s:%d: not so: %s (errno %d, before it %d)", __FILE__, __LINE__, #condition, \
			       errno_now, errno_seen);                                                          \
			_exit(FAILED);                                                                          \
		}                                                                                               \
	} while (0)
static _Thread_local int errno_seen UNUSED;

/* What the log calls a call that no function of libc made: on aarch64 a signal handler sees its number. */
#ifdef __aarch64__
#define BY_NUMBER(call) (call)
#else
#define BY_NUMBER(call) ((void)(call), "libc")
#endif

/* The call fails, with exactly this errno. */
#define CHECK_FAILS(call, number)                         \
	do {                                              \
		errno = 0;                                \
		CHECK((call) == -1 && errno == (number)); \
	} while (0)

/*
 * What the log calls a write of stdio, and send and sendmmsg, where no hook's own failure is reported: musl makes writev in
 * a function that has no name, sendto for send, and sendmsg again and again for sendmmsg. `a|b` is either.
 */
#ifdef __GLIBC__
#define STDIO "write"
#define SEND "send"
#define SENDMMSG "sendmmsg"
#else
#define STDIO "libc"
#define SEND "send|sendto"
#define SENDMMSG "sendmmsg|sendmsg"
#endif

/* One connection: `fd` is the program's end, `far` the peer's, in this same process. */
struct connection {
	int fd, far;
	char peer[64], local[64];
};

/* The address that socket `fd` is bound to, as the log shows it: v4-mapped as IPv4. */
UNUSED static void name_of(int fd, char name[64])
{
	struct sockaddr_in6 address = {0};
	socklen_t length = sizeof address;
	char ip[INET6_ADDRSTRLEN];
	CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	if (address.sin6_family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
		CHECK(inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof ip));
		snprintf(name, 64, "%s:%d", ip, ntohs(v4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr)) {
		CHECK(inet_ntop(AF_INET, &address.sin6_addr.s6_addr[12], ip, sizeof ip));
		snprintf(name, 64, "%s:%d", ip, ntohs(address.sin6_port));
	} else {
		CHECK(inet_ntop(AF_INET6, &address.sin6_addr, ip, sizeof ip));
		snprintf(name, 64, "[%s]:%d", ip, ntohs(address.sin6_port));
	}
}

/* The loopback address and any port; "mapped" is a dual-stack listener that an IPv4 client meets. */
UNUSED static socklen_t loopback(const char *family, struct sockaddr_storage *address)
{
	memset(address, 0, sizeof *address);
	if (strcmp(family, "v4") == 0) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)address;
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof *v4;
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	v6->sin6_family = AF_INET6;
	v6->sin6_addr = strcmp(family, "v6") == 0 ? in6addr_loopback : in6addr_any;
	return sizeof *v6;
}

UNUSED static int listen_on(const char *family, struct sockaddr_storage *address, socklen_t *length)
{
	*length = loopback(family, address);
	int listener = socket(address->ss_family, SOCK_STREAM, 0);
	CHECK(listener >= 0);
	CHECK(bind(listener, (struct sockaddr *)address, *length) == 0);
	CHECK(listen(listener, 16) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)address, length) == 0);
	if (strcmp(family, "mapped") == 0) {
		struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		v4.sin_port = ((struct sockaddr_in6 *)address)->sin6_port;
		memcpy(address, &v4, sizeof v4);
		*length = sizeof v4;
	}
	return listener;
}

/* A connection that the program accepted; family is v4, v6 or mapped. */
UNUSED static struct connection tcp(const char *family)
{
	struct sockaddr_storage address;
	socklen_t length;
	struct connection c;
	int listener = listen_on(family, &address, &length);
	c.far = socket(address.ss_family, SOCK_STREAM, 0);
	CHECK(c.far >= 0);
	CHECK(connect(c.far, (struct sockaddr *)&address, length) == 0);
	c.fd = accept(listener, NULL, NULL);
	CHECK(c.fd >= 0);
	close(listener);
	name_of(c.far, c.peer);
	name_of(c.fd, c.local);
	return c;
}

/* The same from the other side: the program is the one that connected. */
UNUSED static struct connection tcp_outgoing(const char *family)
{
	struct connection c = tcp(family), turned = {.fd = c.far, .far = c.fd};
	memcpy(turned.peer, c.local, sizeof turned.peer);
	memcpy(turned.local, c.peer, sizeof turned.local);
	return turned;
}

UNUSED static void wait_for(int fd, short events)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	CHECK(poll(&poll_fd, 1, 5000) == 1);
	CHECK(poll_fd.revents & (events | POLLHUP | POLLERR));
}

/* The peer resets the connection; returns when the RST has arrived. The next write gives ECONNRESET. */
UNUSED static void leave_by_reset(struct connection *c)
{
	struct linger at_once = {.l_onoff = 1};
	CHECK(setsockopt(c->far, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
	CHECK(close(c->far) == 0);
	wait_for(c->fd, 0);
}

/* The peer closes; returns when the FIN has arrived. The next write succeeds, and its bytes are lost. */
UNUSED static void leave_by_close(struct connection *c)
{
	CHECK(close(c->far) == 0);
	wait_for(c->fd, POLLRDHUP);
}

/* Bytes that the peer does get. */
UNUSED static void deliver(struct connection *c, size_t length)
{
	char bytes[4096] = {0};
	while (length > 0) {
		size_t part = length < sizeof bytes ? length : sizeof bytes;
		CHECK(syscall(SYS_sendto, c->fd, bytes, part, MSG_NOSIGNAL, NULL, 0) == (long)part);
		CHECK(recv(c->far, bytes, part, MSG_WAITALL) == (ssize_t)part);
		length -= part;
	}
}

/* A write that succeeds although the peer has closed; returns when the RST that answers it has arrived. */
UNUSED static void lose(struct connection *c, size_t length)
{
	char bytes[4096] = {0};
	CHECK(length <= sizeof bytes);
	CHECK(syscall(SYS_sendto, c->fd, bytes, length, MSG_NOSIGNAL, NULL, 0) == (long)length);
	wait_for(c->fd, 0);
}

/* What the log must show for dead_tcp(). */
enum { DELIVERED = 50, LOST = 100 };

/* A connection whose peer has closed and whose next write gives EPIPE and SIGPIPE. */
UNUSED static struct connection dead_tcp(const char *family)
{
	struct connection c = tcp(family);
	deliver(&c, DELIVERED);
	leave_by_close(&c);
	lose(&c, LOST);
	return c;
}

/* The `expect` line for a connection from dead_tcp(), and further fields that it must have. */
#define expect_dead(c, call, more)                                                                                         \
	say("expect transport=tcp cause=closed errno=EPIPE peer=%s local=%s fd=%d delivered=%d undelivered=%d call=%s %s", \
	    (c)->peer, (c)->local, (c)->fd, DELIVERED, LOST, call, more)

/* A pipe whose reader is gone: its write end, and its name as /proc/self/fd shows it. */
struct dead_pipe {
	int fd;
	char name[64];
};

UNUSED static struct dead_pipe dead_pipe(void)
{
	int ends[2];
	struct stat stat;
	struct dead_pipe dead;
	CHECK(pipe(ends) == 0);
	CHECK(close(ends[0]) == 0);
	dead.fd = ends[1];
	CHECK(fstat(dead.fd, &stat) == 0);
	snprintf(dead.name, sizeof dead.name, "pipe:[%lu]", (unsigned long)stat.st_ino);
	return dead;
}

UNUSED static void expect_dead_pipe(const struct dead_pipe *dead, const char *call)
{
	say("expect transport=pipe cause=reader-gone errno=EPIPE peer=%s fd=%d call=%s", dead->name, dead->fd, call);
}

/* Whether SIGPIPE is in a set of /proc/<pid>/status: "SigIgn", "SigCgt", "SigBlk". */
UNUSED static int sigpipe_in(const char *set)
{
	char text[8192], field[32];
	int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	ssize_t length = read(fd, text, sizeof text - 1);
	CHECK(length > 0);
	close(fd);
	text[length] = 0;
	snprintf(field, sizeof field, "\n%s:", set);
	char *at = strstr(text, field);
	CHECK(at);
	return (int)(strtoull(at + strlen(field), NULL, 16) >> (SIGPIPE - 1) & 1);
}

/* Waits for a child that must exit with 0. If a signal killed it, this process exits as a shell would. */
UNUSED static void wait_for_success(pid_t child)
{
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status))
		_exit(128 + WTERMSIG(status));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Waits for a child that SIGPIPE must kill. */
UNUSED static void wait_for_sigpipe(pid_t child)
{
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

#endif
