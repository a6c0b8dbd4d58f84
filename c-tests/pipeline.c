/*
 * pipeline dies|lives: the program starts another one, as in `zcat | head`, and the reader of its output goes. The
 * second program must end by SIGPIPE as in any pipeline, unless NOPIPE_PIPES=survive.
 * pipeline popen: the same by popen; the exit status is SIGPIPE's.
 */
#include "check.h"

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (strcmp(argv[1], "write") == 0) {
		CHECK_FAILS(write(1, "x", 1), EPIPE);
		return 0;
	}
	if (strcmp(argv[1], "popen") == 0) {
		char line[8];
		FILE *stream = popen("exec yes", "r");
		CHECK(stream && fgets(line, sizeof line, stream));
		int ended = pclose(stream);
		CHECK(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGPIPE);
		return 0;
	}
	struct dead_pipe dead = dead_pipe();
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		dup2(dead.fd, 1);
		execl("/proc/self/exe", "pipeline", "write", NULL);
		_exit(FAILED);
	}
	if (strcmp(argv[1], "dies") == 0) {
		wait_for_sigpipe(child);
	} else {
		say("expect transport=pipe cause=reader-gone peer=%s fd=1 call=write pid=%d", dead.name, child);
		wait_for_success(child);
	}
	return 0;
}
