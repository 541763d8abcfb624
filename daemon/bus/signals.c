/* SPDX-License-Identifier: MIT */
#include "bus/signals.h"

#include <errno.h>
#include <string.h>

#include "bus/process_message.h"
#include "dbus/org.netflowd1.h"
#include "util/clock.h"

/* RankChanged tells of the last so many seconds. */
#define SIGNAL_RECENT 3u

/* ProcessesChanged tells of at most so many that began, and as many that exited. */
#define CHANGES_MAX 100u

/* Exits are told a little later, when what still waited for its owner has been settled: totals are final
 * then. */
#define SETTLED_USEC (1500 * USEC_PER_MSEC)

/* What a row of the rank shows; when all are as they were there is nothing to tell. */
struct told {
        struct process_id id;
        uint64_t in, out;
};

struct signals {
        struct told *told, *now; /* limit of each: what was told last, and what is there */
        uint32_t limit;
        size_t n_told;
};

int signals_set_limit(struct signals *signals, uint32_t limit) {
        struct told *told = calloc(limit, sizeof(*told)), *now = calloc(limit, sizeof(*now));

        if (!told || !now) {
                free(told);
                free(now);
                return -ENOMEM;
        }
        free(signals->told);
        free(signals->now);
        signals->told = told;
        signals->now = now;
        signals->limit = limit;
        signals->n_told = 0;
        return 0;
}

int signals_new(uint32_t limit, struct signals **ret_signals) {
        _cleanup_(signals_freep) struct signals *signals = calloc(1, sizeof(*signals));

        if (!signals || signals_set_limit(signals, limit) < 0)
                return -ENOMEM;
        *ret_signals = TAKE_PTR(signals);
        return 0;
}

void signals_free(struct signals *signals) {
        if (!signals)
                return;
        free(signals->told);
        free(signals->now);
        free(signals);
}

static bool rank_moved(struct signals *signals, const struct rank_row *rows, size_t n) {
        struct told *now = signals->now;
        bool moved;

        memset(now, 0, signals->limit * sizeof(*now));
        for (size_t i = 0; i < n; i++)
                now[i] = (struct told){
                        .id = rows[i].process->id, .in = rows[i].window.in, .out = rows[i].window.out};
        moved = n != signals->n_told || memcmp(now, signals->told, signals->limit * sizeof(*now)) != 0;
        signals->now = signals->told;
        signals->told = now;
        signals->n_told = n;
        return moved;
}

static int append_process(sd_bus_message *message, const struct rank_row *row, uint64_t now,
                          struct users *users) {
        struct process_fields fields;

        process_fields_set(&fields, row, now, DETAIL_BROADCAST, users);
        return process_message_append(message, &fields);
}

static int append_rank(sd_bus_message *message, const struct rank_row *rows, size_t n, uint64_t now,
                       struct users *users) {
        int r;

        r = sd_bus_message_append(message, "u", SIGNAL_RECENT);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(message, 'a', "a{sv}");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_process(message, &rows[i], now, users);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int send_rank(struct signals *signals, sd_bus *connection, struct engine *engine,
                     struct users *users) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_free_ struct rank_row *rows = NULL;
        const struct rank_query query = {
                .now_usec = engine_now(engine), .recent = SIGNAL_RECENT, .limit = signals->limit};
        size_t n;
        int r;

        r = rank_processes(engine_books(engine)->processes, &query, &rows, &n);
        if (r < 0)
                return r;
        if (!rank_moved(signals, rows, n))
                return 0;
        r = sd_bus_message_new_signal(connection, &message, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                      NETFLOWD_SIGNAL_RANK_CHANGED);
        if (r < 0)
                return r;
        r = append_rank(message, rows, n, query.now_usec, users);
        return r < 0 ? r : sd_bus_send(connection, message, NULL);
}

/* A row may be there before its first bytes are: they wait until it is sure that they are its. */
static bool has_begun(const struct process *process, uint64_t now) {
        (void) now;
        return !process->announced && process->traffic.all.since_usec != 0;
}

static bool has_ended(const struct process *process, uint64_t now) {
        return process_exited(process) && !process->exit_announced && process->id.pid != 0 &&
               process->traffic.all.since_usec != 0 &&
               now - process->exited_usec >= SETTLED_USEC; /* also where the clock was set back since */
}

/* Appends an aa{sv} of those that are `wanted`, at most CHANGES_MAX; returns how many there were in all. */
static int append_changes(sd_bus_message *message, struct engine *engine, struct users *users,
                          bool (*wanted)(const struct process *, uint64_t), uint64_t clock) {
        const struct rank_query query = {.now_usec = engine_now(engine), .recent = SIGNAL_RECENT};
        struct process *process;
        uint32_t cursor = 0;
        int n = 0, r;

        r = sd_bus_message_open_container(message, 'a', "a{sv}");
        while (r >= 0 && (process = engine_next_process(engine, &cursor))) {
                struct rank_row row;

                if (!wanted(process, clock) || ++n > (int) CHANGES_MAX)
                        continue;
                (void) rank_row_of(process, &query, &row);
                r = append_process(message, &row, query.now_usec, users);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : n;
}

/* Whatever could be sent: what was to be told once has been told. */
static void mark_announced(struct engine *engine, uint64_t clock) {
        struct process *process;
        uint32_t cursor = 0;

        while ((process = engine_next_process(engine, &cursor))) {
                process->announced |= has_begun(process, clock);
                process->exit_announced |= has_ended(process, clock);
        }
}

static int send_changes(sd_bus *connection, struct engine *engine, struct users *users) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        uint64_t clock = clock_usec(CLOCK_REALTIME);
        int begun, ended, r;

        r = sd_bus_message_new_signal(connection, &message, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                      NETFLOWD_SIGNAL_PROCESSES_CHANGED);
        if (r < 0)
                return r;
        begun = append_changes(message, engine, users, has_begun, clock);
        if (begun < 0)
                return begun;
        ended = append_changes(message, engine, users, has_ended, clock);
        if (ended < 0)
                return ended;
        if (begun + ended == 0)
                return 0;
        mark_announced(engine, clock);
        r = sd_bus_message_append(
                message, "u",
                (uint32_t) (begun - MIN(begun, (int) CHANGES_MAX) + ended - MIN(ended, (int) CHANGES_MAX)));
        return r < 0 ? r : sd_bus_send(connection, message, NULL);
}

int signals_send(struct signals *signals, sd_bus *connection, struct engine *engine, struct users *users) {
        int r;

        r = send_changes(connection, engine, users);
        return r < 0 ? r : send_rank(signals, connection, engine, users);
}
