/*
 * raw_clone CASE: a worker that was made by the system call itself, where a filter that was there from the start refuses
 * kcmp(2), as Docker's default profile does. Before it does anything else of note it vforks. The worker reads back what
 * it inherited, and survives a vanished peer.
 *   vfork     the vfork child sets a disposition for the program that it starts
 *   fails     the vfork child writes to a vanished peer first, then the worker
 *   twice     two vfork children, one after the other
 *   asm       the worker was made by an instruction of the program's own, which no symbol of libc can see; its vfork child
 *             writes to a vanished peer
 */
#include "counted.h"
#include "seccomp.h"

static void refuse_kcmp(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kcmp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
}

static pid_t clone_by_instruction(void)
{
#ifdef __x86_64__
	long result;
	register long tls __asm__("r8") = 0, child_tid __asm__("r10") = 0;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_clone), "D"((long)SIGCHLD), "S"(0L), "d"(0L), "r"(child_tid), "r"(tls)
			 : "rcx", "r11", "memory");
	return (pid_t)result;
#elif defined __i386__
	long result;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"((long)SYS_clone), "b"((long)SIGCHLD), "c"(0L), "d"(0L), "S"(0L), "D"(0L)
			 : "memory");
	return (pid_t)result;
#elif defined __aarch64__
	register long number __asm__("x8") = SYS_clone, flags __asm__("x0") = SIGCHLD, stack __asm__("x1") = 0;
	register long parent_tid __asm__("x2") = 0, tls __asm__("x3") = 0, child_tid __asm__("x4") = 0;
	__asm__ volatile("svc #0"
			 : "+r"(flags)
			 : "r"(number), "r"(stack), "r"(parent_tid), "r"(tls), "r"(child_tid)
			 : "memory");
	return (pid_t)flags;
#else
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static void vfork_one(const char *kind, int fd)
{
	pid_t child = vfork();
	if (child == 0) {
		if (strcmp(kind, "fails") == 0 || strcmp(kind, "asm") == 0) {
			sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
			if (write(fd, "x", 1) != -1 || errno != EPIPE)
				_exit(FAILED);
		}
		sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
		_exit(0);
	}
	wait_for_success(child);
}

static void work(const char *kind, struct connection *peers)
{
	struct sigaction now;
	vfork_one(kind, peers[0].fd);
	if (strcmp(kind, "twice") == 0)
		vfork_one(kind, peers[0].fd);
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
	CHECK(sigpipe_in("SigIgn") == 1);
	CHECK(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
	for (int i = 0; i < 2; i++)
		for (int n = 0; n < 2; n++)
			CHECK_FAILS(write(peers[n].fd, "x", 1), EPIPE);
	CHECK_COUNTED(4);
	_exit(0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2 || argc == 3);
	if (argc == 2) {
		refuse_kcmp();
		execl("/proc/self/exe", "raw_clone", argv[1], "started", NULL);
		CHECK(!"exec");
	}
	CHECK_FAILS(syscall(SYS_kcmp, getpid(), getppid(), 0, 0, 0), EPERM);
	CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	struct connection peers[2] = {dead_tcp("v4"), dead_tcp("v4")};
	int by_instruction = strcmp(argv[1], "asm") == 0;
	pid_t child = by_instruction ? clone_by_instruction() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	CHECK(child >= 0);
	if (child == 0)
		work(argv[1], peers);
	char more[32];
	snprintf(more, sizeof more, "pid=%d", child);
	for (int i = 0; i < 2; i++)
		expect_dead(&peers[i], "write", more);
	wait_for_success(child);
	return 0;
}
