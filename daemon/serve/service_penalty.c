/* SPDX-License-Identifier: MIT */
/* Gives and revises a service's penalties according to its config. */
#include "config.h"

#include "serve/service_penalty.h"

#include <lined/address.h>

#include "log/log.h"
#include "net/penalty.h"
#include "serve/service.h"

static const struct penalty_limits *
service_penalty_limits(void *arg, const struct sockaddr *address)
{
	const struct service *service = arg;

	return conf_class_penalty(service->conf,
				  conf_class_of(service->conf, address));
}

void service_penalize(const struct service *service,
		      const struct conf_service *conf, uint8_t class,
		      const struct sockaddr *address, uint64_t now_ms,
		      const char *cause)
{
	uint32_t length_ms = penalties_add(service->penalties,
					   conf_class_penalty(conf, class),
					   address, now_ms, cause);
	char text[LINED_ADDRESS_TEXT_MAX];

	if (length_ms > 0)
		log_info("service %s: penalty %s: %g s: %s", service->name,
			 lined_address_format(address, text, sizeof(text)),
			 length_ms / 1000.0, cause);
}

void service_revise_penalties(struct service *service)
{
	penalties_revise(service->penalties, service_penalty_limits, service);
}
