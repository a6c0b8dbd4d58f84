/*
 * async_cancel CALL: threads that write on and on to a vanished peer are cancelled asynchronously, wherever they happen to
 * be, the library's own code included. Each ends, and its cleanup handler runs. (Compiled without -fexceptions: its tables
 * list only calls, so even without the library a thread between two calls would end without its cleanup.)
 */
#include "calls.h"

enum { THREADS = 200 };

static volatile int cleaned, started;
static struct connection c;
static const struct call *call;

static void clean(void *unused)
{
	(void)unused;
	cleaned++;
}

static void *fail_on(void *unused)
{
	char bytes[64] = {0};
	pthread_cleanup_push(clean, unused);
	CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
	started = 1;
	for (;;)
		CHECK(call->run(c.fd, bytes, sizeof bytes) == -1);
	pthread_cleanup_pop(0);
	return NULL;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	call = call_named(argv[1]);
	c = dead_tcp("v4");
	expect_dead(&c, call->logged, "");
	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;
		void *result;
		started = 0;
		CHECK(pthread_create(&thread, NULL, fail_on, NULL) == 0);
		while (!started)
			usleep(100);
		usleep((useconds_t)(i * 7 % 300));
		CHECK(pthread_cancel(thread) == 0);
		CHECK(pthread_join(thread, &result) == 0);
		CHECK(result == PTHREAD_CANCELED && cleaned == i + 1);
	}
	return 0;
}
