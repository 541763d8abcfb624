/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "csv.h"
#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "json_message.h"
#include "output.h"
#include "util.h"
#include "verbs.h"

static struct json_object *property(struct json_object *properties, const char *name) {
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(properties, name, &value);
        return value;
}

static const char *text_property(struct json_object *properties, const char *name) {
        const char *text = json_object_get_string(property(properties, name));

        return text ? text : "-";
}

/* What was chosen, and why it is not a better one. */
static void print_chosen(struct json_object *properties, const char *label, const char *name, const char *reason) {
        const char *why = json_object_get_string(property(properties, reason));

        print_value(label, why && *why ? "%s (%s)" : "%s", text_property(properties, name), why);
}

static void print_service(struct json_object *properties) {
        const char *filter = text_property(properties, NETFLOWD_PROPERTY_FILTER);
        print_value("Version", "%s", text_property(properties, NETFLOWD_PROPERTY_VERSION));
        print_value("Capturing", "%s",
                    json_object_get_boolean(property(properties, NETFLOWD_PROPERTY_CAPTURING)) ? "yes"
                                                                                               : "no");
        print_chosen(properties, "Backend", NETFLOWD_PROPERTY_BACKEND, NETFLOWD_PROPERTY_BACKEND_REASON);
        print_chosen(properties, "Owners", NETFLOWD_PROPERTY_OWNERS, NETFLOWD_PROPERTY_OWNERS_REASON);
        print_value("Filter", "%s", *filter ? filter : "none");
        print_value("Packets", "%" PRIu64 " received, %" PRIu64 " dropped by the kernel",
                    json_object_get_uint64(property(properties, NETFLOWD_PROPERTY_PACKETS_RECEIVED)),
                    json_object_get_uint64(property(properties, NETFLOWD_PROPERTY_PACKETS_DROPPED)));
}

static uint64_t limit(struct json_object *limits, const char *key, bool *ret_known) {
        struct json_object *value = property(limits, key);

        *ret_known = value != NULL;
        return json_object_get_uint64(value);
}

/* Only what is known is shown: without a cgroup there is no line at all. */
static void print_limits(struct json_object *properties) {
        struct json_object *limits = property(properties, NETFLOWD_PROPERTY_LIMITS);
        char used[UNITS_MAX], most[UNITS_MAX], held[UNITS_MAX];
        bool has_quota, has_throttled, has_max, has_current;
        uint64_t quota = limit(limits, NETFLOWD_LIMIT_CPU_QUOTA, &has_quota),
                 throttled = limit(limits, NETFLOWD_LIMIT_THROTTLED, &has_throttled),
                 max = limit(limits, NETFLOWD_LIMIT_MEMORY_MAX, &has_max),
                 current = limit(limits, NETFLOWD_LIMIT_MEMORY_CURRENT, &has_current);

        if (has_quota)
                print_value("CPU quota", "%.4g %% of a processor, held up for %s in all",
                            (double) quota / 10000.0, has_throttled ? format_span(throttled, held) : "-");
        if (has_current || has_max)
                print_value("Memory", "%s used, limit %s", has_current ? format_bytes(current, used) : "-",
                            has_max ? format_bytes(max, most) : "none");
}

static void print_device(const char *name, struct json_object *device) {
        const char *link_type = text_property(device, NETFLOWD_DEVICE_LINK_TYPE),
                   *error = text_property(device, NETFLOWD_DEVICE_LAST_ERROR);
        uint64_t received = json_object_get_uint64(property(device, NETFLOWD_DEVICE_RECEIVED)),
                 dropped = json_object_get_uint64(property(device, NETFLOWD_DEVICE_DROPPED));

        print_value(name, "%s%s%s%s, %s, %" PRIu64 " received, %" PRIu64 " dropped%s%s%s",
                    text_property(device, NETFLOWD_DEVICE_NAME), *link_type ? " (" : "", link_type,
                    *link_type ? ")" : "", text_property(device, NETFLOWD_DEVICE_STATE), received, dropped,
                    *error ? " (last: " : "", error, *error ? ")" : "");
}

static void print_devices(struct json_object *properties) {
        struct json_object *devices = property(properties, NETFLOWD_PROPERTY_DEVICES);
        size_t n = json_array_size(devices);

        for (size_t i = 0; i < n; i++)
                print_device(i == 0 ? "Devices" : "", json_object_array_get_idx(devices, i));
}

struct entry {
        const char *key;
        uint64_t bytes;
};

static int by_bytes(const void *a, const void *b) {
        const struct entry *x = a, *y = b;

        return x->bytes > y->bytes ? -1 : x->bytes < y->bytes ? 1 : strcmp(x->key, y->key);
}

