/* SPDX-License-Identifier: MIT */
/*
 * Reads all complete lines and blocks, unless the protocol sets its own
 * handlers.
 */
#include "config.h"

#include "serve/client_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/client.h"
#include "serve/service_instance.h"

/*
 * A block that the protocol expects. This struct is the argument of the
 * socket's handlers until the block is read, so an idle client needs no memory
 * for blocks. For handle_block, the struct keeps a copy of the line that asked
 * for the block.
 */
struct client_block {
	size_t len;     /* 0: the block has been read */
	size_t charged; /* bytes charged to the worker's memory */
	struct lined_line line;
	char bytes[]; /* text and terminator of the line, each with a NUL */
};

/* False: the protocol has set its own handlers. */
static bool client_lines_is_read(const struct lined_socket *sock)
{
	return lined_socket_handlers(sock) == &client_lines_handlers;
}

static struct client_block *client_block_of(const struct lined_socket *sock)
{
	return client_lines_is_read(sock) ? lined_socket_arg(sock) : NULL;
}

static void client_block_charge(struct lined_socket *sock, int64_t bytes)
{
	dispatcher_hold(client_instance(sock)->worker->dispatcher, bytes);
}

static void client_block_free(struct lined_socket *sock,
			      struct client_block *block)
{
	if (block == NULL)
		return;
	client_block_charge(sock, -(int64_t)block->charged);
	free(block);
}

/* Expects a block of len bytes. struct client_block gets room for a line of
 * line_bytes. NULL: no memory, and nothing has changed. */
static struct client_block *client_block_expect(struct lined_socket *sock,
						size_t len, size_t line_bytes)
{
	struct client_block *before = client_block_of(sock);
	struct client_block *block;
	size_t size = sizeof(*block) + line_bytes + 2;
	size_t charged = before != NULL ? before->charged : 0;

	block = realloc(before, size);
	if (block == NULL)
		return NULL;
	client_block_charge(sock, (int64_t)size - (int64_t)charged);
	block->charged = size;
	block->len = len;
	lined_socket_set_handlers(sock, &client_lines_handlers, block);
	return block;
}

/* Copies the line, because it is borrowed. handle_block gets the copy later,
 * together with the block. */
static void client_block_keep_line(struct lined_socket *sock,
				   const struct lined_line *line)
{
	struct client_block *block =
		client_block_expect(sock, client_block_of(sock)->len,
				    line->len + line->terminator_len);
	char *text;

	if (block == NULL) {
		lined_socket_close_for(sock, LINED_CLOSE_ERROR, ENOMEM);
		return;
	}
	text = block->bytes;
	block->line = *line;
	block->line.text = text;
	memcpy(text, line->text, line->len);
	text += line->len;
	*text++ = '\0';
	block->line.terminator = text;
	if (line->terminator_len > 0)
		memcpy(text, line->terminator, line->terminator_len);
	text[line->terminator_len] = '\0';
}

static void client_lines_serve_line(struct lined_socket *sock,
				    const struct lined_protocol *protocol,
				    const struct lined_line *line)
{
	protocol->handle_line(sock, line);
	if (protocol->handle_block != NULL && client_block_of(sock) != NULL &&
	    !lined_socket_is_closed(sock))
		client_block_keep_line(sock, line);
}

/* Passes the block to its handler, which may ask for another block. */
static void client_lines_serve_block(struct lined_socket *sock,
				     const struct lined_protocol *protocol,
				     struct client_block *block,
				     const struct lined_line *data)
{
	block->len = 0;
	if (protocol->handle_block != NULL)
		protocol->handle_block(sock, &block->line, data);
	else
		protocol->handle_line(sock, data);
	if (client_lines_is_read(sock)) {
		if (block->len > 0)
			return;
		lined_socket_set_handlers(sock, &client_lines_handlers, NULL);
	}
	client_block_free(sock, block);
}

static void client_lines_read(struct lined_socket *sock, void *arg)
{
	const struct lined_protocol *protocol = client_instance(sock)->protocol;
	struct lined_line line;
	enum lined_line_status status;
	struct client_block *block;

	while (client_lines_is_read(sock)) {
		block = client_block_of(sock);
		if (block == NULL)
			status = lined_socket_read_line(sock, &line);
		else
			status = lined_socket_read_block(sock, block->len,
							 block->len, &line);
		if (status == LINED_LINE_READY && block == NULL)
			client_lines_serve_line(sock, protocol, &line);
		else if (status == LINED_LINE_READY)
			client_lines_serve_block(sock, protocol, block, &line);
		else if (status != LINED_LINE_TOO_LONG)
			return;
		else if (protocol->handle_too_long != NULL)
			protocol->handle_too_long(sock);
	}
}

static void client_lines_closed(struct lined_socket *sock, void *arg,
				enum lined_close_reason reason, int error)
{
	const struct lined_protocol *protocol = client_instance(sock)->protocol;

	client_block_free(sock, arg);
	if (protocol->handle_close != NULL)
		protocol->handle_close(sock, reason, error);
}

static void client_lines_timeout(struct lined_socket *sock, void *arg)
{
	const struct lined_protocol *protocol = client_instance(sock)->protocol;

	if (protocol->handle_timeout != NULL)
		protocol->handle_timeout(sock);
	else
		lined_socket_close_for(sock, LINED_CLOSE_TIMEOUT, ETIMEDOUT);
}

const struct lined_socket_handlers client_lines_handlers = {
	.handle_read = client_lines_read,
	.handle_timeout = client_lines_timeout,
	.handle_close = client_lines_closed,
};

int client_lines_expect_block(struct lined_socket *client, size_t len)
{
	struct client_block *block;

	if (len == 0 || len > LINED_LINE_LENGTH_MAX ||
	    lined_socket_is_datagram(client) ||
	    client_instance(client)->protocol->handle_line == NULL) {
		errno = EINVAL;
		return -1;
	}
	/* A block is expected already, or its handler is running: the next
	 * block comes with the same line. */
	block = client_block_of(client);
	if (block != NULL) {
		block->len = len;
		return 0;
	}
	block = client_block_expect(client, len, 0);
	if (block == NULL)
		return -1;
	block->line = (struct lined_line){.text = "", .terminator = ""};
	return 0;
}
