/* SPDX-License-Identifier: MIT */
/*
 * Replaces TLS if lined is built without OpenSSL: no certificate can be read,
 * so no object exists for the other functions of tls.h.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "tls.h"
#include "transport.h"

#define WHY "lined was built without OpenSSL"

bool tls_available(void)
{
	return false;
}

void tls_keep_compressions(void)
{
}

struct tls_files *tls_files_read(const struct tls_settings *settings,
				 int64_t now_s, struct tls_problem *problem,
				 struct tls_warnings *warnings)
{
	warnings->count = 0;
	problem->key = "certificate";
	snprintf(problem->text, sizeof(problem->text), WHY);
	return NULL;
}

struct tls_files *tls_files_ref(struct tls_files *files)
{
	return files;
}

void tls_files_unref(struct tls_files *files)
{
}

bool tls_files_equal(const struct tls_files *a, const struct tls_files *b)
{
	return a == b;
}

size_t tls_files_names(const struct tls_files *files, const char *const **names)
{
	*names = NULL;
	return 0;
}

int64_t tls_files_not_after(const struct tls_files *files)
{
	return 0;
}

int tls_tickets_turn(struct tls_tickets *tickets)
{
	memset(tickets, 0, sizeof(*tickets));
	return 0;
}

struct tls_context *tls_context_new(struct tls_files *files,
				    const struct tls_tickets *tickets)
{
	return fail_null(ENOSYS);
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	return context;
}

void tls_context_unref(struct tls_context *context)
{
}

struct tls_server *tls_server_new(struct tls_context *const *contexts,
				  size_t count)
{
	return fail_null(ENOSYS);
}

void tls_server_free(struct tls_server *server)
{
}

size_t tls_server_choose(const struct tls_server *server, const char *name)
{
	return 0;
}

int tls_accept(struct lined_socket *sock, struct tls_server *server,
	       uint32_t timeout_ms, tls_done *done)
{
	return fail_with(EINVAL);
}

void tls_established(struct lined_socket *sock)
{
}

bool tls_describe(struct lined_socket *sock, struct lined_tls *out)
{
	memset(out, 0, sizeof(*out));
	return false;
}

struct lined_tls_client *
lined_tls_client_new(const struct lined_tls_client_settings *settings,
		     char *error, size_t size)
{
	snprintf(error, size, WHY);
	return fail_null(ENOSYS);
}

void lined_tls_client_free(struct lined_tls_client *client)
{
}

int lined_socket_use_tls(struct lined_socket *sock,
			 struct lined_tls_client *client, const char *name,
			 unsigned timeout_ms)
{
	return fail_with(ENOSYS);
}

const char *lined_socket_tls_error(const struct lined_socket *sock)
{
	return "";
}

const struct transport *tls_layer(const struct lined_socket *sock)
{
	return NULL;
}
