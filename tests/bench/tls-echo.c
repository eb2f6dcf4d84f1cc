/* SPDX-License-Identifier: MIT */
/*
 * The cost of TLS for an echo server: lined; a bare epoll loop that uses
 * SSL_set_fd(); and, if they are installed, redis, and nginx, HAProxy and
 * stunnel in front of a bare loop without TLS. One run measures for each: CPU
 * time per line with 1 and with 16 lines in flight, CPU time per handshake with
 * one and with 16 at once, and memory per idle client. The goals for lined: a
 * line costs at most 1.15 times that of the bare loop and less than all others;
 * a handshake costs at most 1 / 0.95 times that of the bare loop; a client
 * takes at most 15 KB. Only wrong data makes it exit non-zero.
 *
 *	tls-echo [LINED]
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linetest/certificate.h"
#include "subject.h"

#define CLIENTS    16
#define ROUNDS     5
#define LINES      16000
#define HANDSHAKES 320
#define IDLE       1000
#define TEXT       "a line of 50 bytes, as people and machines write."
#define LINE       TEXT "\n"

enum peer_name { BARE, OURS, REDIS, NGINX, HAPROXY, STUNNEL, PEERS };

/* A measured server. The name is NULL if the server is not installed. */
struct peer {
	struct subject subject;
	const char *line, *answer;
};

static char dir[] = "/tmp/tls-echo.XXXXXX";
static SSL_CTX *client_ctx;

/* ---- the bare loop ------------------------------------------------------- */

static SSL_CTX *bare_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char certificate[64], key[64];

	snprintf(certificate, sizeof(certificate), "%s/tls.pem", dir);
	snprintf(key, sizeof(key), "%s/tls.key", dir);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		fail("the certificate is not good");
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* As lined does: otherwise the handshakes would not be comparable. */
	SSL_CTX_set_num_tickets(ctx, 1);
	return ctx;
}

/* Answers close_notify, as lined does and RFC 8446, 6.1 demands. */
static void bare_close(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

/* A write that the kernel takes only in part ends the connection. The clients
 * always read, so that does not happen. */
static void bare_serve(SSL *ssl)
{
	static char data[64 * 1024];
	int n;

	for (;;) {
		n = SSL_read(ssl, data, sizeof(data));
		if (n > 0 && SSL_write(ssl, data, n) == n)
			continue;
		if (n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ)
			return;
		ERR_clear_error();
		bare_close(ssl);
		return;
	}
}

static void bare_accept(int epoll, int listener, SSL_CTX *ctx)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	SSL *ssl = SSL_new(ctx);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ssl};

	SSL_set_fd(ssl, fd);
	SSL_set_accept_state(ssl);
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void bare_run(int listener)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), n, i;
	struct epoll_event events[256], event = {.events = EPOLLIN};
	SSL_CTX *ctx = bare_context();

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		n = epoll_wait(epoll, events, 256, -1);
		for (i = 0; i < n; i++)
			if (events[i].data.ptr == NULL)
				bare_accept(epoll, listener, ctx);
			else
				bare_serve(events[i].data.ptr);
	}
}

/* ---- the peers ----------------------------------------------------------- */

static int open_listener(uint16_t *port)
{
	struct sockaddr_in own = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&own, len) < 0 ||
	    listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		fail("listen: %s", strerror(errno));
	*port = ntohs(own.sin_port);
	return fd;
}

static void start_bare(struct peer *peer)
{
	int fd = open_listener(&peer->subject.port);

	peer->subject.name = "bare epoll";
	peer->subject.pid = fork();
	if (peer->subject.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bare_run(fd);
	}
	close(fd);
}

/* A program that is started with a config file. In the file, @P is replaced by
 * the program's port, @B by the port of a bare loop without TLS, @D by the
 * directory of certificates. */
struct program {
	const char *name, *config;
	const char *argv[8]; /* begins with the program; @F is the config
			      * file */
};

