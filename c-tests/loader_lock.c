/*
 * loader_lock: children are forked while another thread is inside dl_iterate_phdr(3), whose lock is then held in them for
 * ever. A child whose send fails ends all the same: what is said at its exit needs nothing of the loader's.
 */
#include "check.h"

#include <link.h>

static int slowly(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)info, (void)size, (void)unused;
	usleep(100);
	return 0;
}

static void *for_ever(void *unused)
{
	for (;;)
		dl_iterate_phdr(slowly, unused);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, for_ever, NULL) == 0);
	usleep(20000);
	for (int i = 0; i < 10; i++) {
		int ends[2], status;
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && close(ends[1]) == 0);
		pid_t child = fork();
		if (child == 0) {
			alarm(5);
			/* Bare it dies here. */
			ssize_t sent = send(ends[0], "x", 1, 0);
			exit(sent == -1 && errno == EPIPE ? 0 : 1);
		}
		CHECK(child > 0 && waitpid(child, &status, 0) == child && close(ends[0]) == 0);
		if (WIFSIGNALED(status))
			return raise(WTERMSIG(status));
		CHECK(status == 0);
	}
	_exit(0);
}
