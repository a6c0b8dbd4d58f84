/*
 * stuck_stderr (NOPIPE_LOG=stderr): standard error is a pipe, on a kernel that has no RWF_NOWAIT for pipes (before Linux
 * 6.4: EOPNOTSUPP). Another program fills it between the look at it and the line, and nobody reads it: the failed write
 * returns all the same. BLOCKED if it does not.
 */
#include "watched.h"

enum { BLOCKED = 8, PATIENCE = 5 /* seconds */ };
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

static void *give_up(void *arg)
{
	sleep(PATIENCE);
	_exit(BLOCKED);
	return arg;
}

/* What another program does that has the same standard error. */
static void fill_stderr(void)
{
	static char bytes[4096];
	int own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(own >= 0);
	while (write(own, bytes, sizeof bytes) > 0)
		;
	while (write(own, bytes, 1) > 0)
		;
	close(own);
}

static int fill_and_refuse(const struct seccomp_data *data)
{
	(void)data;
	fill_stderr();
	return -EOPNOTSUPP;
}

/* Stands for the administrator's filter: pwritev2 with RWF_NOWAIT is watched. */
static void start_on_old_kernel(char **argv)
{
	struct sock_filter filter[] = {
		LOAD_NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 2),
		LOAD_ARGUMENT(5),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, RWF_NOWAIT, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_USER_NOTIF),
	};
	int ends[2];
	CHECK(pipe(ends) == 0);
	CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
	CHECK(dup2(ends[1], 2) == 2);
	close(ends[1]);
	start_watched(filter, sizeof filter / sizeof *filter, argv);
}

int main(int argc, char **argv)
{
	int ends[2];
	pthread_t watchdog;
	if (argc == 1)
		start_on_old_kernel((char *[]){argv[0], "watched", NULL});
	CHECK(pthread_create(&watchdog, NULL, give_up, NULL) == 0);
	watch(fill_and_refuse);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	close(ends[1]);
	CHECK_FAILS(write(ends[0], "x", 1), EPIPE);
	return 0;
}
