/*
 * A program some of whose system calls are watched (seccomp_unotify(2)): what another thread or an older kernel does only
 * now and then is done each time, between the call's start and its end. The filter is there before exec, as an
 * administrator's is, and nothing of the program's own.
 */
#ifndef WATCHED_H
#define WATCHED_H

#include "check.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

/* Where the program finds the watcher's descriptor. */
enum { WATCH_FD = 40 };

/* Loads the low half of argument `n`. */
#define LOAD_ARGUMENT(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))

/* Starts this program again as `argv`, under the filter. Does not return. */
UNUSED static void start_watched(struct sock_filter *filter, size_t length, char **argv)
{
	struct sock_fprog program = {length, filter};
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	CHECK(listener >= 0);
	CHECK(dup2((int)listener, WATCH_FD) == WATCH_FD);
	close((int)listener);
	execv("/proc/self/exe", argv);
	CHECK(!"exec");
}

/* What a watched call of `data` comes to: 0 lets the kernel do it, -errno is its result. */
typedef int (*watcher)(const struct seccomp_data *data);

static void *watch_calls(void *arg)
{
	watcher look = (watcher)arg;
	for (;;) {
		struct seccomp_notif call = {0};
		struct seccomp_notif_resp answer = {0};
		if (ioctl(WATCH_FD, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
			continue;
		answer.id = call.id;
		answer.error = look(&call.data);
		if (answer.error == 0)
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(WATCH_FD, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	return NULL;
}

/* In the watched program: `look` is called in a thread of its own for each watched call. */
UNUSED static void watch(watcher look)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, watch_calls, (void *)look) == 0);
}

#endif
