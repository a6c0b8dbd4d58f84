/*
 * vfork_seccomp CASE: seccomp(2) and a child that borrows its parent's memory. A filter is its process's, not its memory's.
 *   vfork     a vfork child puts itself under a filter and ends: its parent is under none, and its log goes on
 *   clone     the same for a child of clone(CLONE_VM), as posix_spawn and sandboxes make it
 *   child     a vfork child puts itself under a filter, and ignores SIGPIPE: the parent reads back its own action
 *   parent    a program under its own filter has a vfork child that ignores SIGPIPE: the same
 *   restores  a program under its own filter ignores SIGPIPE, and has a vfork child that asks for the default
 */
#include "counted.h"
#include "seccomp.h"

#include <sched.h>

static void seal(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_vfork
		ALLOW(SYS_vfork),
#else
		ALLOW(SYS_clone),
#endif
		ALLOW(SYS_wait4),
		ALLOW(SYS_write),
		ALLOW(SYS_rt_sigaction),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
}

static int seal_and_end(void *arg)
{
	(void)arg;
	seal();
	_exit(0);
}

static void clone_one(void)
{
	static _Alignas(16) char stack[65536];
	pid_t child = clone(seal_and_end, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
	CHECK(child > 0);
	wait_for_success(child);
}

static void vfork_one(int seals, void (*sets)(int))
{
	pid_t child = vfork();
	if (child == 0) {
		if (seals)
			seal();
		if (sets != SIG_ERR)
			signal(SIGPIPE, sets);
		_exit(0);
	}
	/* What a sealed parent may do is wait4(2) and no more. */
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	struct sigaction now;
	struct connection c = dead_tcp("v4");
	int is_sealed = strcmp(kind, "parent") == 0 || strcmp(kind, "restores") == 0;
	if (is_sealed) {
		void (*own)(int) = strcmp(kind, "restores") == 0 ? SIG_IGN : SIG_DFL;
		CHECK(signal(SIGPIPE, own) == SIG_DFL);
		counted(FAILURES); /* dlsym(3) that finds nothing allocates: the heap is there from now on */
		seal();
		vfork_one(0, own == SIG_IGN ? SIG_DFL : SIG_IGN);
		CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == own);
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		CHECK_COUNTED(1);
		_exit(0);
	}
	if (strcmp(kind, "clone") == 0)
		clone_one();
	else
		vfork_one(1, strcmp(kind, "child") == 0 ? SIG_IGN : SIG_ERR);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_COUNTED(1);
	return 0;
}
