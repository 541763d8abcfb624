/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "json_message.h"
#include "output.h"
#include "process_row.h"
#include "rank_csv.h"
#include "util.h"
#include "verbs.h"

/* A rate from here on is shown in red: what the predecessor called busy. */
#define BUSY_RATE 1000000u

enum { PID, NAME, EXE, INODES, SUM_IN, SUM_OUT, IN_RATE, OUT_RATE };
static const struct column columns[] = {
        [PID] = {"PID", .right = true},         [NAME] = {.name = "NAME"},
        [EXE] = {"EXE", .cut = true},           [INODES] = {"INODES", .right = true},
        [SUM_IN] = {"SUM IN", .right = true},   [SUM_OUT] = {"SUM OUT", .right = true},
        [IN_RATE] = {"IN RATE", .right = true}, [OUT_RATE] = {"OUT RATE", .right = true},
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

static void fill_line(struct libscols_line *line, struct json_object *json) {
        struct process_row read, *row = &read;
        char title[64];

        process_row_read(json, row);
        set_number(line, PID, row->has_pid, row->pid);
        table_set_text(line, NAME, process_row_title(row, title));
        table_set_text(line, EXE, row->exe ? row->exe : "-");
        set_number(line, INODES, row->has_inode_count, row->inode_count);
        set_bytes(line, SUM_IN, row->in);
        set_bytes(line, SUM_OUT, row->out);
        set_rate(line, IN_RATE, row->in_rate);
        set_rate(line, OUT_RATE, row->out_rate);
        if (row->state && strcmp(row->state, NETFLOWD_STATE_EXITED) == 0)
                (void) scols_line_set_color(line, "\033[2m");
}

/* What a row of another rank is called: by each of these, its key and its heading. */
static const struct grouping {
        const char *by, *key, *heading;
        bool of_processes;
} groupings[] = {
        {NETFLOWD_BY_APP, NETFLOWD_KEY_NAME, "APP", true},
        {NETFLOWD_BY_UNIT, NETFLOWD_KEY_UNIT, "UNIT", true},
        {NETFLOWD_BY_USER, NETFLOWD_KEY_USER, "USER", true},
        {NETFLOWD_BY_INTERFACE, NETFLOWD_KEY_INTERFACE, "INTERFACE", false},
        {NETFLOWD_BY_REMOTE, NETFLOWD_FLOW_REMOTE, "REMOTE", false},
        {NETFLOWD_BY_PROTOCOL, NETFLOWD_FLOW_PROTOCOL, "PROTOCOL", false},
};

static const struct grouping *find_grouping(const char *by) {
        for (size_t i = 0; by && i < ELEMENTSOF(groupings); i++)
                if (strcmp(groupings[i].by, by) == 0)
                        return &groupings[i];
        return NULL;
}

static void set_label(struct libscols_line *line, const struct grouping *grouping, struct json_object *row) {
        struct json_object *value;

        if (json_object_object_get_ex(row, grouping->key, &value) ||
            json_object_object_get_ex(row, NETFLOWD_KEY_UID, &value))
                table_set_text(line, 0, json_object_get_string(value));
        else
                (void) scols_line_set_data(line, 0, "-");
}

static void fill_group_line(struct libscols_line *line, const struct grouping *grouping, struct json_object *json) {
        size_t column = 1;
        struct process_row row;

        process_row_read(json, &row);
        set_label(line, grouping, json);
        if (grouping->of_processes)
                set_number(line, column++, true, row.processes);
        set_bytes(line, column++, row.in);
        set_bytes(line, column++, row.out);
        set_rate(line, column++, row.in_rate);
        set_rate(line, column, row.out_rate);
}

static struct libscols_table *new_table(const struct output *output, const struct arguments *arguments,
                                        const struct grouping *grouping) {
        struct column group_columns[6];
        size_t n = 0;

        if (!grouping)
                return table_new(output, arguments, columns, ELEMENTSOF(columns));
        group_columns[n++] = (struct column){grouping->heading, .cut = true};
        if (grouping->of_processes)
                group_columns[n++] = (struct column){"PROCS", .right = true};
        for (size_t i = SUM_IN; i <= OUT_RATE; i++)
                group_columns[n++] = columns[i];
        return table_new(output, arguments, group_columns, n);
}

static int print_table(struct json_object *rank, const struct output *output,
                       const struct arguments *arguments) {
        const struct grouping *grouping = find_grouping(arguments->by);
        struct libscols_table *table = new_table(output, arguments, grouping);
        size_t n = json_array_size(rank);

        if (!table)
                return fail("out of memory");
        for (size_t i = 0; i < n; i++) {
                struct libscols_line *line = table_add(table);
                struct json_object *json = json_object_array_get_idx(rank, i);

                if (!line) {
                        scols_unref_table(table);
                        return fail("out of memory");
                }
                if (grouping)
                        fill_group_line(line, grouping, json);
                else
                        fill_line(line, json);
        }
        if (n > 0)
                return table_print(table);
        puts(arguments->no_loopback ? "No process had traffic yet, without loopback."
                                    : "No process had traffic yet.");
        scols_unref_table(table);
        return EXIT_SUCCESS;
}

static int ask(struct connection *connection, const struct arguments *arguments, sd_bus_message **ret_reply) {
        if (!arguments->by && !arguments->sort && !arguments->no_loopback)
                return connection_call(connection, ret_reply, NETFLOWD_METHOD_GET_PROCESS_RANK, "uu",
                                       arguments->limit, arguments->recent);
        return connection_call(connection, ret_reply, NETFLOWD_METHOD_GET_RANK, "suua{sv}",
                               arguments->by ? arguments->by : NETFLOWD_BY_PROCESS, arguments->limit,
                               arguments->recent, arguments->no_loopback ? 2 : 1, NETFLOWD_OPTION_SORT, "s",
                               arguments->sort ? arguments->sort : NETFLOWD_SORT_TOTAL,
                               NETFLOWD_OPTION_LOOPBACK, "b", false);
}

int verb_rank(struct connection *connection, const struct arguments *arguments,
              const struct output *output) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct json_object *rank;
        int r;

        r = ask(connection, arguments, &reply);
        if (r != 0)
                return r;
        if (json_from_reply(reply, "aa{sv}", &rank) < 0)
                return fail("netflowd answered something else than a rank");
        if (arguments->json)
                json_print(rank, arguments->watch == 0);
        else if (arguments->csv)
                rank_print_csv(rank, output, arguments);
        else
                r = print_table(rank, output, arguments);
        json_object_put(rank);
        return r;
}
