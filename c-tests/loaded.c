/*
 * loaded CASE: a plugin is loaded so that it does not call the preloaded library's symbols.
 *   deepbind  dlopen with RTLD_DEEPBIND: it calls libc directly
 *   dlmopen   into a namespace of its own: it calls a libc of its own
 */
#include "check.h"

#include <dlfcn.h>

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	int is_deepbind = strcmp(argv[1], "deepbind") == 0;
	char path[4096] = {0};
	CHECK(readlink("/proc/self/exe", path, sizeof path - 32) > 0);
	strcpy(strrchr(path, '/'), "/libplugin.so");
	void *plugin = is_deepbind ? dlopen(path, RTLD_NOW | RTLD_DEEPBIND) : dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
	CHECK(plugin);
	int (*fails)(int, int) = (int (*)(int, int))dlsym(plugin, "plugin_fails_with");
	CHECK(fails);

	for (int sends = 0; sends <= 1; sends++) {
		struct connection c = dead_tcp("v4");
		/* The handler knows this process's libc, not the plugin's own; the kernel's call is sendto. */
		const char *unknown = sends ? BY_NUMBER("sendto") : BY_NUMBER("write");
		expect_dead(&c, is_deepbind ? sends ? "send" : "write" : unknown, "");
		CHECK(fails(c.fd, sends) == EPIPE);
		CHECK(fails(c.fd, sends) == EPIPE);
	}
	struct connection c = dead_tcp("v4");
	expect_dead(&c, "write", "");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	return 0;
}
