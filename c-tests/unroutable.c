/*
 * unroutable: in a network namespace of its own (needs root) there is no route. A datagram from an unconnected socket
 * fails, but nobody has vanished: nothing is logged.
 */
#include "check.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

/* Without an address of its own, the kernel would not even look for a route. */
static void raise_loopback(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	close(fd);
}

static void send_to(int family, const struct sockaddr *address, socklen_t length)
{
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_name = (void *)address, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
	int fd = socket(family, SOCK_DGRAM, 0);
	CHECK(fd >= 0);
	CHECK_FAILS(sendto(fd, "x", 1, 0, address, length), ENETUNREACH);
	CHECK_FAILS(sendmsg(fd, &message, 0), ENETUNREACH);
	close(fd);
}

int main(void)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
	CHECK(inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr) == 1);
	CHECK(inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr) == 1);
	CHECK(unshare(CLONE_NEWNET) == 0);
	raise_loopback();
	send_to(AF_INET, (struct sockaddr *)&v4, sizeof v4);
	send_to(AF_INET6, (struct sockaddr *)&v6, sizeof v6);
	return 0;
}
