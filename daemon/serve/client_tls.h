/* SPDX-License-Identifier: MIT */
/*
 * The TLS handshakes of clients: begun, counted by result, and shown in the
 * log. Thread: the client's worker.
 */
#pragma once

#include "tls.h"

struct lined_service;
struct lined_socket;

/* Begins the handshake of a new client, or of lined_client_start_tls(). -1 and
 * errno. */
int client_begin_tls(struct lined_service *instance, struct lined_socket *sock);

/* The label of a result in the metrics. */
const char *client_tls_result_text(enum tls_result result);
