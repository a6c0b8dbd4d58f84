/*
 * peer_pid CASE (needs root): the number of a unix peer that has ended is another process's when the program fails to
 * write to it. That one's name is not the peer's: none is given.
 *   reused     another process has got the number
 *   namespace  the program is in a pid namespace of its own, and /proc is not: there, the number is another process's
 *   visible    the same, but the peer still lives: /proc shows it under a number of its own, which leads to its name
 */
#include "check.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/un.h>

/* fork(2), and the child gets this number in this pid namespace, unless it is 0. */
static pid_t fork_as(pid_t number)
{
	struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (unsigned long)&number, .set_tid_size = 1};
	pid_t child = number ? (pid_t)syscall(SYS_clone3, &args, sizeof args) : fork();
	CHECK(child >= 0);
	return child;
}

/* A connection from a child, which has ended and was reaped, or which lives on under a name of its own. */
static int connection_from_child(pid_t *child, pid_t number, int lives)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), go[2];
	socklen_t length = sizeof(sa_family_t) + 1 +
			   (socklen_t)sprintf(address.sun_path + 1, "nopipe-peer-pid-%d-%ld", getpid(), random());
	CHECK(pipe(go) == 0);
	CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0);
	*child = fork_as(number);
	if (*child == 0) {
		char byte;
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK(connect(fd, (struct sockaddr *)&address, length) == 0);
		close(go[1]);
		CHECK(read(go[0], &byte, 1) == 0);
		if (lives) {
			prctl(PR_SET_NAME, "peer itself");
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(fd);
			pause();
		}
		_exit(0);
	}
	int fd = accept(listener, NULL, NULL);
	struct ucred peer;
	socklen_t size = sizeof peer;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == *child);
	close(go[0]);
	close(go[1]);
	if (lives)
		wait_for(fd, 0);
	else
		wait_for_success(*child);
	close(listener);
	return fd;
}

/* Another process with this number: it lives as long as this one. */
static void take_number(pid_t number)
{
	int ready[2];
	char byte;
	pid_t self = getpid();
	CHECK(pipe(ready) == 0);
	pid_t child = fork_as(number);
	if (child == 0) {
		prctl(PR_SET_NAME, "impostor");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		put(ready[1], "x", 1);
		while (getppid() == self)
			pause();
		_exit(0);
	}
	CHECK(child == number);
	CHECK(read(ready[0], &byte, 1) == 1);
}

static void fail(int fd, pid_t peer, const char *name)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/comm", peer);
	CHECK(access(path, R_OK) == 0); /* another's */
	say("expect transport=unix cause=closed errno=EPIPE fd=%d call=write peer_pid=%d peer_comm=%s", fd, peer, name);
	CHECK_FAILS(write(fd, "x", 1), EPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	pid_t peer, child;
	srandom((unsigned)getpid());
	if (strcmp(argv[1], "reused") == 0) {
		int fd = connection_from_child(&peer, 0, 0);
		take_number(peer);
		fail(fd, peer, "");
		return 0;
	}
	/* The peer's number in there. Out here it is this process's, for as long as all this takes. */
	pid_t number = getpid();
	CHECK(unshare(CLONE_NEWPID) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		/* Pid 1 does not die of SIGPIPE: its child does. */
		child = fork();
		CHECK(child >= 0);
		if (child > 0) {
			wait_for_success(child);
			_exit(0);
		}
		int lives = strcmp(argv[1], "visible") == 0;
		int fd = connection_from_child(&peer, number, lives);
		fail(fd, peer, lives ? "\"peer itself\"" : "");
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}
