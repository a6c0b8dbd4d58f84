/*
 * log_file CASE (needs root): NOPIPE_LOG=file:/mnt/folder/log, and what another user, nobody, may have put there. The library
 * writes to the file only if it is new, or is the effective user's or root's, and has one link, and if no symbolic link
 * leads to it that somebody else can have planted. The line is dropped and counted otherwise.
 * Written:
 *   new        there is no such file yet
 *   own        the effective user's own
 *   roots      the effective user is nobody, the file is root's
 *   rootlink   the folder is a symbolic link that root has made, where only root can
 *   chain      so is a chain of links, with "." and ".." in it
 *   shared     so is one in a folder where everybody may create files, but only remove his own (/tmp)
 * Not written:
 *   foreign    the file is nobody's
 *   hardlink   the file is root's, and nobody has made a second name for it
 *   symlink    the file is a symbolic link
 *   folder     the folder is a symbolic link that nobody has made, in a folder of his
 *   above      so is the folder above it
 *   open       the folder is a symbolic link of root's, in a folder where everybody may rename it
 *   loop       the folder is a symbolic link to itself
 */
#include "counted.h"

#include <sched.h>
#include <sys/mount.h>

enum { NOBODY = 65534 };

static void create(const char *path, uid_t owner, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(fchown(fd, owner, owner) == 0 && fchmod(fd, mode) == 0);
	close(fd);
}

/* Somebody else's folder. */
static void give_away(const char *path)
{
	CHECK(chown(path, NOBODY, NOBODY) == 0);
}

static void plant(const char *target, const char *path)
{
	CHECK(symlink(target, path) == 0);
	CHECK(lchown(path, NOBODY, NOBODY) == 0);
}

static off_t size_of(const char *path)
{
	struct stat stat;
	if (lstat(path, &stat) != 0) {
		CHECK(errno == ENOENT);
		return 0;
	}
	return stat.st_size;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	const char *kind = argv[1], *file = "/mnt/folder/log", *seen = file;
	int is_written = 0;
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", "/mnt", "tmpfs", 0, "mode=755") == 0);
	CHECK(mkdir("/mnt/roots", 0755) == 0);
	if (strcmp(kind, "folder") != 0 && strcmp(kind, "above") != 0 && strcmp(kind, "rootlink") != 0 &&
	    strcmp(kind, "chain") != 0 && strcmp(kind, "shared") != 0 && strcmp(kind, "open") != 0 &&
	    strcmp(kind, "loop") != 0)
		CHECK(mkdir("/mnt/folder", 0755) == 0);

	if (strcmp(kind, "new") == 0) {
		is_written = 1;
	} else if (strcmp(kind, "own") == 0) {
		create(file, 0, 0640);
		is_written = 1;
	} else if (strcmp(kind, "roots") == 0) {
		create(file, 0, 0666);
		is_written = 1;
	} else if (strcmp(kind, "rootlink") == 0) {
		CHECK(symlink("/mnt/roots", "/mnt/folder") == 0);
		seen = "/mnt/roots/log";
		is_written = 1;
	} else if (strcmp(kind, "chain") == 0) {
		CHECK(mkdir("/mnt/roots/deep", 0755) == 0);
		CHECK(symlink("roots/./deep/..//second/third", "/mnt/folder") == 0);
		CHECK(symlink("/mnt/roots/deep", "/mnt/roots/second") == 0);
		CHECK(symlink("../../first", "/mnt/roots/deep/third") == 0);
		CHECK(mkdir("/mnt/first", 0755) == 0);
		seen = "/mnt/first/log";
		is_written = 1;
	} else if (strcmp(kind, "shared") == 0 || strcmp(kind, "open") == 0) {
		is_written = strcmp(kind, "shared") == 0;
		CHECK(chmod("/mnt", is_written ? 01777 : 0777) == 0);
		CHECK(symlink("/mnt/roots", "/mnt/folder") == 0);
		seen = "/mnt/roots/log";
	} else if (strcmp(kind, "loop") == 0) {
		CHECK(symlink("folder/../folder", "/mnt/folder") == 0);
		seen = "/mnt/roots/log";
	} else if (strcmp(kind, "foreign") == 0) {
		create(file, NOBODY, 0666);
	} else if (strcmp(kind, "hardlink") == 0) {
		seen = "/mnt/roots/victim";
		create(seen, 0, 0644);
		give_away("/mnt/folder");
		CHECK(link(seen, file) == 0);
	} else if (strcmp(kind, "symlink") == 0) {
		seen = "/mnt/roots/victim";
		create(seen, 0, 0644);
		give_away("/mnt/folder");
		plant(seen, file);
	} else if (strcmp(kind, "folder") == 0) {
		seen = "/mnt/roots/log";
		give_away("/mnt");
		plant("/mnt/roots", "/mnt/folder");
	} else {
		CHECK(strcmp(kind, "above") == 0);
		seen = "/mnt/roots/folder/log";
		CHECK(mkdir("/mnt/roots/folder", 0755) == 0);
		/* The folder itself is root's; what leads to it is not. */
		CHECK(mkdir("/mnt/his", 0755) == 0);
		give_away("/mnt/his");
		plant("/mnt/roots", "/mnt/his/link");
		CHECK(symlink("/mnt/his/link/folder", "/mnt/folder") == 0);
	}
	if (strcmp(kind, "roots") == 0)
		CHECK(seteuid(NOBODY) == 0);

	off_t before = size_of(seen);
	struct connection c = dead_tcp("v4");
	CHECK_FAILS(write(c.fd, "x", 1), EPIPE);
	CHECK_COUNTED(1);
	if (counted(FAILURES) != -1) {
		CHECK((size_of(seen) > before) == is_written);
		CHECK(counted(LINES) == is_written && counted(DROPPED) == !is_written);
	} else {
		CHECK(size_of(seen) == before);
	}
	return 0;
}
