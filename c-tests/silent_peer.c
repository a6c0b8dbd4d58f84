/*
 * silent_peer: the peer stops answering (a socket filter drops everything that it would receive). The kernel gives
 * up: ETIMEDOUT without a signal, then EPIPE with one.
 */
#include "check.h"

#include <linux/filter.h>
#include <netinet/tcp.h>

int main(void)
{
	struct connection c = tcp("v4");
	unsigned patience_ms = 300;
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {1, &drop};
	CHECK(setsockopt(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms) == 0);
	deliver(&c, DELIVERED);
	usleep(100000); /* for the acknowledgement, which may be delayed */
	CHECK(setsockopt(c.far, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
	CHECK(write(c.fd, "0123456789", 10) == 10);
	wait_for(c.fd, 0);
	say("expect transport=tcp cause=timeout errno=ETIMEDOUT call=write peer=%s delivered=%d undelivered=10", c.peer,
	    DELIVERED);
	CHECK_FAILS(write(c.fd, "x", 1), ETIMEDOUT);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
