/*
 * unix_peer CASE: the peer is another process, which closes its end and goes on living.
 *   path       the peer's socket is bound to a path
 *   awkward    the same, with a path that must be escaped
 *   abstract   the peer's socket has an abstract name
 *   unnamed    the peer's socket has no name
 *   server     the peer is the server: its socket is bound to a path, the program connected
 *   pair       a socketpair: the kernel names its maker, which is this program
 *   seqpacket  fails with EPIPE, without a signal
 *   dgram      a datagram's receiver is gone: ECONNREFUSED, no connection and no signal
 */
#include "check.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <sys/un.h>

static const char peer_comm[] = "gone peer";

static struct sockaddr_un unix_name(const char *name, socklen_t *length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(name);
	CHECK(size < sizeof address.sun_path);
	memcpy(address.sun_path, name, size);
	if (name[0] == '@')
		address.sun_path[0] = 0;
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (name[0] != '@'));
	return address;
}

static void name_socket(int fd, const char *name)
{
	socklen_t length;
	struct sockaddr_un address = unix_name(name, &length);
	unlink(name);
	CHECK(bind(fd, (struct sockaddr *)&address, length) == 0);
}

static void connect_to(int fd, const char *name)
{
	socklen_t length;
	struct sockaddr_un address = unix_name(name, &length);
	CHECK(connect(fd, (struct sockaddr *)&address, length) == 0);
}

/* A client in a child process: connects, perhaps from a name of its own, closes, and waits to be killed. */
static pid_t client(int type, const char *server, const char *own)
{
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		int fd = socket(AF_UNIX, type, 0);
		CHECK(fd >= 0);
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		CHECK(prctl(PR_SET_NAME, peer_comm) == 0);
		if (own)
			name_socket(fd, own);
		connect_to(fd, server);
		close(fd);
		pause();
	}
	return child;
}

/* The other way round: the child is the server. */
static pid_t server(const char *name)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(listener >= 0);
	name_socket(listener, name);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		/* On a client, SO_PEERCRED names the process that called listen(). */
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		CHECK(prctl(PR_SET_NAME, peer_comm) == 0);
		CHECK(listen(listener, 1) == 0);
		int fd = accept(listener, NULL, NULL);
		close(listener);
		close(fd);
		pause();
	}
	close(listener);
	return child;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1], *own = NULL, *shown = "unnamed";
	char abstract[64];
	int fd;
	pid_t child;

	if (strcmp(kind, "pair") == 0) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		close(ends[1]);
		say("expect transport=unix cause=closed errno=EPIPE peer=unnamed peer_pid=%d peer_uid=%d peer_comm=unix_peer "
		    "fd=%d call=" SEND,
		    getpid(), getuid(), ends[0]);
		CHECK_FAILS(send(ends[0], "x", 1, 0), EPIPE);
		return 0;
	}
	if (strcmp(kind, "dgram") == 0) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
		close(ends[1]);
		CHECK_FAILS(send(ends[0], "x", 1, 0), ECONNREFUSED);
		return 0;
	}
	if (strcmp(kind, "server") == 0) {
		child = server(shown = "server.sock");
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK(fd >= 0);
		usleep(100000);
		connect_to(fd, shown);
	} else {
		int type = strcmp(kind, "seqpacket") == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
		int listener = socket(AF_UNIX, type, 0);
		CHECK(listener >= 0);
		name_socket(listener, "listener.sock");
		CHECK(listen(listener, 1) == 0);
		snprintf(abstract, sizeof abstract, "@gone.%d", getpid());
		if (strcmp(kind, "abstract") == 0)
			own = shown = abstract;
		else if (strcmp(kind, "awkward") == 0)
			own = "a \"b\"\n cause=reset.sock", shown = "\"a \\\"b\\\"\\n cause=reset.sock\"";
		else if (strcmp(kind, "path") == 0)
			own = shown = "client.sock";
		child = client(type, "listener.sock", own);
		fd = accept(listener, NULL, NULL);
		CHECK(fd >= 0);
	}
	wait_for(fd, 0);
	say("expect transport=%s cause=closed errno=EPIPE peer=%s peer_pid=%d peer_uid=%d peer_comm=\"%s\" fd=%d call=write",
	    strcmp(kind, "seqpacket") == 0 ? "seqpacket" : "unix", shown, child, getuid(), peer_comm, fd);
	CHECK_FAILS(write(fd, "x", 1), EPIPE);
	CHECK_FAILS(write(fd, "x", 1), EPIPE);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
