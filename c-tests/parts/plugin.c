/* The plugin that the program `loaded` loads. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* The errno of a write or a send that fails; 0 if it does not. */
int plugin_fails_with(int fd, int sends)
{
	char bytes[64] = {0};
	errno = 0;
	return (sends ? send(fd, bytes, sizeof bytes, 0) : write(fd, bytes, sizeof bytes)) == -1 ? errno : 0;
}
