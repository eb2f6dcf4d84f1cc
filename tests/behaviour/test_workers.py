#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several workers, seen from outside: their threads and names, the placement of
clients; how services begin, reload and end on all workers; that the bus
delivers to all workers, names have one winner, batches grow with the load, and
the log names a blocked worker. The tests have their own protocols."""
import collections
import operator
import os
import re
import signal
import threading
import time

from lined_test import Client, Datagram, DaemonTest
from lined_test import free_port, main, service

# Sends every line to every client of the service, on all workers. "claim NAME"
# and "names" use the registry.
HUB = r"""
#include <stdio.h>
#include <string.h>
#include <lined/bus.h>
#include <lined/protocol.h>
#include <lined/registry.h>

static void send_to(struct lined_socket *client, void *arg)
{
	struct lined_buffer *message = arg;

	lined_socket_send_shared(client, message, 0,
				 lined_buffer_len(message));
}

static void published(void *arg, struct lined_buffer *message)
{
	lined_service_each_client(arg, send_to, message);
}

static int start(struct lined_service *service)
{
	return lined_bus_subscribe(service, "all", published, service) != NULL
		? 0 : -1;
}

static void claimed(struct lined_socket *client, void *arg, bool won)
{
	(void)arg;
	lined_socket_send(client, won ? "won\n" : "lost\n", won ? 4 : 5);
}

static void name(const struct lined_registry_entry *entry, void *arg)
{
	lined_socket_send(arg, entry->name, strlen(entry->name));
	lined_socket_send(arg, " ", 1);
}

static void line(struct lined_socket *client, const struct lined_line *line)
{
	struct lined_service *service = lined_client_service(client);
	struct lined_buffer *message;
	char *text;

	if (strncmp(line->text, "claim ", 6) == 0) {
		lined_registry_claim(service, client, line->text + 6, "", 0,
				     claimed, NULL);
		return;
	}
	if (strcmp(line->text, "names") == 0) {
		lined_registry_list(service, "", name, client);
		lined_socket_send(client, "\n", 1);
		return;
	}
	message = lined_buffer_alloc(line->len + 1, &text);
	if (message == NULL)
		return;
	memcpy(text, line->text, line->len);
	text[line->len] = '\n';
	lined_bus_publish(service, "all", message);
	lined_buffer_unref(message);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "hub",
	.summary = "gives every line to everybody",
	.handle_line = line,
	.start = start,
};
"""

# Sleeps for as many seconds as a line says, in handle_read or in handle_line.
NAP = r"""
#include <stdlib.h>
#include <unistd.h>
#include <lined/protocol.h>

static void nap(struct lined_socket *client, const struct lined_line *line)
{
	sleep((unsigned)atoi(line->text));
	lined_socket_send_line(client, line);
}

#if FULL_DOOR
static void on_read(struct lined_socket *client, void *arg)
{
	struct lined_line line;

	(void)arg;
	while (lined_socket_read_line(client, &line) == LINED_LINE_READY)
		nap(client, &line);
}

static const struct lined_socket_handlers handlers = {
	.handle_read = on_read,
};

static void on_accept(struct lined_service *service,
		      struct lined_socket *client)
{
	(void)service;
	lined_socket_set_handlers(client, &handlers, NULL);
}
#endif

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = NAME,
	.summary = "stands still",
#if FULL_DOOR
	.handle_accept = on_accept,
#else
	.handle_line = nap,
#endif
};
"""

# Sends its place: the worker's number, the number of workers, whether this is
# the service's primary worker, and the threads that accept and that answer.
WHERE = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <lined/protocol.h>

static long thread(void)
{
	return syscall(SYS_gettid);
}

static void on_accept(struct lined_service *service,
		      struct lined_socket *client)
{
	long *own = lined_client_data(client);

	(void)service;
	*own = thread();
}

static void where(struct lined_socket *client, const struct lined_line *line)
{
	struct lined_service *service = lined_client_service(client);
	const long *own = lined_client_data(client);
	char text[80];
	int len;

	(void)line;
	len = snprintf(text, sizeof(text), "%u %u %d %ld %ld\n",
		       lined_service_worker(service),
		       lined_service_workers(service),
		       lined_service_is_primary(service),
		       *own, thread());
	lined_socket_send(client, text, (size_t)len);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = NAME,
	.summary = "says where it is",
	.flags = FLAGS,
	.transports = LINED_TRANSPORT_STREAM | LINED_TRANSPORT_DATAGRAM,
	.handle_accept = on_accept,
	.handle_line = where,
	.client_size = sizeof(long),
};
"""

