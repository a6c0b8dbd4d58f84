/*
 * on_kernel WHAT[,WHAT...] PROGRAM [ARGUMENT...]: runs a program of this folder where system calls have the results of an
 * older kernel. WHAT is the version of a kernel, or the name of one refusal in the tables below.
 *
 * A seccomp filter refuses with the errno of the kernel that does not know the call, flag or option. It is there before
 * exec, as an administrator's is. What a filter cannot do is shorten a result: TCP_INFO is answered by a process of its
 * own, with the length of the older struct (man pages: "VERSIONS"; linux/tcp.h).
 *
 * What stays new: the behaviour of the calls that are not refused, /proc, and the C library.
 */
#include "check.h"

#include <asm/unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>

/* Numbers that older headers lack. */
enum {
	PIDFD_OPEN = 434,  /* 5.3 */
	PIDFD_GETFD = 438, /* 5.6 */
	WIPE_ON_FORK = 18,
	PEER_NAME = 28,
	COOKIE = 57,
	PEER_PIDFD = 77,
	NO_WAIT = 8,
	MPTCP = 262,
	EVERY_BIT = -1,
};

/* The first numbers of system calls that a kernel does not have: they are given in the order of time. */
#if defined __x86_64__
enum { FIRST_AFTER_3_10 = 314, FIRST_AFTER_4_4 = 326, FIRST_AFTER_4_19 = 335 };
#elif defined __i386__
enum { FIRST_AFTER_3_10 = 351, FIRST_AFTER_4_4 = 377, FIRST_AFTER_4_19 = 387 };
#elif defined __aarch64__
enum { FIRST_AFTER_3_10 = 274, FIRST_AFTER_4_4 = 285, FIRST_AFTER_4_19 = 294 };
#else
#error "the numbers of this CPU's system calls"
#endif

/* `call` fails with `error` where argument `at`, masked, is `value`; at -1: always. */
struct refusal {
	const char *what;
	int call, at;
	uint32_t mask, value;
	int error;
};

static const struct refusal refusals[] = {
	/* madvise(2): 4.14; 2.6.16 */
	{"wipeonfork", SYS_madvise, 2, EVERY_BIT, WIPE_ON_FORK, EINVAL},
	{"dontfork", SYS_madvise, 2, EVERY_BIT, MADV_DONTFORK, EINVAL},
	/* kcmp(2): 3.5, if CONFIG_CHECKPOINT_RESTORE is set; a container's filter, or another user's process */
	{"kcmp", SYS_kcmp, -1, 0, 0, ENOSYS},
	{"kcmp_permission", SYS_kcmp, -1, 0, 0, EPERM},
	/* getsockopt(2): net/core/sock.c has SO_PEERNAME since 2.4, but emulators and sandboxes do not; 4.12; 6.5 */
	{"so_peername", SYS_getsockopt, 2, EVERY_BIT, PEER_NAME, ENOPROTOOPT},
	{"so_cookie", SYS_getsockopt, 2, EVERY_BIT, COOKIE, ENOPROTOOPT},
	{"so_peerpidfd", SYS_getsockopt, 2, EVERY_BIT, PEER_PIDFD, ENOPROTOOPT},
	/* pwritev2(2): 4.6; RWF_NOWAIT for pipes and sockets came after 4.19, RWF_APPEND with 4.16 */
	{"pwritev2", SYS_pwritev2, -1, 0, 0, ENOSYS},
	{"rwf_nowait", SYS_pwritev2, 5, NO_WAIT, NO_WAIT, EOPNOTSUPP},
	{"rwf_append", SYS_pwritev2, 5, 16, 16, EOPNOTSUPP},
	/* waitid(2): __WALL since 4.7 */
	{"waitid_wall", SYS_waitid, 3, 0x40000000, 0x40000000, EINVAL},
	/* prctl(2): 3.5, if CONFIG_CHECKPOINT_RESTORE is set */
	{"tid_address", SYS_prctl, 0, EVERY_BIT, 40, EINVAL},
	/* process_vm_readv(2): 3.2, if CONFIG_CROSS_MEMORY_ATTACH is set; containers refuse it */
	{"process_vm_readv", SYS_process_vm_readv, -1, 0, 0, EPERM},
	/* socket(2): 5.6 */
	{"mptcp", SYS_socket, 2, EVERY_BIT, MPTCP, EPROTONOSUPPORT},
	/* 4.11, 3.17, 5.9, 5.3, 5.3 */
	{"statx", SYS_statx, -1, 0, 0, ENOSYS},
	{"getrandom", SYS_getrandom, -1, 0, 0, ENOSYS},
	{"close_range", 436, -1, 0, 0, ENOSYS},
	{"pidfd_open", PIDFD_OPEN, -1, 0, 0, ENOSYS},
	{"clone3", 435, -1, 0, 0, ENOSYS},
};

