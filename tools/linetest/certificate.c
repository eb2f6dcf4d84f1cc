/* SPDX-License-Identifier: MIT */
/*
 * Holds a certificate and its key, valid for a hundred years, and writes them
 * to files. The key need not be secret, because only daemons on loopback use
 * it. A new key for each run would take time.
 */
#include "config.h"

#include "linetest/certificate.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/memory_or_exit.h"

static const char certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBmTCCAT+gAwIBAgIUYjMeT7EwkZe8t/Ee2zssKMiXMg4wCgYIKoZIzj0EAwIw\n"
	"EzERMA8GA1UEAwwIbGluZXRlc3QwIBcNMjYxMTI5MjI0NTU4WhgPMjEyNjExMDUy\n"
	"MjQ1NThaMBMxETAPBgNVBAMMCGxpbmV0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D\n"
	"AQcDQgAEC2As8KeIoCXaLFepEbdybZiFmhPoCN0+dgHLiKsW3i5t/HKDZqya4DVa\n"
	"u3vHnwdI0KgsaU4ajQBTImAdGlDkIaNvMG0wHQYDVR0OBBYEFCyN26coHApDLhoo\n"
	"/DOOP7bC8lZuMB8GA1UdIwQYMBaAFCyN26coHApDLhoo/DOOP7bC8lZuMA8GA1Ud\n"
	"EwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAoGCCqGSM49\n"
	"BAMCA0gAMEUCIEMGRryfSOgrVLO67gtzqmbiZvAdxpqIzdck3AVgmkUXAiEAzolO\n"
	"8sf/9blsVqCruT+v0W9SuLfg9t8dbE6Ux+Z9CjE=\n"
	"-----END CERTIFICATE-----\n";

static const char key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQge7pN/OHVq7ZU1DxW\n"
	"904n4sRQeHp54/l+szGArO+0jYehRANCAAQLYCzwp4igJdosV6kRt3JtmIWaE+gI\n"
	"3T52AcuIqxbeLm38coNmrJrgNVq7e8efB0jQqCxpThqNAFMiYB0aUOQh\n"
	"-----END PRIVATE KEY-----\n";

static int certificate_write_file(const char *dir, const char *name,
				  const char *text)
{
	char *path = memory_format("%s/%s", dir, name);
	FILE *file = fopen(path, "we");
	int result = -1;

	if (file != NULL) {
		result = fputs(text, file) < 0 ? -1 : 0;
		if (fclose(file) != 0)
			result = -1;
	}
	free(path);
	return result;
}

int certificate_write(const char *dir)
{
	return certificate_write_file(dir, "tls.pem", certificate) < 0
		       ? -1
		       : certificate_write_file(dir, "tls.key", key);
}