# Logs each call of its functions.
LIFE = r"""
#include <lined/protocol.h>

/* A kind of message each: what repeats is left out of the log. */
#define tell(service, what)                                                    \
	lined_service_log(service, LINED_LOG_NOTICE, what " on %u with %zu",   \
			  lined_service_worker(service),                       \
			  lined_service_clients(service))

static int on_start(struct lined_service *service)
{
	tell(service, "start");
	return 0;
}

static void on_stop(struct lined_service *service)
{
	tell(service, "stop");
}

static void on_reload(struct lined_service *service)
{
	tell(service, "reload");
}

static void on_drain(struct lined_service *service)
{
	tell(service, "drain");
}

static void on_close(struct lined_socket *client,
		     enum lined_close_reason reason, int error)
{
	(void)reason;
	(void)error;
	tell(lined_client_service(client), "close");
}

static void line(struct lined_socket *client, const struct lined_line *line)
{
	lined_socket_send_line(client, line);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "life",
	.summary = "tells of its life",
	.handle_line = line,
	.handle_close = on_close,
	.start = on_start,
	.stop = on_stop,
	.reload = on_reload,
	.drain = on_drain,
};
"""

# Closes its clients when they ask for it; `finish` returns true at the second
# call.
SLOW_END = r"""
#include <lined/protocol.h>

static void on_line(struct lined_socket *client, const struct lined_line *line)
{
	(void)line;
	lined_socket_close(client);
}

static void on_drain(struct lined_socket *client)
{
	lined_service_count(lined_client_service(client), "asked", 1);
}

static bool on_finish(struct lined_service *service)
{
	bool again = lined_service_data(service) != NULL;

	lined_service_set_data(service, service);
	lined_service_log(service, LINED_LOG_NOTICE, "%s with %zu",
			  again ? "finished" : "finish",
			  lined_service_clients(service));
	return again;
}

static void on_stop(struct lined_service *service)
{
	lined_service_log(service, LINED_LOG_NOTICE, "stop after finish: %d",
			  lined_service_data(service) != NULL);
}

const struct lined_protocol lined_protocol = {
	.abi = LINED_ABI,
	.size = sizeof(struct lined_protocol),
	.name = "slow",
	.summary = "goes in its own time",
	.handle_line = on_line,
	.handle_drain = on_drain,
	.finish = on_finish,
	.stop = on_stop,
};
"""

COUNTERS = re.compile(r"bus: published (\d+), posted to workers (\d+), "
                      r"wakeups (\d+)")


Place = collections.namedtuple("Place", "worker workers primary came thread")


def ask_place(client):
    """Returns the place that WHERE sends to a client."""
    client.send(b"?\n")
    answer = client.receive() if isinstance(client, Datagram) else client.line()
    return Place(*(int(word) for word in answer.split()))


