/*
 * own_filter CASE CALL: the program puts itself under a seccomp filter that looks at the flags of its calls. It has
 * allowed exactly what it does, with no flags at all: an added MSG_NOSIGNAL kills it by SIGSYS.
 *   living   a send to a peer who is there
 *   dead     a send to a peer who is gone
 *   sigwait  SIGPIPE is blocked, and the program waits for the SIGPIPE of its failed send
 */
#include "calls.h"
#include "counted.h"
#include "seccomp.h"

#include <time.h>

/* Offset of a filter's view of argument `n`, its lower half. */
#define ARGUMENT(n) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n)))

/* The call `number` is allowed if its argument `n` is `value`; any other value kills. Keeps the number loaded. */
#define ALLOW_IF(number, n, value)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(n)),     \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static void seal_without_flags(void)
{
	counted(FAILURES); /* dlsym(3) that finds nothing allocates: the heap is there from now on */
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW_IF(SYS_sendto, 3, 0),
		ALLOW_IF(SYS_sendmsg, 2, 0),
		ALLOW_IF(SYS_sendmmsg, 3, 0),
		ALLOW(SYS_write),
		ALLOW(SYS_rt_sigtimedwait),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit_group),
		ALLOW_I386, /* where no filter sees the flags */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *kind = argv[1];
	const struct call *call = call_named(argv[2]);
	char bytes[64] = {0};
	if (strcmp(kind, "living") == 0) {
		struct connection c = tcp("v4");
		seal_without_flags();
		for (int i = 0; i < 3; i++)
			CHECK(call->run(c.fd, bytes, sizeof bytes) == sizeof bytes);
		CHECK_COUNTED(0);
		_exit(0);
	}
	struct connection c = dead_tcp("v4");
	if (strcmp(kind, "sigwait") == 0) {
		sigset_t sigpipe;
		siginfo_t info;
		sigemptyset(&sigpipe);
		sigaddset(&sigpipe, SIGPIPE);
		CHECK(sigprocmask(SIG_BLOCK, &sigpipe, NULL) == 0);
		pid_t self = getpid();
		seal_without_flags();
		for (int i = 0; i < 2; i++) {
			CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
			/* sigwait(3) with an end: it would wait for ever for a signal that nobody has sent. */
			CHECK(sigtimedwait(&sigpipe, &info, &(struct timespec){.tv_sec = 1}) == SIGPIPE);
			CHECK(info.si_code == SI_USER && info.si_pid == self);
		}
		CHECK_COUNTED(2);
		_exit(0);
	}
	CHECK(strcmp(kind, "dead") == 0);
	seal_without_flags();
	for (int i = 0; i < 3; i++)
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	CHECK_COUNTED(3);
	_exit(0);
}
