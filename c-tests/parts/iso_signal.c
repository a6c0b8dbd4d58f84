/* signal() as a strictly conforming program gets it: without _GNU_SOURCE the header turns it into __sysv_signal(). */
#include <signal.h>

void (*iso_signal(int number, void (*handler)(int)))(int)
{
	return signal(number, handler);
}
