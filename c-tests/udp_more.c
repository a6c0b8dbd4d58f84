/*
 * udp_more CALL: a datagram that is put together by MSG_MORE, udp(7), and that the kernel refuses with EINVAL: it has more
 * segments than UDP_SEGMENT allows. The kernel throws all of it away. The same call, made again, would succeed and send
 * the last piece alone: the program was told -1, so nothing may arrive.
 */
#include "calls.h"

#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

int main(int argc, char **argv)
{
	/* UDP_MAX_SEGMENTS is 64, or 128 since Linux 6.9. */
	enum { SEGMENT = 10, QUEUED = 5000, LAST = 100 };
	CHECK(argc == 2);
	const struct call *call = call_named(argv[1]);
	static char bytes[QUEUED];
	struct sockaddr_storage address;
	socklen_t length = loopback("v4", &address);
	int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0), segment = SEGMENT;
	CHECK(receiver >= 0 && sender >= 0);
	CHECK(bind(receiver, (struct sockaddr *)&address, length) == 0);
	CHECK(getsockname(receiver, (struct sockaddr *)&address, &length) == 0);
	CHECK(connect(sender, (struct sockaddr *)&address, length) == 0);
	CHECK(setsockopt(sender, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0);

	for (int i = 0; i < 3; i++) {
		CHECK(send(sender, bytes, QUEUED, MSG_MORE) == QUEUED);
		CHECK_FAILS(call->run(sender, bytes, LAST), EINVAL);
		CHECK_FAILS(recv(receiver, bytes, sizeof bytes, MSG_DONTWAIT), EAGAIN);
	}
	/* What nobody refuses arrives, in its segments. */
	CHECK(call->run(sender, bytes, LAST) == LAST);
	for (int i = 0; i < LAST / SEGMENT; i++)
		CHECK(recv(receiver, bytes, sizeof bytes, 0) == SEGMENT);
	CHECK_FAILS(recv(receiver, bytes, sizeof bytes, MSG_DONTWAIT), EAGAIN);
	return 0;
}
