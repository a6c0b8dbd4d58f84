/*
 * supervised CASE: a supervisor that has not the preloaded library starts a server whose standard output is its pipe.
 *   other_user  (needs root) the supervisor has another user id, so that the server cannot look into it; it goes away
 *               from the pipe, and the server lives
 *   mappings    the supervisor has 60,000 mappings: its children start as quickly as before
 *   orphan      the same, and a child that the server has left to it fails again and again on its own standard output:
 *               no failure takes a millisecond
 *   jumps       the server has 60,000 mappings, and its forked child leaves failed writes by siglongjmp from a timer's
 *               handler: nothing stays open
 */
#include "check.h"

#include <setjmp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>

/* capabilities(7): each of them opens /proc/PID/maps of another user's process. */
enum { CAP_SYS_PTRACE = 19, CAP_SYS_ADMIN = 21, CAP_PERFMON = 38 };
enum { NOBODY = 65534, MAPPINGS = 60000, STARTS = 15, FAILURES = 20, JUMPS = 100 };

extern char **environ;

static double seconds(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void start_again(char *kind, char *role)
{
	execv("/proc/self/exe", (char *[]){"supervised", kind, role, NULL});
	CHECK(!"exec");
}

/* Goes on without the preloaded library. */
static void become_supervisor(char *kind)
{
	const char *preload = getenv("LD_PRELOAD");
	if (preload)
		CHECK(setenv("PRELOAD", preload, 1) == 0);
	CHECK(unsetenv("LD_PRELOAD") == 0);
	start_again(kind, "supervisor");
}

/* What is started from here on has it again. */
static void preload_again(void)
{
	const char *preload = getenv("PRELOAD");
	if (preload)
		CHECK(setenv("LD_PRELOAD", preload, 1) == 0);
}

/* Every second page has other rights, so that they do not become one mapping. */
static void map_very_much(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *all = mmap(NULL, MAPPINGS * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(all != MAP_FAILED);
	for (size_t i = 0; i < MAPPINGS; i += 2)
		CHECK(mprotect(all + i * page, page, PROT_READ) == 0);
}

static void stdout_to(int fd)
{
	CHECK(dup2(fd, 1) == 1);
	if (fd != 1)
		close(fd);
}

static void expect_dead_stdout(void)
{
	struct stat stat;
	CHECK(fstat(1, &stat) == 0 && S_ISFIFO(stat.st_mode));
	say_to(2, "expect transport=pipe cause=reader-gone errno=EPIPE peer=pipe:[%lu] fd=1 call=write",
	       (unsigned long)stat.st_ino);
}

static void other_user(const char *role)
{
	char go, path[64];
	if (strcmp(role, "server") == 0) {
		CHECK(read(3, &go, 1) == 0); /* the reader has gone */
		snprintf(path, sizeof path, "/proc/%d/maps", getppid());
		CHECK(open(path, O_RDONLY) == -1 && errno == EACCES);
		CHECK(getsid(0) != getpid());
		expect_dead_stdout();
		CHECK_FAILS(write(1, "x", 1), EPIPE);
		exit(0);
	}
	int output[2], changed[2], gone[2];
	CHECK(pipe(output) == 0 && pipe(changed) == 0 && pipe(gone) == 0);
	pid_t server = fork();
	CHECK(server >= 0);
	if (server == 0) {
		close(changed[1]);
		CHECK(read(changed[0], &go, 1) == 0);
		CHECK(prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE) == 0);
		CHECK(prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN) == 0);
		prctl(PR_CAPBSET_DROP, CAP_PERFMON); /* Linux 5.8 */
		stdout_to(output[1]);
		close(output[0]);
		close(changed[0]);
		close(gone[1]);
		CHECK(dup2(gone[0], 3) == 3);
		for (int fd = 4; fd < 16; fd++)
			close(fd);
		preload_again();
		start_again("other_user", "server");
	}
	CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
	close(changed[1]);
	close(output[1]);
	usleep(300000); /* it has started: nothing that is asked then answers otherwise later */
	close(output[0]);
	close(gone[1]);
	wait_for_success(server);
	exit(0);
}

