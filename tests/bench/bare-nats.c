/* SPDX-License-Identifier: MIT */
/*
 * The least that a program can do with libnats, for cluster-cost: either
 * publishes the bytes of one client as it reads them, or sends messages to one
 * client as they arrive. Prints "ready" when a client may connect.
 *
 *	bare-nats publish|subscribe NATS_URL PORT
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <nats/nats.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SUBJECT "bare"

static void check(natsStatus status)
{
	if (status == NATS_OK)
		return;
	fprintf(stderr, "nats: %s\n", natsStatus_GetText(status));
	exit(EXIT_FAILURE);
}

static int accept_one(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, client;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0)
		goto fail;
	puts("ready");
	fflush(stdout);
	client = accept(listener, NULL, NULL);
	if (client < 0)
		goto fail;
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return client;
fail:
	perror("listen");
	exit(EXIT_FAILURE);
}

static void publish(natsConnection *nc, int client)
{
	static char chunk[65536];
	ssize_t n;

	while ((n = recv(client, chunk, sizeof(chunk), 0)) > 0)
		check(natsConnection_Publish(nc, SUBJECT, chunk, (int)n));
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg,
		       void *arg)
{
	const char *data = natsMsg_GetData(msg);
	size_t len = (size_t)natsMsg_GetDataLength(msg);
	ssize_t n;

	(void)nc, (void)sub;
	for (; len > 0; data += n, len -= (size_t)n) {
		n = send(*(int *)arg, data, len, MSG_NOSIGNAL);
		if (n < 0)
			exit(EXIT_SUCCESS);
	}
	natsMsg_Destroy(msg);
}

int main(int argc, char **argv)
{
	natsOptions *options = NULL;
	natsSubscription *sub = NULL;
	natsConnection *nc = NULL;
	char byte;
	int client;

	if (argc != 4)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(natsOptions_Create(&options));
	check(natsOptions_SetURL(options, argv[2]));
	check(natsOptions_SetSendAsap(options, true));
	check(natsConnection_Connect(&nc, options));
	client = accept_one(argv[3]);
	if (strcmp(argv[1], "publish") == 0) {
		publish(nc, client);
		return EXIT_SUCCESS;
	}
	check(natsConnection_Subscribe(&sub, nc, SUBJECT, on_message, &client));
	check(natsConnection_Flush(nc));
	while (recv(client, &byte, 1, 0) > 0)
		;
	return EXIT_SUCCESS;
}
