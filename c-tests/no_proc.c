/*
 * no_proc CASE (needs root): /proc is hidden or not mounted when the program starts.
 *   hidden     by an empty directory that is mounted over it
 *   unmounted
 */
#include "check.h"

#include <sched.h>
#include <sys/mount.h>

int main(int argc, char **argv)
{
	CHECK(argc >= 2);
	char self[4096] = {0};
	if (strcmp(argv[1], "there") != 0) {
		CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		if (strcmp(argv[1], "hidden") == 0)
			CHECK(mount("none", "/proc", "tmpfs", MS_RDONLY, NULL) == 0);
		else
			CHECK(umount2("/proc", MNT_DETACH) == 0);
		execl(self, "no_proc", "there", NULL);
		CHECK(!"exec");
	}
	CHECK_FAILS(open("/proc/self/status", O_RDONLY), ENOENT);
	struct connection c = dead_tcp("v4");
	struct dead_pipe dead = dead_pipe();
	expect_dead(&c, "write", "");
	expect_dead_pipe(&dead, "write");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(write(dead.fd, "x", 1), EPIPE);
	/* Standard output is a pipe, and /proc cannot show who made it. */
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(dup2(dead.fd, 1) == 1);
		CHECK_FAILS(write(1, "x", 1), EPIPE);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child); /* survived or native: nobody can know, but it is over */
	return 0;
}
