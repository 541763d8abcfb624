/* SPDX-License-Identifier: MIT */
#include "bus/process_message.h"

#include "dbus/org.netflowd1.h"

/* Opens {sv} with a value of that type; close_value() closes both. */
static int open_value(sd_bus_message *message, const char *key, const char *type) {
        int r;

        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(message, 's', key);
        if (r < 0)
                return r;
        return sd_bus_message_open_container(message, 'v', type);
}

static int close_value(sd_bus_message *message) {
        int r;

        r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* In pieces: sd_bus_message_append() with "{sv}" takes half as long again, and an answer may have 25000 of these. */
static int append_field(sd_bus_message *message, const struct field *field) {
        const char type[] = {field->type, '\0'};
        const uint32_t number = (uint32_t) field->number;
        int r;

        r = open_value(message, field->key, type);
        if (r >= 0)
                r = sd_bus_message_append_basic(message, field->type,
                                                field->type == 's'   ? (const void *) field->text
                                                : field->type == 'u' ? (const void *) &number
                                                                     : &field->number);
        return r < 0 ? r : close_value(message);
}

static int append_fields(sd_bus_message *message, const struct field *fields, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = append_field(message, &fields[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_dictionary(sd_bus_message *message, const char *key, const struct field *fields,
                             size_t n) {
        int r;

        r = open_value(message, key, "a{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r < 0)
                return r;
        r = append_fields(message, fields, n);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(message);
        return r < 0 ? r : close_value(message);
}

static int append_ring(sd_bus_message *message, const struct ring *ring,
                       const struct ring_span *span) {
        int r;

        r = open_value(message, NETFLOWD_KEY_RING, "a(xtt)");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(message, 'a', "(xtt)");
        if (r < 0)
                return r;
        for (size_t i = 0; i < ring->n; i++) {
                const struct bucket *bucket = &ring->buckets[i];

                if (bucket->second < span->first_second || bucket->second >= span->end_second)
                        continue;
                r = sd_bus_message_append(message, "(xtt)", (int64_t) bucket->second, bucket->in,
                                          bucket->out);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(message);
        return r < 0 ? r : close_value(message);
}

static int append_inodes(sd_bus_message *message, const struct process *process) {
        int r;

        r = open_value(message, NETFLOWD_KEY_INODES, "at");
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(message, 't', process->inodes, process->n_inodes * sizeof(uint64_t));
        return r < 0 ? r : close_value(message);
}

static int append_all(sd_bus_message *message, const struct process_fields *fields, const struct ring *ring,
                      const struct ring_span *span) {
        int r;

        r = append_fields(message, fields->own, fields->n_own);
        if (r >= 0)
                r = append_dictionary(message, NETFLOWD_KEY_TRAFFIC_STATS, fields->traffic_stats,
                                      fields->n_traffic_stats);
        if (r >= 0)
                r = append_dictionary(message, NETFLOWD_KEY_TOTAL, fields->total, fields->n_total);
        return r < 0 || !ring ? r : append_ring(message, ring, span);
}

int process_message_append_traffic(sd_bus_message *message, const struct process_fields *fields,
                                   const struct ring *ring, const struct ring_span *span) {
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = append_all(message, fields, ring, span);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int process_message_append_full(sd_bus_message *message, const struct process_fields *fields,
                                const struct rank_row *row, const struct ring_span *span,
                                enum detail detail) {
        const struct process *process = row->process;
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = append_all(message, fields, &row->traffic->ring, span);
        if (r >= 0 && detail == DETAIL_PRIVATE && (process->inodes || process->n_inodes == 0))
                r = append_inodes(message, process);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int process_message_append(sd_bus_message *message, const struct process_fields *fields) {
        return process_message_append_traffic(message, fields, NULL, NULL);
}
