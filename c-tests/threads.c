/*
 * threads CASE: sixteen threads at once.
 *   own     each has peers of its own: one event for each, none lost, none twice
 *   toggle  half of them write to vanished peers while the others change the disposition; the last change holds
 *   shared  all write to the same vanished peer: one event
 */
#include "calls.h"

enum { THREADS = 16, PEERS = 8 };

static pthread_barrier_t barrier;
static struct connection shared;

static void *own_peers(void *arg)
{
	long number = (long)arg;
	char bytes[64] = {0};
	/* Those before splice, which opens descriptors of its own. */
	long plain = call_named("splice") - calls;
	for (int i = 0; i < PEERS; i++) {
		const struct call *call = &calls[(number + i) % plain];
		struct connection c = dead_tcp("v4");
		expect_dead(&c, call->logged, "");
		pthread_barrier_wait(&barrier);
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
		CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
		close(c.fd);
	}
	return NULL;
}

static void *shared_peer(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 20; i++)
		CHECK_FAILS(write(shared.fd, "x", 1), EPIPE);
	return NULL;
}

static volatile sig_atomic_t ran;

static void handler(int signal)
{
	(void)signal;
	ran = 1;
}

static void *toggle(void *arg)
{
	static void (*const handlers[])(int) = {SIG_DFL, handler, SIG_IGN};
	long number = (long)arg;
	struct connection c = {0};
	if (number % 2) {
		c = dead_tcp("v4");
		say("expect cause=closed peer=%s", c.peer);
	}
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 2000; i++) {
		if (number % 2)
			CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		else
			CHECK(signal(SIGPIPE, handlers[(number + i) % 3]) != SIG_ERR);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	pthread_t threads[THREADS];
	void *(*run)(void *) = strcmp(argv[1], "own") == 0      ? own_peers
			       : strcmp(argv[1], "toggle") == 0 ? toggle
								: shared_peer;
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	if (run == shared_peer) {
		shared = dead_tcp("v4");
		expect_dead(&shared, "write", "");
	}
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	if (run == toggle) {
		if (ran) { /* bare, one of the other two ends: death, or this */
			signal(SIGPIPE, SIG_DFL);
			raise(SIGPIPE);
		}
		signal(SIGPIPE, SIG_IGN);
		CHECK(sigpipe_in("SigIgn") == 1);
	}
	return 0;
}
