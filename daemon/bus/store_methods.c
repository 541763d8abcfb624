/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "bus/bus_internal.h"
#include "bus/options.h"
#include "dbus/org.netflowd1.h"

static int refuse(sd_bus_error *ret_error) {
        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_ACCESS_DENIED, "recording packets needs %s",
                                 NETFLOWD_ACTION_MANAGE);
}

static int read_request(struct bus *bus, sd_bus_message *call, struct store_request *request, int *ret_fd,
                        sd_bus_error *ret_error) {
        uint32_t pid = 0;
        bool has_pid = false;
        const struct option_slot slots[] = {
                {NETFLOWD_OPTION_FILTER, "s", &request->filter, NULL},
                {NETFLOWD_OPTION_PID, "u", &pid, &has_pid},
                {NETFLOWD_OPTION_UNIT, "s", &request->unit, NULL},
                {NETFLOWD_OPTION_TIMEOUT, "t", &request->timeout_usec, NULL},
                {NETFLOWD_OPTION_MAX_BYTES, "t", &request->max_bytes, NULL},
        };
        int r;

        r = sd_bus_message_read(call, "h", ret_fd); /* the message's own */
        if (r < 0)
                return r;
        r = options_read(call, slots, ELEMENTSOF(slots), ret_error);
        if (r < 0)
                return r;
        if (has_pid && (pid == 0 || engine_identify(bus->config.engine, pid, &request->process) < 0))
                return sd_bus_error_setf(ret_error, NETFLOWD_ERROR_NO_SUCH_PROCESS, "There is no process %u",
                                         pid);
        return 0;
}

static int store_error(int r, const struct source_error *error, sd_bus_error *ret_error) {
        switch (r) {
        case -EINVAL:
        case -EBADF:
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS, error->text);
        case -EUSERS:
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED, error->text);
        default:
                return sd_bus_error_set(ret_error, NETFLOWD_ERROR_CAPTURE_FAILED, error->text);
        }
}

static int store_pcap(sd_bus_message *call, const struct caller *caller, void *userdata,
                      sd_bus_error *ret_error) {
        struct bus *bus = userdata;
        struct store_request request = {.fd = -1};
        struct source_error error = {};
        uint64_t id;
        int fd, r;

        if (!caller->granted)
                return refuse(ret_error);
        r = read_request(bus, call, &request, &fd, ret_error);
        if (r < 0)
                return r;
        request.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (request.fd < 0)
                return -errno;
        r = store_start(bus->config.store, &request, &id, &error);
        if (r < 0)
                return store_error(r, &error, ret_error);
        r = recordings_add(bus->recordings, id, call);
        if (r < 0) {
                (void) store_stop(bus->config.store, id, STORE_CALLER_GONE);
                return r;
        }
        return sd_bus_reply_method_return(call, "t", id);
}

static int stop_pcap(sd_bus_message *call, const struct caller *caller, void *userdata,
                     sd_bus_error *ret_error) {
        struct bus *bus = userdata;
        uint64_t id;
        int r;

        r = sd_bus_message_rewind(call, true);
        if (r >= 0)
                r = sd_bus_message_read(call, "t", &id);
        if (r < 0)
                return r;
        if (!caller->granted && !recordings_is_own(bus->recordings, id, call))
                return refuse(ret_error);
        if (store_stop(bus->config.store, id, STORE_REQUESTED) < 0)
                return sd_bus_error_setf(ret_error, NETFLOWD_ERROR_NO_SUCH_RECORDING,
                                         "There is no recording %" PRIu64, id);
        return sd_bus_reply_method_return(call, "");
}

static int authorize_store(sd_bus_message *call, const struct caller *caller, void *userdata,
                           sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_MANAGE, true, store_pcap, bus,
                                 ret_error);
}

/* Whoever was allowed to begin it may end it. */
static int authorize_stop(sd_bus_message *call, const struct caller *caller, void *userdata,
                          sd_bus_error *ret_error) {
        struct bus *bus = userdata;
        uint64_t id;
        int r;

        r = sd_bus_message_read(call, "t", &id);
        if (r < 0)
                return r;
        if (recordings_is_own(bus->recordings, id, call))
                return stop_pcap(call, caller, bus, ret_error);
        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_MANAGE, true, stop_pcap, bus,
                                 ret_error);
}

int on_store_pcap(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES_FILTER, authorize_store, bus, ret_error);
}

int on_stop_pcap(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES, authorize_stop, bus, ret_error);
}

const char *bus_recording_reason(const struct store_result *result) {
        switch (result->end) {
        case STORE_REQUESTED:
                return NETFLOWD_PCAP_REQUESTED;
        case STORE_TIMEOUT:
                return NETFLOWD_PCAP_TIMEOUT;
        case STORE_SIZE:
                return NETFLOWD_PCAP_SIZE;
        case STORE_SLOW_READER:
                return NETFLOWD_PCAP_SLOW_READER;
        case STORE_CLOSED:
                return NETFLOWD_PCAP_CLOSED;
        case STORE_CALLER_GONE:
                return NETFLOWD_PCAP_CALLER_GONE;
        case STORE_STOPPING:
                return NETFLOWD_PCAP_STOPPING;
        case STORE_RUNNING:
        case STORE_ERROR:
                return result->error;
        }
        return result->error;
}

void bus_recording_stopped(struct bus *bus, const struct store_result *result) {
        recordings_forget(bus->recordings, result->id);
        (void) sd_bus_emit_signal(bus->connection, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                  NETFLOWD_SIGNAL_PCAP_STOPPED, "tsttt", result->id, bus_recording_reason(result),
                                  result->packets, result->bytes, result->dropped);
}
