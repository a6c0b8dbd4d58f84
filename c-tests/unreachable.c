/*
 * unreachable CASE: sockets whose errors say that a network is down or a host cannot be reached, although no peer has
 * vanished. In a network namespace of its own, all but `timeout` (needs root).
 *   packet     AF_PACKET on an interface that is down: ENETDOWN, no event
 *   raw        a raw ICMP socket without a way to its target: ENETUNREACH, no event
 *   ping       the same by a ping socket, icmp(7)
 * A non-blocking connect that failed has never been connected: the address that was tried, no round trip, no idle time.
 *   unchecked  nobody answers for the address; the first write says EHOSTUNREACH
 *   checked    the same where the program has read SO_ERROR: EPIPE, and SIGPIPE
 *   timeout    the listener takes no more; the first write says ETIMEDOUT
 *   late       the same where the program has read SO_ERROR
 */
#include "check.h"

#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>

static void set_flags(const char *name, short flags)
{
	struct ifreq request = {.ifr_flags = flags};
	strcpy(request.ifr_name, name);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0);
	close(fd);
}

static void set_address(const char *name, unsigned long which, const char *text)
{
	struct ifreq request = {0};
	struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
	strcpy(request.ifr_name, name);
	address->sin_family = AF_INET;
	CHECK(inet_pton(AF_INET, text, &address->sin_addr) == 1);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0 && ioctl(fd, which, &request) == 0);
	close(fd);
}

static void set_number(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && write(fd, value, strlen(value)) > 0);
	close(fd);
}

/* An Ethernet without anybody else: 192.0.2.0/24. Who asks for an address is told soon that it is not there. */
static void make_network(void)
{
	struct ifreq request = {.ifr_name = "empty", .ifr_flags = IFF_TAP | IFF_NO_PI};
	int tap = open("/dev/net/tun", O_RDWR);
	CHECK(tap >= 0 && ioctl(tap, TUNSETIFF, &request) == 0);
	set_address("empty", SIOCSIFADDR, "192.0.2.1");
	set_address("empty", SIOCSIFNETMASK, "255.255.255.0");
	set_flags("empty", IFF_UP);
	set_number("/proc/sys/net/ipv4/neigh/empty/retrans_time_ms", "20");
}

static void no_events(const char *kind)
{
	char echo[64] = {8};
	struct sockaddr_in target = {.sin_family = AF_INET};
	CHECK(inet_pton(AF_INET, "198.51.100.1", &target.sin_addr) == 1);
	set_flags("lo", IFF_UP);
	if (strcmp(kind, "packet") == 0) {
		struct sockaddr_ll lo = {.sll_family = AF_PACKET,
					 .sll_protocol = htons(ETH_P_IP),
					 .sll_ifindex = (int)if_nametoindex("lo"),
					 .sll_halen = 6};
		int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
		CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&lo, sizeof lo) == 0);
		CHECK(write(fd, echo, sizeof echo) == sizeof echo);
		set_flags("lo", 0);
		int error;
		socklen_t size = sizeof error;
		CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
		CHECK_FAILS(write(fd, echo, sizeof echo), ENETDOWN);
		CHECK_FAILS(sendto(fd, echo, sizeof echo, 0, (struct sockaddr *)&lo, sizeof lo), ENETDOWN);
		return;
	}
	if (strcmp(kind, "ping") == 0)
		set_number("/proc/sys/net/ipv4/ping_group_range", "0 0");
	int fd = socket(AF_INET, strcmp(kind, "ping") == 0 ? SOCK_DGRAM : SOCK_RAW, IPPROTO_ICMP);
	CHECK(fd >= 0);
	CHECK_FAILS(sendto(fd, echo, sizeof echo, 0, (struct sockaddr *)&target, sizeof target), ENETUNREACH);
	/* Connected, while there was a way. */
	make_network();
	CHECK(inet_pton(AF_INET, "192.0.2.9", &target.sin_addr) == 1);
	CHECK(connect(fd, (struct sockaddr *)&target, sizeof target) == 0);
	set_flags("empty", 0);
	CHECK_FAILS(send(fd, echo, sizeof echo, 0), ENETUNREACH);
}

/* A listener on loopback whose queue is full: it does not answer another SYN. */
static struct sockaddr_in busy_listener(void)
{
	struct sockaddr_in address;
	socklen_t length;
	int listener = listen_on("v4", (struct sockaddr_storage *)&(struct sockaddr_storage){0}, &length);
	length = sizeof address;
	CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
	CHECK(listen(listener, 0) == 0);
	int first = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(first >= 0 && connect(first, (struct sockaddr *)&address, length) == 0);
	return address;
}

static void never_connected(int times_out, int is_checked)
{
	struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(80)};
	int patience = 300, expected = times_out ? ETIMEDOUT : EHOSTUNREACH, error;
	socklen_t size = sizeof error;
	char name[64], ip[INET_ADDRSTRLEN];
	if (times_out) {
		target = busy_listener();
	} else {
		set_flags("lo", IFF_UP); /* the kernel tells itself by ICMP */
		make_network();
		CHECK(inet_pton(AF_INET, "192.0.2.9", &target.sin_addr) == 1);
	}
	CHECK(inet_ntop(AF_INET, &target.sin_addr, ip, sizeof ip));
	snprintf(name, sizeof name, "%s:%d", ip, ntohs(target.sin_port));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(fd >= 0);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience) == 0);
	CHECK_FAILS(connect(fd, (struct sockaddr *)&target, sizeof target), EINPROGRESS);
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	CHECK(poll(&poll_fd, 1, 10000) == 1 && poll_fd.revents & POLLERR);
	if (is_checked)
		CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == expected);
	say("expect transport=tcp cause=never-connected errno=%s call=" SEND
	    " fd=%d peer=%s rtt_us= idle_ms= delivered= "
	    "undelivered=",
	    is_checked ? "EPIPE" : (times_out ? "ETIMEDOUT" : "EHOSTUNREACH"), fd, name);
	CHECK_FAILS(send(fd, "x", 1, 0), is_checked ? EPIPE : expected);
	if (!is_checked)
		CHECK_FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	int times_out = strcmp(kind, "timeout") == 0 || strcmp(kind, "late") == 0,
	    is_checked = strcmp(kind, "checked") == 0 || strcmp(kind, "late") == 0;
	if (!times_out)
		CHECK(unshare(CLONE_NEWNET) == 0);
	if (times_out || is_checked || strcmp(kind, "unchecked") == 0)
		never_connected(times_out, is_checked);
	else
		no_events(kind);
	return 0;
}
