/* SPDX-License-Identifier: MIT */
/*
 * Opens serial lines and FIFOs.
 */
#include "relay/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <lined/service.h>

#define BAUD_DEFAULT 9600

static const struct {
	unsigned baud;
	speed_t speed;
} device_speeds[] = {
	{300, B300},         {600, B600},         {1200, B1200},
	{2400, B2400},       {4800, B4800},       {9600, B9600},
	{19200, B19200},     {38400, B38400},     {57600, B57600},
	{115200, B115200},   {230400, B230400},   {460800, B460800},
	{500000, B500000},   {576000, B576000},   {921600, B921600},
	{1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000},
	{2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000},
	{3500000, B3500000}, {4000000, B4000000},
};

#define SPEEDS (sizeof(device_speeds) / sizeof(device_speeds[0]))

/* ---- reading the address ------------------------------------------------ */

/* Returns B0 for an unsupported speed. */
static speed_t device_speed(unsigned baud)
{
	size_t i;

	for (i = 0; i < SPEEDS; i++)
		if (device_speeds[i].baud == baud)
			return device_speeds[i].speed;
	return B0;
}

static const char *device_read_option(struct relay_device *device,
				      const char *text, size_t len)
{
	char value[16] = "";

	if (len > 5 && len < 5 + sizeof(value) &&
	    strncmp(text, "baud=", 5) == 0) {
		memcpy(value, text + 5, len - 5);
		device->baud = strspn(value, "0123456789") == len - 5
				       ? (unsigned)strtoul(value, NULL, 10)
				       : 0;
		return device_speed(device->baud) != B0
			       ? NULL
			       : "baud is no speed of a serial line, as 4800, "
				 "38400 or 115200";
	}
	if (len == 8 && strncmp(text, "mode=", 5) == 0) {
		memcpy(device->mode, text + 5, 3);
		return strchr("5678", device->mode[0]) != NULL &&
				       strchr("NEO", device->mode[1]) != NULL &&
				       strchr("12", device->mode[2]) != NULL
			       ? NULL
			       : "mode is not one as 8N1 or 7E1";
	}
	return "behind ? are baud=NUMBER and mode=8N1, with & between";
}

const char *relay_device_parse(struct relay_device *device, const char *text)
{
	size_t len = strcspn(text, "?");
	const char *why = NULL;

	*device = (struct relay_device){.baud = BAUD_DEFAULT, .mode = "8N1"};
	if (text[0] != '/')
		return "the path does not begin with /";
	if (len >= sizeof(device->path))
		return "the path is too long";
	memcpy(device->path, text, len);
	for (text += len; why == NULL && *text != '\0'; text += len) {
		len = strcspn(++text, "&");
		why = device_read_option(device, text, len);
	}
	return why;
}

/* ---- opening ------------------------------------------------------------ */

static int device_fail(int fd, int error)
{
	close(fd);
	errno = error;
	return -1;
}

/* Opens the file for reading, and also for writing, so that a FIFO never
 * reports EOF. `wrong`: the errno if the file is neither a device nor a FIFO.
 */
static int device_open(const struct relay_device *device, int wrong)
{
	int fd = lined_open_device(device->path);

	if (fd < 0 && errno == ENODEV)
		errno = wrong;
	return fd;
}

static void device_set_mode(const struct relay_device *device,
			    struct termios *line)
{
	static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};

	cfmakeraw(line);
	line->c_cflag &=
		~(tcflag_t)(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS);
	line->c_cflag |= CLOCAL | CREAD | sizes[device->mode[0] - '5'];
	if (device->mode[1] != 'N')
		line->c_cflag |= PARENB;
	if (device->mode[1] == 'O')
		line->c_cflag |= PARODD;
	if (device->mode[2] == '2')
		line->c_cflag |= CSTOPB;
	line->c_cc[VMIN] = 1;
	line->c_cc[VTIME] = 0;
	cfsetispeed(line, device_speed(device->baud));
	cfsetospeed(line, device_speed(device->baud));
}

int relay_device_open_serial(const struct relay_device *device)
{
	int fd = device_open(device, ENOTTY);
	struct termios line;

	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &line) < 0)
		return device_fail(fd, errno);
	device_set_mode(device, &line);
	if (tcsetattr(fd, TCSANOW, &line) < 0 || ioctl(fd, TIOCEXCL) < 0)
		return device_fail(fd, errno);
	/* Input received at another speed is garbage. */
	tcflush(fd, TCIFLUSH);
	return fd;
}

int relay_device_open_fifo(const struct relay_device *device)
{
	int fd = device_open(device, ESPIPE);
	struct stat file;

	if (fd < 0)
		return -1;
	if (fstat(fd, &file) < 0)
		return device_fail(fd, errno);
	return S_ISFIFO(file.st_mode) ? fd : device_fail(fd, ESPIPE);
}