class Placement(DaemonTest):
    """The placement of clients on threads."""

    def setUp(self):
        super().setUp()
        for name, flags in (("where", "0"), ("alone", "LINED_ONE_WORKER")):
            self.build_module(name, WHERE.replace("NAME", '"%s"' % name)
                              .replace("FLAGS", flags))

    def serve(self, workers, *services):
        """Starts services of (name, protocol), each on its own port. Returns
        the daemon."""
        self.ports = {name: free_port() for name, _ in services}
        return self.start("".join(
            service(name, "tcp://127.0.0.1:%d" % self.ports[name],
                    protocol=protocol) for name, protocol in services),
            workers=workers)

    def client(self, name):
        client = Client(("127.0.0.1", self.ports[name]))
        self.addCleanup(client.close)
        return client

    def names(self, daemon):
        """Returns the numbers and names of the daemon's threads."""
        names = {}
        tasks = "/proc/%d/task" % daemon.pid
        for task in os.listdir(tasks):
            with open("%s/%s/comm" % (tasks, task)) as f:
                names[int(task)] = f.read().strip()
        return names

    def test_each_thread_bears_its_workers_number(self):
        daemon = self.serve(4, ("w", "where"))
        names = self.names(daemon)
        self.assertEqual(names[daemon.pid], "lined")
        self.assertEqual(sorted(n for n in names.values()
                                if re.match(r"lined/\d", n)),
                         ["lined/%d" % i for i in range(4)])
        for client in [self.client("w") for _ in range(8)]:
            place = ask_place(client)
            self.assertEqual(place.workers, 4)
            # The protocol's handle_accept runs there too.
            self.assertEqual(place.came, place.thread)
            self.assertEqual(names[place.thread], "lined/%d" % place.worker)

    def test_a_single_worker_is_the_main_thread(self):
        daemon = self.serve(1, ("w", "where"))
        self.assertFalse([n for n in self.names(daemon).values()
                          if re.match(r"lined/\d", n)])
        place = ask_place(self.client("w"))
        self.assertEqual(place, (0, 1, 1, daemon.pid, daemon.pid))

    def clients_known(self, daemon):
        """Returns the number of clients of all services, as the main thread
        counts them."""
        time.sleep(0.6)  # what repeats too often is left out of the log
        mark = daemon.mark()
        daemon.signal(signal.SIGUSR1)
        return sum(int(re.search(r": (\d+) clients", daemon.wait_log(
            r"service %s: \d+ clients" % name, mark)).group(1))
            for name in self.ports)

    def test_clients_go_to_the_least_loaded_worker(self):
        daemon = self.serve(3, ("a", "where"), ("b", "where"))
        there = collections.defaultdict(list)
        for i in range(12):
            client = self.client("ab"[i % 2])
            there[ask_place(client).worker].append(client)
        self.assertEqual({w: len(c) for w, c in there.items()},
                         {0: 4, 1: 4, 2: 4})
        # One worker loses its clients, and then gets the next ones: clients of
        # all services count.
        for client in there.pop(1):
            client.close()
        self.eventually(lambda: self.clients_known(daemon) == 8,
                        "the end of four clients")
        for _ in range(4):
            self.assertEqual(ask_place(self.client("a")).worker, 1)
        self.assertEqual(sorted(ask_place(self.client("b")).worker
                                for _ in range(3)), [0, 1, 2])

    def test_one_worker_has_all_clients_of_a_protocol_that_asks_for_it(self):
        self.serve(4, ("one", "alone"), ("two", "alone"), ("w", "where"))
        for name in ("one", "two"):
            places = {ask_place(self.client(name)) for _ in range(9)}
            self.assertEqual(len(places), 1)
            self.assertEqual(places.pop().primary, 1)
        self.assertEqual({ask_place(self.client("w")).worker
                          for _ in range(80)}, {0, 1, 2, 3})

    def test_one_worker_of_each_service_is_its_primary(self):
        names = ["s%d" % i for i in range(8)]
        self.serve(4, *((name, "where") for name in names))
        primaries = []
        for name in names:
            places = {ask_place(self.client(name)) for _ in range(8)}
            self.assertEqual({p.worker for p in places}, {0, 1, 2, 3})
            there = {p.worker for p in places if p.primary}
            self.assertEqual(len(there), 1, name)
            primaries += there
        self.assertGreater(len(set(primaries)), 1)

    def test_datagrams_are_served_by_the_primary_worker(self):
        port = free_port()
        self.start(service("u", "udp://127.0.0.1:%d" % port,
                           protocol="where"), workers=4)
        for _ in range(4):
            with Datagram(("127.0.0.1", port)) as client:
                place = ask_place(client)
                self.assertEqual(place.primary, 1)
                self.assertEqual(place.came, place.thread)


