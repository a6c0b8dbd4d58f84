/*
 * replaced CASE ERROR CALL: a write says ERROR (ECONNRESET, ETIMEDOUT, or EPIPE as with MSG_NOSIGNAL), which comes without
 * a signal, and when the program is told, another thread has closed the descriptor. The failure counts as unattributed.
 *   living  the number has become a connection whose peer lives: that one is not named, and its own end is reported
 *   gone    nothing is there
 *   file    the number has become a file's
 *   pipe    the number has become a living pipe's
 */
#include "calls.h"
#include "counted.h"
#include "watched.h"

enum { MARK = 777 };

static struct connection dead, living;
static int replacement, error;

static int fail_and_replace(const struct seccomp_data *data)
{
	if (replacement < 0)
		close((int)data->args[0]);
	else if (dup2(replacement, (int)data->args[0]) < 0)
		_exit(FAILED);
	return -error;
}

/* All calls of length MARK are watched: length is the third argument of write and send. */
static void start_with_replacer(char **argv)
{
	struct sock_filter filter[] = {
		LOAD_NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 2),
		LOAD_ARGUMENT(2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_USER_NOTIF),
	};
	start_watched(filter, sizeof filter / sizeof *filter, argv);
}

int main(int argc, char **argv)
{
	CHECK(argc >= 4);
	const char *kind = argv[1];
	const struct call *call = call_named(argv[3]);
	char bytes[MARK] = {0};
	if (argc == 4)
		start_with_replacer((char *[]){argv[0], argv[1], argv[2], argv[3], "watched", NULL});
	int ends[2];
	CHECK(pipe(ends) == 0);
	error = strcmp(argv[2], "ETIMEDOUT") == 0 ? ETIMEDOUT : strcmp(argv[2], "EPIPE") == 0 ? EPIPE : ECONNRESET;
	dead = tcp("v4");
	living = tcp("v4");
	if (strcmp(kind, "living") == 0)
		replacement = living.fd;
	else if (strcmp(kind, "pipe") == 0)
		replacement = ends[1];
	else if (strcmp(kind, "file") == 0)
		replacement = open("/dev/null", O_WRONLY);
	else
		replacement = -1;
	watch(fail_and_replace);
	CHECK_FAILS(call->run(dead.fd, bytes, MARK), error);
	long unattributed = counted(UNATTRIBUTED);
	CHECK(unattributed == -1 || unattributed == 1);
	if (replacement != living.fd)
		return 0;
	/* It lives. */
	living.fd = dead.fd;
	deliver(&living, DELIVERED);
	leave_by_reset(&living);
	say("expect transport=tcp cause=reset errno=ECONNRESET peer=%s local=%s fd=%d delivered=%d call=%s",
	    living.peer, living.local, living.fd, DELIVERED, call->logged);
	CHECK_FAILS(call->run(living.fd, bytes, 10), ECONNRESET);
	return 0;
}