static const struct program programs[PEERS] = {
	[OURS] = {"lined",
		  "workers = 1\n"
		  "tls \"t\" { certificate = \"@D/tls.pem\" "
		  "key = \"@D/tls.key\" }\n"
		  "service \"echo\" { protocol = \"echo\" tls = \"t\"\n"
		  "listen = \"tls://127.0.0.1:@P\"\n"
		  "limits { clients-per-address = 0 "
		  "connect-rate-per-address = 0 handshakes = 10000 } }\n",
		  {"lined", "-c", "@F", "-l", "warning", "-L", "stderr"}},
	[REDIS] = {"redis",
		   "port 0\ntls-port @P\nbind 127.0.0.1\n"
		   "tls-cert-file @D/tls.pem\ntls-key-file @D/tls.key\n"
		   "tls-auth-clients no\ntls-session-caching no\n"
		   "save \"\"\nlogfile /dev/null\ndir @D\n",
		   {"redis-server", "@F"}},
	[NGINX] = {"nginx stream",
		   "load_module modules/ngx_stream_module.so;\n"
		   "daemon off; master_process off; pid @D/nginx.pid;\n"
		   "error_log /dev/null;\n"
		   "events { worker_connections 8192; }\n"
		   "stream { server { listen 127.0.0.1:@P ssl;\n"
		   "ssl_certificate @D/tls.pem; ssl_certificate_key "
		   "@D/tls.key;\nssl_session_cache off;\n"
		   "proxy_pass 127.0.0.1:@B; } }\n",
		   {"nginx", "-e", "/dev/null", "-c", "@F"}},
	[HAPROXY] = {"HAProxy",
		     "global\nnbthread 1\nmaxconn 4000\n"
		     "ssl-server-verify none\n"
		     "defaults\nmode tcp\ntimeout connect 5s\n"
		     "timeout client 1h\ntimeout server 1h\n"
		     "listen l\nbind 127.0.0.1:@P ssl crt @D/both.pem\n"
		     "server s 127.0.0.1:@B\n",
		     {"haproxy", "-db", "-q", "-f", "@F"}},
	[STUNNEL] = {"stunnel",
		     "foreground = yes\npid =\nsyslog = no\ndebug = 0\n"
		     "output = /dev/null\n[l]\naccept = 127.0.0.1:@P\n"
		     "connect = 127.0.0.1:@B\ncert = @D/tls.pem\n"
		     "key = @D/tls.key\n",
		     {"stunnel", "@F"}},
};

static void write_config(const char *path, const char *config, unsigned port,
			 unsigned bare)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		fail("%s: %s", path, strerror(errno));
	for (; *config != '\0'; config++) {
		if (*config != '@') {
			fputc(*config, file);
			continue;
		}
		config++;
		if (*config == 'D')
			fputs(dir, file);
		else
			fprintf(file, "%u", *config == 'P' ? port : bare);
	}
	fclose(file);
}

static bool is_installed(const char *program)
{
	char command[512];

	snprintf(command, sizeof(command), "command -v '%s' >/dev/null 2>&1",
		 program);
	return system(command) == 0;
}

