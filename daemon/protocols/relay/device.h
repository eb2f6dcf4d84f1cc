/* SPDX-License-Identifier: MIT */
/*
 * Upstreams that are files: serial lines and FIFOs. Parses the address and
 * opens the file; a socket then uses the descriptor.
 */
#pragma once

/* The parts of "/dev/ttyUSB0?baud=38400&mode=8N1"; a FIFO has a path only. */
struct relay_device {
	char path[128];
	unsigned baud; /* 9600 by default */
	/* Data bits, parity (N, E or O) and stop bits; 8N1 by default. */
	char mode[4];
};

/* Parses an address. Returns NULL, or a constant text that says what is wrong.
 */
const char *relay_device_parse(struct relay_device *device, const char *text);

/* Opens a serial line for reading and writing: exclusive, raw, with the
 * configured speed and mode. -1 and errno: ENOTTY (no serial line), EBUSY. */
int relay_device_open_serial(const struct relay_device *device);

/*
 * Opens a FIFO, which stays open when its writers close: other writers may
 * follow. Never write to the FIFO: the bytes would be read as input. -1 and
 * errno: ESPIPE (no FIFO).
 */
int relay_device_open_fifo(const struct relay_device *device);
