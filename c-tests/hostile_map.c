/*
 * hostile_map CASE WHERE [NAME]: for tests of `nopipe status`, a process that any user may start. It maps a file, says "up"
 * on standard output, and waits for its end; its name is NAME, in hex.
 *   plain  the file WHERE
 *   hangs  WHERE/libnopipe.so, where a FUSE file system is mounted (by root here; fusermount does it for anybody) that
 *          answers no read: whoever reads that memory waits
 */
#include "check.h"

#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>

enum { NOBODY = 65534 };

static void answer(int fuse, const struct fuse_in_header *to, int error, const void *body, size_t length)
{
	struct fuse_out_header head = {.unique = to->unique, .error = -error};
	struct iovec parts[2] = {{&head, sizeof head}, {(void *)body, length}};
	head.len = (unsigned)(sizeof head + (error ? 0 : length));
	CHECK(writev(fuse, parts, error ? 1 : 2) > 0);
}

/* One folder (node 1) with one file (node 2). */
static struct fuse_attr attributes(unsigned long node)
{
	struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
	attr.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0755;
	attr.size = node == 1 ? 0 : 65536;
	return attr;
}

static void serve_but_reads(int fuse)
{
	static char request[1 << 17];
	const struct fuse_in_header *head = (const struct fuse_in_header *)request;
	for (;;) {
		if (read(fuse, request, sizeof request) <= 0)
			_exit(0);
		if (head->opcode == FUSE_INIT) {
			struct fuse_init_out init = {
				.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096};
			answer(fuse, head, 0, &init, sizeof init);
		} else if (head->opcode == FUSE_LOOKUP) {
			struct fuse_entry_out entry = {
				.nodeid = 2, .attr_valid = 60, .entry_valid = 60, .attr = attributes(2)};
			answer(fuse, head, 0, &entry, sizeof entry);
		} else if (head->opcode == FUSE_GETATTR) {
			struct fuse_attr_out attr = {.attr_valid = 60, .attr = attributes(head->nodeid)};
			answer(fuse, head, 0, &attr, sizeof attr);
		} else if (head->opcode == FUSE_OPEN || head->opcode == FUSE_OPENDIR) {
			struct fuse_open_out opened = {0};
			answer(fuse, head, 0, &opened, sizeof opened);
		} else if (head->opcode != FUSE_READ && head->opcode != FUSE_FORGET && head->opcode != FUSE_INTERRUPT) {
			answer(fuse, head, ENOSYS, NULL, 0);
		}
	}
}

static void mount_silence(const char *folder)
{
	char options[128];
	pid_t self = getpid();
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	CHECK(fuse >= 0);
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	CHECK(mount("silent", folder, "fuse", MS_NOSUID | MS_NODEV, options) == 0);
	pid_t server = fork();
	CHECK(server >= 0);
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == self)
			serve_but_reads(fuse);
		_exit(0);
	}
	close(fuse);
}

int main(int argc, char **argv)
{
	CHECK(argc >= 3);
	char name[17] = {0}, path[4096];
	if (argc == 4) {
		for (int i = 0; i < 16 && argv[3][2 * i]; i++)
			CHECK(sscanf(argv[3] + 2 * i, "%2hhx", (unsigned char *)name + i) == 1);
		CHECK(prctl(PR_SET_NAME, name) == 0);
	}
	int hangs = strcmp(argv[1], "hangs") == 0;
	if (hangs)
		mount_silence(argv[2]);
	snprintf(path, sizeof path, hangs ? "%s/libnopipe.so" : "%s", argv[2]);
	struct stat stat;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(file >= 0 && fstat(file, &stat) == 0);
	CHECK(mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, file, 0) != MAP_FAILED);
	if (hangs) /* it is another user's from here on */
		CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
	say("up");
	for (;;)
		pause();
}
