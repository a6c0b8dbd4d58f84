/* Every call that can fail because a peer is gone, under one signature: each writes `length` bytes to `fd`. */
#ifndef CALLS_H
#define CALLS_H

#include "check.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

/* Exported by libc, declared in no header. */
ssize_t __write(int fd, const void *bytes, size_t length);
ssize_t __send(int fd, const void *bytes, size_t length, int flags);

static ssize_t call_writev(int fd, void *bytes, size_t length)
{
	struct iovec parts[2] = {{bytes, length / 2}, {(char *)bytes + length / 2, length - length / 2}};
	return writev(fd, parts, 2);
}

UNUSED static ssize_t call_pwritev2(int fd, void *bytes, size_t length)
{
	struct iovec part = {bytes, length};
	return pwritev2(fd, &part, 1, -1, 0);
}

UNUSED static ssize_t call_pwritev64v2(int fd, void *bytes, size_t length)
{
	struct iovec part = {bytes, length};
	return pwritev64v2(fd, &part, 1, -1, 0);
}

static ssize_t call_write(int fd, void *bytes, size_t length)
{
	return write(fd, bytes, length);
}

static ssize_t call___write(int fd, void *bytes, size_t length)
{
	return __write(fd, bytes, length);
}

static ssize_t call_send(int fd, void *bytes, size_t length)
{
	return send(fd, bytes, length, 0);
}

/* On aarch64 libc has it for old programs alone. */
#ifndef __aarch64__
static ssize_t call___send(int fd, void *bytes, size_t length)
{
	return __send(fd, bytes, length, 0);
}
#endif

static ssize_t call_sendto(int fd, void *bytes, size_t length)
{
	return sendto(fd, bytes, length, 0, NULL, 0);
}

static ssize_t call_sendmsg(int fd, void *bytes, size_t length)
{
	struct iovec part = {bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	return sendmsg(fd, &message, 0);
}

/* Returns the number of bytes sent, as the others do. */
static ssize_t call_sendmmsg(int fd, void *bytes, size_t length)
{
	struct iovec part = {bytes, length};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
	int sent = sendmmsg(fd, &message, 1, 0);
	return sent == 1 ? (ssize_t)message.msg_len : sent;
}

static int file_of(void *bytes, size_t length)
{
	int file = memfd_create("bytes", MFD_CLOEXEC);
	CHECK(file >= 0);
	put(file, bytes, length);
	CHECK(lseek(file, 0, SEEK_SET) == 0);
	return file;
}

static ssize_t call_sendfile(int fd, void *bytes, size_t length)
{
	int file = file_of(bytes, length);
	ssize_t sent = sendfile(fd, file, NULL, length);
	close(file);
	return sent;
}

static ssize_t call_sendfile64(int fd, void *bytes, size_t length)
{
	int file = file_of(bytes, length);
	ssize_t sent = sendfile64(fd, file, NULL, length);
	close(file);
	return sent;
}

/* The read end of a pipe that holds the bytes; the write end is kept open so that the pipe lives. */
static int pipe_of(void *bytes, size_t length, int *writer)
{
	int ends[2];
	CHECK(pipe(ends) == 0);
	put(ends[1], bytes, length);
	*writer = ends[1];
	return ends[0];
}

static ssize_t call_splice(int fd, void *bytes, size_t length)
{
	int writer, reader = pipe_of(bytes, length, &writer);
	ssize_t sent = splice(reader, NULL, fd, NULL, length, 0);
	close(reader);
	close(writer);
	return sent;
}

static ssize_t call_tee(int fd, void *bytes, size_t length)
{
	int writer, reader = pipe_of(bytes, length, &writer);
	ssize_t sent = tee(reader, fd, length, 0);
	close(reader);
	close(writer);
	return sent;
}

static ssize_t call_vmsplice(int fd, void *bytes, size_t length)
{
	struct iovec part = {bytes, length};
	return vmsplice(fd, &part, 1, 0);
}

/* stdio writes inside libc, where no interposed symbol sees it. */
static ssize_t call_dprintf(int fd, void *bytes, size_t length)
{
	return dprintf(fd, "%.*s", (int)length, strlen(bytes) ? (char *)bytes : "not empty");
}

struct call {
	const char *name;
	const char *logged; /* as the event's `call` */
	ssize_t (*run)(int fd, void *bytes, size_t length);
};

/* tee and vmsplice write to pipes only. */
static const struct call calls[] = {
	{"write", "write", call_write},
	{"__write", "write", call___write},
	{"writev", "writev", call_writev},
#ifndef NO_PWRITEV2 /* musl before 1.2.5 */
	{"pwritev2", "pwritev2", call_pwritev2},
	{"pwritev64v2", "pwritev2", call_pwritev64v2},
#endif
	{"send", SEND, call_send},
#ifndef __aarch64__
	{"__send", SEND, call___send},
#endif
	{"sendto", "sendto", call_sendto},
	{"sendmsg", "sendmsg", call_sendmsg},
	{"sendmmsg", SENDMMSG, call_sendmmsg},
	{"sendfile", "sendfile", call_sendfile},
	{"sendfile64", "sendfile", call_sendfile64},
	{"splice", "splice", call_splice},
	{"tee", "tee", call_tee},
	{"vmsplice", "vmsplice", call_vmsplice},
	{"dprintf", STDIO, call_dprintf},
};

UNUSED static const struct call *call_named(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (name && strcmp(calls[i].name, name) == 0)
			return &calls[i];
	say_to(2, "no such call: %s", name ? name : "(none)");
	_exit(FAILED);
}

#endif
