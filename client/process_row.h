/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* One process as the people's output shows it. Strings belong to the JSON it was read from. */
struct process_row {
        bool has_pid, has_inode_count;
        uint32_t pid, processes, inode_count;
        const char *name, *exe, *state, *user, *unit, *cgroup; /* NULL: not told */
        uint64_t start_time_usec;
        uint64_t in, out, in_rate, out_rate;
        uint64_t in_ewma, out_ewma;
        uint64_t total_in, total_out, packets_in, packets_out, since_usec;
};

void process_row_read(struct json_object *process, struct process_row *ret_row);

/* "curl", "curl (×12)" for a row of several, "-" where no name is known. Returns text. */
char *process_row_title(const struct process_row *row, char text[64]);
