/*
 * innocent: a raw system call fails, and its other arguments happen to be the numbers of living sockets. The
 * library looks for the dead end among the registers, and must leave no trace on those: no empty datagram, no empty
 * packet.
 */
#include "calls.h"

enum { NUMBER = 100 };

int main(void)
{
	struct sockaddr_storage address;
	socklen_t length = loopback("v4", &address);
	int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0), ends[2];
	char bytes[NUMBER] = {0};
	CHECK(receiver >= 0 && sender >= 0);
	CHECK(bind(receiver, (struct sockaddr *)&address, length) == 0);
	CHECK(getsockname(receiver, (struct sockaddr *)&address, &length) == 0);
	CHECK(connect(sender, (struct sockaddr *)&address, length) == 0);
	CHECK(pipe(ends) == 0);
	put(ends[1], bytes, sizeof bytes);

	int pair[2];
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);

	/* tee(in, out, length, flags): the length is the number of a connected datagram socket. */
	struct dead_pipe dead = dead_pipe();
	CHECK(dup2(sender, NUMBER) == NUMBER);
	expect_dead_pipe(&dead, BY_NUMBER("tee"));
	CHECK_FAILS(syscall(SYS_tee, ends[0], dead.fd, NUMBER, 0), EPIPE);
	CHECK_FAILS(recv(receiver, bytes, sizeof bytes, MSG_DONTWAIT), EAGAIN);

	/* Now the number of a SEQPACKET socket. */
	CHECK(dup2(pair[0], NUMBER) == NUMBER);
	CHECK_FAILS(syscall(SYS_tee, ends[0], dead.fd, NUMBER, 0), EPIPE);
	CHECK_FAILS(recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT), EAGAIN);
	return 0;
}
