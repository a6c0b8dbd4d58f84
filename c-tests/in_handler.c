/*
 * in_handler: write() and sigaction() are async-signal-safe, so programs call them in handlers: here a timer's handler
 * interrupts the main program again and again in the middle of the same calls. Nothing may hang.
 */
#include "check.h"

#include <sys/time.h>

static struct connection ours, handlers;
static volatile sig_atomic_t ticks;

static void on_pipe(int signal)
{
	(void)signal;
}

static void tick(int signal)
{
	int error = errno;
	struct sigaction old;
	(void)signal;
	CHECK_FAILS(write(handlers.fd, "x", 1), EPIPE);
	CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = on_pipe}, &old) == 0);
	CHECK(old.sa_handler == on_pipe || old.sa_handler == SIG_DFL);
	ticks++;
	errno = error;
}

int main(void)
{
	ours = dead_tcp("v4");
	handlers = dead_tcp("v4");
	say("expect peer=%s", ours.peer);
	say("expect peer=%s", handlers.peer);
	struct itimerval often = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500};
	CHECK(sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (ticks < 300) {
		struct sigaction old;
		CHECK_FAILS(write(ours.fd, "x", 1), EPIPE);
		CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, &old) == 0);
		CHECK(old.sa_handler == on_pipe || old.sa_handler == SIG_DFL);
	}
	return 0;
}
