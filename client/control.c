/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "dbus/org.netflowd1.h"
#include "util.h"
#include "verbs.h"

/* An empty one by itself is none: all of this host. */
static int append_devices(sd_bus_message *call, const struct arguments *arguments) {
        int r;

        r = sd_bus_message_open_container(call, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", NETFLOWD_OPTION_DEVICES);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "s");
        for (size_t i = 0; i < arguments->n_devices && r >= 0; i++)
                if (*arguments->devices[i])
                        r = sd_bus_message_append(call, "s", arguments->devices[i]);
        for (int i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(call);
        return r;
}

static int append_options(sd_bus_message *call, const struct arguments *arguments) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0 && arguments->filter)
                r = sd_bus_message_append(call, "{sv}", NETFLOWD_OPTION_FILTER, "s", arguments->filter);
        if (r >= 0 && arguments->n_devices > 0)
                r = append_devices(call, arguments);
        if (r >= 0 && arguments->has_timeout)
                r = sd_bus_message_append(call, "{sv}", NETFLOWD_OPTION_TIMEOUT, "t",
                                          arguments->timeout_usec ? arguments->timeout_usec : UINT64_MAX);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

/* Silent where it worked, as systemctl start is. */
int verb_start(struct connection *connection, const struct arguments *arguments,
               const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        (void) output;
        r = connection_new_call(connection, &call, NETFLOWD_METHOD_START_CAPTURE);
        if (r >= 0)
                r = append_options(call, arguments);
        if (r < 0)
                return fail("cannot ask netflowd: %s", strerror(-r));
        return connection_send(connection, call, &reply);
}

int verb_stop(struct connection *connection, const struct arguments *arguments,
              const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        (void) arguments;
        (void) output;
        return connection_call(connection, &reply, NETFLOWD_METHOD_STOP_CAPTURE, "");
}
