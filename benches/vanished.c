/* What one vanished peer costs: the first failing write on each of COUNT dead connections, and the further ones on the
 * last of them. Prints the median of both in nanoseconds.
 * usage: vanished [ignore]     (ignore: with SIGPIPE ignored, as a program needs it that runs without the library)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 400 };

static long failing_write(int fd)
{
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	if (write(fd, "x", 1) != -1 || errno != EPIPE)
		exit(3);
	clock_gettime(CLOCK_MONOTONIC, &after);
	return (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec;
}

static int dead_connection(int listener, struct sockaddr_in *address)
{
	int far = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(far, (struct sockaddr *)address, sizeof *address) != 0)
		exit(4);
	int fd = accept(listener, NULL, NULL);
	close(far);
	struct pollfd gone = {.fd = fd, .events = 0};
	if (write(fd, "x", 1) != 1 || poll(&gone, 1, 1000) != 1)
		exit(5);
	return fd;
}

static int ascending(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;
	return (x > y) - (x < y);
}

static long median(long *values)
{
	qsort(values, COUNT, sizeof *values, ascending);
	return values[COUNT / 2];
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		signal(SIGPIPE, SIG_IGN);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 16) != 0)
		return 2;
	getsockname(listener, (struct sockaddr *)&address, &length);
	long first[COUNT], further[COUNT];
	int fd = -1;
	for (int i = 0; i < COUNT; i++) {
		close(fd);
		fd = dead_connection(listener, &address);
		first[i] = failing_write(fd);
	}
	for (int i = 0; i < COUNT; i++)
		further[i] = failing_write(fd);
	printf("%ld %ld\n", median(first), median(further));
	return 0;
}
