/*
 * stack_use PATH SINK: how much of a painted stack the first failure of a connection needs, and the ones after it.
 *   hook     SIGPIPE is ignored: the hook does all of it, on the caller's stack; beyond what the same call uses when it
 *            succeeds, at most 1 KiB (on aarch64, whose frames are larger, an eighth more)
 *   handler  SIGPIPE is at its default: our handler does all of it, on an alternate signal stack; beyond the kernel's
 *            frame, at most 1.5 KiB
 *   SINK     none, file, stderr; journal, syslog (need root: this program listens there, in a mount namespace)
 * The line must have arrived: a sink that takes nothing needs no stack.
 */
#include "calls.h"
#include "counted.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/un.h>
#include <ucontext.h>

#ifdef __aarch64__
enum { HOOK_BAR = 1152 };
#else
enum { HOOK_BAR = 1024 };
#endif
enum { PAINTED = 65536, PAINT = 0xa5, HANDLER_BAR = 1536 };

static unsigned char stack[PAINTED];
static ucontext_t starter, coroutine;
static int target;
static ssize_t result;
static int error;

/* Every page must be there before: nothing is measured but what is written. */
static void paint(void)
{
	memset(stack, PAINT, PAINTED);
}

static size_t used(void)
{
	size_t lowest = 0;
	while (lowest < PAINTED && stack[lowest] == PAINT)
		lowest++;
	return PAINTED - lowest;
}

static void write_to_target(void)
{
	errno = 0;
	result = write(target, "x", 1);
	error = errno;
}

/* What one write needs of a coroutine's stack. */
static size_t of_coroutine(int fd)
{
	target = fd;
	paint();
	CHECK(getcontext(&coroutine) == 0);
	coroutine.uc_stack = (stack_t){.ss_sp = stack, .ss_size = PAINTED};
	coroutine.uc_link = &starter;
	makecontext(&coroutine, write_to_target, 0);
	CHECK(swapcontext(&starter, &coroutine) == 0);
	return used();
}

static void nothing(int signal)
{
	(void)signal;
}

/* What the kernel's frame needs, with a handler that does nothing. */
static size_t of_frame(void)
{
	paint();
	CHECK(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = PAINTED}, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_ONSTACK}, NULL) == 0);
	CHECK(raise(SIGUSR1) == 0);
	return used();
}

/* What SIGPIPE's handler needs of the alternate stack. */
static size_t of_handler(int fd)
{
	target = fd;
	paint();
	write_to_target();
	return used();
}

/* Whoever logs there reaches this socket, in this process alone. */
static int listen_at(const char *folder, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(fd >= 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", folder, "tmpfs", 0, NULL) == 0);
	CHECK(snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder, name) > 0);
	for (char *slash = address.sun_path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		CHECK(mkdir(address.sun_path, 0755) == 0);
		*slash = '/';
	}
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
	return fd;
}

static void check_use(const char *what, size_t bytes, size_t base, size_t bar)
{
	size_t beyond = bytes > base ? bytes - base : 0;
	say_to(2, "%s: %zu bytes beyond %zu", what, beyond, base);
	CHECK(beyond <= bar);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *sink = argv[2];
	int listener = -1, is_hook = strcmp(argv[1], "hook") == 0, lines = strcmp(sink, "none") == 0 ? 0 : 3;
	char datagram[8192];
	if (strcmp(sink, "journal") == 0)
		listener = listen_at("/run", "systemd/journal/socket");
	else if (strcmp(sink, "syslog") == 0)
		listener = listen_at("/dev", "log");
	if (is_hook)
		CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);

	struct connection living = tcp("v6");
	struct connection peers[2] = {dead_tcp("v4"), dead_tcp("v6")};
	struct dead_pipe dead = dead_pipe();
	for (int i = 0; i < 2; i++)
		expect_dead(&peers[i], "write", "");
	expect_dead_pipe(&dead, "write");

	int fds[] = {peers[0].fd, peers[0].fd, peers[1].fd, dead.fd};
	static const char *const names[] = {"first failure", "known connection", "first failure, IPv6", "pipe"};
	write(living.fd, "x", 1); /* the linker's look-up is over */
	size_t base = is_hook ? of_coroutine(living.fd) : of_frame();
	CHECK(!is_hook || result == 1);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		size_t bytes = is_hook ? of_coroutine(fds[i]) : of_handler(fds[i]);
		CHECK(result == -1 && error == EPIPE);
		check_use(names[i], bytes, base, is_hook ? HOOK_BAR : HANDLER_BAR);
	}
	CHECK_COUNTED(4);
	CHECK(counted(LINES) == -1 || counted(LINES) == lines);
	if (counted(LINES) != -1 && listener >= 0)
		for (int i = 0; i < lines; i++)
			CHECK(recv(listener, datagram, sizeof datagram, MSG_DONTWAIT) > 0);
	return 0;
}
