/* SPDX-License-Identifier: MIT */
/*
 * What TLS costs: echo by lined, beside a bare epoll loop that uses
 * SSL_set_fd(), in one run: CPU time a line with 1 and 16 lines in flight, CPU
 * time a handshake, memory an idle client. The goals are 1.15, 1.15 and 1 /
 *0.95 times the bare loop, and 15 KB. Exits non-zero on wrong data only.
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
#define HANDSHAKES 300
#define IDLE       1000
#define LINE       "a line of fifty bytes, as people and machines say.\n"
#define LINE_LEN   (sizeof(LINE) - 1)

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
	return ctx;
}

static void bare_close(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	close(fd);
}

/* Blocking writes are enough: the clients read. */
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

/* ---- the subjects -------------------------------------------------------- */

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

static void start_bare(struct subject *subject)
{
	int fd = open_listener(&subject->port);

	subject->name = "bare epoll, SSL_set_fd";
	subject->pid = fork();
	if (subject->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bare_run(fd);
	}
	close(fd);
}

static void start_lined(struct subject *subject, const char *program)
{
	const char *modules = getenv("LINED_MODULES");
	char path[64];
	FILE *file;

	close(open_listener(&subject->port));
	snprintf(path, sizeof(path), "%s/lined.conf", dir);
	file = fopen(path, "w");
	if (file == NULL)
		fail("%s: %s", path, strerror(errno));
	fprintf(file,
		"workers = 1\n"
		"tls \"t\" { certificate = \"%s/tls.pem\" key = "
		"\"%s/tls.key\" }\n"
		"service \"echo\" {\n"
		"\tprotocol = \"echo\" listen = \"tls://127.0.0.1:%u\"\n"
		"\ttls = \"t\"\n"
		"\tlimits { clients-per-address = 0 "
		"connect-rate-per-address = 0 handshakes = 10000 }\n}\n",
		dir, dir, subject->port);
	fclose(file);
	subject->name = "lined";
	subject->pid = fork();
	if (subject->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execlp(program, program, "-c", path, "-l", "warning", "-L", "stderr",
	       modules != NULL ? "-m" : NULL, modules, (char *)NULL);
	_exit(127);
}

static void stop(struct subject *subject)
{
	kill(subject->pid, SIGTERM);
}

/* ---- the clients --------------------------------------------------------- */

static SSL *connect_tls(const struct subject *subject)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(subject->port),
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
	if (SSL_connect(ssl) != 1)
		fail("%s: no handshake", subject->name);
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

/* Nanoseconds of CPU time of the subject for a line. */
static double cost_of_lines(const struct subject *subject, SSL **clients,
			    unsigned in_flight)
{
	char lines[16 * LINE_LEN];
	unsigned rounds = LINES / in_flight / CLIENTS, i, k;
	uint64_t before;

	for (i = 0; i < in_flight; i++)
		memcpy(lines + i * LINE_LEN, LINE, LINE_LEN);
	before = subject_cpu_ns(subject);
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < CLIENTS; k++)
			if (SSL_write(clients[k], lines,
				      (int)(in_flight * LINE_LEN)) <= 0)
				fail("write");
		for (k = 0; k < CLIENTS; k++)
			read_back(clients[k], in_flight * LINE_LEN);
	}
	return (double)(subject_cpu_ns(subject) - before) /
	       (rounds * in_flight * CLIENTS);
}

static double cost_of_handshakes(const struct subject *subject)
{
	uint64_t before = subject_cpu_ns(subject);
	unsigned i;

	for (i = 0; i < HANDSHAKES; i++) {
		SSL *ssl = connect_tls(subject);

		SSL_write(ssl, LINE, LINE_LEN);
		read_back(ssl, LINE_LEN);
		disconnect(ssl);
	}
	return (double)(subject_cpu_ns(subject) - before) / HANDSHAKES;
}

static double memory_of_idle(const struct subject *subject)
{
	static SSL *idle[IDLE];
	uint64_t before = subject_rss(subject), after;
	unsigned i;

	for (i = 0; i < IDLE; i++) {
		idle[i] = connect_tls(subject);
		SSL_write(idle[i], LINE, LINE_LEN);
		read_back(idle[i], LINE_LEN);
	}
	poll(NULL, 0, 100);
	after = subject_rss(subject);
	for (i = 0; i < IDLE; i++)
		disconnect(idle[i]);
	return (double)(after - before) / IDLE;
}

/* ---- the figures --------------------------------------------------------- */

enum figure { ONE, SIXTEEN, HANDSHAKE, MEMORY, FIGURES };

/* In turns, so that what else the machine does hits both. */
static void measure(struct subject *subjects, double results[2][FIGURES])
{
	double values[2][3][ROUNDS];
	SSL *clients[2][CLIENTS];
	unsigned round, s, i;

	for (s = 0; s < 2; s++)
		for (i = 0; i < CLIENTS; i++)
			clients[s][i] = connect_tls(&subjects[s]);
	for (round = 0; round < ROUNDS; round++)
		for (s = 0; s < 2; s++) {
			values[s][ONE][round] =
				cost_of_lines(&subjects[s], clients[s], 1);
			values[s][SIXTEEN][round] =
				cost_of_lines(&subjects[s], clients[s], 16);
			values[s][HANDSHAKE][round] =
				cost_of_handshakes(&subjects[s]);
		}
	for (s = 0; s < 2; s++) {
		for (i = ONE; i <= HANDSHAKE; i++)
			results[s][i] = median(values[s][i], ROUNDS);
		results[s][MEMORY] = memory_of_idle(&subjects[s]);
		for (i = 0; i < CLIENTS; i++)
			disconnect(clients[s][i]);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[FIGURES] = {
		"CPU ns a line, 1 in flight",
		"CPU ns a line, 16 in flight",
		"CPU ns a handshake, a line and the end",
		"RSS bytes an idle client",
	};
	const char *program = argc > 1 ? argv[1] : getenv("LINED");
	struct subject subjects[2] = {{.name = NULL}, {.name = NULL}};
	double results[2][FIGURES];
	char command[64];
	unsigned i;

	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	if (mkdtemp(dir) == NULL || certificate_write(dir) < 0)
		fail("%s: %s", dir, strerror(errno));
	client_ctx = SSL_CTX_new(TLS_client_method());
	start_bare(&subjects[0]);
	start_lined(&subjects[1], program != NULL ? program : "lined");
	measure(subjects, results);
	for (i = 0; i < FIGURES; i++)
		printf("%-40s lined %9.0f, bare %9.0f: %.2f\n", names[i],
		       results[1][i], results[0][i],
		       results[1][i] / results[0][i]);
	stop(&subjects[0]);
	stop(&subjects[1]);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
