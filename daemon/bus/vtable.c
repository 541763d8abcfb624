/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "bus/bus_internal.h"
#include "dbus/org.netflowd1.h"
#include "util/utf8.h"

int bus_find_process(struct bus *bus, uint32_t pid, struct process **ret_process, sd_bus_error *ret_error) {
        struct process *process = engine_find_pid(bus->config.engine, pid);

        if (!process)
                return sd_bus_error_setf(ret_error, NETFLOWD_ERROR_NO_SUCH_PROCESS,
                                         "No traffic of process %u is in the books", pid);
        *ret_process = process;
        return 0;
}

#define GETTER(name)                                                                   \
        static int name(sd_bus *connection _unused_, const char *path _unused_,        \
                        const char *interface _unused_, const char *property _unused_, \
                        sd_bus_message *reply, void *userdata _unused_, sd_bus_error *ret_error _unused_)

GETTER(get_version) {
        return sd_bus_message_append(reply, "s", NETFLOWD_VERSION);
}

GETTER(get_api_version) {
        return sd_bus_message_append(reply, "u", NETFLOWD_API_VERSION);
}

GETTER(get_capturing) {
        struct bus *bus = userdata;

        return sd_bus_message_append(reply, "b", (int) engine_capturing(bus->config.engine));
}

GETTER(get_backend) {
        struct bus *bus = userdata;

        return sd_bus_message_append(reply, "s", engine_backend(bus->config.engine));
}

GETTER(get_backend_reason) {
        struct bus *bus = userdata;

        return sd_bus_message_append(reply, "s", engine_backend_reason(bus->config.engine));
}

GETTER(get_owners) {
        struct bus *bus = userdata;

        return sd_bus_message_append(reply, "s", engine_owners(bus->config.engine));
}

GETTER(get_owners_reason) {
        struct bus *bus = userdata;

        return sd_bus_message_append(reply, "s", engine_owners_reason(bus->config.engine));
}

GETTER(get_filter) {
        struct bus *bus = userdata;

        return sd_bus_message_append(reply, "s", engine_filter(bus->config.engine));
}

/* Names of interfaces may hold any bytes but blanks, / and :. */
static int append_device(sd_bus_message *reply, const struct engine_device *device) {
        _cleanup_free_ char *name = strdup(device->name), *error = strdup(device->last_error);

        if (!name || !error)
                return -ENOMEM;
        utf8_make_valid(name);
        utf8_make_valid(error);
        return sd_bus_message_append(reply, "a{sv}", 6, NETFLOWD_DEVICE_NAME, "s", name,
                                     NETFLOWD_DEVICE_LINK_TYPE, "s", device->link_type, NETFLOWD_DEVICE_STATE,
                                     "s", device->state, NETFLOWD_DEVICE_LAST_ERROR, "s", error,
                                     NETFLOWD_DEVICE_RECEIVED, "t", device->received, NETFLOWD_DEVICE_DROPPED,
                                     "t", device->dropped);
}

