/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>

#include "bus/bus_internal.h"
#include "bus/options.h"
#include "dbus/org.netflowd1.h"
#include "util/strv.h"

static int refuse(sd_bus_error *ret_error) {
        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_ACCESS_DENIED,
                                 "starting and stopping a capture needs %s", NETFLOWD_ACTION_MANAGE);
}

static int start_capture(sd_bus_message *call, const struct caller *caller, void *userdata,
                         sd_bus_error *ret_error) {
        static const char *const none[] = {NULL};
        struct bus *bus = userdata;
        struct capture_request request = {};
        _cleanup_(strv_freep) char **devices = NULL;
        bool has_timeout = false, has_devices = false;
        const struct option_slot slots[] = {
                {NETFLOWD_OPTION_FILTER, "s", &request.filter, NULL},
                {NETFLOWD_OPTION_DEVICES, "as", &devices, &has_devices},
                {NETFLOWD_OPTION_TIMEOUT, "t", &request.timeout_usec, &has_timeout},
        };
        struct source_error error = {};
        int r;

        if (!caller->granted)
                return refuse(ret_error);
        r = options_read(call, slots, ELEMENTSOF(slots), ret_error);
        if (r < 0)
                return r;
        if (has_timeout && request.timeout_usec == 0)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "%s is 0, but must be in the range 1..%" PRIu64 ", which is none",
                                         NETFLOWD_OPTION_TIMEOUT, UINT64_MAX);
        if (has_devices)
                request.devices = devices ? (const char *const *) devices : none;
        r = bus->config.start_capture(&request, bus->config.userdata, &error);
        if (r == -EINVAL)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS, error.text);
        if (r < 0)
                return sd_bus_error_set(ret_error, NETFLOWD_ERROR_CAPTURE_FAILED, error.text);
        return sd_bus_reply_method_return(call, "");
}

static int stop_capture(sd_bus_message *call, const struct caller *caller, void *userdata,
                        sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        if (!caller->granted)
                return refuse(ret_error);
        bus->config.stop_capture(bus->config.userdata);
        return sd_bus_reply_method_return(call, "");
}

static int authorize_start(sd_bus_message *call, const struct caller *caller, void *userdata,
                           sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_MANAGE, true, start_capture,
                                 bus, ret_error);
}

static int authorize_stop(sd_bus_message *call, const struct caller *caller, void *userdata,
                          sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_MANAGE, true, stop_capture, bus,
                                 ret_error);
}

int on_start_capture(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES_FILTER, authorize_start, bus, ret_error);
}

int on_stop_capture(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES, authorize_stop, bus, ret_error);
}
