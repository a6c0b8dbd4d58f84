/* Makes COUNT successful calls: the cost of one call is the difference between two counts.
 * usage: calls write|writev|send|sendto|sendmsg|sendmmsg COUNT */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int pair[2];
	char sink[64], byte = 'x';
	struct iovec vector = {.iov_base = &byte, .iov_len = 1};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
	if (argc != 3) {
		fprintf(stderr, "usage: calls write|writev|send|sendto|sendmsg|sendmmsg COUNT\n");
		return 2;
	}
	const char *call = argv[1];
	long count = atol(argv[2]);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
		return 1;
	for (long i = 0; i < count; i++) {
		long result = -1;
		if (strcmp(call, "write") == 0)
			result = write(pair[0], &byte, 1);
		else if (strcmp(call, "writev") == 0)
			result = writev(pair[0], &vector, 1);
		else if (strcmp(call, "send") == 0)
			result = send(pair[0], &byte, 1, 0);
		else if (strcmp(call, "sendto") == 0)
			result = sendto(pair[0], &byte, 1, 0, NULL, 0);
		else if (strcmp(call, "sendmsg") == 0)
			result = sendmsg(pair[0], &message.msg_hdr, 0);
		else if (strcmp(call, "sendmmsg") == 0)
			result = sendmmsg(pair[0], &message, 1, 0);
		if (result != 1 || read(pair[1], sink, sizeof sink) != 1)
			return 1;
	}
	return 0;
}
