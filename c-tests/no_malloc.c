/*
 * no_malloc: the program has a malloc of its own that counts its calls. A vanished peer, a changed disposition and a
 * signal sent on purpose do not call it.
 */
#include "calls.h"

static volatile int used;
static _Alignas(16) char heap[1 << 20];
static size_t top;

void *malloc(size_t size)
{
	size_t at = (top + 15) & ~(size_t)15;
	used++;
	if (size > sizeof heap - at)
		return NULL;
	top = at + size;
	return heap + at;
}

void *calloc(size_t count, size_t size)
{
	return malloc(count * size); /* never handed out twice, so zero */
}

void *realloc(void *old, size_t size)
{
	char *new = malloc(size);
	for (size_t i = 0; old && new && i < size && (char *)old + i < heap + top; i++)
		new[i] = ((char *)old)[i];
	return new;
}

void free(void *block)
{
	if (block)
		used++;
}

static void count(int signal)
{
	(void)signal;
}

int main(void)
{
	char bytes[64] = {0};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		/* dprintf allocates its buffer itself. */
		if (calls[i].run == call_tee || calls[i].run == call_vmsplice || calls[i].run == call_dprintf)
			continue;
		struct connection c = dead_tcp("v4");
		expect_dead(&c, calls[i].logged, "");
		used = 0;
		CHECK_FAILS(calls[i].run(c.fd, bytes, sizeof bytes), EPIPE);
		CHECK(used == 0);
	}
	struct connection c = dead_tcp("v6");
	static char buffer[4096];
	FILE *stream = fdopen(c.fd, "w");
	CHECK(stream && setvbuf(stream, buffer, _IOFBF, sizeof buffer) == 0);
	CHECK(fputs("x", stream) >= 0);
	expect_dead(&c, STDIO, "");
	used = 0;
	CHECK_FAILS(fflush(stream), EPIPE);
	CHECK(signal(SIGPIPE, count) == SIG_DFL);
	raise(SIGPIPE);
	CHECK(signal(SIGPIPE, SIG_IGN) == count);
	CHECK(used == 0);
	return 0;
}
