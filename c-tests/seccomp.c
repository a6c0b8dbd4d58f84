/*
 * seccomp CASE CALL: the program puts itself under seccomp(2) and then writes to a vanished peer. It has allowed only what
 * it does itself: any other call of the library would kill it. So there is no line.
 *   strict      read, write, _exit and sigreturn only
 *   prctl       an allow-list, set by prctl
 *   syscall     the same, set by the system call itself
 *   libseccomp  the same, set by that library
 *   thread      another thread has set it for itself
 *   forks       a forked child writes: the library makes no system call at the fork either
 *   purpose     a SIGPIPE sent on purpose; the filter allows what libc and the library need for it: it kills, as ever
 *   forbidden   the same, but of these calls the filter allows only kill: SIGSYS kills, not SIGPIPE
 *   inherited   the filter was there when the program started: it is the administrator's, and there is a line
 */
#include "calls.h"
#include "counted.h"
#include "seccomp.h"

#include <dlfcn.h>

static const struct call *call;
static struct connection c;
static volatile int sealed; /* by another thread */

static void fail_thrice(void)
{
	char bytes[64] = {0};
	for (int i = 0; i < 3; i++)
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
}

static void fail_and_count(void)
{
	fail_thrice();
	CHECK_COUNTED(sealed ? 6 : 3); /* another thread has failed as often */
}

static void seal_by_libseccomp(void)
{
	void *library = dlopen("libseccomp.so.2", RTLD_NOW);
	CHECK(library);
	void *(*init)(uint32_t) = (void *(*)(uint32_t))dlsym(library, "seccomp_init");
	int (*allow)(void *, uint32_t, int, unsigned, ...) =
		(int (*)(void *, uint32_t, int, unsigned, ...))dlsym(library, "seccomp_rule_add");
	int (*load)(void *) = (int (*)(void *))dlsym(library, "seccomp_load");
	CHECK(init && allow && load);
	void *context = init(SECCOMP_RET_KILL_PROCESS);
	CHECK(context);
	static const int allowed[] = {
		SYS_write,      SYS_sendto, SYS_rt_sigreturn, SYS_exit_group,
#ifdef __i386__
		SYS_socketcall,
#endif
	};
	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
		CHECK(allow(context, SECCOMP_RET_ALLOW, allowed[i], 0) == 0);
	CHECK(load(context) == 0);
}

static void *seal_a_thread(void *arg)
{
	(void)arg;
	seal_by_prctl(NULL);
	fail_thrice();
	sealed = 1;
	while (sealed)
		; /* it may not sleep */
	return NULL;
}

static void send_on_purpose(int may_change_actions)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_kill),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(may_change_actions ? SYS_rt_sigaction : SYS_kill),
		ALLOW(may_change_actions ? SYS_tgkill : SYS_kill),
		ALLOW(may_change_actions ? SYS_getpid : SYS_kill),
		ALLOW(may_change_actions ? SYS_gettid : SYS_kill),
		ALLOW(may_change_actions ? SYS_rt_sigprocmask : SYS_kill),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	pid_t self = getpid();
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
	kill(self, SIGPIPE);
}

/* The calls of fork, and of the parent's wait. */
static void fail_in_a_child(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW_FORK,
		ALLOW(SYS_rt_sigprocmask), /* around a fork: glibc 2.41 and newer, musl */
		ALLOW(SYS_wait4),
		ALLOW(SYS_write),
		ALLOW(SYS_sendto),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit_group),
		ALLOW_I386,
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
	pid_t child = fork();
	if (child == 0) {
		fail_and_count();
		_exit(0);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *kind = argv[1];
	call = call_named(argv[2]);
	c = dead_tcp("v4");
	if (strcmp(kind, "strict") == 0) {
		CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
		fail_and_count();
		syscall(SYS_exit, 0);
	}
	if (strcmp(kind, "prctl") == 0)
		seal_by_prctl(NULL);
	else if (strcmp(kind, "syscall") == 0)
		seal_by_syscall();
	else if (strcmp(kind, "libseccomp") == 0)
		seal_by_libseccomp();
	else if (strcmp(kind, "thread") == 0) {
		pthread_t thread;
		CHECK(pthread_create(&thread, NULL, seal_a_thread, NULL) == 0);
		while (!sealed)
			usleep(1000);
	} else if (strcmp(kind, "inherited") == 0) {
		struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
		seal_by_prctl(&(struct sock_fprog){1, all});
		execl("/proc/self/exe", "seccomp", "started", argv[2], NULL);
		CHECK(!"exec");
	} else if (strcmp(kind, "started") == 0)
		expect_dead(&c, call->logged, "");
	else if (strcmp(kind, "forks") == 0)
		fail_in_a_child();
	else
		send_on_purpose(strcmp(kind, "purpose") == 0);
	fail_and_count();
	_exit(0);
}
