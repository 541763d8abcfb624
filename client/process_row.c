/* SPDX-License-Identifier: MIT */
#include "process_row.h"

#include <stdio.h>
#include <string.h>

#include "dbus/org.netflowd1.h"

static const char *text_of(struct json_object *object, const char *key) {
        struct json_object *value;

        return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

static bool read_number(struct json_object *object, const char *key, uint64_t *ret_number) {
        struct json_object *value;

        if (!json_object_object_get_ex(object, key, &value))
                return false;
        *ret_number = json_object_get_uint64(value);
        return true;
}

static uint64_t number_of(struct json_object *object, const char *key) {
        uint64_t number = 0;

        (void) read_number(object, key, &number);
        return number;
}

void process_row_read(struct json_object *process, struct process_row *ret_row) {
        struct json_object *stats = NULL, *total = NULL;
        uint64_t number;

        *ret_row = (struct process_row){
                .name = text_of(process, NETFLOWD_KEY_NAME),
                .exe = text_of(process, NETFLOWD_KEY_EXE),
                .state = text_of(process, NETFLOWD_KEY_STATE),
                .user = text_of(process, NETFLOWD_KEY_USER),
                .unit = text_of(process, NETFLOWD_KEY_UNIT),
                .cgroup = text_of(process, NETFLOWD_KEY_CGROUP),
                .processes = (uint32_t) number_of(process, NETFLOWD_KEY_PROCESSES),
                .start_time_usec = number_of(process, NETFLOWD_KEY_START_TIME),
        };
        ret_row->has_pid = read_number(process, NETFLOWD_KEY_PID, &number);
        if (ret_row->has_pid)
                ret_row->pid = (uint32_t) number;
        ret_row->has_inode_count = read_number(process, NETFLOWD_KEY_INODE_COUNT, &number);
        if (ret_row->has_inode_count)
                ret_row->inode_count = (uint32_t) number;

        /* a missing dictionary reads as one without keys: json_object_object_get_ex() takes NULL */
        (void) json_object_object_get_ex(process, NETFLOWD_KEY_TRAFFIC_STATS, &stats);
        ret_row->in = number_of(stats, NETFLOWD_KEY_IN);
        ret_row->out = number_of(stats, NETFLOWD_KEY_OUT);
        ret_row->in_rate = number_of(stats, NETFLOWD_KEY_IN_RATE);
        ret_row->out_rate = number_of(stats, NETFLOWD_KEY_OUT_RATE);
        ret_row->in_ewma = number_of(stats, NETFLOWD_KEY_INPUT_EWMA);
        ret_row->out_ewma = number_of(stats, NETFLOWD_KEY_OUTPUT_EWMA);
        (void) json_object_object_get_ex(process, NETFLOWD_KEY_TOTAL, &total);
        ret_row->total_in = number_of(total, NETFLOWD_KEY_IN);
        ret_row->total_out = number_of(total, NETFLOWD_KEY_OUT);
        ret_row->packets_in = number_of(total, NETFLOWD_KEY_PACKETS_IN);
        ret_row->packets_out = number_of(total, NETFLOWD_KEY_PACKETS_OUT);
        ret_row->since_usec = number_of(total, NETFLOWD_KEY_SINCE);
}

/* The bytes of a text that are shown, at most so many, with no character cut in two. */
static int shown_length(const char *text, size_t most) {
        size_t n = strnlen(text, most);

        if (n == most)
                while (n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80)
                        n--;
        return (int) n;
}

char *process_row_title(const struct process_row *row, char text[64]) {
        const char *name = row->name ? row->name : "-";
        int n = shown_length(name, 40);

        if (row->processes > 0)
                (void) snprintf(text, 64, "%.*s (×%u)", n, name, row->processes);
        else
                (void) snprintf(text, 64, "%.*s", n, name);
        return text;
}
