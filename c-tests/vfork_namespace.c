/*
 * vfork_namespace CASE (needs root): a container's process 1 calls unshare(CLONE_NEWPID), and vforks: its child is process 1
 * too, in a namespace of its own. What the child sets and counts is the child's all the same.
 *   ignores  the child ignores SIGPIPE
 *   handles  the child installs a handler
 *   fails    the child writes to a vanished peer, which is still news in its parent
 */
#include "counted.h"

#include <sched.h>

static void handler(int signal)
{
	(void)signal;
}

static void be_process_1(const char *kind)
{
	CHECK(getpid() == 1);
	struct sigaction now;
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "pid=1 handler=");
	int caught = sigpipe_in("SigCgt"), ignored = sigpipe_in("SigIgn");
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t child = vfork();
	if (child == 0) {
		if (syscall(SYS_getpid) != 1)
			_exit(FAILED);
		sigaction(SIGPIPE, &(struct sigaction){.sa_handler = strcmp(kind, "handles") == 0 ? handler : SIG_IGN},
			  NULL);
		if (strcmp(kind, "fails") == 0 && (write(c.fd, "x", 1) != -1 || errno != EPIPE))
			_exit(FAILED);
		_exit(0);
	}
	wait_for_success(child);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
	CHECK(sigpipe_in("SigCgt") == caught && sigpipe_in("SigIgn") == ignored);
	CHECK_COUNTED(0);
	/* For process 1 the kernel drops a SIGPIPE whose action is the default: bare it lives, too. */
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_COUNTED(1);
	_exit(0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0)
		be_process_1(argv[1]);
	wait_for_success(child);
	return 0;
}
