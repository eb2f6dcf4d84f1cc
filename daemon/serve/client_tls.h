/* SPDX-License-Identifier: MIT */
/*
 * TLS handshakes of clients: begins them and counts their results. Thread: the
 * client's worker.
 */
#pragma once

#include "tls.h"

struct lined_service;
struct lined_socket;

/* Begins the handshake of a new client, or the handshake that
 * lined_client_start_tls() asks for. -1 and errno. */
int client_begin_tls(struct lined_service *instance, struct lined_socket *sock);

/* The label of a result in the metrics. */
const char *client_tls_result_text(enum tls_result result);
