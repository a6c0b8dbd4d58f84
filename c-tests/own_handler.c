/*
 * own_handler CASE CALL: the program has a handler of its own, and a peer vanishes.
 *   counts   the handler counts; exits with HANDLER_RAN if it ran, 0 if not
 *   exits    the handler ends the program, as many old ones do
 *   runs     (NOPIPE_HANDLERS=run) the handler must run before the call returns, with every flag that it asked for
 *   jumps    (NOPIPE_HANDLERS=run) the handler leaves by siglongjmp
 */
#include "calls.h"

#include <setjmp.h>

static volatile sig_atomic_t ran, mask_held, from_here;
static sigjmp_buf back;

static void count(int signal)
{
	CHECK(signal == SIGPIPE);
	ran++;
}

static void leave(int signal)
{
	(void)signal;
	_exit(HANDLER_RAN);
}

static void jump(int signal)
{
	(void)signal;
	ran++;
	siglongjmp(back, 1);
}

static void with_info(int signal, siginfo_t *info, void *context)
{
	sigset_t blocked;
	CHECK(signal == SIGPIPE && context);
	CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0);
	mask_held = sigismember(&blocked, SIGPIPE) && sigismember(&blocked, SIGUSR2);
	from_here = info->si_code == SI_USER && info->si_pid == getpid();
	errno = 4321; /* the call's EPIPE must be what the program sees */
	ran++;
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const struct call *call = call_named(argv[2]);
	struct connection c = dead_tcp("v4");
	char bytes[64] = {0};

	if (strcmp(argv[1], "runs") == 0) {
		struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
		sigaddset(&action.sa_mask, SIGUSR2);
		CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
		expect_dead(&c, call->logged, "handler=");
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
		CHECK(ran == 1 && mask_held && from_here);
		sigset_t blocked;
		CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0);
		CHECK(!sigismember(&blocked, SIGPIPE) && !sigismember(&blocked, SIGUSR2));
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
		CHECK(ran == 2);
		return 0;
	}
	if (strcmp(argv[1], "jumps") == 0) {
		CHECK(signal(SIGPIPE, jump) == SIG_DFL);
		expect_dead(&c, call->logged, "handler=");
		for (volatile int i = 1; i <= 3; i++) {
			if (sigsetjmp(back, 1) == 0) {
				call->run(c.fd, bytes, sizeof bytes);
				CHECK(!"the handler jumps");
			}
			CHECK(ran == i);
		}
		return 0;
	}
	CHECK(signal(SIGPIPE, strcmp(argv[1], "exits") == 0 ? leave : count) == SIG_DFL);
	expect_dead(&c, call->logged, "handler=skipped");
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	return ran ? HANDLER_RAN : 0;
}
