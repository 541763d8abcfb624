/* SPDX-License-Identifier: MIT */
#include "manager/savefile.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <sysexits.h>

#include "account/rank.h"
#include "bus/process_fields.h"
#include "dbus/org.netflowd1.h"
#include "util/clock.h"
#include "util/log.h"

#define READ_PACKETS 4096
#define EXIT_USAGE   2

static void add_fields(struct json_object *object, const struct field *fields, size_t n) {
        for (size_t i = 0; i < n; i++)
                json_object_object_add(object, fields[i].key,
                                       fields[i].type == 's' ? json_object_new_string(fields[i].text)
                                                             : json_object_new_uint64(fields[i].number));
}

static struct json_object *ring_json(const struct ring *ring) {
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; i < ring->n; i++) {
                struct json_object *bucket = json_object_new_object();

                json_object_object_add(bucket, NETFLOWD_KEY_TIMESTAMP,
                                       json_object_new_uint64(ring->buckets[i].second));
                json_object_object_add(bucket, NETFLOWD_KEY_IN, json_object_new_uint64(ring->buckets[i].in));
                json_object_object_add(bucket, NETFLOWD_KEY_OUT,
                                       json_object_new_uint64(ring->buckets[i].out));
                json_object_array_add(array, bucket);
        }
        return array;
}

static struct json_object *row_json(const struct process_fields *fields, const struct ring *ring) {
        struct json_object *row = json_object_new_object(), *stats = json_object_new_object(),
                           *total = json_object_new_object();

        add_fields(row, fields->own, fields->n_own);
        add_fields(stats, fields->traffic_stats, fields->n_traffic_stats);
        json_object_object_add(row, NETFLOWD_KEY_TRAFFIC_STATS, stats);
        add_fields(total, fields->total, fields->n_total);
        json_object_object_add(row, NETFLOWD_KEY_TOTAL, total);
        json_object_object_add(row, NETFLOWD_KEY_RING, ring_json(ring));
        return row;
}

static int add_processes(struct json_object *rank, const struct engine *engine, struct users *users) {
        _cleanup_free_ struct rank_row *rows = NULL;
        uint64_t now = engine_now(engine);
        size_t n;
        int r;

        r = rank_processes(engine_books(engine)->processes, now, RING_SECONDS, RANK_BY_TOTAL, 0, &rows, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                struct process_fields fields;

                process_fields_set(&fields, rows[i].process, &rows[i].window, now, DETAIL_PRIVATE, users);
                json_object_array_add(rank, row_json(&fields, &rows[i].process->traffic.ring));
        }
        return 0;
}

static void add_unattributed(struct json_object *rank, const struct engine *engine) {
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
                json_object_array_add(rank, row_json(&fields, &traffic->ring));
        }
}

static int print_rank(const struct engine *engine) {
        _cleanup_(users_freep) struct users *users = NULL;
        struct json_object *rank;
        int r;

        r = users_new("/etc/passwd", &users);
        if (r < 0)
                return r;
        rank = json_object_new_array();
        r = add_processes(rank, engine, users);
        if (r >= 0) {
                add_unattributed(rank, engine);
                if (puts(json_object_to_json_string_ext(rank, JSON_C_TO_STRING_PRETTY |
                                                                      JSON_C_TO_STRING_NOSLASHESCAPE)) < 0 ||
                    fflush(stdout) != 0)
                        r = -errno;
        }
        json_object_put(rank);
        return r;
}

/* To the end, forgetting by the packets' own clock what is out of the longest window. */
static int read_all(struct engine *engine, struct source_error *ret_error) {
        uint64_t expired = 0;
        int r;

        while ((r = engine_drain(engine, READ_PACKETS, ret_error)) >= 0)
                if (engine_now(engine) >= expired + USEC_PER_SEC) {
                        engine_expire(engine);
                        expired = engine_now(engine);
                }
        engine_finish(engine);
        return r == -ENODATA ? 0 : r;
}

int savefile_run(const struct engine_config *config) {
        _cleanup_(engine_freep) struct engine *engine = NULL;
        struct source_error error = {.text = "out of memory"};
        int status = EXIT_SUCCESS, r;

        r = engine_new(config, &engine, &error);
        if (r < 0) {
                log_write(LOG_ERR, "%s", error.text);
                if (r == -EINVAL && config->choice.filter)
                        return EXIT_USAGE;
                return r == -ENOENT ? EX_NOINPUT : EX_DATAERR;
        }
        r = read_all(engine, &error);
        if (r < 0) {
                log_write(LOG_ERR, "%s", error.text);
                status = EX_DATAERR;
        }
        r = print_rank(engine);
        if (r < 0) {
                log_write(LOG_ERR, "cannot print the rank: %s", strerror(-r));
                status = EX_IOERR;
        }
        return status;
}
