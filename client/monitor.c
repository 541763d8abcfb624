/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <time.h>

#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "json_message.h"
#include "process_row.h"
#include "util.h"
#include "verbs.h"

/* Until Ctrl-C; a wait this long is no limit but a turn of the loop. */
#define TURN_USEC (3600 * UINT64_C(1000000))

static struct json_object *all_arguments(sd_bus_message *signal) {
        struct json_object *arguments = json_object_new_array(), *argument;

        while (json_from_message(signal, &argument) >= 0)
                json_object_array_add(arguments, argument);
        return arguments;
}

static void print_json(const char *member, struct json_object *arguments) {
        struct json_object *line = json_object_new_object();

        json_object_object_add(line, "signal", json_object_new_string(member));
        json_object_object_add(line, "arguments", json_object_get(arguments));
        json_print(line, false);
        json_object_put(line);
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
        size_t n = processes ? json_object_array_length(processes) : 0;

        for (size_t i = 0; i < n; i++)
                print_row(what, json_object_array_get_idx(processes, i));
}

static void print_people(const char *member, struct json_object *arguments) {
        time_t now = time(NULL);
        char clock[32] = "";
        struct tm local;

        if (localtime_r(&now, &local))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S", &local);
        printf("%s %s\n", clock, member);
        if (strcmp(member, NETFLOWD_SIGNAL_RANK_CHANGED) == 0)
                print_rows("", json_object_array_get_idx(arguments, 1));
        if (strcmp(member, NETFLOWD_SIGNAL_PROCESSES_CHANGED) == 0) {
                int64_t more = json_object_get_int64(json_object_array_get_idx(arguments, 2));

                print_rows("began", json_object_array_get_idx(arguments, 0));
                print_rows("exited", json_object_array_get_idx(arguments, 1));
                if (more > 0)
                        printf("and %lld more\n", (long long) more);
        }
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        const struct arguments *arguments = userdata;
        const char *member = sd_bus_message_get_member(signal);
        struct json_object *values = all_arguments(signal);

        (void) ret_error;
        if (arguments->json)
                print_json(member, values);
        else
                print_people(member, values);
        json_object_put(values);
        (void) fflush(
                stdout); /* into a pipe as well: as it comes; whether that failed is asked at the end */
        return 0;
}

int verb_monitor(struct connection *connection, const struct arguments *arguments,
                 const struct output *output) {
        int r;

        (void) output;
        r = connection_follow(connection, on_signal, (void *) arguments);
        while (r == 0 && !ferror(stdout))
                r = connection_wait(connection, TURN_USEC);
        return r;
}
