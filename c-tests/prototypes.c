/*
 * Compiled only: the functions that the hooks replace and the libc crate does not declare, checked against the C
 * headers. Each is assigned to a pointer of the type that src/hooks declares; if a header differs, this does not
 * compile. Compiled twice, because no single setting of the feature macros declares them all.
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#if __has_include(<sys/pidfd.h>) /* glibc 2.36 */
#include <sys/pidfd.h>
#endif

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

typedef void (*handler)(int);
typedef handler signal_fn(int, handler);

signal_fn *const prototype_of_signal = signal;
signal_fn *const prototype_of___sysv_signal = __sysv_signal;
signal_fn *const prototype_of_sigset = sigset;
int (*const prototype_of_sigignore)(int) = sigignore;
int (*const prototype_of_siginterrupt)(int, int) = siginterrupt;
#ifdef _GNU_SOURCE
signal_fn *const prototype_of_ssignal = ssignal;
signal_fn *const prototype_of_sysv_signal = sysv_signal;
#else
signal_fn *const prototype_of_bsd_signal = bsd_signal;
#endif

#if defined PIDFD_NONBLOCK && defined _GNU_SOURCE
int (*const prototype_of_pidfd_send_signal)(int, int, siginfo_t *, unsigned int) = pidfd_send_signal;
#endif

#if defined _GNU_SOURCE && __GLIBC_PREREQ(2, 34)
pid_t (*const prototype_of__Fork)(void) = _Fork;
#endif

/* No header declares __write, __send, __connect and __sigaction, the other names of these. */
ssize_t (*const prototype_of_write)(int, const void *, size_t) = write;
ssize_t (*const prototype_of_send)(int, const void *, size_t, int) = send;
int (*const prototype_of_sigaction)(int, const struct sigaction *, struct sigaction *) = sigaction;
#ifndef _GNU_SOURCE /* there its second parameter is a transparent union */
int (*const prototype_of_connect)(int, const struct sockaddr *, socklen_t) = connect;
#endif

#ifdef __GLIBC__
/* What src/streams.rs reads of a stream, and where its list begins. */
_Static_assert(offsetof(FILE, _IO_write_base) == 4 * sizeof(void *), "_IO_write_base");
_Static_assert(offsetof(FILE, _IO_write_ptr) == 5 * sizeof(void *), "_IO_write_ptr");
_Static_assert(offsetof(FILE, _chain) == 13 * sizeof(void *), "_chain");
_Static_assert(offsetof(FILE, _fileno) == 14 * sizeof(void *), "_fileno");
#endif