static void start_program(struct peer *peer, const struct program *program,
			  const char *path, unsigned bare)
{
	const char *argv[11], *modules = getenv("LINED_MODULES");
	char file[64];
	unsigned i;

	if (path == NULL)
		path = program->argv[0];
	if (!is_installed(path))
		return;
	close(open_listener(&peer->subject.port));
	snprintf(file, sizeof(file), "%s/%s.conf", dir, program->argv[0]);
	write_config(file, program->config, peer->subject.port, bare);
	for (i = 0; program->argv[i] != NULL; i++)
		argv[i] = strcmp(program->argv[i], "@F") == 0
				  ? file
				  : program->argv[i];
	if (program == &programs[OURS] && modules != NULL) {
		argv[i++] = "-m";
		argv[i++] = modules;
	}
	argv[i] = NULL;
	peer->subject.name = program->name;
	peer->subject.pid = fork();
	if (peer->subject.pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(path, (char **)(uintptr_t)argv);
	_exit(127);
}

/* ---- the clients --------------------------------------------------------- */

static SSL *connect_tcp(const struct peer *peer)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(peer->subject.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL *ssl = SSL_new(client_ctx);
	int fd = -1, tries;

	for (tries = 0; tries < 500; tries++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
			break;
		close(fd);
		poll(NULL, 0, 10);
	}
	SSL_set_fd(ssl, fd);
	return ssl;
}

static SSL *connect_tls(const struct peer *peer)
{
	SSL *ssl = connect_tcp(peer);

	if (SSL_connect(ssl) != 1)
		fail("%s: no handshake", peer->subject.name);
	return ssl;
}

static void disconnect(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static void read_back(SSL *ssl, size_t want)
{
	static char got[64 * 1024];
	int n;

	while (want > 0) {
		n = SSL_read(ssl, got, sizeof(got));
		if (n <= 0 || (size_t)n > want)
			fail("the lines did not come back");
		if (memchr(got, '\0', (size_t)n) != NULL)
			fail("the lines came back wrong");
		want -= (size_t)n;
	}
}

/* Returns the peer's CPU time per line in nanoseconds. */
static double cost_of_lines(const struct peer *peer, SSL **clients,
			    unsigned in_flight)
{
	size_t len = strlen(peer->line), want = strlen(peer->answer);
	unsigned rounds = LINES / in_flight / CLIENTS, i, k;
	char lines[16 * 128];
	uint64_t before;

	for (i = 0; i < in_flight; i++)
		memcpy(lines + i * len, peer->line, len);
	before = subject_cpu_ns(&peer->subject);
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < CLIENTS; k++)
			if (SSL_write(clients[k], lines,
				      (int)(in_flight * len)) <= 0)
				fail("write");
		for (k = 0; k < CLIENTS; k++)
			read_back(clients[k], in_flight * want);
	}
	return (double)(subject_cpu_ns(&peer->subject) - before) /
	       (rounds * in_flight * CLIENTS);
}

static SSL *connect_and_try(const struct peer *peer)
{
	SSL *ssl = connect_tls(peer);

	SSL_write(ssl, peer->line, (int)strlen(peer->line));
	read_back(ssl, strlen(peer->answer));
	return ssl;
}

/* Makes all handshakes at the same time, so that the peer is never idle between
 * two steps of one of them. */
static void connect_crowd(const struct peer *peer, SSL **crowd, unsigned count)
{
	unsigned left = count, i;
	int result;

	for (i = 0; i < count; i++) {
		crowd[i] = connect_tcp(peer);
		fcntl(SSL_get_fd(crowd[i]), F_SETFL, O_NONBLOCK);
	}
	while (left > 0)
		for (left = 0, i = 0; i < count; i++) {
			result = SSL_connect(crowd[i]);
			if (result == 1)
				continue;
			if (SSL_get_error(crowd[i], result) !=
			    SSL_ERROR_WANT_READ)
				fail("%s: no handshake", peer->subject.name);
			left++;
		}
	for (i = 0; i < count; i++)
		fcntl(SSL_get_fd(crowd[i]), F_SETFL, 0);
}

static double cost_of_handshakes(const struct peer *peer, unsigned at_once)
{
	uint64_t before = subject_cpu_ns(&peer->subject);
	unsigned rounds = HANDSHAKES / at_once, round, i;
	SSL *crowd[CLIENTS];

	for (round = 0; round < rounds; round++) {
		connect_crowd(peer, crowd, at_once);
		for (i = 0; i < at_once; i++) {
			SSL_write(crowd[i], peer->line,
				  (int)strlen(peer->line));
			read_back(crowd[i], strlen(peer->answer));
			disconnect(crowd[i]);
		}
	}
	return (double)(subject_cpu_ns(&peer->subject) - before) /
	       (rounds * at_once);
}

static double memory_of_idle(const struct peer *peer)
{
	static SSL *idle[IDLE];
	uint64_t before = subject_rss(&peer->subject), after;
	unsigned i;

	for (i = 0; i < IDLE; i++)
		idle[i] = connect_and_try(peer);
	poll(NULL, 0, 100);
	after = subject_rss(&peer->subject);
	for (i = 0; i < IDLE; i++)
		disconnect(idle[i]);
	return (double)(after - before) / IDLE;
}

