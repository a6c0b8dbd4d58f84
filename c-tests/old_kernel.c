/*
 * old_kernel: pwritev2(2) has no flags here (before Linux 4.6: EOPNOTSUPP); the log is a file, and gets each line, whole.
 */
#include "watched.h"

int main(int argc, char **argv)
{
	if (argc == 1) {
		struct sock_filter filter[] = {
			LOAD_NUMBER,
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 1),
			RETURN(SECCOMP_RET_ERRNO | EOPNOTSUPP),
			RETURN(SECCOMP_RET_ALLOW),
		};
		start_watched(filter, sizeof filter / sizeof *filter, (char *[]){argv[0], "watched", NULL});
	}
	for (int i = 0; i < 2; i++) {
		struct connection c = dead_tcp("v4");
		expect_dead(&c, "write", "");
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	}
	return 0;
}