/* The kernels of RHEL 7, Ubuntu 16.04 and Debian 10: what they refuse, and the length of their struct tcp_info. */
static const struct kernel {
	const char *version, *refusals;
	uint32_t first_unknown, tcp_info;
} kernels[] = {
	{"3.10", " wipeonfork so_cookie so_peerpidfd waitid_wall mptcp ", FIRST_AFTER_3_10, 104},
	{"4.4", " wipeonfork so_cookie so_peerpidfd waitid_wall mptcp ", FIRST_AFTER_4_4, 144},
	{"4.19", " so_peerpidfd rwf_nowait mptcp ", FIRST_AFTER_4_19, 224},
	{"tcp_info", "", UINT32_MAX, 104},
};

static struct sock_filter filter[256];
static unsigned short length;

static void add(uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_not)
{
	CHECK(length < sizeof filter / sizeof *filter);
	filter[length++] = (struct sock_filter){code, if_true, if_not, k};
}

static void add_argument(int at)
{
	add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (uint32_t)at, 0, 0);
}

static void add_number(void)
{
	add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

static void refuse(const struct refusal *refusal)
{
	add_number();
	if (refusal->at < 0) {
		add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusal->call, 0, 1);
	} else {
		add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusal->call, 0, 4);
		add_argument(refusal->at);
		add(BPF_ALU | BPF_AND | BPF_K, refusal->mask, 0, 0);
		add(BPF_JMP | BPF_JEQ | BPF_K, refusal->value, 0, 1);
	}
	add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)refusal->error, 0, 0);
}

/* Returns the length that TCP_INFO is to have; 0: the kernel's own. */
static uint32_t make_older(const struct kernel *kernel)
{
	char word[32];
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		snprintf(word, sizeof word, " %s ", refusals[i].what);
		if (strstr(kernel->refusals, word))
			refuse(&refusals[i]);
	}
	add_number();
	add(BPF_JMP | BPF_JGE | BPF_K, kernel->first_unknown, 0, 1);
	add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	return kernel->tcp_info;
}

static uint32_t apply(const char *what)
{
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (strcmp(kernels[i].version, what) == 0)
			return make_older(&kernels[i]);
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strcmp(refusals[i].what, what) == 0) {
			refuse(&refusals[i]);
			return 0;
		}
	say_to(2, "on_kernel: no such kernel or refusal: %s", what);
	_exit(FAILED);
}

static void add_tcp_info(void)
{
	add_number();
	add(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 5);
	add_argument(1);
	add(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 3);
	add_argument(2);
	add(BPF_JMP | BPF_JEQ | BPF_K, TCP_INFO, 0, 1);
	add(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
}

/* The process of thread `tid`: pidfd_open(2) takes no other thread's number. */
static pid_t process_of(uint32_t tid)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/%u/status", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	text[got > 0 ? got : 0] = 0;
	const char *at = strstr(text, "\nTgid:");
	return at ? (pid_t)strtol(at + 6, NULL, 10) : -1;
}

