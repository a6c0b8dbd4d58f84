/*
 * thirteen CASE: SIGPIPE is number 13, and so is something else. A handler of SIGUSR1 that has SIGPIPE in its sa_mask writes
 * to a vanished peer; when it returns, the SIGPIPE arrives right after the system call that SIGUSR1 has interrupted.
 * Its registers are those of a kill(2) on purpose, and it is none.
 *   raise     (needs root) raise(3) is tgkill(13, 13, SIGUSR1): the program is process 13 of a pid namespace
 *   mprotect  mprotect(address, 13, ...), where the lower half of the address is negative
 *   fchmod    fchmod(0, 13)
 */
#include "check.h"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>

static struct connection c;
static volatile sig_atomic_t failed;

static void fail(int signal)
{
	(void)signal;
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	failed++;
}

static void install(void)
{
	struct sigaction action = {.sa_handler = fail, .sa_flags = SA_RESTART};
	sigaddset(&action.sa_mask, SIGPIPE);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

static void be_process_13(void)
{
	CHECK(getpid() == 13 && gettid() == 13);
	c = dead_tcp("v4");
	expect_dead(&c, "write", "pid=13");
	install();
	for (int i = 1; i <= 3; i++) {
		CHECK(raise(SIGUSR1) == 0);
		CHECK(failed == i);
	}
	_exit(0);
}

static void as_process_13(void)
{
	CHECK(unshare(CLONE_NEWPID) == 0);
	pid_t init = fork();
	CHECK(init >= 0);
	if (init == 0) {
		for (pid_t next = 0; next < 13;) {
			next = fork();
			CHECK(next >= 0 && next <= 13);
			if (next == 0) {
				if (getpid() == 13)
					be_process_13();
				_exit(0);
			}
			wait_for_success(next);
		}
		_exit(0);
	}
	/* As process 13 has ended. */
	int status;
	CHECK(waitpid(init, &status, 0) == init && WIFEXITED(status));
	_exit(WEXITSTATUS(status));
}

/* SIGUSR1 comes every millisecond while the system is asked the same again and again; most arrive in the kernel. */
static void in_mprotect(void)
{
	timer_t timer;
	char *wanted = (char *)0x500080000000, *memory;
	memory = mmap(wanted, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(memory == wanted);
	c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	install();
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec every = {.it_value.tv_nsec = 1000000, .it_interval.tv_nsec = 1000000};
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	CHECK(timer_settime(timer, 0, &every, NULL) == 0);
	while (failed < 300)
		CHECK(mprotect(memory, 13, failed & 1 ? PROT_READ : PROT_READ | PROT_WRITE) == 0);
	CHECK(timer_delete(timer) == 0);
}

/* SIGUSR1 comes at once whenever a file's mode is changed in the folder: fcntl(2), F_NOTIFY. */
static void in_fchmod(void)
{
	int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    file = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(folder >= 0 && file >= 0);
	CHECK(dup2(file, 0) == 0);
	c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	install();
	CHECK(fcntl(folder, F_SETSIG, SIGUSR1) == 0);
	CHECK(fcntl(folder, F_NOTIFY, DN_ATTRIB | DN_MULTISHOT) == 0);
	for (int i = 1; i <= 3; i++) {
		CHECK(fchmod(0, 13) == 0);
		CHECK(failed == i);
	}
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (strcmp(argv[1], "raise") == 0)
		as_process_13();
	else if (strcmp(argv[1], "mprotect") == 0)
		in_mprotect();
	else
		in_fchmod();
	return 0;
}
