/*
 * counted_once CASE: a thread closes descriptors while another one writes to them, and gives their numbers to a connection
 * whose peer lives. Each call that fails counts once: as a failure, or as unattributed.
 *   reset   the peers have reset the connection: ECONNRESET, no signal
 *   closed  the peers have closed it, which was noticed: EPIPE and SIGPIPE
 */
#include "counted.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROUNDS = 1000, NONE = -1, LONGEST = 3000 };

static _Atomic int number = NONE;
static _Atomic int is_over;

static void dawdle(void)
{
	for (volatile int left = (int)(random() % LONGEST); left > 0; left--)
		;
}

static void *replace(void *living)
{
	while (!is_over) {
		if (number == NONE)
			continue;
		dawdle();
		CHECK(dup2(*(int *)living, number) == number);
		number = NONE;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	int is_reset = strcmp(argv[1], "reset") == 0;
	struct connection living = tcp("v4");
	pthread_t thread;
	long failed = 0;
	CHECK(pthread_create(&thread, NULL, replace, &living.fd) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct connection c = is_reset ? tcp("v4") : dead_tcp("v4");
		if (is_reset)
			leave_by_reset(&c);
		number = c.fd;
		dawdle();
		if (write(c.fd, "x", 1) < 0) {
			CHECK(errno == (is_reset ? ECONNRESET : EPIPE));
			failed++;
		}
		while (number != NONE)
			;
		close(c.fd);
	}
	is_over = 1;
	CHECK(pthread_join(thread, NULL) == 0);
	long failures = counted(FAILURES), unattributed = counted(UNATTRIBUTED);
	CHECK(failed > 0);
	CHECK(failures == -1 || failures + unattributed == failed);
	return 0;
}
