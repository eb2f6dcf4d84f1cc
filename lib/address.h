/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses as text and back: "192.0.2.1:5123", "[2001:db8::1]:5123",
 * "unix". Numeric only: names are the resolver's business. Allocates nothing.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Room for any text made here, with its NUL. */
#define ADDRESS_TEXT_MAX 80

/*
 * Writes host and port of an address, or "unix", and returns text. An IPv4
 * address mapped into IPv6 is written as IPv4. What is no address is "unknown".
 * size is ADDRESS_TEXT_MAX or the text may be cut.
 */
char *address_format(const struct sockaddr *address, char *text, size_t size);

/* The same without brackets and port. */
char *address_format_host(const struct sockaddr *address, char *text,
			  size_t size);

/*
 * Reads a numeric host ("192.0.2.1", "2001:db8::1", "fe80::1%eth0", without
 * brackets) into an address with the given port. -1 with errno: EINVAL (not
 * numeric), ENODEV (no such interface behind the %).
 */
int address_parse(const char *host, uint16_t port,
		  struct sockaddr_storage *address, socklen_t *len);

/* Reads a port, decimal, 1 to 65535, without a leading zero. -1 with errno:
 * EINVAL, ERANGE. */
int address_parse_port(const char *text, uint16_t *port);

/* 0 where the family has no ports. */
uint16_t address_port(const struct sockaddr *address);

/* 0.0.0.0 or ::, whatever the port. */
bool address_is_any(const struct sockaddr *address);

/* ::ffff:192.0.2.1 and its like. */
bool address_is_mapped(const struct sockaddr *address);

/* Same family, host, port and interface; UNIX addresses are never equal. */
bool address_equal(const struct sockaddr *a, const struct sockaddr *b);

#endif
