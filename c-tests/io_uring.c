/*
 * io_uring CASE WHAT: io_uring_enter(2) writes to a dead peer, and raises SIGPIPE (IORING_OP_WRITE does, Linux 6.18). The
 * completion says EPIPE. No register holds the descriptor: it counts as unattributed, and nobody is named.
 *   write     one request
 *   writev    the same by IORING_OP_WRITEV
 *   submit    as many requests as the number of another dead connection: to_submit is RSI
 *   complete  the same for min_complete, which is RDX
 *   poll      the kernel's own thread does it: no signal comes
 * WHAT is tcp or pipe.
 */
#include "counted.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum { ENTRIES = 64, DECOY = 23 };

static struct {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static void *mapped(size_t length, off_t what)
{
	void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, what);
	CHECK(memory != MAP_FAILED);
	return memory;
}

static void set_up(unsigned flags)
{
	struct io_uring_params params = {.flags = flags, .sq_thread_idle = 100};
	ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
	CHECK(ring.fd >= 0);
	char *sq = mapped(params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	char *cq = mapped(params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring.sqes = mapped(params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_tail = (unsigned *)(sq + params.sq_off.tail);
	ring.sq_mask = (unsigned *)(sq + params.sq_off.ring_mask);
	ring.sq_array = (unsigned *)(sq + params.sq_off.array);
	ring.cq_head = (unsigned *)(cq + params.cq_off.head);
	ring.cq_tail = (unsigned *)(cq + params.cq_off.tail);
	ring.cq_mask = (unsigned *)(cq + params.cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
}

static void queue(const struct io_uring_sqe *request)
{
	unsigned tail = *ring.sq_tail, at = tail & *ring.sq_mask;
	ring.sqes[at] = *request;
	ring.sq_array[at] = at;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* The result of the request with this user_data, when `count` requests are done. */
static int result_of(unsigned long user_data, unsigned count)
{
	int result = 0;
	for (int patience = 500; __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) - *ring.cq_head < count; patience--) {
		CHECK(patience > 0);
		usleep(10000);
	}
	for (; count > 0; count--) {
		struct io_uring_cqe *done = &ring.cqes[(*ring.cq_head)++ & *ring.cq_mask];
		if (done->user_data == user_data)
			result = done->res;
	}
	return result;
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	const char *kind = argv[1];
	int fd = strcmp(argv[2], "pipe") == 0 ? dead_pipe().fd : dead_tcp("v4").fd;
	int by_kernel = strcmp(kind, "poll") == 0, submit = strcmp(kind, "submit") == 0,
	    complete = strcmp(kind, "complete") == 0;
	set_up(by_kernel ? IORING_SETUP_SQPOLL : 0);
	/* A decoy: nobody has written to it. */
	CHECK(dup2(dead_tcp("v4").fd, DECOY) == DECOY);

	struct iovec part = {"x", 1};
	struct io_uring_sqe nop = {.opcode = IORING_OP_NOP, .user_data = 1};
	struct io_uring_sqe request = {.opcode = IORING_OP_WRITE,
				       .fd = fd,
				       .addr = (unsigned long)part.iov_base,
				       .len = 1,
				       .user_data = 2,
				       .off = (uint64_t)-1};
	if (strcmp(kind, "writev") == 0) {
		request.opcode = IORING_OP_WRITEV;
		request.addr = (unsigned long)&part;
	}
	unsigned count = submit || complete ? DECOY : 1;
	for (unsigned i = 1; i < count; i++)
		queue(&nop);
	queue(&request);
	if (by_kernel) {
		syscall(SYS_io_uring_enter, ring.fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
	} else {
		long entered = syscall(SYS_io_uring_enter, ring.fd, count, complete ? count : 1, IORING_ENTER_GETEVENTS,
				       NULL, 0);
		CHECK(entered == (long)count);
	}
	CHECK(result_of(2, count) == -EPIPE);
	long failures = counted(FAILURES), unattributed = counted(UNATTRIBUTED);
	CHECK(failures == -1 || (failures == 0 && unattributed == (by_kernel ? 0 : 1)));
	return 0;
}
