/* SPDX-License-Identifier: MIT */
#include "complete.h"

#include <json-c/json.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "dbus/completion.h"
#include "dbus/org.netflowd1.h"
#include "escape.h"
#include "format_units.h"
#include "json_message.h"
#include "process_row.h"
#include "util.h"

/* Somebody has pressed a key and waits. */
#define PATIENCE_USEC 500000u

static void print_offer(const char *value, const char *what) {
        _cleanup_free_ char *escaped = escape_text(value), *shown = escape_text(what);

        /* a value that cannot be shown cannot be offered either */
        if (escaped && shown && *value && strcmp(value, escaped) == 0 && !strpbrk(value, " \t\n"))
                printf("%s\t%s\n", value, shown);
}

static int new_call(sd_bus *bus, sd_bus_message **ret_call, const char *destination, const char *path,
                    const char *interface, const char *method) {
        int r = sd_bus_message_new_method_call(bus, ret_call, destination, path, interface, method);

        return r < 0 ? r : sd_bus_message_set_auto_start(*ret_call, 0);
}

/* All rows of a rank over all that is remembered; NULL where there is none to be had. The caller puts it. */
static struct json_object *ask_rank(sd_bus *bus, const char *by) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        struct json_object *rank = NULL;

        if (new_call(bus, &call, NETFLOWD_BUS_NAME, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                     NETFLOWD_METHOD_GET_RANK) >= 0 &&
            sd_bus_message_append(call, "suua{sv}", by, 0, NETFLOWD_RECENT_MAX, 0) >= 0 &&
            sd_bus_call(bus, call, PATIENCE_USEC, NULL, &reply) >= 0)
                (void) json_from_reply(reply, "aa{sv}", &rank);
        return rank;
}

static size_t length(struct json_object *rank) {
        return rank ? json_array_size(rank) : 0;
}

static void print_pids(sd_bus *bus) {
        struct json_object *rank = ask_rank(bus, NETFLOWD_BY_PROCESS);

        for (size_t i = 0; i < length(rank); i++) {
                struct process_row row;
                char pid[16], title[64];

                process_row_read(json_object_array_get_idx(rank, i), &row);
                (void) snprintf(pid, sizeof(pid), "%u", row.pid);
                if (row.has_pid)
                        print_offer(pid, process_row_title(&row, title));
        }
        json_object_put(rank);
}

/* Those that have had traffic. */
static void print_rank_units(struct json_object *rank, struct json_object *printed) {
        for (size_t i = 0; i < length(rank); i++) {
                char in[UNITS_MAX], out[UNITS_MAX], what[2 * UNITS_MAX + 16];
                struct process_row row;

                process_row_read(json_object_array_get_idx(rank, i), &row);
                if (!row.unit || json_object_object_get_ex(printed, row.unit, NULL))
                        continue;
                (void) snprintf(what, sizeof(what), "%s in, %s out", format_bytes(row.total_in, in),
                                format_bytes(row.total_out, out));
                print_offer(row.unit, what);
                json_object_object_add(printed, row.unit, NULL);
        }
}

/* Those that systemd has, and that can have processes. */
static void print_system_units(sd_bus *bus, struct json_object *printed) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *name, *what;

        if (new_call(bus, &call, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                     "org.freedesktop.systemd1.Manager", "ListUnitsByPatterns") < 0 ||
            sd_bus_message_append(call, "asas", 1, "active", 2, "*.service", "*.scope") < 0 ||
            sd_bus_call(bus, call, PATIENCE_USEC, NULL, &reply) < 0 ||
            sd_bus_message_enter_container(reply, 'a', "(ssssssouso)") < 0)
                return;
        while (sd_bus_message_read(reply, "(ssssssouso)", &name, &what, NULL, NULL, NULL, NULL, NULL, NULL,
                                   NULL, NULL) > 0)
                if (!json_object_object_get_ex(printed, name, NULL))
                        print_offer(name, what);
}

static void print_units(sd_bus *bus) {
        struct json_object *printed = json_object_new_object(), *rank = ask_rank(bus, NETFLOWD_BY_UNIT);

        print_rank_units(rank, printed);
        print_system_units(bus, printed);
        json_object_put(rank);
        json_object_put(printed);
}

static void print_devices(void) {
        struct if_nameindex *devices = if_nameindex();

        for (const struct if_nameindex *device = devices; device && device->if_index > 0; device++)
                print_offer(device->if_name, "");
        if (devices)
                if_freenameindex(devices);
}

void complete_print(const char *kind) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;

        if (strcmp(kind, completion_kind(COMPLETION_DEVICE)) == 0) {
                print_devices();
                return;
        }
        if (sd_bus_open_system(&bus) < 0)
                return;
        if (strcmp(kind, completion_kind(COMPLETION_PID)) == 0)
                print_pids(bus);
        else if (strcmp(kind, completion_kind(COMPLETION_UNIT)) == 0)
                print_units(bus);
}
