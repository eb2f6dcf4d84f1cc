/* SPDX-License-Identifier: MIT */
/* Formats log messages about clients. The service's config sets their level. */
#include "config.h"

#include "serve/client_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lined/address.h>
#include <lined/text.h>

#include "log/log.h"
#include "net/listener.h"
#include "serve/service_instance.h"
#include "socket_daemon.h"
#include "tls.h"
#include "websocket.h"

/* Size of the buffer for an escaped line, with its NUL. */
#define LINE_SHOWN_MAX 1000
/* Size of the buffer for an escaped name, with its NUL. */
#define NAME_SHOWN_MAX 256

const char *client_peer(struct lined_socket *sock, char *text, size_t size)
{
	struct sockaddr_storage address;
	socklen_t len;

	if (!lined_socket_is_datagram(sock))
		client_address_unpack(&address, &client_of(sock)->peer);
	else if (lined_socket_peer(sock, &address, &len) < 0)
		return "udp";
	return lined_address_format((struct sockaddr *)&address, text, size);
}

const char *client_via(struct lined_socket *sock, char *text, size_t size)
{
	const struct client *client = client_of(sock);
	struct sockaddr_storage address;

	if (!client->peer.proxied)
		return NULL;
	client_address_unpack(&address, &client->via->address);
	return lined_address_format((struct sockaddr *)&address, text, size);
}

/* Writes "client 42 10.0.0.7:5123". */
static const char *client_label(struct lined_socket *sock, char *text,
				size_t size)
{
	char peer[LINED_ADDRESS_TEXT_MAX];

	snprintf(text, size, "client %llu %s",
		 (unsigned long long)client_of(sock)->id,
		 client_peer(sock, peer, sizeof(peer)));
	return text;
}

const char *client_opened_peer(struct lined_socket *sock, char *text,
			       size_t size)
{
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
	socklen_t len;

	lined_socket_peer(sock, &peer, &len);
	return lined_address_format((struct sockaddr *)&peer, text, size);
}

/* ---- refused, connected, closed ----------------------------------------- */

void client_log_refusal(const char *service, const struct sockaddr *address,
			const char *why)
{
	char text[LINED_ADDRESS_TEXT_MAX];

	if (!log_enabled(LINED_LOG_INFO))
		return;
	/* Each reason has its own rate limit, so that no reason hides another.
	 */
	log_msg_of(why, LINED_LOG_INFO, "service %s: refused %s: %s", service,
		   lined_address_format(address, text, sizeof(text)), why);
}

void client_refused(struct lined_socket *sock, enum admission_verdict verdict)
{
	const struct lined_service *instance = client_instance(sock);
	struct sockaddr_storage address;

	admission_refuse(instance->admission, verdict);
	client_address_unpack(&address, &client_of(sock)->peer);
	client_log_refusal(instance->name, (struct sockaddr *)&address,
			   admission_verdict_text(verdict));
}

void client_log_connected(struct lined_socket *sock)
{
	struct client *client = client_of(sock);
	const struct lined_service *instance = client_instance(sock);
	char label[LINED_ADDRESS_TEXT_MAX + 32];

	if (lined_socket_is_datagram(sock))
		return;
	log_at(conf_clients_level(instance->conf),
	       "%s: service %s: connected to %s",
	       client_label(sock, label, sizeof(label)), instance->name,
	       client_listen(client));
}

/* The names of lined_socket_missed_deadline(), and the config keys. */
static const char *const timeout_keys[TIMEOUTS][2] = {
	[TIMEOUT_IDLE] = {"idle", "idle-timeout"},
	[TIMEOUT_FIRST_LINE] = {"first line", "first-line-timeout"},
	[TIMEOUT_LINE] = {"line", "line-timeout"},
	[TIMEOUT_HANDSHAKE] = {"handshake", "handshake-timeout"},
	[TIMEOUT_SEND_STALL] = {"send stall", "send-stall"},
	[TIMEOUT_PING] = {"ping", "ping"},
};

const char *timeout_key(enum timeout timeout)
{
	return timeout_keys[timeout][1];
}

enum timeout timeout_missed(const struct lined_socket *sock)
{
	const char *missed = lined_socket_missed_deadline(sock);
	enum timeout i;

