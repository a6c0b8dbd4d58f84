/*
 * jumps_out: a timer's handler leaves by siglongjmp, again and again, wherever the program is at that moment, even while
 * the library reports a vanished peer. No descriptor stays open.
 */
#include "check.h"

#include <setjmp.h>
#include <sys/time.h>

enum { ROUNDS = 3000 };

static sigjmp_buf back;
static volatile sig_atomic_t armed, jumps;

static void jump(int signal)
{
	(void)signal;
	if (!armed)
		return;
	armed = 0;
	jumps++;
	siglongjmp(back, 1);
}

static void set_timer(int microseconds)
{
	struct itimerval timer = {.it_value.tv_usec = microseconds};
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

int main(void)
{
	CHECK(signal(SIGALRM, jump) == SIG_DFL);
	int lowest = dup(1);
	CHECK(lowest >= 0);
	close(lowest);

	for (volatile int i = 0; i < ROUNDS; i++) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		close(ends[1]);
		if (sigsetjmp(back, 1) == 0) {
			armed = 1;
			set_timer(1 + i * 7 % 90);
			CHECK_FAILS(write(ends[0], "x", 1), EPIPE);
			armed = 0;
		}
		set_timer(0);
		close(ends[0]);
	}
	CHECK(jumps > 0);
	CHECK(dup(1) == lowest);
	CHECK_FAILS(fcntl(lowest + 1, F_GETFD), EBADF);
	return 0;
}