/* The least of some starts' times. */
static double start_time(void)
{
	double least = 1e9;
	for (int i = 0; i < STARTS; i++) {
		int output[2];
		posix_spawn_file_actions_t actions;
		pid_t child;
		CHECK(pipe2(output, O_CLOEXEC) == 0);
		CHECK(posix_spawn_file_actions_init(&actions) == 0);
		CHECK(posix_spawn_file_actions_adddup2(&actions, output[1], 1) == 0);
		double before = seconds();
		CHECK(posix_spawn(&child, "/proc/self/exe", &actions, NULL,
				  (char *[]){"supervised", "mappings", "nothing", NULL}, environ) == 0);
		wait_for_success(child);
		double took = seconds() - before;
		least = took < least ? took : least;
		posix_spawn_file_actions_destroy(&actions);
		close(output[0]);
		close(output[1]);
	}
	return least;
}

static void mappings(const char *role)
{
	if (strcmp(role, "nothing") == 0)
		exit(0);
	preload_again();
	double before = start_time();
	map_very_much();
	double after = start_time();
	say_to(2, "a start: %.2f ms, and with %d mappings %.2f ms", before * 1e3, MAPPINGS, after * 1e3);
	CHECK(after < before + 0.003);
	exit(0);
}

static void orphan(const char *role)
{
	pid_t server, reaper = getppid();
	if (strcmp(role, "server") == 0) {
		pid_t self = getpid(), child = fork();
		CHECK(child >= 0);
		if (child > 0)
			exit(0);
		while (getppid() == self)
			usleep(1000);
		CHECK(getppid() == reaper);
		stdout_to(dead_pipe().fd);
		expect_dead_stdout();
		double before = seconds();
		for (int i = 0; i < FAILURES; i++)
			CHECK_FAILS(write(1, "x", 1), EPIPE);
		double each = (seconds() - before) / FAILURES;
		say_to(2, "a failure: %.3f ms", each * 1e3);
		CHECK(each < 1e-3);
		exit(0);
	}
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	map_very_much();
	preload_again();
	CHECK(posix_spawn(&server, "/proc/self/exe", NULL, NULL, (char *[]){"supervised", "orphan", "server", NULL},
			  environ) == 0);
	wait_for_success(server);
	int status;
	CHECK(wait(&status) > 0);
	exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static sigjmp_buf back;
static volatile sig_atomic_t armed, jumped;

static void jump(int signal)
{
	(void)signal;
	if (!armed)
		return;
	armed = 0;
	jumped++;
	siglongjmp(back, 1);
}

static void jump_out_of_writes(void)
{
	struct itimerval timer = {.it_value.tv_usec = 3000}, none = {0};
	CHECK(signal(SIGALRM, jump) == SIG_DFL);
	int lowest = dup(2);
	CHECK(lowest >= 0);
	close(lowest);
	for (volatile int i = 0; i < JUMPS; i++) {
		if (sigsetjmp(back, 1) == 0) {
			armed = 1;
			CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
			CHECK_FAILS(write(1, "x", 1), EPIPE);
			while (armed)
				CHECK_FAILS(write(1, "x", 1), EPIPE);
		}
		CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0);
	}
	CHECK(jumped > 0);
	int kept = 0;
	for (int fd = lowest; fd < lowest + JUMPS + 10; fd++)
		kept += fcntl(fd, F_GETFD) >= 0;
	say_to(2, "%d jumps, %d descriptors kept", (int)jumped, kept);
	CHECK(kept == 0);
}

/* The pipe is the server's standard output, too, but was not at its start; and the server's parent has no such library. */
static void jumps(void)
{
	map_very_much();
	stdout_to(dead_pipe().fd);
	expect_dead_stdout();
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		jump_out_of_writes();
		_exit(0);
	}
	wait_for_success(child);
	exit(0);
}

int main(int argc, char **argv)
{
	CHECK(argc >= 2);
	if (strcmp(argv[1], "jumps") == 0)
		jumps();
	if (argc == 2)
		become_supervisor(argv[1]);
	if (strcmp(argv[1], "other_user") == 0)
		other_user(argv[2]);
	else if (strcmp(argv[1], "mappings") == 0)
		mappings(argv[2]);
	else
		orphan(argv[2]);
	return 0;
}
