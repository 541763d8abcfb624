/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "connection.h"
#include "top_state.h"

/* Asks netflowd each time when it signals that something has moved, and never without: once in half a second
 * at the most, and for a fifth of the time at the most where answers take long. */
struct top_bus;

/* Follows the signals, and asks for the first time; answers go into state, and then changed() is called, as
 * it is when netflowd comes or goes. Says what failed. Returns 0 or EXIT_FAILURE; the caller frees *ret_bus
 * before event. */
int top_bus_new(struct connection *connection, sd_event *event, struct top_state *state,
                void (*changed)(void *userdata), void *userdata, struct top_bus **ret_bus);
void top_bus_free(struct top_bus *bus);

/* Asks now, since something else is to be shown. */
void top_bus_ask(struct top_bus *bus);

/* The last second that netflowd tells of at this moment; UNIX time. */
int64_t top_bus_last_second(void);
