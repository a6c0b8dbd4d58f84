/*
 * late_library CASE: the library gets into the process in another way. For that the program starts itself again, with
 * another LD_PRELOAD. Without LD_PRELOAD there is no library at all.
 *   opened  by dlopen
 *   closed  by dlopen, then dlclose: the kernel still holds its signal handler
 *   twice   preloaded, and so is a copy of the file: one of them does the work
 */
#include "check.h"

#include <dlfcn.h>
#include <sys/sendfile.h>

/* Copies the library into the current directory, and appends the copy to the list of what is preloaded. */
static void preload_copy(const char *library)
{
	char list[9000], here[4096];
	struct stat stat;
	int in = open(library, O_RDONLY), out = open("copy.so", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	CHECK(in >= 0 && out >= 0 && fstat(in, &stat) == 0);
	CHECK(sendfile(out, in, NULL, (size_t)stat.st_size) == stat.st_size);
	close(in);
	close(out);
	CHECK(getcwd(here, sizeof here));
	snprintf(list, sizeof list, "%s:%s/copy.so", library, here);
	CHECK(setenv("LD_PRELOAD", list, 1) == 0);
}

static void start_again(const char *kind, const char *preload)
{
	char library[4096];
	snprintf(library, sizeof library, "%s", preload);
	if (strcmp(kind, "twice") == 0)
		preload_copy(library);
	else
		CHECK(unsetenv("LD_PRELOAD") == 0);
	execl("/proc/self/exe", "late_library", kind, library, NULL);
	_exit(FAILED);
}

int main(int argc, char **argv)
{
	CHECK(argc >= 2);
	const char *kind = argv[1], *preload = getenv("LD_PRELOAD");
	if (argc == 2 && preload)
		start_again(kind, preload);
	if (strcmp(kind, "twice") == 0) {
		struct sigaction now;
		CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
		if (argc == 3)
			say("expect message=\"libnopipe: loaded twice: this copy does nothing\"");
	} else if (argc == 3) {
		void *library = dlopen(argv[2], RTLD_NOW);
		CHECK(library);
		if (strcmp(kind, "closed") == 0)
			CHECK(dlclose(library) == 0);
	}
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