/* ---- the figures --------------------------------------------------------- */

enum figure { ONE, SIXTEEN, HANDSHAKE, HANDSHAKES_16, MEMORY, FIGURES };

static bool is_there(const struct peer *peer)
{
	return peer->subject.name != NULL;
}

/* Measures the peers in turns, so that other load of the machine affects all of
 * them. */
static void measure(struct peer *peers, double results[PEERS][FIGURES])
{
	static double values[PEERS][4][ROUNDS];
	SSL *clients[PEERS][CLIENTS];
	unsigned round, p, i;

	for (p = 0; p < PEERS; p++)
		for (i = 0; is_there(&peers[p]) && i < CLIENTS; i++)
			clients[p][i] = connect_tls(&peers[p]);
	for (round = 0; round < ROUNDS; round++)
		for (p = 0; p < PEERS; p++) {
			if (!is_there(&peers[p]))
				continue;
			values[p][ONE][round] =
				cost_of_lines(&peers[p], clients[p], 1);
			values[p][SIXTEEN][round] =
				cost_of_lines(&peers[p], clients[p], 16);
			values[p][HANDSHAKE][round] =
				cost_of_handshakes(&peers[p], 1);
			values[p][HANDSHAKES_16][round] =
				cost_of_handshakes(&peers[p], CLIENTS);
		}
	for (p = 0; p < PEERS; p++) {
		if (!is_there(&peers[p]))
			continue;
		for (i = ONE; i <= HANDSHAKES_16; i++)
			results[p][i] = median(values[p][i], ROUNDS);
		results[p][MEMORY] = memory_of_idle(&peers[p]);
		for (i = 0; i < CLIENTS; i++)
			disconnect(clients[p][i]);
	}
}

/* HAProxy wants the certificate and the key in one file. */
static void write_both(void)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "cat %s/tls.pem %s/tls.key >%s/both.pem", dir, dir, dir);
	if (system(command) != 0)
		fail("%s", command);
}

static void print_results(const struct peer *peers,
			  double results[PEERS][FIGURES])
{
	unsigned p, i;

	printf("%-14s%14s%14s%14s%14s%14s\n", "", "ns a line, 1",
	       "16 in flight", "ns handshake", "16 at once", "bytes idle");
	for (p = 0; p < PEERS; p++) {
		if (!is_there(&peers[p]))
			continue;
		printf("%-14s", peers[p].subject.name);
		for (i = 0; i < FIGURES; i++)
			printf("%14.0f", results[p][i]);
		printf("\n");
	}
	printf("%-14s", "lined / bare");
	for (i = 0; i < FIGURES; i++)
		printf("%14.2f", results[OURS][i] / results[BARE][i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	const char *ours = argc > 1 ? argv[1] : getenv("LINED");
	static struct peer peers[PEERS];
	double results[PEERS][FIGURES];
	struct subject plain;
	char command[64];
	unsigned p;

	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	if (mkdtemp(dir) == NULL || certificate_write(dir) < 0)
		fail("%s: %s", dir, strerror(errno));
	write_both();
	client_ctx = SSL_CTX_new(TLS_client_method());
	subject_start_bare(&plain);
	for (p = 0; p < PEERS; p++) {
		peers[p].line = p == REDIS ? "ECHO \"" TEXT "\"\r\n" : LINE;
		peers[p].answer = p == REDIS ? "$49\r\n" TEXT "\r\n" : LINE;
		if (p == BARE)
			start_bare(&peers[p]);
		else
			start_program(&peers[p], &programs[p],
				      p == OURS ? ours : NULL, plain.port);
	}
	if (!is_there(&peers[OURS]))
		fail("lined: no such program");
	measure(peers, results);
	print_results(peers, results);
	for (p = 0; p < PEERS; p++)
		if (is_there(&peers[p]))
			kill(peers[p].subject.pid, SIGTERM);
	subject_stop(&plain);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
