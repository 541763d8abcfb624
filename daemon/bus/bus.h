/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "engine/engine.h"
#include "util/macros.h"

/* org.netflowd1.Manager on one connection: turns calls into questions to the engine, and answers into
 * messages. */
struct bus;

/* Called once when the connection is gone. */
typedef void (*bus_disconnected_handler)(void *userdata);

/* Connects to the system bus (or DBUS_SYSTEM_BUS_ADDRESS) and takes the name org.netflowd1. Returns 0,
 * -EEXIST when somebody else has that name, -EACCES when the bus's policy refuses it, or another negative
 * errno. The engine outlives the bus. */
int bus_new_system(sd_event *event, struct engine *engine, bus_disconnected_handler handler, void *userdata,
                   struct bus **ret_bus);

/* Serves one peer on a connected stream socket, which then belongs to the bus. Returns 0 or a negative
 * errno. */
int bus_new_peer(sd_event *event, struct engine *engine, int fd, bus_disconnected_handler handler,
                 void *userdata, struct bus **ret_bus);

/* Closes the connection; what is queued for it is sent as far as that does not wait. */
void bus_free(struct bus *bus);
DEFINE_CLEANUP(struct bus *, bus_free)

bool bus_is_connected(const struct bus *bus);

/* Sends the signals of this interval, where there is something to tell. */
void bus_send_signals(struct bus *bus);

/* Tells that the Capturing property changed. */
void bus_capturing_changed(struct bus *bus);

/* The introspection XML of the object, from the vtable that serves it. The caller frees *ret_xml. Returns 0
 * or a negative errno. */
int bus_introspect(char **ret_xml);
