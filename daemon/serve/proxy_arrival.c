/* SPDX-License-Identifier: MIT */
/*
 * Reads exactly the PROXY header of a connection: the bytes after it stay in
 * the kernel for the client's instance. Bytes are first peeked (MSG_PEEK). Then
 * the bytes that belong to the header are consumed, so that an incomplete
 * header does not wake the thread again and again.
 */
#include "config.h"

#include "serve/proxy_arrival.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lined/address.h>

#include "log/log.h"
#include "net/admission.h"
#include "proxy_header.h"
#include "serve/client.h"
#include "serve/service.h"

/* The most bytes logged of a bad header. */
#define SHOWN_MAX 64

struct proxy_arrival {
	struct lined_delegate delegate;
	struct lined_timer timer;
	struct list link; /* service.proxied */
	struct service *service;
	void (*ready)(struct service *service, struct client_arrival *arrival);
	struct client_arrival arrival;
	/* The consumed bytes, in own[] unless the header needs more room. */
	char *data;
	size_t len, room;
	char own[PROXY_HEADER_ROOM];
};

/* Frees the struct; the descriptor stays open. */
static void arrival_free(struct proxy_arrival *proxied)
{
	if (proxied->delegate.dispatcher != NULL)
		lined_dispatcher_unregister(proxied->delegate.dispatcher,
					    &proxied->delegate);
	lined_timer_stop(&proxied->timer);
	list_remove(&proxied->link);
	if (proxied->data != proxied->own)
		free(proxied->data);
	free(proxied);
}

static void arrival_close(struct proxy_arrival *proxied)
{
	admission_end_handshake(proxied->service->admission, NULL);
	close(proxied->arrival.fd);
	arrival_free(proxied);
}

/* Writes bytes, with \xNN for each backslash and each unprintable byte. */
static void arrival_show(char *out, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte >= 0x20 && byte < 0x7f && byte != '\\')
			*out++ = (char)byte;
		else
			out += sprintf(out, "\\x%02x", byte);
	}
	*out = '\0';
}

/* Refuses the connection; len: the bytes received so far. */
static void arrival_refuse(struct proxy_arrival *proxied, const char *why,
			   size_t len)
{
	char address[LINED_ADDRESS_TEXT_MAX], bytes[SHOWN_MAX * 4 + 1];

	admission_refuse(proxied->service->admission, ADMISSION_PROXY);
	arrival_show(bytes, proxied->data, len < SHOWN_MAX ? len : SHOWN_MAX);
	log_info("service %s: refused %s: proxy: %s: %s (%zu bytes)",
		 proxied->service->name,
		 lined_address_format(
			 (struct sockaddr *)&proxied->arrival.address, address,
			 sizeof(address)),
		 why, bytes, len);
	arrival_close(proxied);
}

/* Calls ready(). header: NULL if the connection has none. */
static void arrival_is_ready(struct proxy_arrival *proxied,
			     const struct proxy_header *header)
{
	struct client_arrival arrival = proxied->arrival;
	struct service *service = proxied->service;

	void (*ready)(struct service *, struct client_arrival *) =
		proxied->ready;

	arrival.via = client_via_new(
		arrival.listen, (struct sockaddr *)&arrival.address, header);
	if (arrival.via == NULL) {
		log_warning("service %s: client lost: %s", service->name,
			    strerror(ENOMEM));
		arrival_close(proxied);
		return;
	}
	if (header != NULL && !header->is_local)
		arrival.address = header->address;
	arrival_free(proxied);
	ready(service, &arrival);
}

/* Makes room for a header of this length. */
static bool arrival_grow(struct proxy_arrival *proxied, size_t room)
{
	char *data = malloc(room);

	if (data == NULL)
		return false;
	memcpy(data, proxied->data, proxied->len);
	if (proxied->data != proxied->own)
		free(proxied->data);
	proxied->data = data;
	proxied->room = room;
	return true;
}

static bool arrival_is_waiting(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Consumes n peeked bytes, which are in data already. False and errno. */
static bool arrival_take(struct proxy_arrival *proxied, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(proxied->arrival.fd,
				   proxied->data + proxied->len, n, 0);

		if (got < 0 && arrival_is_waiting(errno))
			continue; /* the peeked bytes are there */
		if (got <= 0) {
			errno = got == 0 ? ECONNRESET : errno;
			return false;
		}
		proxied->len += (size_t)got;
		n -= (size_t)got;
	}
	return true;
}

