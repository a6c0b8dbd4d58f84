/*
 * hostile_start CASE: how a program may be started. It starts, and outlives a vanished peer.
 *   closed    without standard input, output and error
 *   nameless  without any argument, not even its name
 *   unnamed   with an empty name
 *   sealed    under an administrator's filter that refuses whatever the library could do without
 */
#include "calls.h"
#include "seccomp.h"

#include <sys/resource.h>

static const char marker[] = "STARTED=";

extern char **environ;

static void refuse_what_is_not_needed(void)
{
#define REFUSE(number) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(SYS_kcmp),
		REFUSE(SYS_madvise),
		REFUSE(SYS_prctl),
		REFUSE(SYS_process_vm_readv),
		REFUSE(SYS_sigaltstack),
		REFUSE(SYS_getppid),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
}

static void start(const char *kind, char *self)
{
	char *none[] = {NULL}, *empty[] = {"", NULL}, *usual[] = {self, NULL}, variable[64];
	snprintf(variable, sizeof variable, "%s%s", marker, kind);
	CHECK(putenv(variable) == 0);
	if (strcmp(kind, "closed") == 0) {
		for (int fd = 0; fd < 3; fd++)
			CHECK(close(fd) == 0);
	} else if (strcmp(kind, "sealed") == 0) {
		refuse_what_is_not_needed();
	}
	execve("/proc/self/exe",
	       strcmp(kind, "nameless") == 0  ? none
	       : strcmp(kind, "unnamed") == 0 ? empty
					      : usual,
	       environ);
	CHECK(!"exec");
}

int main(int argc, char **argv)
{
	char *kind = getenv("STARTED");
	if (!kind) {
		CHECK(argc == 2);
		/* Where the lines of the test go, whatever becomes of standard output. */
		CHECK(fcntl(1, F_DUPFD, 50) == 50);
		start(argv[1], argv[0]);
	}
	struct connection c = dead_tcp("v4");
	say_to(50, "expect transport=tcp cause=closed errno=EPIPE peer=%s fd=%d call=write|libc program=%s", c.peer,
	       c.fd, kind[0] == 'n' || kind[0] == 'u' ? "unknown" : "hostile_start");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(call_named("dprintf")->run(c.fd, "y", 1), EPIPE);
	return 0;
}
