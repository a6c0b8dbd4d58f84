/* Makes COUNT successful calls: the cost of one call is the difference between two counts.
 * usage: calls write|send COUNT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: calls write|send COUNT\n");
		return 2;
	}
	long count = atol(argv[2]);
	if (strcmp(argv[1], "write") == 0) {
		int fd = open("/dev/null", O_WRONLY);
		for (long i = 0; i < count; i++)
			if (write(fd, "x", 1) != 1)
				return 1;
	} else {
		int pair[2];
		char sink[64];
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
			return 1;
		for (long i = 0; i < count; i++)
			if (send(pair[0], "x", 1, 0) != 1 || read(pair[1], sink, sizeof sink) != 1)
				return 1;
	}
	return 0;
}
