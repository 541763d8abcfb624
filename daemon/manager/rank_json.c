/* SPDX-License-Identifier: MIT */
#include "manager/rank_json.h"

#include <errno.h>
#include <inttypes.h>

#include "account/rank.h"
#include "bus/process_fields.h"
#include "dbus/json_text.h"
#include "dbus/org.netflowd1.h"

/* Texts are valid UTF-8: engine/processes.c and owner/users.c see to that. */
static void write_field(FILE *file, const struct field *field) {
        (void) fprintf(file, "\"%s\": ", field->key);
        if (field->type == 's')
                json_write_text(file, field->text);
        else
                (void) fprintf(file, "%" PRIu64, field->number);
}

static void write_object(FILE *file, const char *key, const struct field *fields, size_t n) {
        (void) fprintf(file, "    \"%s\": {", key);
        for (size_t i = 0; i < n; i++) {
                (void) fputs(i > 0 ? ", " : "", file);
                write_field(file, &fields[i]);
        }
        (void) fputs("},\n", file);
}

static void write_ring(FILE *file, const struct ring *ring) {
        (void) fputs("    \"" NETFLOWD_KEY_RING "\": [", file);
        for (size_t i = 0; i < ring->n; i++) {
                const struct bucket *bucket = &ring->buckets[i];

                (void) fprintf(file,
                               "%s\n      {\"" NETFLOWD_KEY_TIMESTAMP "\": %" PRIu64 ", \"" NETFLOWD_KEY_IN
                               "\": %" PRIu64 ", \"" NETFLOWD_KEY_OUT "\": %" PRIu64 "}",
                               i > 0 ? "," : "", bucket->second, bucket->in, bucket->out);
        }
        (void) fputs(ring->n > 0 ? "\n    ]\n" : "]\n", file);
}

static void write_row(FILE *file, bool first, const struct process_fields *fields, const struct ring *ring) {
        (void) fputs(first ? "\n  {\n" : ",\n  {\n", file);
        for (size_t i = 0; i < fields->n_own; i++) {
                (void) fputs("    ", file);
                write_field(file, &fields->own[i]);
                (void) fputs(",\n", file);
        }
        write_object(file, NETFLOWD_KEY_TRAFFIC_STATS, fields->traffic_stats, fields->n_traffic_stats);
        write_object(file, NETFLOWD_KEY_TOTAL, fields->total, fields->n_total);
        write_ring(file, ring);
        (void) fputs("  }", file);
}

static void write_unattributed(FILE *file, bool first, const struct engine *engine) {
        uint64_t now = engine_now(engine);

        for (enum unattributed reason = 0; reason < UNATTRIBUTED_MAX; reason++) {
                const struct traffic *traffic = &engine_books(engine)->unattributed[reason];
                struct process_fields fields;
                struct window window;
                char name[64];

                if (traffic_bytes(traffic) == 0)
                        continue;
                (void) snprintf(name, sizeof(name), NETFLOWD_LEDGER_UNATTRIBUTED "%s",
                                unattributed_name(reason));
                traffic_window(traffic, now, RING_SECONDS, &window);
                value_fields_set(&fields, NETFLOWD_KEY_NAME, name, traffic, &window, now);
                write_row(file, first, &fields, &traffic->ring);
                first = false;
        }
}

int rank_json_write(const struct engine *engine, FILE *file) {
        _cleanup_(users_freep) struct users *users = NULL;
        _cleanup_free_ struct rank_row *rows = NULL;
        const struct rank_query query = {.now_usec = engine_now(engine), .recent = RING_SECONDS};
        size_t n;
        int r;

        r = users_new("/etc/passwd", &users);
        if (r >= 0)
                r = rank_processes(engine_books(engine)->processes, &query, &rows, &n);
        if (r < 0)
                return r;
        (void) fputc('[', file);
        for (size_t i = 0; i < n; i++) {
                struct process_fields fields;

                process_fields_set(&fields, &rows[i], query.now_usec, DETAIL_PRIVATE, users);
                write_row(file, i == 0, &fields, &rows[i].traffic->ring);
        }
        write_unattributed(file, n == 0, engine);
        (void) fputs("\n]\n", file);
        return fflush(file) != 0 || ferror(file) ? -(errno ?: EIO) : 0;
}
