/*
 * in_handler CASE: write() and sigaction() are async-signal-safe, so programs call them in handlers: here a timer's
 * handler interrupts the main program again and again, in the middle of what may hold a lock. Nothing may hang.
 *   write, sigaction  the same calls
 *   malloc, dlopen    the heap, the loader
 *   printf            a stream, flushed to a vanished peer
 */
#include "check.h"

#include <dlfcn.h>
#include <sys/time.h>

static struct connection ours, handlers;
static volatile sig_atomic_t ticks;

static void on_pipe(int signal)
{
	(void)signal;
}

static void tick(int signal)
{
	int error = errno;
	struct sigaction old;
	(void)signal;
	CHECK_FAILS(write(handlers.fd, "x", 1), EPIPE);
	CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = on_pipe}, &old) == 0);
	CHECK(old.sa_handler == on_pipe || old.sa_handler == SIG_DFL);
	ticks++;
	errno = error;
}

static void set_and_look(void)
{
	struct sigaction old;
	CHECK(sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, &old) == 0);
	CHECK(old.sa_handler == on_pipe || old.sa_handler == SIG_DFL);
}

static void allocate(void)
{
	void *parts[50];
	for (size_t i = 0; i < 50; i++)
		CHECK((parts[i] = malloc(i * 997)));
	for (size_t i = 0; i < 50; i++)
		free(parts[i]);
}

static void load(void)
{
	/* Not loaded before, and not afterwards. */
	void *library = dlopen("libutil.so.1", RTLD_NOW);
	CHECK(library);
	CHECK(dlclose(library) == 0);
	CHECK(dlsym(RTLD_DEFAULT, "write"));
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1];
	ours = dead_tcp("v4");
	handlers = dead_tcp("v4");
	say("expect peer=%s", ours.peer);
	say("expect peer=%s", handlers.peer);
	struct itimerval often = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500};
	CHECK(sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	FILE *stream = fdopen(ours.fd, "w");
	CHECK(stream);
	CHECK_FAILS(write(ours.fd, "x", 1), EPIPE);
	while (ticks < 300) {
		if (strcmp(kind, "malloc") == 0)
			allocate();
		else if (strcmp(kind, "dlopen") == 0)
			load();
		else if (strcmp(kind, "printf") == 0)
			fprintf(stream, "%d %s %f\n", ticks, kind, ticks / 7.0);
		else if (strcmp(kind, "sigaction") == 0)
			set_and_look();
		else
			CHECK_FAILS(write(ours.fd, "x", 1), EPIPE);
	}
	return 0;
}