GETTER(get_devices) {
        _cleanup_free_ struct engine_device *devices = NULL;
        struct bus *bus = userdata;
        size_t n;
        int r;

        r = engine_devices(bus->config.engine, &devices, &n);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_device(reply, &devices[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_packets_received) {
        struct bus *bus = userdata;
        struct source_stats stats;

        engine_source_stats(bus->config.engine, &stats);
        return sd_bus_message_append(reply, "t", stats.received);
}

GETTER(get_packets_dropped) {
        struct bus *bus = userdata;
        struct source_stats stats;

        engine_source_stats(bus->config.engine, &stats);
        return sd_bus_message_append(reply, "t", stats.dropped);
}

static int append_unattributed(sd_bus_message *reply, const struct ledger *ledger) {
        for (enum unattributed reason = 0; reason < UNATTRIBUTED_MAX; reason++) {
                char key[64];
                int r;

                (void) snprintf(key, sizeof(key), NETFLOWD_LEDGER_UNATTRIBUTED "%s",
                                unattributed_name(reason));
                r = sd_bus_message_append(reply, "{st}", key, ledger->unattributed[reason]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What is no part of the sum. */
static int append_beside(sd_bus_message *reply, const struct ledger *ledger) {
        const struct {
                const char *key;
                uint64_t bytes;
        } beside[] = {
                {NETFLOWD_LEDGER_SKIPPED_ENSLAVED, ledger->skipped_enslaved},
                {NETFLOWD_LEDGER_SKIPPED_STACKED, ledger->skipped_stacked},
                {NETFLOWD_LEDGER_SKIPPED_ADDRESS, ledger->skipped_address},
                {NETFLOWD_LEDGER_TUNNEL_INNER, ledger->tunnel_inner},
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(beside) && r >= 0; i++)
                r = sd_bus_message_append(reply, "{st}", beside[i].key, beside[i].bytes);
        return r;
}

GETTER(get_ledger) {
        struct bus *bus = userdata;
        struct ledger ledger;
        int r;

        engine_ledger(bus->config.engine, &ledger);
        r = sd_bus_message_open_container(reply, 'a', "{st}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "{st}", NETFLOWD_LEDGER_SEEN, ledger.seen);
        if (r >= 0)
                r = sd_bus_message_append(reply, "{st}", NETFLOWD_LEDGER_ATTRIBUTED, ledger.attributed);
        if (r >= 0)
                r = append_unattributed(reply, &ledger);
        if (r >= 0)
                r = append_beside(reply, &ledger);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_limit(sd_bus_message *reply, const char *key, bool known, uint64_t value) {
        return known ? sd_bus_message_append(reply, "{sv}", key, "t", value) : 0;
}

GETTER(get_limits) {
        struct bus *bus = userdata;
        struct limits limits;
        int r;

        limits_read(bus->config.limits, &limits);
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        r = append_limit(reply, NETFLOWD_LIMIT_CPU_QUOTA, limits.has_cpu_quota, limits.cpu_quota_usec);
        if (r >= 0)
                r = append_limit(reply, NETFLOWD_LIMIT_MEMORY_MAX, limits.has_memory_max, limits.memory_max);
        if (r >= 0)
                r = append_limit(reply, NETFLOWD_LIMIT_MEMORY_CURRENT, limits.has_memory_current,
                                 limits.memory_current);
        if (r >= 0)
                r = append_limit(reply, NETFLOWD_LIMIT_THROTTLED, limits.has_throttled,
                                 limits.throttled_usec);
        if (r >= 0)
                r = append_limit(reply, NETFLOWD_LIMIT_THROTTLED_PERIODS, limits.has_throttled,
                                 limits.throttled_periods);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

const sd_bus_vtable bus_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_NAMES(NETFLOWD_METHOD_GET_PROCESS_RANK, "uu",
                                 SD_BUS_PARAM(limit) SD_BUS_PARAM(recent), "aa{sv}", SD_BUS_PARAM(processes),
                                 on_get_process_rank, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES(NETFLOWD_METHOD_GET_PROCESS, "u", SD_BUS_PARAM(pid), "a{sv}",
                                 SD_BUS_PARAM(process), on_get_process, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_METHOD_WITH_ARGS(NETFLOWD_METHOD_GET_RANK,
                                SD_BUS_ARGS("s", by, "u", limit, "u", recent, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", rows), on_get_rank, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES(NETFLOWD_METHOD_LIST_FLOWS, "ua{sv}",
                                 SD_BUS_PARAM(pid) SD_BUS_PARAM(options), "aa{sv}", SD_BUS_PARAM(flows),
                                 on_list_flows, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(NETFLOWD_METHOD_START_CAPTURE, SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_NO_RESULT, on_start_capture, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(NETFLOWD_METHOD_STOP_CAPTURE, SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                                on_stop_capture, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_METHOD_WITH_ARGS(NETFLOWD_METHOD_STORE_PCAP, SD_BUS_ARGS("h", fd, "a{sv}", options),
                                SD_BUS_RESULT("t", id), on_store_pcap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(NETFLOWD_METHOD_STOP_PCAP, SD_BUS_ARGS("t", id), SD_BUS_NO_RESULT,
                                on_stop_pcap, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_NAMES(NETFLOWD_SIGNAL_RANK_CHANGED, "uaa{sv}",
                                 SD_BUS_PARAM(recent) SD_BUS_PARAM(processes), 0),
        SD_BUS_SIGNAL_WITH_NAMES(NETFLOWD_SIGNAL_PROCESSES_CHANGED, "aa{sv}aa{sv}u",
                                 SD_BUS_PARAM(begun) SD_BUS_PARAM(exited) SD_BUS_PARAM(more), 0),

        SD_BUS_SIGNAL(NETFLOWD_SIGNAL_CAPTURE_STARTED, "", 0),
        SD_BUS_SIGNAL_WITH_NAMES(NETFLOWD_SIGNAL_CAPTURE_STOPPED, "s", SD_BUS_PARAM(reason), 0),
        SD_BUS_SIGNAL_WITH_NAMES(NETFLOWD_SIGNAL_PCAP_STOPPED, "tsttt",
                                 SD_BUS_PARAM(id) SD_BUS_PARAM(reason) SD_BUS_PARAM(packets)
                                         SD_BUS_PARAM(bytes) SD_BUS_PARAM(dropped),
                                 0),

        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_VERSION, "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_API_VERSION, "u", get_api_version, 0,
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_CAPTURING, "b", get_capturing, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_BACKEND, "s", get_backend, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_BACKEND_REASON, "s", get_backend_reason, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_OWNERS, "s", get_owners, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_OWNERS_REASON, "s", get_owners_reason, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_FILTER, "s", get_filter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_DEVICES, "aa{sv}", get_devices, 0, 0),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_PACKETS_RECEIVED, "t", get_packets_received, 0, 0),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_PACKETS_DROPPED, "t", get_packets_dropped, 0, 0),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_LEDGER, "a{st}", get_ledger, 0, 0),
        SD_BUS_PROPERTY(NETFLOWD_PROPERTY_LIMITS, "a{sv}", get_limits, 0, 0),

        SD_BUS_VTABLE_END,
};
