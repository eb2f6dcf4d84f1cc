/* SPDX-License-Identifier: MIT */
/*
 * Upstreams that are files: serial lines and FIFOs. Reads the address and opens
 * the file; the socket that gets the descriptor does the rest.
 */
#pragma once

/* The parts of "/dev/ttyUSB0?baud=38400&mode=8N1"; a FIFO has a path only. */
struct relay_device {
	char path[128];
	unsigned baud; /* 9600 */
	char mode[4];  /* data bits, parity N, E or O, stop bits; 8N1 */
};

/* NULL, or the fault as a constant text. */
const char *relay_device_parse(struct relay_device *device, const char *text);

/* Opens a serial line for reading and writing, for this program alone, raw,
 * with its speed and mode. -1 and errno: ENOTTY (no serial line), EBUSY. */
int relay_device_open_serial(const struct relay_device *device);

/*
 * Opens a FIFO. It stays open when its writers have gone: others may come. -1
 * and errno: ESPIPE (no FIFO). Nothing may be written to it, or it would be
 * read as input.
 */
int relay_device_open_fifo(const struct relay_device *device);