class End(DaemonTest):
    def setUp(self):
        super().setUp()
        self.build_module("slow", SLOW_END)
        self.port = free_port()
        self.text = service("s", "tcp://127.0.0.1:%d" % self.port,
                            protocol="slow")

    def crowd(self, daemon, count):
        clients = [Client(("127.0.0.1", self.port)) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
        self.eventually(lambda: len(daemon.logged("connected to tcp")) == count,
                        "every client")
        return clients

    def test_no_worker_finishes_before_the_last_client_of_any_is_gone(self):
        daemon = self.start(self.text, workers=2)
        a, b = self.crowd(daemon, 2)
        daemon.signal(signal.SIGTERM)
        daemon.wait_notify("STOPPING=1")
        self.assertTrue(a.is_silent(0.4))
        a.send(b"bye\n")
        self.assertEqual(a.ended(), b"")
        self.assertTrue(b.is_silent(0.2))
        self.assertEqual(daemon.logged("finish|stop after"), [])
        b.send(b"bye\n")
        self.assertEqual(b.ended(), b"")
        self.assertEqual(daemon.wait(), 0)
        told = [line.split("service s: ")[1] for line in
                daemon.logged("service s: (finish|stop after)")]
        self.assertEqual(sorted(told),
                         ["finish with 0"] * 2 + ["finished with 0"] * 2
                         + ["stop after finish: 1"] * 2)

    def test_none_of_it_lasts_longer_than_the_drain(self):
        daemon = self.start("drain-timeout = 1s\n" + self.text, workers=2)
        a, b = self.crowd(daemon, 2)
        with self.takes(0.8, 8):
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)
        for c in (a, b):
            self.assertEqual(c.ended(), b"")


