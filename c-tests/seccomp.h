/* A program that puts itself under seccomp(2): it allows what it does from then on; any other call kills it. */
#ifndef SECCOMP_H
#define SECCOMP_H

#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What fork(3) does. */
#ifdef __GLIBC__
#define ALLOW_FORK ALLOW(SYS_clone), ALLOW(SYS_set_robust_list)
#elif defined SYS_fork
#define ALLOW_FORK ALLOW(SYS_fork), ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_set_tid_address), ALLOW(SYS_gettid)
#else
#define ALLOW_FORK ALLOW(SYS_clone), ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_set_tid_address), ALLOW(SYS_gettid)
#endif

/* i386: libc makes all calls about sockets by one, and sigtimedwait(2) by a second version. */
#ifdef __i386__
#define ALLOW_I386 ALLOW(SYS_socketcall), ALLOW(SYS_rt_sigtimedwait_time64)
#else
#define ALLOW_I386 ALLOW(SYS_exit_group)
#endif

/* What every such program here does: writes of all kinds, the return from a signal handler, the exit. */
static struct sock_filter allow_list[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	ALLOW(SYS_write),
	ALLOW(SYS_writev),
	ALLOW(SYS_pwritev2),
	ALLOW(SYS_sendto),
	ALLOW(SYS_sendmsg),
	ALLOW(SYS_sendmmsg),
	ALLOW(SYS_rt_sigreturn),
	ALLOW(SYS_exit_group),
	ALLOW_I386,
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static struct sock_fprog allow_list_program = {sizeof allow_list / sizeof *allow_list, allow_list};

/* `program` is another filter, or NULL. */
UNUSED static void seal_by_prctl(struct sock_fprog *program)
{
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program ? program : &allow_list_program) == 0);
}

UNUSED static void seal_by_syscall(void)
{
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &allow_list_program) == 0);
}

#endif
