/*
 * The least that can be done to send or receive streams by UDP: system calls and nothing
 * between them. No clock, no audio, no figures.
 *
 *     floor send INTERFACE STREAMS LENGTH    a packet of LENGTH bytes to each group, each millisecond
 *     floor receive INTERFACE STREAMS
 *
 * Groups are 239.1.0.0 and on, the port is 5004.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST = 64, LONGEST = 2048, PORT = 5004, PERIOD = 1000000 /* ns */ };

static char data[MOST][LONGEST];
static struct sockaddr_in groups[MOST];
static struct iovec vectors[MOST];
static struct mmsghdr messages[MOST];

static void check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

static void send_all(int fd, int streams)
{
	struct timespec next;
	for (int i = 0; i < streams; i++) {
		messages[i].msg_hdr.msg_name = &groups[i];
		messages[i].msg_hdr.msg_namelen = sizeof groups[i];
	}
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		next.tv_nsec += PERIOD;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		check(sendmmsg(fd, messages, streams, MSG_DONTWAIT), "sendmmsg");
	}
}

static void receive_all(int fd, int streams, int interface)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	check(bind(fd, (struct sockaddr *)&here, sizeof here), "bind");
	for (int i = 0; i < streams; i++) {
		struct ip_mreqn join = {.imr_multiaddr = groups[i].sin_addr, .imr_ifindex = interface};
		check(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join), "IP_ADD_MEMBERSHIP");
	}
	for (;;)
		check(recvmmsg(fd, messages, MOST, MSG_WAITFORONE, NULL), "recvmmsg");
}

int main(int count, char **arguments)
{
	if (count < 4) {
		fprintf(stderr, "floor: read how to call it in floor.c\n");
		return 2;
	}
	int interface = if_nametoindex(arguments[2]), streams = atoi(arguments[3]);
	int length = count > 4 ? atoi(arguments[4]) : LONGEST;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	check(fd, "socket");
	for (int i = 0; i < MOST; i++) {
		groups[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(0xef010000 + i)};
		vectors[i] = (struct iovec){data[i], length};
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	if (strcmp(arguments[1], "send") == 0)
		send_all(fd, streams);
	receive_all(fd, streams, interface);
}
