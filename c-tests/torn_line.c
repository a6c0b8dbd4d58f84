/*
 * torn_line CASE (NOPIPE_LOG=file:PATH): the log takes only part of a line; then there is room again, and another peer
 * vanishes. Its line is one of its own.
 *   limit  the limit for files' sizes (RLIMIT_FSIZE)
 *   child  the same limit, in a forked child; then the parent's line comes
 *   disk   a full file system (needs root: it is mounted over the log's folder)
 */
#include "check.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

enum { PAGE = 4096, TAKEN = 40 /* bytes of the line that there is room for */ };

static void lose_one(void)
{
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
}

/* The file is so long that this much room is left in its page. */
static void fill(const char *path, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	CHECK(fd >= 0);
	for (; length > 0; length--)
		put(fd, length == 1 ? "\n" : "#", 1);
	close(fd);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *log = getenv("NOPIPE_LOG");
	char folder[4096], filler[4200];
	log = log && strncmp(log, "file:", 5) == 0 ? log + 5 : "bare/x.log";
	snprintf(folder, sizeof folder, "%s", log);
	CHECK(strrchr(folder, '/'));
	*strrchr(folder, '/') = 0;
	mkdir(folder, 0700);
	snprintf(filler, sizeof filler, "%s/filler", folder);
	int is_child = strcmp(argv[1], "child") == 0;
	if (is_child || strcmp(argv[1], "limit") == 0) {
		struct rlimit before, limit;
		CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
		limit = before;
		limit.rlim_cur = TAKEN;
		int fd = open(log, O_RDWR | O_CREAT, 0600);
		CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
		close(fd);
		CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
		/* Standard output is a file, too. */
		struct connection c = dead_tcp("v4");
		expect_dead(&c, "write", "");
		pid_t child = is_child ? fork() : 0;
		int status;
		if (child > 0) {
			CHECK(waitpid(child, &status, 0) == child && status == 0);
			lose_one();
			return 0;
		}
		CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
		CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
		CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
		struct stat stat;
		if (getenv("LD_PRELOAD"))
			CHECK(fopen(log, "r") && lstat(log, &stat) == 0 && stat.st_size == TAKEN);
		if (is_child)
			_exit(0);
		lose_one();
		return 0;
	}
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", folder, "tmpfs", 0, "size=8k") == 0);
	fill(log, PAGE - TAKEN);
	fill(filler, PAGE);
	lose_one();
	CHECK(unlink(filler) == 0);
	lose_one();
	/* What is there is the test's to see. */
	char text[2 * PAGE];
	int fd = open(log, O_RDONLY);
	ssize_t length = read(fd, text, sizeof text);
	CHECK(length >= PAGE - TAKEN);
	say("the log:");
	put(1, text + PAGE - TAKEN, (size_t)(length - (PAGE - TAKEN)));
	return 0;
}
