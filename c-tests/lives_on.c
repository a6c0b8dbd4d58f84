/*
 * lives_on CASE: programs that live on natively when peers vanish, and never look at write()'s result: nobody slows them
 * down.
 *   handler  an empty handler of its own, the old idiom for ignoring
 *   raw      SIG_IGN, set by the system call itself through syscall(2)
 *   asm      the same by the instruction, which nobody can see
 *   shown    that one is what sigaction(2) shows after a failed write, which has asked the kernel
 *   pipe     a server whose log pipe has died: it answers as many requests as with one that lives
 */
#include "check.h"

#include <time.h>

enum { CLIENTS = 5, ROUNDS = 6000, REQUESTS = 1500, WORK_US = 200, TRIES = 6 };

static double seconds(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void nothing(int signal)
{
	(void)signal;
}

struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* rt_sigaction(2) with SIG_IGN; returns its result. */
static long ignore_by_hand(int by_instruction)
{
	struct kernel_action action = {.handler = SIG_IGN};
#ifdef __x86_64__
	if (by_instruction) {
		long result;
		register long size __asm__("r10") = 8;
		__asm__ volatile("syscall"
				 : "=a"(result)
				 : "a"(SYS_rt_sigaction), "D"(SIGPIPE), "S"(&action), "d"(NULL), "r"(size)
				 : "rcx", "r11", "memory");
		return result;
	}
#elif defined __i386__
	if (by_instruction) {
		long result;
		__asm__ volatile("int $0x80"
				 : "=a"(result)
				 : "0"(SYS_rt_sigaction), "b"(SIGPIPE), "c"(&action), "d"(NULL), "S"(8)
				 : "memory");
		return result;
	}
#elif defined __aarch64__
	if (by_instruction) {
		register long number __asm__("x8") = SYS_rt_sigaction, first __asm__("x0") = SIGPIPE;
		register struct kernel_action *second __asm__("x1") = &action;
		register long third __asm__("x2") = 0, size __asm__("x3") = 8;
		__asm__ volatile("svc #0" : "+r"(first) : "r"(number), "r"(second), "r"(third), "r"(size) : "memory");
		return first;
	}
#else
	(void)by_instruction;
#endif
	return syscall(SYS_rt_sigaction, SIGPIPE, &action, NULL, 8);
}

/* To all clients, dead or alive, whatever becomes of it. */
static void broadcast(const struct connection *dead, const struct connection *living)
{
	char news[16] = "news";
	double before = seconds();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CLIENTS; i++)
			(void)!write(dead[i].fd, news, sizeof news);
		CHECK(write(living->fd, news, sizeof news) == sizeof news);
		CHECK(recv(living->far, news, sizeof news, MSG_WAITALL) == sizeof news);
		CHECK(seconds() - before < 4);
	}
	say_to(2, "%d rounds in %.2f s", ROUNDS, seconds() - before);
}

/* Requests in a second, each some work and a line for the log. */
static double rate_with_log(int log)
{
	char line[64] = "a request\n", drain[4096];
	double before = seconds(), next = before;
	for (int i = 0; i < REQUESTS; i++) {
		next = seconds() + WORK_US / 1e6;
		while (seconds() < next)
			;
		(void)!write(log, line, sizeof line);
		if (i % 32 == 0)
			while (read(0, drain, sizeof drain) > 0)
				;
		CHECK(seconds() - before < 4);
	}
	return REQUESTS / (seconds() - before);
}

static void serve_with_dead_log(void)
{
	int ends[2];
	struct dead_pipe dead = dead_pipe();
	expect_dead_pipe(&dead, "write");
	CHECK(pipe(ends) == 0);
	CHECK(dup2(ends[0], 0) == 0 && fcntl(0, F_SETFL, O_NONBLOCK) == 0);
	double living = 0, gone = 0;
	for (int i = 0; i < TRIES; i++) {
		double rate = rate_with_log(ends[1]);
		living = rate > living ? rate : living;
		rate = rate_with_log(dead.fd);
		gone = rate > gone ? rate : gone;
	}
	say_to(2, "requests a second: %.0f, and %.0f when the log is dead", living, gone);
	CHECK(gone >= 0.95 * living);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (strcmp(argv[1], "pipe") == 0) {
		serve_with_dead_log();
		return 0;
	}
	int has_handler = strcmp(argv[1], "handler") == 0;
	struct connection dead[CLIENTS], living = tcp("v4");
	for (int i = 0; i < CLIENTS; i++)
		dead[i] = dead_tcp("v4");
	if (has_handler) {
		CHECK(signal(SIGPIPE, nothing) == SIG_DFL);
	} else {
		struct sigaction now;
		CHECK(ignore_by_hand(strcmp(argv[1], "raw") != 0) == 0);
		CHECK(sigpipe_in("SigIgn") == 1 && sigpipe_in("SigCgt") == 0);
		if (strcmp(argv[1], "shown") == 0) {
			expect_dead(&dead[0], "write", "handler=");
			CHECK_FAILS(write(dead[0].fd, "x", 1), EPIPE);
			CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
			CHECK(signal(SIGPIPE, nothing) == SIG_IGN);
			return 0;
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		expect_dead(&dead[i], "write", has_handler ? "handler=skipped" : "handler=");
	broadcast(dead, &living);
	return 0;
}