	for (i = 0; i < TIMEOUTS; i++)
		if (strcmp(timeout_keys[i][0], missed) == 0)
			break;
	return i;
}

static uint32_t client_timeout_ms(const struct lined_socket *sock,
				  enum timeout timeout)
{
	const struct lined_limits *limits = lined_socket_limits(sock);

	switch (timeout) {
	case TIMEOUT_IDLE:
		return limits->idle_ms;
	case TIMEOUT_FIRST_LINE:
		return limits->first_line_ms;
	case TIMEOUT_LINE:
		return limits->line_ms;
	case TIMEOUT_SEND_STALL:
		return limits->send_stall_ms;
	/* A reload changes the next two for new clients only, so the config may
	 * have another value. */
	case TIMEOUT_HANDSHAKE:
		return socket_handshake_ms(sock);
	case TIMEOUT_PING:
		return websocket_ping_ms(sock);
	default:
		return 0;
	}
}

/* Writes "first-line-timeout 5 s". */
static void client_format_timeout(struct lined_socket *sock, char *text,
				  size_t size)
{
	enum timeout timeout = timeout_missed(sock);

	if (timeout < TIMEOUTS)
		snprintf(text, size, "%s %g s", timeout_key(timeout),
			 client_timeout_ms(sock, timeout) / 1000.0);
	else
		snprintf(text, size, "%s", lined_socket_missed_deadline(sock));
}

/* Whether the close is due to a shortage in lined rather than to the client. */
static bool client_met_shortage(enum lined_close_reason reason, int error)
{
	return reason == LINED_CLOSE_ERROR &&
	       (error == ENOMEM || error == ENOBUFS || error == EMFILE ||
		error == ENFILE || error == ENOSPC);
}

/* The kind of a message for the log's rate limit: a pointer that is only
 * compared. All workers use the same one, and each service has its own. */
static const void *client_log_kind(struct lined_socket *sock, unsigned number)
{
	return (const char *)client_instance(sock)->conf + number;
}

static void client_log_reason(struct lined_socket *sock,
			      enum lined_close_reason reason, int error)
{
	enum lined_log_level level =
		client_met_shortage(reason, error)
			? LINED_LOG_WARNING
			: conf_clients_level(client_instance(sock)->conf);
	const char *missed = lined_socket_missed_deadline(sock);
	const char *between = missed[0] != '\0' || error != 0 ? ": " : "";
	const void *kind = client_log_kind(sock, reason);
	char label[LINED_ADDRESS_TEXT_MAX + 32], why[256] = "";

	if (!log_enabled(level))
		return;
	client_label(sock, label, sizeof(label));
	if (strcmp(missed, "idle") == 0) {
		log_msg_of(kind, level, "%s: closed: idle %g s", label,
			   lined_socket_limits(sock)->idle_ms / 1000.0);
		return;
	}
	if (missed[0] != '\0')
		client_format_timeout(sock, why, sizeof(why));
	else if (lined_socket_tls_error(sock)[0] != '\0')
		snprintf(why, sizeof(why), "tls: %s",
			 lined_socket_tls_error(sock));
	else if (error != 0)
		snprintf(why, sizeof(why), "%s", strerror(error));
	log_msg_of(kind, level, "%s: closed: %s%s%s", label,
		   lined_close_reason_text(reason), between, why);
}

/* For a connection that came in on a systemd socket, writes its local address,
 * which the listener's name does not contain. For others writes "". */
static const char *client_local(struct lined_socket *sock, char *text,
				size_t size)
{
	text[0] = '\0';
	if (strncmp(client_listen(client_of(sock)), "systemd", 7) == 0)
		listener_fd_text(lined_socket_fd(sock), text, size);
	return text;
}

/* Replaces spaces, which paths and names may contain: programs split the access
 * line at spaces. */
static const char *client_log_join(char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++)
		if (text[i] == ' ')
			text[i] = '_';
	return text;
}

static const char *client_log_word(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
	return client_log_join(out);
}

bool client_tls(struct lined_socket *sock, struct lined_tls *out)
{
	const struct client *client = client_of(sock);
	const struct client_via *via = client->via;

	if (tls_describe(sock, out))
		return true;
	if (!client->peer.proxied || !via->tls)
		return false;
	memset(out, 0, sizeof(*out));
	out->version = via->version;
	out->cipher = via->cipher;
	out->server_name = via->server_name;
	out->name = via->verified ? via->name : "";
	out->verified = via->verified;
	return true;
}

