/*
 * Included before everything else when the programs are built for musl: what its headers do not have. Where glibc has two
 * names of one function and musl has one, both are that one.
 */
#ifndef MUSL_H
#define MUSL_H

#include <errno.h>
#include <signal.h>
#include <sys/uio.h>

#define __write write
#define __send send
#define __sigaction sigaction
#define ssignal signal
#define sysv_signal __sysv_signal
#define pwritev64v2 pwritev2

/* Exported by musl, as another name of signal(); declared in no header. */
void (*__sysv_signal(int signal, void (*handler)(int)))(int);

/* Before musl 1.2.5 there is none: so that the programs build. The cases that call it are not run there. */
#ifndef RWF_HIPRI
#define NO_PWRITEV2
__attribute__((unused)) static ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
	(void)fd, (void)parts, (void)count, (void)offset, (void)flags;
	errno = ENOSYS;
	return -1;
}
#endif

/* netinet/if_ether.h and linux/if_ether.h both define struct ethhdr: the kernel's gives way. */
#define __UAPI_DEF_ETHHDR 0

#endif
