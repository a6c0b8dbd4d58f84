/*
 * on_purpose SENDER DISPOSITION: a SIGPIPE that is sent on purpose always does what the program arranged.
 *   SENDER       raise, kill, killpg, pthread_kill, sigqueue, tgkill, thread (another thread's pthread_kill), child,
 *                timer (timer_create(2)), pidfd (pidfd_send_signal(2) to itself), instruction (kill(2) by an instruction
 *                of the program's own; aarch64, where the number of the call stays in a register)
 *   DISPOSITION  default (dies), ignored, handler (which gets all it asked for)
 */
#include "check.h"

#include <time.h>

static volatile sig_atomic_t ran;
static siginfo_t got;
static sigset_t blocked;

static void with_info(int signal, siginfo_t *info, void *context)
{
	CHECK(signal == SIGPIPE && context);
	CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0);
	got = *info;
	ran++;
}

static void *kill_thread(void *target)
{
	CHECK(pthread_kill(*(pthread_t *)target, SIGPIPE) == 0);
	return NULL;
}

static long kill_by_instruction(pid_t pid, int number)
{
#ifdef __aarch64__
	register long call __asm__("x8") = SYS_kill, first __asm__("x0") = pid, second __asm__("x1") = number;
	__asm__ volatile("svc #0" : "+r"(first) : "r"(call), "r"(second) : "memory");
	return first;
#else
	return syscall(SYS_kill, pid, number);
#endif
}

/* Sends it, and sets what the handler's siginfo must show. */
static void send_sigpipe(const char *sender, int *code, pid_t *from)
{
	*from = getpid();
	*code = SI_TKILL;
	if (strcmp(sender, "raise") == 0) {
		CHECK(raise(SIGPIPE) == 0);
	} else if (strcmp(sender, "pthread_kill") == 0) {
		CHECK(pthread_kill(pthread_self(), SIGPIPE) == 0);
	} else if (strcmp(sender, "tgkill") == 0) {
		CHECK(syscall(SYS_tgkill, getpid(), gettid(), SIGPIPE) == 0);
	} else if (strcmp(sender, "thread") == 0) {
		pthread_t self = pthread_self(), other;
		CHECK(pthread_create(&other, NULL, kill_thread, &self) == 0);
		CHECK(pthread_join(other, NULL) == 0);
	} else if (strcmp(sender, "sigqueue") == 0) {
		*code = SI_QUEUE;
		CHECK(sigqueue(getpid(), SIGPIPE, (union sigval){.sival_int = 42}) == 0);
	} else if (strcmp(sender, "timer") == 0) {
		timer_t timer;
		*code = SI_TIMER;
		CHECK(timer_create(CLOCK_MONOTONIC,
				   &(struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPIPE},
				   &timer) == 0);
		CHECK(timer_settime(timer, 0, &(struct itimerspec){.it_value.tv_nsec = 1000000}, NULL) == 0);
		usleep(100000);
		timer_delete(timer);
	} else if (strcmp(sender, "kill") == 0) {
		*code = SI_USER;
		CHECK(kill(getpid(), SIGPIPE) == 0);
	} else if (strcmp(sender, "instruction") == 0) {
		*code = SI_USER;
		CHECK(kill_by_instruction(getpid(), SIGPIPE) == 0);
	} else if (strcmp(sender, "pidfd") == 0) {
		*code = SI_USER;
		int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
		CHECK(fd >= 0);
		CHECK(syscall(SYS_pidfd_send_signal, fd, SIGPIPE, NULL, 0) == 0);
		close(fd);
	} else if (strcmp(sender, "killpg") == 0) {
		*code = SI_USER;
		CHECK(setpgid(0, 0) == 0);
		CHECK(kill(0, SIGPIPE) == 0);
	} else {
		CHECK(strcmp(sender, "child") == 0);
		*code = SI_USER;
		*from = fork();
		if (*from == 0)
			_exit(kill(getppid(), SIGPIPE) == 0 ? 0 : FAILED);
		siginfo_t exited;
		while (waitid(P_PID, (id_t)*from, &exited, WEXITED) != 0)
			CHECK(errno == EINTR);
	}
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	int code;
	pid_t from;
	struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
	sigaddset(&action.sa_mask, SIGUSR2);
	if (strcmp(argv[2], "ignored") == 0)
		CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	else if (strcmp(argv[2], "handler") == 0)
		CHECK(sigaction(SIGPIPE, &action, NULL) == 0);

	for (int i = 1; i <= 2; i++) {
		send_sigpipe(argv[1], &code, &from);
		if (strcmp(argv[2], "handler") != 0)
			continue;
		CHECK(ran == i);
		CHECK(got.si_signo == SIGPIPE && got.si_code == code);
		CHECK(code == SI_TIMER || (got.si_pid == from && got.si_uid == getuid()));
		CHECK(code != SI_QUEUE || got.si_value.sival_int == 42);
		CHECK(sigismember(&blocked, SIGPIPE) && sigismember(&blocked, SIGUSR2));
		CHECK(!sigismember(&blocked, SIGUSR1));
		CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0);
		CHECK(!sigismember(&blocked, SIGPIPE) && !sigismember(&blocked, SIGUSR2));
	}
	CHECK(strcmp(argv[2], "default") != 0);
	return 0;
}
