/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "json_message.h"
#include "output.h"
#include "process_row.h"
#include "util.h"
#include "verbs.h"

/* A rate from here on is shown in red: what the predecessor called busy. */
#define BUSY_RATE 1000000u

enum { PID, NAME, EXE, INODES, SUM_IN, SUM_OUT, IN_RATE, OUT_RATE };
static const struct column columns[] = {
        [PID] = {"PID", true},         [NAME] = {"NAME", false},        [EXE] = {"EXE", false},
        [INODES] = {"INODES", true},   [SUM_IN] = {"SUM IN", true},     [SUM_OUT] = {"SUM OUT", true},
        [IN_RATE] = {"IN RATE", true}, [OUT_RATE] = {"OUT RATE", true},
};

static void set_bytes(struct libscols_line *line, size_t column, uint64_t bytes) {
        char text[UNITS_MAX];

        (void) scols_line_set_data(line, column, format_bytes(bytes, text));
}

static void set_rate(struct libscols_line *line, size_t column, uint64_t rate) {
        char text[UNITS_MAX];

        (void) scols_line_set_data(line, column, format_rate(rate, text));
        if (rate >= BUSY_RATE)
                (void) scols_cell_set_color(scols_line_get_cell(line, column), "\033[31m");
}

static void set_number(struct libscols_line *line, size_t column, bool known, uint32_t number) {
        char text[16];

        (void) snprintf(text, sizeof(text), "%u", number);
        (void) scols_line_set_data(line, column, known ? text : "-");
}

static void fill_line(struct libscols_line *line, const struct process_row *row) {
        char title[64];

        set_number(line, PID, row->has_pid, row->pid);
        (void) scols_line_set_data(line, NAME, process_row_title(row, title));
        (void) scols_line_set_data(line, EXE, row->exe ? row->exe : "-");
        set_number(line, INODES, row->has_inode_count, row->inode_count);
        set_bytes(line, SUM_IN, row->in);
        set_bytes(line, SUM_OUT, row->out);
        set_rate(line, IN_RATE, row->in_rate);
        set_rate(line, OUT_RATE, row->out_rate);
        if (row->state && strcmp(row->state, NETFLOWD_STATE_EXITED) == 0)
                (void) scols_line_set_color(line, "\033[2m");
}

static int print_table(struct json_object *rank, const struct output *output,
                       const struct arguments *arguments) {
        struct libscols_table *table = table_new(output, arguments, columns, ELEMENTSOF(columns));
        size_t n = json_object_array_length(rank);

        if (!table)
                return fail("out of memory");
        for (size_t i = 0; i < n; i++) {
                struct libscols_line *line = table_add(table);
                struct process_row row;

                if (!line)
                        break;
                process_row_read(json_object_array_get_idx(rank, i), &row);
                fill_line(line, &row);
        }
        if (n == 0)
                puts("No process had traffic yet.");
        else
                (void) scols_print_table(table);
        scols_unref_table(table);
        return EXIT_SUCCESS;
}

int verb_rank(struct connection *connection, const struct arguments *arguments,
              const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct json_object *rank;
        int r;

        r = connection_call(connection, &reply, NETFLOWD_METHOD_GET_PROCESS_RANK, "uu", arguments->limit,
                            arguments->recent);
        if (r != 0)
                return r;
        if (json_from_message(reply, &rank) < 0)
                return fail("netflowd answered something else than a rank");
        if (arguments->json)
                json_print(rank, arguments->watch == 0);
        else
                r = print_table(rank, output, arguments);
        json_object_put(rank);
        return r;
}