static void print_share(const char *name, const char *what, uint64_t bytes, uint64_t seen) {
        char text[UNITS_MAX];

        print_value(name, "%s %s (%.2f %%)", format_bytes(bytes, text), what,
                    seen > 0 ? 100.0 * (double) bytes / (double) seen : 0.0);
}

/* What is no part of the sum, where there is any. */
static void print_beside(struct json_object *ledger) {
        static const struct {
                const char *key, *meaning;
        } beside[] = {
                {NETFLOWD_LEDGER_TUNNEL_INNER, "of it inside tunnels, whose own packets count too"},
                {NETFLOWD_LEDGER_SKIPPED_ENSLAVED, "beside it on ports, counted on their bridge or bond"},
                {NETFLOWD_LEDGER_SKIPPED_STACKED, "beside it counted on another device"},
                {NETFLOWD_LEDGER_SKIPPED_ADDRESS, "beside it of addresses not asked for"},
        };

        for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
                uint64_t bytes = json_object_get_uint64(property(ledger, beside[i].key));
                char text[UNITS_MAX];

                if (bytes > 0)
                        print_value("", "%s %s", format_bytes(bytes, text), beside[i].meaning);
        }
}

static int print_ledger(struct json_object *properties) {
        struct json_object *ledger = property(properties, NETFLOWD_PROPERTY_LEDGER);
        uint64_t seen = json_object_get_uint64(property(ledger, NETFLOWD_LEDGER_SEEN));
        const size_t prefix = strlen(NETFLOWD_LEDGER_UNATTRIBUTED);
        _cleanup_free_ struct entry *reasons = NULL;
        char text[UNITS_MAX];
        size_t n = 0;

        print_value("Ledger", "%s seen", format_bytes(seen, text));
        print_share("", "attributed", json_object_get_uint64(property(ledger, NETFLOWD_LEDGER_ATTRIBUTED)),
                    seen);
        if (!json_object_is_type(ledger, json_type_object))
                return EXIT_SUCCESS;
        reasons = calloc((size_t) json_object_object_length(ledger) + 1, sizeof(*reasons));
        if (!reasons)
                return fail("out of memory");
        json_object_object_foreach(ledger, key, value) {
                uint64_t bytes = json_object_get_uint64(value);

                if (strncmp(key, NETFLOWD_LEDGER_UNATTRIBUTED, prefix) == 0 && bytes > 0)
                        reasons[n++] = (struct entry){.key = key, .bytes = bytes};
        }
        qsort(reasons, n, sizeof(*reasons), by_bytes);
        for (size_t i = 0; i < n; i++)
                print_share("", reasons[i].key, reasons[i].bytes, seen);
        print_beside(ledger);
        return EXIT_SUCCESS;
}

/* A row for each value, named by the keys that lead to it: "Ledger.seen", "Devices.0.name". */
static void print_values(struct json_object *value, const char *name, const struct output *output,
                         const struct arguments *arguments) {
        const char *dot = *name ? "." : "";
        char below[256];

        if (json_object_is_type(value, json_type_object)) {
                json_object_object_foreach(value, key, member) {
                        (void) snprintf(below, sizeof(below), "%s%s%s", name, dot, key);
                        print_values(member, below, output, arguments);
                }
        } else if (json_object_is_type(value, json_type_array)) {
                for (size_t i = 0; i < json_array_size(value); i++) {
                        (void) snprintf(below, sizeof(below), "%s%s%zu", name, dot, i);
                        print_values(json_object_array_get_idx(value, i), below, output, arguments);
                }
        } else {
                csv_begin_row(arguments);
                csv_print_field(output, name);
                (void) putchar(',');
                csv_print_field(output, json_object_get_string(value));
                (void) putchar('\n');
        }
}

static void print_csv(struct json_object *properties, const struct output *output,
                      const struct arguments *arguments) {
        static const char *const names[] = {"key", "value"};

        csv_print_names(output, arguments, names, ELEMENTSOF(names));
        print_values(properties, "", output, arguments);
}

int verb_status(struct connection *connection, const struct arguments *arguments,
                const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct json_object *properties;
        int r;

        r = connection_get_properties(connection, &reply);
        if (r != 0)
                return r;
        if (json_from_reply(reply, "a{sv}", &properties) < 0)
                return fail("netflowd answered something else than properties");
        if (arguments->json)
                json_print(properties, arguments->watch == 0);
        else if (arguments->csv)
                print_csv(properties, output, arguments);
        else {
                print_service(properties);
                print_devices(properties);
                print_limits(properties);
                r = print_ledger(properties);
        }
        json_object_put(properties);
        return r;
}
