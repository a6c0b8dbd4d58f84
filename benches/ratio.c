/* A 1-byte write to /dev/null, by the function that the program is bound to and by libc's own, taking turns in one process.
 * Prints the ratio of the medians.
 * usage: ratio
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 301, CALLS = 5000 };
typedef ssize_t (*write_function)(int, const void *, size_t);

static long round_of(write_function call, int fd)
{
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < CALLS; i++)
		call(fd, "x", 1);
	clock_gettime(CLOCK_MONOTONIC, &after);
	return (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;
	return (x > y) - (x < y);
}

int main(void)
{
	static long bound[ROUNDS], real[ROUNDS];
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	write_function libc_write = (write_function)dlsym(libc, "write");
	int fd = open("/dev/null", O_WRONLY);
	if (!libc_write || fd < 0)
		return 2;
	for (int i = 0; i < ROUNDS; i++) {
		bound[i] = round_of(write, fd);
		real[i] = round_of(libc_write, fd);
	}
	qsort(bound, ROUNDS, sizeof *bound, ascending);
	qsort(real, ROUNDS, sizeof *real, ascending);
	printf("%.3f\n", (double)bound[ROUNDS / 2] / (double)real[ROUNDS / 2]);
	return 0;
}
