/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "csv.h"
#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "json_message.h"
#include "output.h"
#include "process_row.h"
#include "util.h"
#include "verbs.h"

/* The newest seconds of the ring that are shown; --json has them all. */
#define SECONDS_SHOWN 10

static const char *format_time(uint64_t usec, char text[64]) {
        time_t seconds = (time_t) (usec / 1000000);
        struct tm local;

        if (!localtime_r(&seconds, &local) || strftime(text, 64, "%a %Y-%m-%d %H:%M:%S %Z", &local) == 0)
                return "-";
        return text;
}

static const char *state_text(const char *state) {
        static const struct {
                char letter;
                const char *text;
        } states[] = {
                {'R', "running"}, {'S', "sleeping"},     {'D', "disk sleep"}, {'Z', "zombie"},
                {'T', "stopped"}, {'t', "tracing stop"}, {'I', "idle"},
        };

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                if (state[0] == states[i].letter && state[1] == '\0')
                        return states[i].text;
        return state;
}

static void print_pair(const char *name, uint64_t in, uint64_t out, char *(*format)(uint64_t, char *) ) {
        char in_text[UNITS_MAX], out_text[UNITS_MAX];

        print_value(name, "%s in, %s out", format(in, in_text), format(out, out_text));
}

static void print_identity(const struct process_row *row) {
        char title[64], time_text[64];

        print_value("Process", "%u (%s)", row->pid, process_row_title(row, title));
        if (row->exe)
                print_value("Executable", "%s", row->exe);
        if (row->state)
                print_value("State", "%s", state_text(row->state));
        if (row->start_time_usec > 0)
                print_value("Started", "%s", format_time(row->start_time_usec, time_text));
        if (row->user)
                print_value("User", "%s", row->user);
        if (row->unit)
                print_value("Unit", "%s", row->unit);
        if (row->cgroup)
                print_value("Control group", "%s", row->cgroup);
        if (row->has_inode_count)
                print_value("Sockets", "%u", row->inode_count);
}

static void print_traffic(const struct process_row *row) {
        char time_text[64];

        print_pair("Total", row->total_in, row->total_out, format_bytes);
        print_value("Packets", "%" PRIu64 " in, %" PRIu64 " out", row->packets_in, row->packets_out);
        if (row->since_usec > 0)
                print_value("Since", "%s", format_time(row->since_usec, time_text));
        print_pair("Last second", row->in, row->out, format_bytes);
        print_pair("Average", row->in_ewma, row->out_ewma, format_rate);
}

static uint64_t bucket_number(struct json_object *bucket, const char *key) {
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(bucket, key, &value);
        return json_object_get_uint64(value);
}

static int print_ring(struct json_object *process, const struct output *output,
                      const struct arguments *arguments) {
        static const struct column columns[] = {{.name = "SECOND"}, {"IN", .right = true}, {"OUT", .right = true}};
        struct libscols_table *table;
        struct json_object *ring;
        size_t n;

        if (!json_object_object_get_ex(process, NETFLOWD_KEY_RING, &ring) ||
            (n = json_array_size(ring)) == 0)
                return EXIT_SUCCESS;
        table = table_new(output, arguments, columns, ELEMENTSOF(columns));
        if (!table)
                return fail("out of memory");
        for (size_t i = n > SECONDS_SHOWN ? n - SECONDS_SHOWN : 0; i < n; i++) {
                struct json_object *bucket = json_object_array_get_idx(ring, i);
                struct libscols_line *line = table_add(table);
                char text[UNITS_MAX], time_text[16] = "-";
                time_t second = (time_t) bucket_number(bucket, NETFLOWD_KEY_TIMESTAMP);
                struct tm local;

                if (!line) {
                        scols_unref_table(table);
                        return fail("out of memory");
                }
                if (localtime_r(&second, &local))
                        (void) strftime(time_text, sizeof(time_text), "%H:%M:%S", &local);
                (void) scols_line_set_data(line, 0, time_text);
                (void) scols_line_set_data(line, 1,
                                           format_bytes(bucket_number(bucket, NETFLOWD_KEY_IN), text));
                (void) scols_line_set_data(line, 2,
                                           format_bytes(bucket_number(bucket, NETFLOWD_KEY_OUT), text));
        }
        (void) putchar('\n');
        return table_print(table);
}

/* What of a process is a table; who it is, a row of the rank says. */
static void print_ring_csv(struct json_object *process, const struct output *output,
                           const struct arguments *arguments) {
        static const char *const names[] = {NETFLOWD_KEY_TIMESTAMP, NETFLOWD_KEY_IN, NETFLOWD_KEY_OUT};
        struct json_object *ring = NULL;

        (void) json_object_object_get_ex(process, NETFLOWD_KEY_RING, &ring);
        csv_print(output, arguments, ring, names, ELEMENTSOF(names));
}

int verb_show(struct connection *connection, const struct arguments *arguments,
              const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct json_object *process;
        struct process_row row;
        int r;

        r = connection_call(connection, &reply, NETFLOWD_METHOD_GET_PROCESS, "u", arguments->pid);
        if (r != 0)
                return r;
        if (json_from_reply(reply, "a{sv}", &process) < 0)
                return fail("netflowd answered something else than a process");
        if (arguments->json)
                json_print(process, arguments->watch == 0);
        else if (arguments->csv)
                print_ring_csv(process, output, arguments);
        else {
                process_row_read(process, &row);
                print_identity(&row);
                print_traffic(&row);
                r = print_ring(process, output, arguments);
        }
        json_object_put(process);
        return r;
}
