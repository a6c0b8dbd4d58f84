/*
 * cancel CALL [asynchronous]: a thread blocked in the call is cancelled. The call is unwound through the library's frame,
 * and the program's cleanup handlers must run (compiled with -fexceptions, so that they are part of the unwinding).
 */
#include "calls.h"

static char big[16384];
static volatile int cleaned, started;
static int fd, cancel_type = PTHREAD_CANCEL_DEFERRED;
static const struct call *call;

static void clean(void *which)
{
	cleaned += *(int *)which;
}

static void *block(void *arg)
{
	int one = 1, ten = 10;
	pthread_cleanup_push(clean, &one);
	pthread_cleanup_push(clean, &ten);
	CHECK(pthread_setcanceltype(cancel_type, NULL) == 0);
	started = 1;
	if (call) {
		/* A full buffer and a reader that does not read: one of these blocks. */
		for (;;)
			CHECK(call->run(fd, big, sizeof big) > 0);
	}
	struct sockaddr_storage *target = arg;
	connect(fd, (struct sockaddr *)target, sizeof(struct sockaddr_in));
	CHECK(!"connect blocks");
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

/* A listener whose queue is full answers no further SYN: connect blocks. */
static struct sockaddr_storage full_listener(void)
{
	struct sockaddr_storage target;
	socklen_t length = loopback("v4", &target);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(listener >= 0);
	CHECK(bind(listener, (struct sockaddr *)&target, length) == 0);
	CHECK(listen(listener, 0) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&target, &length) == 0);
	for (int i = 0; i < 4; i++) {
		int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(filler, (struct sockaddr *)&target, length);
	}
	usleep(50000);
	return target;
}

static void cancel_and_join(pthread_t thread)
{
	void *result;
	CHECK(pthread_cancel(thread) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2 || argc == 3);
	struct sockaddr_storage target = {0};
	int ends[2];
	if (argc == 3)
		cancel_type = PTHREAD_CANCEL_ASYNCHRONOUS;
	if (strcmp(argv[1], "connect") == 0) {
		target = full_listener();
		fd = socket(AF_INET, SOCK_STREAM, 0);
	} else {
		call = call_named(argv[1]);
		if (call->run == call_vmsplice) {
			CHECK(pipe(ends) == 0);
			fd = ends[1];
		} else {
			fd = tcp("v4").fd;
		}
	}

	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, block, &target) == 0);
	while (!started)
		usleep(1000);
	usleep(200000); /* now it blocks */
	cancel_and_join(thread);
	CHECK(cleaned == 11);

	/* The library still works. */
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "send", "");
	CHECK_FAILS(send(c.fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	return 0;
}
