/*
 * stolen_number CASE [KIND]: while the library writes its line, other threads do what they do.
 *   closed KIND  one closes all descriptors from some number on (close_range(2)), and the next connection gets the
 *                number of the library's: no client receives a log line. KIND: tcp, unix, pipe
 *   forked       one forks: the child has no descriptor but the program's own
 *   asked        the same while the library asks for the peer's name (a unix peer)
 */
#include "watched.h"

/* The program's own descriptors are below. */
enum { OWN = 48 };

static struct connection living;
static int is_closed, done, kept;
static char named[256];

static void fork_and_look(int at)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(fcntl(at, F_GETFD) >= 0);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		_exit(FAILED);
	kept += WEXITSTATUS(status);
}

/* What is watched are calls on descriptors that are not the program's. */
static int look(const struct seccomp_data *data)
{
	int fd = (int)data->args[0];
	if (is_closed && !done) {
		if (dup2(living.fd, fd) != fd)
			_exit(FAILED);
		done = fd;
	} else if (!is_closed) {
		char path[64];
		ssize_t length;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		length = readlink(path, named, sizeof named - 1);
		named[length < 0 ? 0 : length] = 0;
		done = fd;
		fork_and_look(fd);
	}
	return 0;
}

static void start_with_thief(char **argv)
{
	struct sock_filter filter[] = {
		LOAD_NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_writev, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD_ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OWN, 0, 1),
		RETURN(SECCOMP_RET_USER_NOTIF),
		RETURN(SECCOMP_RET_ALLOW),
	};
	start_watched(filter, sizeof filter / sizeof *filter, argv);
}

static struct connection living_connection(const char *kind)
{
	struct connection c;
	int ends[2];
	if (strcmp(kind, "tcp") == 0)
		return tcp("v4");
	if (strcmp(kind, "unix") == 0)
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	else
		CHECK(pipe(ends) == 0);
	c.fd = ends[1];
	c.far = ends[0];
	return c;
}

int main(int argc, char **argv)
{
	CHECK(argc >= 2);
	char text[2048], *kind = argv[1];
	if (strcmp(argv[argc - 1], "watched") != 0)
		start_with_thief(
			(char *[]){argv[0], kind, argc > 2 ? argv[2] : "watched", argc > 2 ? "watched" : NULL, NULL});
	is_closed = strcmp(kind, "closed") == 0;
	if (is_closed)
		living = living_connection(argv[2]);
	struct connection dead, next = dead_tcp("v4");
	if (strcmp(kind, "asked") == 0) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		close(ends[1]);
		dead.fd = ends[0];
	} else {
		dead = dead_tcp("v4");
	}
	/* The lowest free number is not one of ours. */
	for (int fd = 3; fd < OWN; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			CHECK(dup2(2, fd) == fd);
	watch(look);
	if (strcmp(kind, "asked") == 0)
		say("expect transport=unix cause=closed errno=EPIPE fd=%d call=write", dead.fd);
	else if (!is_closed)
		expect_dead(&dead, "write", "");
	CHECK_FAILS(write(dead.fd, "x", 1), EPIPE);
	if (!is_closed) {
		if (kept > 0)
			say_to(2, "a child had %s", named);
		CHECK(kept == 0);
		return 0;
	}
	struct pollfd far = {.fd = living.far, .events = POLLIN};
	if (poll(&far, 1, 0) == 1) {
		ssize_t length = read(living.far, text, sizeof text - 1);
		say_to(2, "the client has received %zd bytes: %.60s", length, text);
		CHECK(length <= 0);
	}
	/* The line was lost, and that is not hidden. */
	expect_dead(&next, "write", done ? "dropped=1" : "dropped=");
	CHECK_FAILS(write(next.fd, "x", 1), EPIPE);
	return 0;
}
