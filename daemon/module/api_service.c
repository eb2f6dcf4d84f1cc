/* SPDX-License-Identifier: MIT */
/*
 * Implements the functions of lined/service.h that are about the service.
 * api_client.c has the functions that are about a client.
 */
#include "config.h"

#include <lined/service.h>

#include <stdarg.h>
#include <stdio.h>

#include "log/error_report.h"
#include "memory_ceiling.h"
#include "net/address_hash.h"
#include "net/listen_address.h"
#include "serve/client.h"
#include "serve/service_instance.h"
#include "system/crypt_hash.h"
#include "system/hardening_helper.h"
#include "system/peercred.h"
#include "threads/verifier.h"

/* ---- the instance ------------------------------------------------------- */

const char *lined_service_name(const struct lined_service *instance)
{
	return instance->name;
}

const void *lined_service_options(const struct lined_service *instance)
{
	return instance->conf->options;
}

void lined_service_set_data(struct lined_service *instance, void *data)
{
	instance->data = data;
}

void *lined_service_data(const struct lined_service *instance)
{
	return instance->data;
}

struct lined_table *lined_service_table(struct lined_service *instance,
					size_t max_bytes)
{
	lined_table_set_max(instance->table, max_bytes);
	return instance->table;
}

struct lined_dispatcher *
lined_service_dispatcher(const struct lined_service *instance)
{
	return instance->worker->dispatcher;
}

unsigned lined_service_worker(const struct lined_service *instance)
{
	return instance->worker->index;
}

unsigned lined_service_workers(const struct lined_service *instance)
{
	return instance->workers;
}

bool lined_service_is_primary(const struct lined_service *instance)
{
	return instance->primary && !instance->elsewhere;
}

uint32_t lined_service_drain_ms(const struct lined_service *instance)
{
	return instance->conf->drain_timeout_ms;
}

struct lined_socket_group *
lined_service_group(const struct lined_service *instance)
{
	return &((struct lined_service *)(uintptr_t)instance)->own_group;
}

const struct lined_framing *
lined_service_framing(const struct lined_service *instance)
{
	return &instance->conf->framing;
}

bool lined_service_listens(const struct lined_service *instance,
			   const struct sockaddr *address, int type)
{
	return listen_addresses_are_reached(instance->conf->listen,
					    instance->conf->listen_count,
					    address, type);
}

void lined_service_timer(struct lined_service *instance,
			 struct lined_timer *timer,
			 void (*handler)(struct lined_timer *timer))
{
	lined_timer_init(timer, instance->worker->dispatcher, handler);
}

void lined_service_log(const struct lined_service *instance,
		       enum lined_log_level level, const char *format, ...)
{
	char text[1024], line[1200];
	va_list args;

	if (!log_enabled((int)level) && instance->report == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/*
	 * The log suppresses frequent messages by kind. The kind is the
	 * module's format, not the "%s" here: otherwise one frequent message
	 * would suppress the messages of all modules. An internal service's
	 * errors, warnings and notices have no kind and are never suppressed.
	 * The control protocol logs changes as notices. It logs refusals as
	 * info, which can be suppressed: many refusals could fill the log.
	 */
	snprintf(line, sizeof(line), "service %s: %s", instance->name, text);
	log_msg_of(instance->conf->internal && level < LINED_LOG_INFO ? NULL
								      : format,
		   level, "%s", line);
	report_keep(instance->report, level, line);
}

void lined_service_count(struct lined_service *instance, const char *name,
			 uint64_t n)
{
	instance_count(instance, name, n);
}

void lined_service_each_client(struct lined_service *instance,
			       void (*visit)(struct lined_socket *client,
					     void *arg),
			       void *arg)
{
	struct client *client, *next;

	list_for_each_safe(client, next, &instance->clients, link)
		visit(client_socket(client), arg);
}

static void api_send_shared(struct lined_socket *client, void *buffer)
{
	lined_socket_send_shared(client, buffer, 0, lined_buffer_len(buffer));
}

void lined_service_send(struct lined_service *instance,
			struct lined_buffer *buffer)
{
	lined_service_each_client(instance, api_send_shared, buffer);
}

int lined_service_printf(struct lined_service *instance, const char *format,
			 ...)
{
	struct lined_buffer *buffer;
	va_list args;

	va_start(args, format);
	buffer = lined_buffer_vprintf(format, args);
	va_end(args);
	if (buffer == NULL)
		return -1;
	lined_service_send(instance, buffer);
	lined_buffer_unref(buffer);
	return 0;
}

size_t lined_service_clients(const struct lined_service *instance)
{
	return instance->client_count;
}

/* ---- memory ------------------------------------------------------------- */

void lined_service_charge(struct lined_service *instance, int64_t bytes)
{
	dispatcher_charge(instance->worker->dispatcher, bytes);
}

struct lined_buffer *lined_service_keep(struct lined_service *instance,
					struct lined_buffer *buffer)
{
	dispatcher_keep(instance->worker->dispatcher, buffer);
	return buffer;
}

void lined_service_unkeep(struct lined_service *instance,
			  struct lined_buffer *buffer)
{
	if (buffer != NULL)
		dispatcher_unkeep(instance->worker->dispatcher, buffer);
}

bool lined_service_may_keep(const struct lined_service *instance,
			    uint64_t bytes)
{
	return dispatcher_may_keep(instance->worker->dispatcher, bytes);
}

/* ---- passwords ---------------------------------------------------------- */

/* Passwords with the same key wait for each other. The key is the client's
 * address or, for a UNIX client, its user. */
static uint64_t api_key(struct lined_socket *client)
{
	struct sockaddr_storage address;
	struct peercred peer = {.uid = (uid_t)-1};
	uint64_t key;

	client_address_unpack(&address, &client_of(client)->peer);
	if (address_hash_key((struct sockaddr *)&address, &key))
		return key;
	peercred_get(lined_socket_fd(client), &peer);
	return address_hash_key_of_user(peer.uid);
}

static void api_password_delayed(struct lined_service *instance)
{
	instance_count(instance, "passwords_delayed", 1);
}

int lined_service_verify_password(struct lined_service *instance,
				  struct lined_socket *client,
				  const char *password, const char *hash,
				  void (*verified)(struct lined_socket *client,
						   void *arg, bool good),
				  void *arg)
{
	return verifier_verify(instance->worker, instance, client,
			       &client_of(client)->pending, api_key(client),
			       password, hash, verified, arg,
			       api_password_delayed);
}

int lined_password_check_hash(const char *hash)
{
	return crypt_hash_check(hash);
}

bool lined_password_equal(const char *a, const char *b)
{
	return crypt_hash_equal(a, b);
}

int lined_open_device(const char *path)
{
	return helper_open_device(path);
}
