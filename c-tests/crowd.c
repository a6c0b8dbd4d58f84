/*
 * crowd: many more peers vanish than the library remembers, in several threads at a time, each peer once. Prints how
 * many, and how the library accounts for them: lines, suppressed, dropped.
 */
#include "counted.h"

enum { THREADS = 4, PEERS = 2500 };

static void *lose_peers(void *arg)
{
	for (int i = 0; i < PEERS; i++) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		close(ends[1]);
		CHECK_FAILS(write(ends[0], "x", 1), EPIPE);
		close(ends[0]);
	}
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, lose_peers, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	say("%d %ld %ld %ld", THREADS * PEERS, counted(LINES), counted(SUPPRESSED), counted(DROPPED));
	return 0;
}
