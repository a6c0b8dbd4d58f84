/*
 * children: the kernel's disposition of SIGPIPE in programs that this one starts. It is read where the library is not
 * loaded: by a `grep` in its own /proc/self/status, without LD_PRELOAD. All lines are `same` lines.
 */
#include "check.h"

#include <spawn.h>

static char *const grep[] = {"grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status", NULL};
static char *const no_environment[] = {NULL};
static const char output[] = "status.txt";

static void handler(int signal)
{
	(void)signal;
}

static void exec_grep(void)
{
	int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd >= 0 && dup2(fd, 1) == 1)
		execve("/bin/grep", grep, no_environment);
	_exit(127);
}

static void by_fork(void)
{
	pid_t child = fork();
	if (child == 0)
		exec_grep();
	wait_for_success(child);
}

static void by_vfork(void)
{
	pid_t child = vfork();
	if (child == 0)
		exec_grep();
	wait_for_success(child);
}

static void by_clone(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		exec_grep();
	wait_for_success(child);
}

/* The child changes the disposition for the program that it starts; its parent's must stay. */
static void by_fork_ignoring(void)
{
	pid_t child = fork();
	if (child == 0) {
		signal(SIGPIPE, SIG_IGN);
		exec_grep();
	}
	wait_for_success(child);
}

static void by_vfork_ignoring(void)
{
	pid_t child = vfork();
	if (child == 0) {
		sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
		exec_grep();
	}
	wait_for_success(child);
}

static void by_vfork_defaulting(void)
{
	pid_t child = vfork();
	if (child == 0) {
		signal(SIGPIPE, SIG_DFL);
		exec_grep();
	}
	wait_for_success(child);
}

static void spawn(short flags)
{
	pid_t child;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t sigpipe;
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	CHECK(posix_spawn_file_actions_init(&actions) == 0);
	CHECK(posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0600) == 0);
	CHECK(posix_spawnattr_init(&attributes) == 0);
	CHECK(posix_spawnattr_setsigdefault(&attributes, &sigpipe) == 0);
	CHECK(posix_spawnattr_setflags(&attributes, flags) == 0);
	CHECK(posix_spawn(&child, "/bin/grep", &actions, &attributes, grep, no_environment) == 0);
	wait_for_success(child);
}

static void by_spawn(void)
{
	spawn(0);
}

static void by_spawn_defaulting(void)
{
	spawn(POSIX_SPAWN_SETSIGDEF);
}

static void by_system(void)
{
	CHECK(system("exec grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status > status.txt") == 0);
}

static void by_popen(void)
{
	FILE *stream = popen("exec grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status > status.txt", "r");
	CHECK(stream);
	CHECK(pclose(stream) == 0);
}

static const struct {
	const char *name;
	void (*start)(void);
} ways[] = {
	{"fork", by_fork},
	{"vfork", by_vfork},
	{"clone", by_clone},
	{"fork, SIG_IGN", by_fork_ignoring},
	{"vfork, SIG_IGN", by_vfork_ignoring},
	{"vfork, SIG_DFL", by_vfork_defaulting},
	{"posix_spawn", by_spawn},
	{"posix_spawn SETSIGDEF", by_spawn_defaulting},
	{"system", by_system},
	{"popen", by_popen},
};

/* The three masks of the child, and what this program reads back after it. */
static void show(const char *way)
{
	char text[512], masks[256] = "";
	struct sigaction now;
	int fd = open(output, O_RDONLY);
	CHECK(fd >= 0);
	ssize_t length = read(fd, text, sizeof text - 1);
	CHECK(length > 0);
	close(fd);
	text[length] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long long mask = strtoull(line + 7, NULL, 16);
		snprintf(masks + strlen(masks), sizeof masks - strlen(masks), " %.6s=%llx", line, mask);
	}
	CHECK(sigaction(SIGPIPE, NULL, &now) == 0);
	say("same   %s:%s, here: %s", way, masks,
	    now.sa_handler == SIG_DFL   ? "SIG_DFL"
	    : now.sa_handler == SIG_IGN ? "SIG_IGN"
	    : now.sa_handler == handler ? "handler"
					: "something else");
}

int main(void)
{
	static const struct {
		const char *name;
		void (*handler)(int);
	} settings[] = {{"nothing set", SIG_ERR}, {"handler", handler}, {"SIG_IGN", SIG_IGN}, {"SIG_DFL", SIG_DFL}};

	unsetenv("LD_PRELOAD");
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		say("same %s", settings[i].name);
		if (settings[i].handler != SIG_ERR)
			CHECK(signal(SIGPIPE, settings[i].handler) != SIG_ERR);
		for (size_t j = 0; j < sizeof ways / sizeof *ways; j++) {
			ways[j].start();
			show(ways[j].name);
		}
	}
	return 0;
}
