/* SPDX-License-Identifier: MIT */
#include "dbus/org.netflowd1.h"
#include "util.h"
#include "verbs.h"

/* Silent where it worked, as systemctl start is. */
int verb_start(struct connection *connection, const struct arguments *arguments,
               const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        (void) arguments;
        (void) output;
        return connection_call(connection, &reply, NETFLOWD_METHOD_START_CAPTURE, "a{sv}", 0);
}

int verb_stop(struct connection *connection, const struct arguments *arguments,
              const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        (void) arguments;
        (void) output;
        return connection_call(connection, &reply, NETFLOWD_METHOD_STOP_CAPTURE, "");
}