enum arrival_step {
	ARRIVAL_AGAIN, /* more may be readable */
	ARRIVAL_WAITS,
	ARRIVAL_OVER, /* the arrival is freed */
};

static enum arrival_step arrival_read(struct proxy_arrival *proxied)
{
	ssize_t n = recv(proxied->arrival.fd, proxied->data + proxied->len,
			 proxied->room - proxied->len, MSG_PEEK);
	struct proxy_header header;
	const char *why = "not a PROXY header";
	size_t before = proxied->len;

	if (n < 0 && arrival_is_waiting(errno))
		return ARRIVAL_WAITS;
	if (n <= 0) {
		arrival_refuse(proxied,
			       n == 0 ? "ended before its PROXY header"
				      : strerror(errno),
			       before);
		return ARRIVAL_OVER;
	}
	switch (proxy_header_parse(&header, proxied->data,
				   before + (size_t)n)) {
	case PROXY_HEADER_MORE:
		if ((header.len > proxied->room &&
		     !arrival_grow(proxied, header.len)) ||
		    !arrival_take(proxied, (size_t)n)) {
			why = strerror(errno);
			break;
		}
		return ARRIVAL_AGAIN;
	case PROXY_HEADER_READY:
		if (!arrival_take(proxied, header.len - before)) {
			why = strerror(errno);
			break;
		}
		arrival_is_ready(proxied, &header);
		return ARRIVAL_OVER;
	case PROXY_HEADER_NONE:
		if (!proxied->arrival.web || before > CLIENT_EARLY_MAX)
			break;
		/* The bytes begin an HTTP request, or TLS: a header field may
		 * give the client's address instead. */
		memcpy(proxied->arrival.early, proxied->data, before);
		proxied->arrival.early_len = (uint8_t)before;
		proxied->arrival.forwarded = true;
		arrival_is_ready(proxied, NULL);
		return ARRIVAL_OVER;
	default:
		break;
	}
	arrival_refuse(proxied, why, before + (size_t)n);
	return ARRIVAL_OVER;
}

static enum arrival_step arrival_advance(struct proxy_arrival *proxied)
{
	enum arrival_step step;

	do
		step = arrival_read(proxied);
	while (step == ARRIVAL_AGAIN);
	return step;
}

static void arrival_readable(struct lined_delegate *delegate)
{
	arrival_advance(
		lined_container_of(delegate, struct proxy_arrival, delegate));
}

static void arrival_timed_out(struct lined_timer *timer)
{
	struct proxy_arrival *proxied =
		lined_container_of(timer, struct proxy_arrival, timer);

	arrival_refuse(proxied, "no PROXY header within handshake-timeout",
		       proxied->len);
}

static const struct lined_delegate_handlers arrival_handlers = {
	.handle_read = arrival_readable,
};

void proxy_arrival_start(struct service *service,
			 const struct client_arrival *arrival,
			 void (*ready)(struct service *service,
				       struct client_arrival *arrival))
{
	struct proxy_arrival *proxied = calloc(1, sizeof(*proxied));
	struct lined_dispatcher *d = service->env->dispatcher;

	if (proxied == NULL) {
		log_warning("service %s: client lost: %s", service->name,
			    strerror(ENOMEM));
		admission_end_handshake(service->admission, NULL);
		close(arrival->fd);
		return;
	}
	proxied->service = service;
	proxied->ready = ready;
	proxied->arrival = *arrival;
	proxied->data = proxied->own;
	proxied->room = sizeof(proxied->own);
	proxied->delegate.fd = arrival->fd;
	proxied->delegate.mode = LINED_MODE_READ;
	proxied->delegate.handlers = &arrival_handlers;
	lined_timer_init(&proxied->timer, d, arrival_timed_out);
	list_append(&service->proxied, &proxied->link);
	/* The header has often arrived already. */
	if (arrival_advance(proxied) == ARRIVAL_OVER)
		return;
	if (lined_timer_start(&proxied->timer,
			      service->conf->bounds.handshake_ms, 0) == 0 &&
	    lined_dispatcher_register(d, &proxied->delegate) == 0)
		return;
	log_warning("service %s: client lost: %s", service->name,
		    strerror(errno));
	arrival_close(proxied);
}

void proxy_arrivals_close(struct service *service)
{
	struct proxy_arrival *proxied, *next;

	list_for_each_safe(proxied, next, &service->proxied, link)
		arrival_close(proxied);
}
