/*
 * setuid CASE (needs root): a setuid-root program, started by somebody else, where the library stands in
 * /etc/ld.so.preload. All of it happens in a mount namespace: /mnt holds the program and the library, /etc holds
 * nothing but ld.so.preload.
 *   environment  no NOPIPE_* variable is left in the program's environment, as with ld.so's own: settings are its
 *                caller's, and whatever it starts would get them. LEFT if there is one
 *   child        a program that the setuid program starts has none either
 *   root         it becomes root for good and starts a program, which writes to a vanished peer: the caller's NOPIPE_LOG
 *                names no file that root writes
 *   unknown      the same, and the caller's text is the value of a variable that nobody knows
 */
#include "check.h"

#include <sched.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/sendfile.h>

enum { LEFT = 3, NOBODY = 65534 };

#define PLANTED "/mnt/planted"

extern char **environ;

static void copy(const char *from, const char *to, mode_t mode)
{
	struct stat stat;
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(in >= 0 && out >= 0 && fstat(in, &stat) == 0);
	for (off_t left = stat.st_size; left > 0;) {
		ssize_t part = sendfile(out, in, NULL, (size_t)left);
		CHECK(part > 0);
		left -= part;
	}
	CHECK(fchmod(out, mode) == 0);
	close(in);
	close(out);
}

/* The machine, as the attacker finds it. */
static void build_machine(const char *library)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", "/mnt", "tmpfs", 0, "mode=755") == 0);
	copy("/proc/self/exe", "/mnt/setuid", 04755);
	if (library) {
		static const char name[] = "/mnt/libnopipe.so\n";
		copy(library, "/mnt/libnopipe.so", 0755);
		CHECK(mount("none", "/etc", "tmpfs", 0, "mode=755") == 0);
		int list = open("/etc/ld.so.preload", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		CHECK(list >= 0 && write(list, name, sizeof name - 1) == sizeof name - 1);
		close(list);
	}
}

static void attack(const char *kind)
{
	static char *plain[] = {"NOPIPE_LOG=file:" PLANTED,
				"OTHER=1",
				"NOPIPE_LEVEL=debug",
				"NOPIPE_LEVEL=debug",
				"NOPIPE_EMPTY=",
				"NOPIPE_",
				"XNOPIPE_LOG=2",
				"NOPIPE_BARE",
				"NOPIPE=3",
				NULL};
	static char *text[] = {"NOPIPE_LOG=file:" PLANTED, "NOPIPE_TEXT=root::0:0::/:/bin/sh", "OTHER=1", NULL};
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
		execle("/mnt/setuid", "setuid", kind, "privileged", NULL, strcmp(kind, "unknown") == 0 ? text : plain);
		_exit(FAILED);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status))
		_exit(128 + WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status));
	CHECK_FAILS(access(PLANTED, F_OK), ENOENT);
}

/* Everything else of the environment must be there, in its order. */
static int look_at_environment(void)
{
	static const char *const others[] = {"OTHER=1", "XNOPIPE_LOG=2", "NOPIPE=3"};
	size_t found = 0;
	int left = 0;
	for (char **variable = environ; *variable; variable++) {
		if (strncmp(*variable, "NOPIPE_", 7) == 0)
			left = LEFT;
		else if (strcmp(*variable, "LD_PRELOAD=") != 0)
			CHECK(found < 3 && strcmp(*variable, others[found++]) == 0);
	}
	CHECK(found == 3);
	CHECK(!getenv("NOPIPE_LOG") || left);
	return left;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2 || argc == 3);
	const char *kind = argv[1], *step = argc == 3 ? argv[2] : "outside";
	if (strcmp(step, "outside") == 0) {
		char library[4096] = "";
		if (getenv("LD_PRELOAD"))
			snprintf(library, sizeof library, "%s", getenv("LD_PRELOAD"));
		CHECK(geteuid() == 0);
		build_machine(library[0] ? library : NULL);
		attack(kind);
		return 0;
	}
	if (strcmp(step, "privileged") == 0) {
		CHECK(getauxval(AT_SECURE) == 1 && geteuid() == 0 && getuid() == NOBODY);
		if (strcmp(kind, "environment") == 0)
			return look_at_environment();
		if (strcmp(kind, "root") == 0 || strcmp(kind, "unknown") == 0)
			CHECK(setresuid(0, 0, 0) == 0 && setresgid(0, 0, 0) == 0);
		execl("/mnt/setuid", "setuid", kind, "started", NULL);
		CHECK(!"exec");
	}
	CHECK(strcmp(step, "started") == 0);
	if (strcmp(kind, "child") == 0)
		return look_at_environment();
	CHECK(getauxval(AT_SECURE) == 0 && getuid() == 0);
	/* Whether it survives is not the question. */
	CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	struct connection c = dead_tcp("v4");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
