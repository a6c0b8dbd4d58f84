/* What a strictly conforming program gets as signal(): without _GNU_SOURCE the header makes it __sysv_signal(). */
#include <signal.h>

void (*iso_signal(int number, void (*handler)(int)))(int)
{
	return signal(number, handler);
}