/* getsockopt(fd, IPPROTO_TCP, TCP_INFO, value, size) of another process, no longer than `most`; 0, or -errno. */
static int tcp_info_of(const struct seccomp_notif *call, uint32_t most)
{
	pid_t pid = process_of(call->pid);
	char info[1024];
	socklen_t size = 0;
	struct iovec local = {&size, sizeof size};
	struct iovec remote = {(void *)(uintptr_t)call->data.args[4], sizeof size};
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != sizeof size)
		return -EFAULT;
	size = size < most ? size : most;
	int process = (int)syscall(PIDFD_OPEN, pid, 0);
	int fd = (int)syscall(PIDFD_GETFD, process, (int)call->data.args[0], 0);
	int failed = fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) != 0 ? -errno : 0;
	close(fd);
	close(process);
	if (failed)
		return failed;
	struct iovec results[2] = {{info, size}, {&size, sizeof size}};
	struct iovec places[2] = {{(void *)(uintptr_t)call->data.args[3], size}, remote};
	long copied = process_vm_writev(pid, results, 2, places, 2, 0);
	return copied == (long)(size + sizeof size) ? 0 : -EFAULT;
}

/* Answers until no process has the filter any more. */
static void answer_tcp_info(int listener, uint32_t most)
{
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN};
	while (poll(&poll_fd, 1, -1) == 1 && !(poll_fd.revents & POLLHUP)) {
		struct seccomp_notif call = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
			continue;
		struct seccomp_notif_resp answer = {.id = call.id, .error = tcp_info_of(&call, most)};
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	_exit(0);
}

/* A process that takes the filter's listener, and is no child of this one. Returns the end of a socket to send it to. */
static int start_answering(uint32_t most)
{
	int ends[2];
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child != 0) {
		close(ends[1]);
		wait_for_success(child);
		return ends[0];
	}
	close(ends[0]);
	if (fork() != 0)
		_exit(0);
	char bytes[CMSG_SPACE(sizeof(int))];
	struct msghdr message = {.msg_control = bytes, .msg_controllen = sizeof bytes};
	CHECK(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC) == 0);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	CHECK(header && header->cmsg_type == SCM_RIGHTS);
	int listener;
	memcpy(&listener, CMSG_DATA(header), sizeof listener);
	close(ends[1]);
	close(1);
	answer_tcp_info(listener, most);
	return -1;
}

static void send_descriptor(int to, int fd)
{
	char bytes[CMSG_SPACE(sizeof fd)] = {0};
	struct msghdr message = {.msg_control = bytes, .msg_controllen = sizeof bytes};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	CHECK(sendmsg(to, &message, 0) == 0);
	close(to);
	close(fd);
}

int main(int argc, char **argv)
{
	CHECK(argc > 2);
	uint32_t tcp_info = 0;
	for (char *what = strtok(argv[1], ","); what; what = strtok(NULL, ",")) {
		uint32_t shorter = apply(what);
		tcp_info = shorter ? shorter : tcp_info;
	}
	int answering = tcp_info ? start_answering(tcp_info) : -1;
	if (tcp_info)
		add_tcp_info();
	add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);

	char path[4096];
	ssize_t end = readlink("/proc/self/exe", path, sizeof path);
	while (end > 0 && path[end - 1] != '/')
		end--;
	CHECK(end > 0 && strlen(argv[2]) < sizeof path - (size_t)end);
	strcpy(path + end, argv[2]);
	argv[2] = path;

	/* Root needs no permission, and what it starts may become another user. */
	CHECK(geteuid() == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	struct sock_fprog program = {length, filter};
	unsigned int flags = tcp_info ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	CHECK(listener >= 0);
	if (tcp_info)
		send_descriptor(answering, (int)listener);
	execv(path, argv + 2);
	CHECK(!"exec");
}
