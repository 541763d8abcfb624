/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "bar.h"
#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "json_message.h"
#include "loop.h"
#include "process_row.h"
#include "util.h"
#include "verbs.h"

/* NULL: out of memory. */
static struct json_object *all_arguments(sd_bus_message *signal) {
        struct json_object *arguments = json_object_new_array(), *argument;
        int r = arguments ? 0 : -ENOMEM;

        while (r >= 0 && (r = json_from_message(signal, &argument)) >= 0)
                if (json_object_array_add(arguments, argument) < 0) {
                        json_object_put(argument);
                        r = -ENOMEM;
                }
        if (r != -ENOMEM)
                return arguments;
        json_object_put(arguments);
        return NULL;
}

static void print_json(const char *member, struct json_object *arguments) {
        printf("{\"signal\":\"%s\",\"arguments\":", member); /* D-Bus allows letters, digits and _ in names */
        json_print_value(arguments);
        puts("}");
}

static void print_row(const char *what, struct json_object *process) {
        char title[64], in[UNITS_MAX], out[UNITS_MAX], pid[16] = "-";
        struct process_row row;

        process_row_read(process, &row);
        if (row.has_pid)
                (void) snprintf(pid, sizeof(pid), "%u", row.pid);
        (void) printf("%-8s %7s ", what, pid);
        print_safe(process_row_title(&row, title), 16);
        if (strcmp(what, "exited") == 0)
                printf(" %10s in %10s out in all\n", format_bytes(row.total_in, in),
                       format_bytes(row.total_out, out));
        else
                printf(" %10s in %10s out\n", format_rate(row.in_rate, in), format_rate(row.out_rate, out));
}

static void print_rows(const char *what, struct json_object *processes) {
        size_t n = json_array_size(processes);

        for (size_t i = 0; i < n; i++)
                print_row(what, json_object_array_get_idx(processes, i));
}

/* Why a capture has stopped, and the like: " (timeout)". */
static void print_values(struct json_object *values) {
        for (size_t i = 0; i < json_array_size(values); i++) {
                (void) fputs(i == 0 ? " (" : ", ", stdout);
                print_safe(json_object_get_string(json_object_array_get_idx(values, i)), 0);
        }
        if (json_array_size(values) > 0)
                (void) putchar(')');
}

static void print_people(const char *member, struct json_object *arguments) {
        time_t now = time(NULL);
        char clock[32] = "";
        struct tm local;

        if (localtime_r(&now, &local))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S", &local);
        printf("%s %s", clock, member);
        if (strcmp(member, NETFLOWD_SIGNAL_RANK_CHANGED) == 0) {
                (void) putchar('\n');
                print_rows("", json_object_array_get_idx(arguments, 1));
        } else if (strcmp(member, NETFLOWD_SIGNAL_PROCESSES_CHANGED) == 0) {
                int64_t more = json_object_get_int64(json_object_array_get_idx(arguments, 2));

                (void) putchar('\n');
                print_rows("began", json_object_array_get_idx(arguments, 0));
                print_rows("exited", json_object_array_get_idx(arguments, 1));
                if (more > 0)
                        printf("and %lld more\n", (long long) more);
        } else {
                print_values(arguments);
                (void) putchar('\n');
        }
}

struct monitor {
        struct loop loop;
        const struct arguments *arguments;
        bool is_there;
};

/* Into a pipe as well: as it comes. */
static void flush(struct monitor *monitor) {
        int status = output_flush();

        if (status != EXIT_SUCCESS)
                loop_end(&monitor->loop, status);
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        struct monitor *monitor = userdata;
        const struct arguments *arguments = monitor->arguments;
        const char *member = sd_bus_message_get_member(signal);
        struct json_object *values = all_arguments(signal);

        (void) ret_error;
        if (!values)
                (void) fail("out of memory: a signal is left out");
        else if (arguments->json)
                print_json(member, values);
        else if (!arguments->format)
                print_people(member, values);
        else if (strcmp(member, NETFLOWD_SIGNAL_RANK_CHANGED) == 0)
                bar_print(arguments->format, json_object_array_get_idx(values, 1));
        json_object_put(values);
        flush(monitor);
        return 0;
}

/* A bar shows something from the beginning on: a signal may be long in coming. */
static void print_first(struct monitor *monitor) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct json_object *rank = NULL;

        if (monitor->is_there &&
            connection_call(monitor->loop.connection, &reply, NETFLOWD_METHOD_GET_PROCESS_RANK, "uu",
                            monitor->arguments->limit, monitor->arguments->recent) == 0)
                (void) json_from_reply(reply, "aa{sv}", &rank);
        bar_print(monitor->arguments->format, rank);
        json_object_put(rank);
        flush(monitor);
}

/* The match of our signals is by name, and holds for who has it next. */
static void on_owner(bool is_there, void *userdata) {
        struct monitor *monitor = userdata;

        if (is_there == monitor->is_there)
                return;
        monitor->is_there = is_there;
        (void) fail(is_there ? "netflowd is back" : "netflowd went away: waiting for it");
        if (monitor->arguments->format)
                print_first(monitor);
}

int verb_monitor(struct connection *connection, const struct arguments *arguments,
                 const struct output *output) {
        struct monitor monitor = {.arguments = arguments, .is_there = true};
        int status;

        (void) output;
        status = connection_follow_on(connection, on_signal, on_owner, &monitor);
        /* a bar is there before netflowd may be, and stays */
        if (status != EXIT_SUCCESS && (!arguments->format || !connection->destination))
                return status;
        monitor.is_there = status == EXIT_SUCCESS;
        status = loop_open(&monitor.loop, connection);
        if (status != EXIT_SUCCESS)
                return status;
        if (arguments->format)
                print_first(&monitor);
        status = loop_run(&monitor.loop);
        loop_close(&monitor.loop);
        return status;
}
