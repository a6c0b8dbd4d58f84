/*
 * duplicates: several descriptors of one connection are one connection; a descriptor number that is used again is another
 * connection.
 */
#include "check.h"

int main(void)
{
	struct connection c = dead_tcp("v4");
	int copy = dup(c.fd), number = c.fd;
	CHECK(copy >= 0);
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(write(copy, "x", 1), EPIPE);
	CHECK_FAILS(send(copy, "x", 1, 0), EPIPE);
	close(copy);
	close(c.fd);

	struct connection d = dead_tcp("v4");
	CHECK(dup2(d.fd, number) == number);
	d.fd = number;
	expect_dead(&d, "write", "");
	CHECK_FAILS(write(number, "x", 1), EPIPE);
	return 0;
}