class Life(DaemonTest):
    """How services begin, reload and end on all workers."""

    def setUp(self):
        super().setUp()
        self.build_module("life", LIFE)
        self.port = free_port()
        self.text = service("l", "tcp://127.0.0.1:%d" % self.port,
                            protocol="life")

    def crowd(self, count):
        clients = [Client(("127.0.0.1", self.port)) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
            self.assertTrue(client.echoes())
        return clients

    def told(self, daemon, what, since=0):
        """Returns the numbers of the workers that have logged this, sorted."""
        return [int(re.search(r" on (\d+) ", line).group(1)) for line in
                daemon.logged(r"service l: %s on" % what, since)]

    def wait_told(self, daemon, what, since=0):
        """Waits until each worker has logged this once."""
        for worker in range(4):
            daemon.wait_log("service l: %s on %d " % (what, worker), since)
        self.assertEqual(sorted(self.told(daemon, what, since)),
                         [0, 1, 2, 3])

    def test_the_whole_life_of_a_service(self):
        daemon = self.start(self.text, workers=4)
        self.wait_told(daemon, "start")
        clients = self.crowd(12)
        for i in range(3):
            self.write(self.text + "drain-timeout = %ds\n" % (10 + i),
                       workers=4)
            self.wait_told(daemon, "reload", daemon.reload())
        for client in clients:
            self.assertTrue(client.echoes())
        daemon.stop()
        for what in ("start", "drain", "stop"):
            self.assertEqual(sorted(self.told(daemon, what)), [0, 1, 2, 3])
        self.assertEqual(len(self.told(daemon, "close")), 12)
        # On each worker, its own events are in this order.
        for worker in range(4):
            happened = [re.search(r"l: (\w+) on", line).group(1) for line in
                        daemon.logged(r"service l: \w+ on %d " % worker)]
            self.assertEqual(happened, ["start", "reload", "reload", "reload",
                                        "drain", "close", "close", "close",
                                        "stop"])
        self.assertEqual(len(daemon.logged("service l: stop on . with 0$")),
                         4)

    def test_stopping_in_the_midst_of_work(self):
        """A stop ends although lines are under way and clients connect. Each
        answer belongs to a request."""
        daemon = self.start(self.text + "drain-timeout = 2s\n", workers=4)
        stop = threading.Event()
        wrong = []

        def work(number):
            while not stop.is_set():
                try:
                    client = Client(("127.0.0.1", self.port))
                except OSError:
                    return
                with client:
                    sent = b"%d at work\n" % number * 40
                    try:
                        client.send(sent)
                        got = client.exactly(len(sent))
                    except (OSError, AssertionError):
                        got = bytes(client.buffer)
                    if not sent.startswith(got):
                        wrong.append(got)

        threads = [threading.Thread(target=work, args=(i,), daemon=True)
                   for i in range(8)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.3)
            daemon.stop()
        finally:
            stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(wrong, [])
        self.assertEqual(sorted(self.told(daemon, "stop")), [0, 1, 2, 3])

    def test_reloading_in_the_midst_of_work(self):
        """While limits change and a service comes and goes, no client loses a
        line."""
        daemon = self.start(self.text, workers=4)
        clients = self.crowd(8)
        other = service("m", "tcp://127.0.0.1:%d" % free_port(),
                        protocol="life")
        total, wrong = 4000, []

        def talk(client):
            client.send(b"".join(b"line %d\n" % i for i in range(total)))

        def listen(client):
            for i in range(total):
                line = client.line()
                if line != b"line %d\n" % i:
                    wrong.append((i, line))
                    return

        threads = [threading.Thread(target=target, args=(c,), daemon=True)
                   for target in (talk, listen) for c in clients]
        for thread in threads:
            thread.start()
        for i in range(10):
            self.write(service("l", "tcp://127.0.0.1:%d" % self.port,
                               protocol="life",
                               extra="limits { send-queue = %dM }" % (8 + i))
                       + (other if i % 2 else ""), workers=4)
            daemon.reload()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertEqual(wrong, [])
        self.assertEqual(daemon.logged("client lost|closed"), [])


class Workers(DaemonTest):

    def hub(self, workers, extra=""):
        self.build_module("hub", HUB)
        self.port = free_port()
        return self.start(
            service("h", "tcp://127.0.0.1:%d" % self.port, protocol="hub")
            + extra, workers=workers)

    def client(self):
        client = Client(("127.0.0.1", self.port))
        self.addCleanup(client.close)
        return client

    def settled(self, count):
        """Waits until the workers have so many clients."""
        clients = [self.client() for _ in range(count)]
        for client in clients:
            client.send(b"names\n")
            client.line()
        return clients

    # ---- the bus --------------------------------------------------------

    def test_everybody_gets_each_line_once_and_in_order(self):
        for workers in (1, 2, 4):
            with self.subTest(workers=workers):
                daemon = self.hub(workers)
                clients = self.settled(8)
                for k in range(4):
                    for i, client in enumerate(clients):
                        client.send(b"".join(b"%d %d\n" % (i, n) for n in
                                             range(k * 100, k * 100 + 100)))
                for client in clients:
                    seen = [0] * len(clients)
                    for _ in range(400 * len(clients)):
                        who, number = client.line().split()
                        self.assertEqual(int(number), seen[int(who)])
                        seen[int(who)] += 1
                    self.assertEqual(seen, [400] * len(clients))
                    client.close()
                daemon.stop()

    def counters(self, daemon):
        mark = daemon.mark()
        daemon.signal(signal.SIGUSR1)
        found = COUNTERS.search(daemon.wait_log(COUNTERS.pattern, mark))
        return [int(number) for number in found.groups()]

    def test_wakeups_a_line_go_down_as_the_load_goes_up(self):
        daemon = self.hub(4)
        client = self.settled(1)[0]
        client.send(b"x\n")
        self.assertEqual(client.line(), b"x\n")
        before = self.counters(daemon)
        for _ in range(100):
            client.send(b"x\n")
            self.assertEqual(client.line(), b"x\n")
        lines, posts, wakeups = map(operator.sub, self.counters(daemon),
                                    before)
        self.assertEqual((lines, posts), (100, 300))
        alone = wakeups / lines
        before = self.counters(daemon)
        client.send(b"x\n" * 20000)
        client.exactly(2 * 20000)
        lines, posts, wakeups = map(operator.sub, self.counters(daemon),
                                    before)
        self.assertEqual(lines, 20000)
        self.assertLess(posts, 20000 * 3 / 10)
        self.assertLess(wakeups / lines, alone / 10)

    def test_a_service_may_go_while_its_clients_publish(self):
        daemon = self.hub(4)
        clients = self.settled(4)
        stop = threading.Event()

        def publish(client):
            try:
                while not stop.is_set():
                    client.send(b"line of a client\n" * 50)
                    client.sock.recv(1 << 18)
            except OSError:
                pass

        threads = [threading.Thread(target=publish, args=(c,), daemon=True)
                   for c in clients]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.2)
            other = free_port()
            self.write(service("h2", "tcp://127.0.0.1:%d" % other,
                               protocol="hub")
                       + "drain-timeout = 200ms\n", workers=4)
            daemon.reload()
            daemon.wait_log(r"service h: stopped")
            with Client(("127.0.0.1", other)) as client:
                self.assertTrue(client.echoes(b"still here\n"))
        finally:
            stop.set()
        for thread in threads:
            thread.join(20)
        daemon.stop()

    # ---- the registry ---------------------------------------------------

    def test_of_many_who_claim_a_name_one_wins(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                daemon = self.hub(workers)
                clients = self.settled(40)
                for client in clients:
                    client.send(b"claim alice\nnames\n")
                answers = [client.line() for client in clients]
                self.assertEqual(answers.count(b"won\n"), 1)
                self.assertEqual(answers.count(b"lost\n"), 39)
                for client in clients:
                    self.assertEqual(client.line(), b"alice \n")
                # The name is free when its owner has gone.
                winner = clients.pop(answers.index(b"won\n"))
                winner.close()
                asker = clients[0]

                def is_free():
                    asker.send(b"names\n")
                    return asker.line() == b"\n"

                self.eventually(is_free, "a free name")
                daemon.stop()

    # ---- standing still -------------------------------------------------

    def test_a_worker_that_stands_still_is_named_once(self):
        for name, full in (("long", 1), ("short", 0)):
            self.build_module(name, NAP.replace("NAME", '"%s"' % name)
                              .replace("FULL_DOOR", str(full)))
        ports = free_port(), free_port()
        daemon = self.start(
            service("first", "tcp://127.0.0.1:%d" % ports[0], protocol="long")
            + service("second", "tcp://127.0.0.1:%d" % ports[1],
                      protocol="short"), workers=3)
        clients = []
        for port in ports:
            client = Client(("127.0.0.1", port))
            self.addCleanup(client.close)
            self.assertTrue(client.echoes(b"0\n"))
            clients.append(client)
        for client in clients:
            client.send(b"13\n")
        for protocol, name in (("long", "first"), ("short", "second")):
            daemon.wait_log(r"^<4>worker \d: stuck for \d+ s: "
                            r"in protocol %s, service %s$" % (protocol, name))
        for client in clients:
            self.assertEqual(client.line(), b"13\n")
        daemon.wait_log(r"^<5>worker \d: goes on after \d+ s$")
        self.eventually(lambda: len(daemon.logged("goes on")) == 2,
                        "both going on")
        self.assertEqual(len(daemon.logged("stuck")), 2)

    def test_the_only_worker_that_stands_still_is_named_too(self):
        self.build_module("long", NAP.replace("NAME", '"long"')
                          .replace("FULL_DOOR", "1"))
        self.port = free_port()
        text = service("first", "tcp://127.0.0.1:%d" % self.port,
                       protocol="long")
        daemon = self.start(text, workers=1)
        client = self.client()
        self.assertTrue(client.echoes(b"0\n"))
        client.send(b"13\n")
        daemon.wait_log(r"^<4>worker 0: stuck for \d+ s: in protocol long, "
                        "service first$")
        self.assertEqual(client.line(), b"13\n")
        daemon.wait_log(r"^<5>worker 0: goes on after \d+ s$")
        self.assertEqual(len(daemon.logged("stuck")), 1)
        # No message about it follows.
        daemon.reload()
        self.assertTrue(client.echoes(b"0\n"))

    def test_a_reload_gives_up_one_that_stands_still(self):
        """A reload waits for all workers together, for a limited time, and then
        undoes what it has begun."""
        self.build_module("long", NAP.replace("NAME", '"long"')
                          .replace("FULL_DOOR", "1"))
        self.port, other = free_port(), ("127.0.0.1", free_port())
        text = service("first", "tcp://127.0.0.1:%d" % self.port,
                       protocol="long")
        daemon = self.start(text, workers=3)
        client = self.client()
        self.assertTrue(client.echoes(b"0\n"))
        client.send(b"9\n")
        time.sleep(0.5)
        self.write(text + service("new", "tcp://%s:%d" % other), workers=3)
        with self.takes(0, 8):
            mark = daemon.reload()
        daemon.wait_log("<3>worker \\d has not answered within 5 s: it is busy "
                        "or stuck", mark)
        daemon.wait_log("reload: refused, nothing was changed", mark)
        with self.assertRaises(ConnectionRefusedError):
            Client(other)
        with self.client() as another:
            self.assertTrue(another.echoes(b"0\n"))
        self.assertEqual(client.line(), b"9\n")
        mark = daemon.reload()
        daemon.wait_log("reload: done", mark)
        with Client(other) as c:
            self.assertTrue(c.echoes())


if __name__ == "__main__":
    main(240)
