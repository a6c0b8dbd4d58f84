/*
 * eager CASE CALL: the peer has sent its FIN, and nothing was written since (NOPIPE_EAGER).
 *   first  without the library the first write succeeds and is lost: the program exits with LOST_IT
 *   unix   the same for a unix peer that shut down its sending side
 *   half   a half-close: the peer waits for the answer and gets it; LOST_IT if not
 *   deaf   the program has shut down its own reading; the peer lives and gets the answer, LOST_IT if not
 *   gone   the same, and the peer has closed: the write is refused
 *   alive  a living peer, pipes and datagrams: nothing changes
 *   sealed the program has put itself under a seccomp filter that allows what it does
 */
#include "calls.h"
#include "seccomp.h"

#include <netinet/tcp.h>

enum { LOST_IT = 8 };

static const struct call *call;
static char bytes[64];

static void alive(void)
{
	int ends[2];
	struct connection c = tcp("v4");
	CHECK(call->run(c.fd, bytes, sizeof bytes) == sizeof bytes);
	CHECK(pipe(ends) == 0);
	CHECK(write(ends[1], bytes, sizeof bytes) == sizeof bytes);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
	CHECK(shutdown(ends[1], SHUT_WR) == 0);
	CHECK(call->run(ends[0], bytes, sizeof bytes) == sizeof bytes);
}

/* To poll(2) its own shutdown looks like the peer's FIN. */
static void wait_for_close_wait(int fd)
{
	struct tcp_info info = {0};
	for (int i = 0; i < 5000 && info.tcpi_state != TCP_CLOSE_WAIT; i++, usleep(1000)) {
		socklen_t length = sizeof info;
		CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	}
	CHECK(info.tcpi_state == TCP_CLOSE_WAIT);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *kind = argv[1];
	call = call_named(argv[2]);
	if (strcmp(kind, "alive") == 0) {
		alive();
		return 0;
	}
	if (strcmp(kind, "unix") == 0) {
		int ends[2];
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		CHECK(shutdown(ends[1], SHUT_WR) == 0);
		if (call->run(ends[0], bytes, sizeof bytes) == sizeof bytes)
			return LOST_IT;
		CHECK(errno == EPIPE);
		say("expect transport=unix errno=EPIPE fd=%d call=%s", ends[0], call->logged);
		return 0;
	}

	struct connection c = tcp("v4");
	if (strcmp(kind, "half") == 0) {
		CHECK(shutdown(c.far, SHUT_WR) == 0);
		wait_for(c.fd, POLLRDHUP);
		if (call->run(c.fd, bytes, sizeof bytes) == sizeof bytes) {
			CHECK(recv(c.far, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes);
			return 0;
		}
		CHECK(errno == EPIPE);
		say("expect transport=tcp cause=closed errno=EPIPE peer=%s fd=%d call=%s", c.peer, c.fd, call->logged);
		return LOST_IT;
	}
	if (strcmp(kind, "deaf") == 0 || strcmp(kind, "gone") == 0)
		CHECK(shutdown(c.fd, SHUT_RD) == 0);
	if (strcmp(kind, "deaf") == 0) {
		for (int i = 0; i < 2; i++) {
			if (call->run(c.fd, bytes, sizeof bytes) != sizeof bytes)
				return LOST_IT;
			CHECK(recv(c.far, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes);
		}
		return 0;
	}
	leave_by_close(&c);
	if (strcmp(kind, "gone") == 0)
		wait_for_close_wait(c.fd);
	if (strcmp(kind, "sealed") == 0)
		seal_by_prctl(NULL);
	errno = 0;
	if (call->run(c.fd, bytes, sizeof bytes) > 0)
		return LOST_IT;
	/* Again and again: one event. SIGPIPE does not come either. */
	CHECK(errno == EPIPE);
	CHECK_FAILS(call->run(c.fd, bytes, sizeof bytes), EPIPE);
	say("expect transport=tcp cause=closed errno=EPIPE peer=%s fd=%d call=%s delivered=0", c.peer, c.fd,
	    call->logged);
	return 0;
}
