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

enum { PID, PROTOCOL, LOCAL, REMOTE, IN, OUT, AGE };
static const struct column columns[] = {
        [PID] = {"PID", .right = true},    [PROTOCOL] = {.name = "PROTO"},        [LOCAL] = {"LOCAL", .cut = true},
        [REMOTE] = {"REMOTE", .cut = true}, [IN] = {"IN", .right = true}, [OUT] = {"OUT", .right = true},
        [AGE] = {"AGE", .right = true},
};

static const char *const csv_columns[] = {
        NETFLOWD_KEY_PID, NETFLOWD_FLOW_PROTOCOL, NETFLOWD_FLOW_LOCAL, NETFLOWD_FLOW_REMOTE,
        NETFLOWD_KEY_IN,  NETFLOWD_KEY_OUT,       NETFLOWD_FLOW_AGE,
};

static struct json_object *value_of(struct json_object *flow, const char *key) {
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(flow, key, &value);
        return value;
}

static void set_text(struct libscols_line *line, size_t column, struct json_object *value) {
        const char *text = json_object_get_string(value);

        table_set_text(line, column, text ? text : "-");
}

static void fill_line(struct libscols_line *line, struct json_object *flow) {
        char text[UNITS_MAX];

        set_text(line, PID, value_of(flow, NETFLOWD_KEY_PID));
        set_text(line, PROTOCOL, value_of(flow, NETFLOWD_FLOW_PROTOCOL));
        set_text(line, LOCAL, value_of(flow, NETFLOWD_FLOW_LOCAL));
        set_text(line, REMOTE, value_of(flow, NETFLOWD_FLOW_REMOTE));
        (void) scols_line_set_data(
                line, IN, format_bytes(json_object_get_uint64(value_of(flow, NETFLOWD_KEY_IN)), text));
        (void) scols_line_set_data(
                line, OUT, format_bytes(json_object_get_uint64(value_of(flow, NETFLOWD_KEY_OUT)), text));
        (void) scols_line_set_data(
                line, AGE, format_span(json_object_get_uint64(value_of(flow, NETFLOWD_FLOW_AGE)), text));
}

static int print_table(struct json_object *flows, const struct output *output,
                       const struct arguments *arguments) {
        struct libscols_table *table = table_new(output, arguments, columns, ELEMENTSOF(columns));
        size_t n = json_array_size(flows);

        if (!table)
                return fail("out of memory");
        for (size_t i = 0; i < n; i++) {
                struct libscols_line *line = table_add(table);

                if (!line) {
                        scols_unref_table(table);
                        return fail("out of memory");
                }
                fill_line(line, json_object_array_get_idx(flows, i));
        }
        if (n > 0)
                return table_print(table);
        puts("No flows.");
        scols_unref_table(table);
        return EXIT_SUCCESS;
}

int verb_flows(struct connection *connection, const struct arguments *arguments,
               const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct json_object *flows;
        int r;

        r = connection_call(connection, &reply, NETFLOWD_METHOD_LIST_FLOWS, "ua{sv}", arguments->pid, 0);
        if (r != 0)
                return r;
        if (json_from_reply(reply, "aa{sv}", &flows) < 0)
                return fail("netflowd answered something else than flows");
        if (arguments->json)
                json_print(flows, arguments->watch == 0);
        else if (arguments->csv)
                csv_print(output, arguments, flows, csv_columns, ELEMENTSOF(csv_columns));
        else
                r = print_table(flows, output, arguments);
        json_object_put(flows);
        return r;
}
