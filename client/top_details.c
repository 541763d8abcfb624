/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "json_message.h"
#include "process_row.h"
#include "top_panes.h"
#include "top_row.h"
#include "util.h"

/* The seconds of a ring, see org.netflowd1(5), and the widths that its graph can have: divisors of them. */
#define RING_SECONDS 300
static const size_t graph_widths[] = {300, 150, 100, 75, 60, 50, 30, 25, 20};

/* Before the graph "Executable  ", and after it " max 339 kB". */
#define GRAPH_MARGIN (12 + 12)

static struct json_object *value_of(struct json_object *object, const char *key) {
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(object, key, &value);
        return value;
}

static const char *text_of(const char *text) {
        return text ? text : "-";
}

static void add_graph(struct top_lines *lines, const struct top_state *state, const char *title,
                      const char *key) {
        struct json_object *ring = value_of(state->details.process, NETFLOWD_KEY_RING);
        size_t n = ring ? json_array_size(ring) : 0, columns = lines->paper->columns;
        int64_t first = state->model.last_second - RING_SECONDS + 1;
        uint64_t seconds[RING_SECONDS] = {}, peak = 0;
        char graph[TOP_GRAPH_MAX(RING_SECONDS)] = "", amount[TOP_AMOUNT_MAX];

        for (size_t i = 0; i < n; i++) {
                struct json_object *bucket = json_object_array_get_idx(ring, i);
                int64_t at = json_object_get_int64(value_of(bucket, NETFLOWD_KEY_TIMESTAMP)) - first;

                if (at < 0 || at >= RING_SECONDS)
                        continue;
                seconds[at] = json_object_get_uint64(value_of(bucket, key));
                peak = seconds[at] > peak ? seconds[at] : peak;
        }
        for (size_t i = 0; i < ELEMENTSOF(graph_widths) && *graph == '\0'; i++)
                if (graph_widths[i] + GRAPH_MARGIN <= columns)
                        top_graph(seconds, RING_SECONDS, graph_widths[i], lines->paper->blocks, graph);
        top_lines_add(lines, TOP_PLAIN, "%-11s %s max %s", title, graph,
                      top_amount(peak, state->units, amount));
}

static void add_pair(struct top_lines *lines, const struct top_state *state, const char *title, uint64_t in,
                     uint64_t out, const char *each) {
        char in_text[TOP_AMOUNT_MAX], out_text[TOP_AMOUNT_MAX];

        top_lines_add(lines, TOP_PLAIN, "%-11s %s%s in, %s%s out", title,
                      top_amount(in, state->units, in_text), each, top_amount(out, state->units, out_text),
                      each);
}

static void add_process(struct top_lines *lines, const struct top_state *state) {
        struct process_row row;
        char title[64];

        process_row_read(state->details.process, &row);
        if (!top_same_start(row.start_time_usec, state->details.start_time_usec))
                top_lines_add(lines, TOP_ALARM, "%-11s another process has this pid now", "");
        top_lines_add(lines, TOP_PLAIN, "%-11s %s, state %s", "Name", process_row_title(&row, title),
                      text_of(row.state));
        top_lines_add(lines, TOP_PLAIN, "%-11s %s", "Executable", text_of(row.exe));
        top_lines_add(lines, TOP_PLAIN, "%-11s %s, unit %s", "User", text_of(row.user), text_of(row.unit));
        add_pair(lines, state, "Total", row.total_in, row.total_out, "");
        top_lines_add(lines, TOP_PLAIN, "%-11s %" PRIu64 " in, %" PRIu64 " out", "Packets", row.packets_in,
                      row.packets_out);
        add_pair(lines, state, "Last second", row.in, row.out, "");
        add_pair(lines, state, "Average", row.in_ewma, row.out_ewma, "/s");
        add_graph(lines, state, "In, 5 min", NETFLOWD_KEY_IN);
        add_graph(lines, state, "Out, 5 min", NETFLOWD_KEY_OUT);
}

static void add_flow(struct top_lines *lines, const struct top_state *state, struct json_object *flow) {
        const char *protocol = json_object_get_string(value_of(flow, NETFLOWD_FLOW_PROTOCOL)),
                   *local = json_object_get_string(value_of(flow, NETFLOWD_FLOW_LOCAL)),
                   *remote = json_object_get_string(value_of(flow, NETFLOWD_FLOW_REMOTE));
        char in[TOP_AMOUNT_MAX], out[TOP_AMOUNT_MAX], age[UNITS_MAX];

        top_amount(json_object_get_uint64(value_of(flow, NETFLOWD_KEY_IN)), state->units, in);
        top_amount(json_object_get_uint64(value_of(flow, NETFLOWD_KEY_OUT)), state->units, out);
        format_span(json_object_get_uint64(value_of(flow, NETFLOWD_FLOW_AGE)), age);
        top_lines_add(lines, TOP_PLAIN, "%-7s %7s %7s %-10s %-21s %s", text_of(protocol), in, out, age,
                      text_of(remote), text_of(local));
}

static void add_flows(struct top_lines *lines, const struct top_state *state) {
        size_t n = state->details.flows ? json_array_size(state->details.flows) : 0;

        top_lines_add(lines, TOP_PLAIN, "%s", "");
        if (!state->details.flows) {
                top_lines_add(lines, TOP_PLAIN, "%-11s %s", "Flows", "not told");
                top_lines_add_sentence(lines, state->details.flows_error);
                return;
        }
        top_lines_add(lines, TOP_PLAIN, "%-11s %zu", "Flows", n);
        if (n > 0)
                top_lines_add(lines, TOP_BOLD, "%-7s %7s %7s %-10s %-21s %s", "PROTO", "IN", "OUT", "AGE",
                              "REMOTE", "LOCAL");
        for (size_t i = 0; i < n; i++)
                add_flow(lines, state, json_object_array_get_idx(state->details.flows, i));
}

void top_add_details(struct top_lines *lines, const void *userdata) {
        const struct top_state *state = userdata;

        if (state->details.process)
                add_process(lines, state);
        else
                top_lines_add_sentence(lines, *state->details.process_error ? state->details.process_error
                                                                            : "Asking netflowd.");
        if (state->details.process || *state->details.process_error)
                add_flows(lines, state);
}
