/*
 * server PORT: a small game server, as thousands of them run: a thread for each player, and each player gets the
 * state of the world ten times a second. Port 0 takes any free port; the port is printed.
 *
 * Players send lines: JOIN begins the ticks, PING gets a PONG. When write() fails the player is dropped: that is all
 * that the author knew about players who leave. The author had never heard of SIGPIPE.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_US = 100000, STATE_SIZE = 2048 };

static int reply(int player, const char *text)
{
	size_t length = strlen(text);
	return write(player, text, length) == (ssize_t)length;
}

static void send_ticks(int player)
{
	char head[32], state[STATE_SIZE];
	memset(state, '.', sizeof state);
	state[sizeof state - 1] = '\n';
	for (unsigned tick = 0;; tick++) {
		int length = snprintf(head, sizeof head, "TICK %u\n", tick);
		ssize_t sent = write(player, head, (size_t)length);
		sent = write(player, state, sizeof state);
		if (sent < 0)
			return;
		usleep(TICK_US);
	}
}

static void *serve(void *arg)
{
	int player = (int)(long)arg;
	char line[64];
	ssize_t length;
	while ((length = read(player, line, sizeof line - 1)) > 0) {
		line[length] = 0;
		if (strncmp(line, "JOIN", 4) == 0)
			send_ticks(player);
		else if (!reply(player, strncmp(line, "PING", 4) == 0 ? "PONG\n" : "WHAT?\n"))
			break;
	}
	close(player);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
	address.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 64) != 0) {
		perror("server");
		return 1;
	}
	getsockname(listener, (struct sockaddr *)&address, &length);
	printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);

	for (;;) {
		pthread_t thread;
		int player = accept(listener, NULL, NULL);
		if (player < 0)
			continue;
		if (pthread_create(&thread, NULL, serve, (void *)(long)player) != 0)
			close(player);
		else
			pthread_detach(thread);
	}
}
