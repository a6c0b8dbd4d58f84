/*
 * unread_address CASE: connect(2), or sendto(2) with MSG_FASTOPEN, fails, and the address that the program gave cannot be
 * read: the kernel has not looked at it, or no longer has to. Whoever looks at it nevertheless gets SIGSEGV.
 *   sealed    the program's own seccomp filter refuses the call with EPERM
 *   filter    a filter that was there from the start refuses it with EPERM
 *   refused   the same with ECONNREFUSED, as if there were a network
 *   progress  the same with EINPROGRESS
 *   fastopen  a filter that was there from the start refuses sendto with ECONNREFUSED
 *   pointer   no filter: the kernel finds that the pointer is bad
 *   unmapped  the kernel has read the address, and another thread unmaps it while connect waits
 */
#include "seccomp.h"

#include <sys/mman.h>
#include <sys/un.h>

/* A page that cannot be read; the last bytes of the one before can be. */
static char *unreadable(void)
{
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	CHECK(munmap(memory + 4096, 4096) == 0);
	return memory + 4096;
}

static void refuse(int number, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __i386__ /* socketcall(2), whose first argument is the number of the call */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketcall, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number == SYS_connect ? 3 : 11, 0, 1),
#else
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
#endif
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	seal_by_prctl(&(struct sock_fprog){sizeof filter / sizeof *filter, filter});
}

static void connect_unreadable(int error)
{
	char *end = unreadable();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	CHECK_FAILS(connect(fd, (struct sockaddr *)end, sizeof(struct sockaddr_in)), error);
	CHECK_FAILS(connect(fd, (struct sockaddr *)(end - 2), sizeof(struct sockaddr_in)), error);
	CHECK_FAILS(connect(fd, (struct sockaddr *)8, sizeof(struct sockaddr_in6)), error);
	CHECK_FAILS(connect(fd, (struct sockaddr *)-1, sizeof(struct sockaddr_in6)), error);
}

static void fastopen_unreadable(int error)
{
	char *end = unreadable();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	CHECK_FAILS(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)end, sizeof(struct sockaddr_in)), error);
	CHECK_FAILS(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)8, sizeof(struct sockaddr_in)), error);
}

static struct sockaddr_un *address;
static int listener;

static void *unmap_and_refuse(void *arg)
{
	(void)arg;
	usleep(200000); /* the kernel has read the address by then, and waits */
	CHECK(munmap(address, 4096) == 0);
	CHECK(close(listener) == 0);
	return NULL;
}

/* A unix listener whose queue is full lets connect wait; when it is closed, connect is refused. */
static void connect_unmapped(void)
{
	pthread_t thread;
	socklen_t length = sizeof(sa_family_t);
	int first = socket(AF_UNIX, SOCK_STREAM, 0), second = socket(AF_UNIX, SOCK_STREAM, 0);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(first >= 0 && second >= 0 && listener >= 0);
	address = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(address != MAP_FAILED);
	address->sun_family = AF_UNIX;
	CHECK(bind(listener, (struct sockaddr *)address, length) == 0); /* autobind, unix(7) */
	CHECK(listen(listener, 0) == 0);
	length = sizeof *address;
	CHECK(getsockname(listener, (struct sockaddr *)address, &length) == 0);
	CHECK(connect(first, (struct sockaddr *)address, length) == 0);
	CHECK(pthread_create(&thread, NULL, unmap_and_refuse, NULL) == 0);
	CHECK_FAILS(connect(second, (struct sockaddr *)address, length), ECONNREFUSED);
	CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2 || argc == 3);
	const char *kind = argv[1];
	int error = strcmp(kind, "refused") == 0 || strcmp(kind, "fastopen") == 0 ? ECONNREFUSED
		    : strcmp(kind, "progress") == 0                               ? EINPROGRESS
		    : strcmp(kind, "pointer") == 0                                ? EFAULT
										  : EPERM;
	int is_fastopen = strcmp(kind, "fastopen") == 0;
	if (strcmp(kind, "unmapped") == 0) {
		connect_unmapped();
	} else if (strcmp(kind, "pointer") == 0) {
		connect_unreadable(EFAULT);
		fastopen_unreadable(EFAULT);
	} else if (strcmp(kind, "sealed") == 0) {
		refuse(SYS_connect, error);
		connect_unreadable(error);
		_exit(0);
	} else if (argc == 2) {
		/* The filter that is there at the start of a program is the administrator's. */
		refuse(is_fastopen ? SYS_sendto : SYS_connect, error);
		execl("/proc/self/exe", "unread_address", kind, "started", NULL);
		CHECK(!"exec");
	} else if (is_fastopen) {
		fastopen_unreadable(error);
	} else {
		connect_unreadable(error);
	}
	return 0;
}
