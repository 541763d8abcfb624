/* SPDX-License-Identifier: MIT */
#include "top_row.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dbus/org.netflowd1.h"
#include "json_message.h"
#include "process_row.h"
#include "util.h"

/* No pid is used again within this time: they are given one after another. */
#define SAME_USEC 500000u

/* NULL stays NULL. */
static bool copy_text(const char *text, char **ret_copy) {
        *ret_copy = text ? strdup(text) : NULL;
        return !text || *ret_copy;
}

/* What a row of that rank is called. A user without a name is known by number, see org.netflowd1(5). */
static const char *label_of(const struct process_row *told, struct json_object *json, enum top_group group) {
        struct json_object *uid = NULL;
        const char *label = NULL;

        switch (group) {
        case TOP_BY_PROCESS:
        case TOP_BY_APP:
        case TOP_BY_MAX:
                label = told->name;
                break;
        case TOP_BY_UNIT:
                label = told->unit;
                break;
        case TOP_BY_USER:
                label = told->user;
                if (!label && json_object_object_get_ex(json, NETFLOWD_KEY_UID, &uid))
                        label = json_object_get_string(uid);
                break;
        }
        return label ? label : "-";
}

/* Of several that have exited it is the executable that they are the same of. */
static char *make_label(const struct process_row *told, const char *name) {
        char *label = NULL;
        int n = told->has_pid ? asprintf(&label, "%s", "")
                              : asprintf(&label, "%s %s", name, told->exe ? told->exe : "");

        return n < 0 ? NULL : label;
}

bool top_same_start(uint64_t a_usec, uint64_t b_usec) {
        return a_usec == 0 || b_usec == 0 ||
               (a_usec > b_usec ? a_usec - b_usec : b_usec - a_usec) < SAME_USEC;
}

int top_identity_order(const struct top_identity *a, const struct top_identity *b) {
        if (a->pid != b->pid)
                return a->pid < b->pid ? -1 : 1;
        if (!top_same_start(a->start_time_usec, b->start_time_usec))
                return a->start_time_usec < b->start_time_usec ? -1 : 1;
        return strcmp(a->label, b->label);
}

static uint64_t bucket_number(struct json_object *bucket, const char *key) {
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(bucket, key, &value);
        return json_object_get_uint64(value);
}

static void read_ring(struct json_object *json, struct top_history *history) {
        struct json_object *ring;
        size_t n;

        if (!json_object_object_get_ex(json, NETFLOWD_KEY_RING, &ring))
                return;
        n = json_array_size(ring);
        for (size_t i = 0; i < n; i++) {
                struct json_object *bucket = json_object_array_get_idx(ring, i);

                top_history_set(history, (int64_t) bucket_number(bucket, NETFLOWD_KEY_TIMESTAMP),
                                bucket_number(bucket, NETFLOWD_KEY_IN) +
                                        bucket_number(bucket, NETFLOWD_KEY_OUT));
        }
}

static int read_row(struct json_object *json, enum top_group group, struct top_row *row) {
        struct process_row told;
        const char *label;

        process_row_read(json, &told);
        label = label_of(&told, json, group);
        *row = (struct top_row){
                .id = {.label = make_label(&told, label),
                       .pid = told.has_pid ? told.pid : 0,
                       .start_time_usec = told.start_time_usec},
                .processes = told.processes,
                .exited = told.state && strcmp(told.state, NETFLOWD_STATE_EXITED) == 0,
                .in = told.in,
                .out = told.out,
                .in_rate = told.in_rate,
                .out_rate = told.out_rate,
                .total_in = told.total_in,
                .total_out = told.total_out,
        };
        read_ring(json, &row->history);
        if (!row->id.label || !copy_text(label, &row->name) || !copy_text(told.exe, &row->exe) ||
            !copy_text(told.user, &row->user) || !copy_text(told.unit, &row->unit))
                return -ENOMEM;
        return 0;
}

static int by_identity(const void *a, const void *b) {
        return top_identity_order(&((const struct top_row *) a)->id, &((const struct top_row *) b)->id);
}

int top_rows_read(struct json_object *rank, enum top_group group, struct top_row **ret_rows) {
        size_t n = json_array_size(rank);
        struct top_row *rows = calloc(n + 1, sizeof(*rows));

        if (!rows)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (read_row(json_object_array_get_idx(rank, i), group, &rows[i]) < 0) {
                        top_rows_free(rows, n);
                        return -ENOMEM;
                }
        qsort(rows, n, sizeof(*rows), by_identity);
        *ret_rows = rows;
        return 0;
}

void top_rows_free(struct top_row *rows, size_t n) {
        for (size_t i = 0; rows && i < n; i++) {
                free(rows[i].id.label);
                free(rows[i].name);
                free(rows[i].exe);
                free(rows[i].user);
                free(rows[i].unit);
        }
        free(rows);
}

bool top_row_matches(const struct top_row *row, const char *text) {
        const char *const texts[] = {row->name, row->exe, row->user, row->unit};
        char pid[16];

        if (*text == '\0')
                return true;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (texts[i] && strcasestr(texts[i], text))
                        return true;
        (void) snprintf(pid, sizeof(pid), "%u", row->id.pid);
        return row->id.pid > 0 && strstr(pid, text);
}
