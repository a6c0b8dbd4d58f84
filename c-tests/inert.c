/*
 * inert: a program that NOPIPE_ONLY excludes sees nothing of the library. In any other program exit status 3 shows the
 * first trace: the kernel has a handler for SIGPIPE, or send() carries a flag that the program did not give.
 */
#include "seccomp.h"

enum { TRACE = 3 };

/* send() with MSG_NOSIGNAL fails with EXDEV from now on. */
static void forbid_nosignal(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MSG_NOSIGNAL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	struct connection c = tcp("v4");
	if (strcmp(argv[1], "disposition") == 0) {
		CHECK(sigpipe_in("SigIgn") == 0 && sigpipe_in("SigBlk") == 0);
		return sigpipe_in("SigCgt") ? TRACE : 0;
	}
	forbid_nosignal();
	CHECK_FAILS(syscall(SYS_sendto, c.fd, "x", 1, MSG_NOSIGNAL, NULL, 0), EXDEV);
	if (send(c.fd, "x", 1, 0) == 1)
		return 0;
	return errno == EXDEV ? TRACE : FAILED;
}