/* Writes text escaped; "-" if it is empty. */
static const char *client_tls_word(char *out, size_t size, const char *text)
{
	lined_text_escape(out, size, text, strlen(text));
	return out[0] != '\0' ? client_log_join(out) : "-";
}

/* Writes " tls=TLSv1.3 name=alice"; "" without TLS. */
static const char *client_tls_words(struct lined_socket *sock, char *text,
				    size_t size)
{
	char name[NAME_SHOWN_MAX], version[32];
	struct lined_tls tls;

	text[0] = '\0';
	if (!client_tls(sock, &tls))
		return text;
	snprintf(text, size, " tls=%s%s%s",
		 client_tls_word(version, sizeof(version), tls.version),
		 tls.name[0] != '\0' ? " name=" : "",
		 tls.name[0] != '\0'
			 ? client_tls_word(name, sizeof(name), tls.name)
			 : "");
	return text;
}

/* Logs one line for each connection. If the rate limit drops lines, a summary
 * says how many. */
static void client_log_access(struct lined_socket *sock,
			      enum lined_close_reason reason)
{
	const struct lined_service *instance = client_instance(sock);
	const char *missed = lined_socket_missed_deadline(sock);
	enum lined_log_level level = conf_clients_level(instance->conf);
	char label[LINED_ADDRESS_TEXT_MAX + 32], listen[128], limit[32];
	char tls[300];
	struct lined_traffic traffic;
	char local[LISTENER_TEXT_MAX];

	if (!log_access() || !log_enabled(level))
		return;
	lined_socket_traffic(sock, &traffic);
	client_local(sock, local, sizeof(local));
	log_msg_of(client_log_kind(sock, LINED_CLOSE_REASONS), level,
		   "%s: access: service=%s listen=%s duration=%llu.%03u "
		   "lines_in=%llu bytes_in=%llu bytes_out=%llu queued=%zu "
		   "reason=%s%s%s%s%s%s",
		   client_label(sock, label, sizeof(label)), instance->name,
		   client_log_word(listen, sizeof(listen),
				   client_listen(client_of(sock))),
		   (unsigned long long)(traffic.connected_ms / 1000),
		   (unsigned)(traffic.connected_ms % 1000),
		   (unsigned long long)traffic.lines_in,
		   (unsigned long long)traffic.bytes_in,
		   (unsigned long long)traffic.bytes_out,
		   lined_socket_queued(sock), lined_close_reason_text(reason),
		   missed[0] != '\0' ? "," : "",
		   client_log_word(limit, sizeof(limit), missed),
		   local[0] != '\0' ? " local=" : "", local,
		   client_tls_words(sock, tls, sizeof(tls)));
}

void client_log_closed(struct lined_socket *sock,
		       enum lined_close_reason reason, int error)
{
	client_log_reason(sock, reason, error);
	client_log_access(sock, reason);
}

/* ---- lines -------------------------------------------------------------- */

static void client_log_line(const char *subject, const struct lined_line *line)
{
	char text[LINE_SHOWN_MAX];

	lined_text_escape(text, sizeof(text), line->text, line->len);
	log_debug("%s: line: %s", subject, text);
}

void client_tap(struct lined_socket *sock, const struct lined_line *line)
{
	const struct lined_service *instance = client_instance(sock);
	char label[LINED_ADDRESS_TEXT_MAX + 32];

	if (log_enabled(LINED_LOG_DEBUG))
		client_log_line(client_label(sock, label, sizeof(label)), line);
	if (instance->tapped != NULL)
		instance->tapped(sock, line);
}

void client_opened_tap(struct lined_socket *sock, const struct lined_line *line)
{
	const struct lined_service *instance = client_opened_by(sock);
	char peer[LINED_ADDRESS_TEXT_MAX], label[LINED_ADDRESS_TEXT_MAX + 128];

	if (log_enabled(LINED_LOG_DEBUG)) {
		snprintf(label, sizeof(label), "service %s: peer %s",
			 instance->name,
			 client_opened_peer(sock, peer, sizeof(peer)));
		client_log_line(label, line);
	}
	if (instance->opened_tapped != NULL)
		instance->opened_tapped(sock, line);
}
