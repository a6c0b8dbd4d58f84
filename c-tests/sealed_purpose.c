/*
 * sealed_purpose SENDER: a program that has put itself under seccomp forks. A SIGPIPE that somebody sends the child on
 * purpose kills it, as natively.
 *   raise   the child itself, by raise(3)
 *   kill    the child itself, by kill(2)
 *   group   the child itself, by kill(2) of its own process group, in which its parent ignores SIGPIPE
 *   parent  its parent, by kill(2)
 */
#include "seccomp.h"

static void seal(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW_FORK,
		ALLOW(SYS_wait4),
		ALLOW(SYS_write),
		ALLOW(SYS_kill),
		ALLOW(SYS_tgkill),
		ALLOW(SYS_tkill),
		ALLOW(SYS_getpid),
		ALLOW(SYS_gettid),
#ifdef SYS_pause
		ALLOW(SYS_pause),
#else
		ALLOW(SYS_ppoll),
#endif
		ALLOW(SYS_rt_sigaction),
		ALLOW(SYS_rt_sigprocmask),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *sender = argv[1];
	int is_group = strcmp(sender, "group") == 0;
	if (is_group)
		CHECK(setpgid(0, 0) == 0 || getpgrp() == getpid());
	seal();
	/* Before the child can send it: the parent must not get it in its place. */
	if (is_group)
		signal(SIGPIPE, SIG_IGN);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		if (is_group)
			signal(SIGPIPE, SIG_DFL);
		if (strcmp(sender, "raise") == 0)
			raise(SIGPIPE);
		else if (strcmp(sender, "kill") == 0)
			kill(getpid(), SIGPIPE);
		else if (is_group)
			kill(0, SIGPIPE);
		else
			pause(); /* whoever survives the signal leaves here, too */
		_exit(0);
	}
	if (strcmp(sender, "parent") == 0)
		kill(child, SIGPIPE);
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	_exit(0);
}
