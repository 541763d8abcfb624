/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "util/clock.h"

/* A second counts as closed this long after it ended: what the kernel's ring held back is in by then (a
 * block's timeout and a drain, with some slack). */
#define CLOSE_DELAY_USEC (250 * USEC_PER_MSEC)

/* Packets per drain when a capture ends. */
#define STOP_PACKETS 32768

/* What one packet takes of a TPACKET_V3 ring at the most (af_packet.c: tpacket_rcv()): its headers, room for
 * the SLL2 header and a VLAN tag, the snap length of source/pcap_live.c, and padding. */
#define RING_PACKET_BYTES 320u

/* What one of each costs at the most, in bytes, with what the allocator and the kernel add. A flow: with six
 * seconds' bytes waiting. A process: its row, a ring of RING_SECONDS buckets, its strings and its pidfd; another
 * such ring, where only some of its bytes went over loopback; and in an answer that tells all of it, of which there
 * is one at a time (bus/answers.h), one of the two and the rest again. A value: its rings. */
#define FLOW_BYTES     480u
#define FRAGMENT_BYTES 160u
#define SOCKET_BYTES   64u
#define INODE_BYTES    8u
#define RING_BYTES     7400u
#define PROCESS_BYTES  (9000u + RING_BYTES + 9000u)
#define VALUE_BYTES    (100u + 2 * RING_BYTES)

/* In the kernel's table, and what was read of it before (1500), a connection that is being made, a quarter of one that
 * was closed, and a sixteenth of a cgroup: bpf_programs_new(). The memory is ours there, too: bpf maps are charged to who makes them. The bpf source
 * has no flows, so that this is in place of theirs. */
#define KERNEL_PROCESS_BYTES 1800u

/* What is kept at a socket: 200 were measured on Linux 6.18, 408 on 6.1. Others make them, and as many as they like. */
#define KERNEL_SOCKET_BYTES 408u

/* A socket that the bpf lookup was told of, or a change of its owner. */
#define HISTORY_BYTES 320u

/* Programs, libraries, buffers. */
#define OTHER_BYTES (6u << 20)

/* What early_look.c remembers at the most: connections at 300 bytes each, sockets, processes at 400. And lists of all
 * datagram sockets, there and where owners are looked up: owner/bound_sockets.h. */
#define EARLY_BYTES ((3u << 19) + (5u << 17))

/* Of what is left, in percent. */
#define FLOWS_SHARE     34u
#define FRAGMENTS_SHARE 2u
#define SOCKETS_SHARE   8u
#define INODES_SHARE    4u
#define VALUES_SHARE    5u
#define PROCESSES_SHARE 37u
#define FOLDED_SHARE    3u
#define HISTORY_SHARE   3u
#define EVENTS_SHARE    4u

static uint32_t fit(uint64_t budget_bytes, uint64_t share, uint64_t each_bytes, uint32_t least, uint32_t most) {
        return (uint32_t) MAX(MIN(budget_bytes * share / 100 / each_bytes, (uint64_t) most), (uint64_t) least);
}

void engine_config_fit(struct engine_config *config, uint64_t memory_bytes) {
        uint64_t fixed = OTHER_BYTES + EARLY_BYTES, budget = memory_bytes > fixed ? memory_bytes - fixed : 0;
        struct books_limits *limits = &config->limits;
        struct process_limits *processes = &limits->processes;

        limits->max_flows = fit(budget, FLOWS_SHARE, FLOW_BYTES, 256, limits->max_flows);
        config->max_kernel_processes =
                fit(budget, FLOWS_SHARE / 2, KERNEL_PROCESS_BYTES, 64, config->max_kernel_processes);
        config->max_kernel_sockets = fit(budget, FLOWS_SHARE / 2 + FRAGMENTS_SHARE + SOCKETS_SHARE, KERNEL_SOCKET_BYTES,
                                         256, config->max_kernel_sockets);
        limits->max_values = fit(budget, VALUES_SHARE, VALUE_BYTES, 64, limits->max_values);
        limits->max_fragments = fit(budget, FRAGMENTS_SHARE, FRAGMENT_BYTES, 64, limits->max_fragments);
        config->max_sockets = fit(budget, SOCKETS_SHARE, SOCKET_BYTES, 256, config->max_sockets);
        config->max_history = fit(budget, HISTORY_SHARE, HISTORY_BYTES, 256, config->max_history);
        config->event_bytes = fit(budget, EVENTS_SHARE, 1, 4096, config->event_bytes);
        processes->max_inodes = fit(budget, INODES_SHARE, INODE_BYTES, 256, processes->max_inodes);
        processes->max_processes = fit(budget, PROCESSES_SHARE, PROCESS_BYTES, 64, processes->max_processes);
        processes->max_exited = MIN(processes->max_exited, processes->max_processes / 2);
        processes->max_folded = fit(budget, FOLDED_SHARE, PROCESS_BYTES, 8, processes->max_folded);
}

void engine_config_init(struct engine_config *ret_config) {
        *ret_config = (struct engine_config){
                .backend = ENGINE_BACKEND_AUTO,
                .proc_root = "/proc",
                .ring_bytes = 8u << 20,
                .workers = 1,
                .max_sockets = 65536,
                .max_history = 32768,
                .event_bytes = 2u << 20,
                .sync_interval_usec = 250 * USEC_PER_MSEC,
                .max_kernel_processes = 16384,
                .max_kernel_sockets = 262144,
                .limits =
                        {
                                .max_flows = 65536,
                                .max_fragments = 4096,
                                .max_values = 4096,
                                .processes = {.max_processes = 8192,
                                              .max_exited = 4096,
                                              .max_folded = 256,
                                              .max_inodes = 262144},
                        },
        };
}

size_t engine_ring_bytes(uint32_t packets) {
        return (size_t) packets * RING_PACKET_BYTES;
}

static int open_owners(struct engine *engine, struct source_error *ret_error) {
        const struct owner_config config = {
                .proc_root = engine->config.proc_root,
                .scan_interval_usec = engine->config.sync_interval_usec,
                .max_sockets = engine->config.max_sockets,
                .max_history = engine->config.max_history,
                .event_bytes = engine->config.event_bytes,
        };
        char why[OWNER_WHY_MAX] = "";
        int r = 0;

        if (engine->config.savefile)
                return 0;
        if (source_knows_owners(engine->source) && engine->owners) { /* it may have programs in the kernel */
                engine_finish(engine);
                owner_lookup_free(TAKE_PTR(engine->owners));
        }
        if (!engine->watch)
                r = process_watch_new(&engine->watch);
        if (r >= 0 && !engine->owners && !source_knows_owners(engine->source)) {
                r = owner_lookup_new(engine->config.owners, &config, &engine->owners, why);
                (void) snprintf(engine->owners_reason.text, sizeof(engine->owners_reason.text), "%s", why);
        }
        if (r < 0)
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot look up owners: %.400s",
                                *why ? why : strerror(-r));
        return r;
}

/* Where the owner lookup that there is may come too late. */
static int start_early_look(struct engine *engine, struct source_error *ret_error) {
        if (!engine->owners || source_knows_owners(engine->source) || !owner_lookup_is_too_late(engine->owners))
                return 0;
        return early_look_start(engine->config.proc_root, &engine->early, ret_error);
}

/* The source that the configuration asks for, and what it needs beside it. */
static int open_source(struct engine *engine, struct source_error *ret_error) {
        struct source_error reason;
        int r;

        r = engine_open_source(engine, &engine->config.choice, &engine->source, &reason, ret_error);
        if (r < 0)
                return r;
        engine->is_read = false;
        engine->backend = source_name(engine->source);
        engine->backend_reason = reason;
        r = open_owners(engine, ret_error);
        if (r >= 0)
                r = start_early_look(engine, ret_error);
        if (r < 0)
                source_free(TAKE_PTR(engine->source));
        return r;
}

int engine_new(const struct engine_config *config, struct engine **ret_engine,
               struct source_error *ret_error) {
        _cleanup_(engine_freep) struct engine *engine = calloc(1, sizeof(*engine));
        int r;

        if (!engine)
                return -ENOMEM;
        engine->config = *config;
        engine->questions_max = QUESTIONS_MAX;
        r = engine_own_choice(engine, &config->choice);
        if (r >= 0)
                r = device_list_new(&engine->devices);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "no memory for the devices");
                return r;
        }
        r = books_new(&config->limits, &engine->books);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "no memory for the books");
                return r;
        }
        r = interfaces_new(&engine->interfaces);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "cannot read interfaces by rtnetlink: %s", strerror(-r));
                return r;
        }
        engine->namespaces = !config->savefile && owner_lookup_check_namespaces() >= 0;
        r = open_source(engine, ret_error);
        if (r < 0)
                return r;

        *ret_engine = TAKE_PTR(engine);
        return 0;
}

int engine_new_beside(const struct engine *engine, struct engine **ret_beside, struct source_error *ret_error) {
        struct engine_config config = engine->config;

        config.backend = "pcap";
        config.choice = (struct source_choice){};
        return engine_new(&config, ret_beside, ret_error);
}

void engine_free(struct engine *engine) {
        if (!engine)
                return;
        source_free(engine->source);
        early_look_stop(engine->early);
        owner_lookup_free(engine->owners);
        books_free(engine->books);
        process_watch_free(engine->watch);
        interfaces_free(engine->interfaces);
        device_list_free(engine->devices);
        owned_choice_done(&engine->choice);
        free(engine);
}

static void enter_owned(struct engine *engine, const struct sample *sample) {
        struct process *process;

        if (engine_process(engine, &sample->owner->id, sample->owner, &process) >= 0)
                books_enter_process(engine->books, process, sample);
        else
                books_enter_reason(engine->books, sample, UNATTRIBUTED_OVERFLOW);
}

void engine_take_sample(const struct sample *sample, void *userdata) {
        struct engine *engine = userdata;

        engine->packet_clock = MAX(engine->packet_clock, sample->time_usec);
        if (sample->owner) {
                enter_owned(engine, sample);
                return;
        }
        if (engine->owners)
                engine_part(engine, sample);
        books_enter(engine->books, sample);
}

/* What the source has kept for an owner to come: none comes any more. */
static void give_up_pending(struct engine *engine, uint64_t bytes) {
        const struct sample sample = {
                .time_usec = clock_usec(CLOCK_REALTIME), .bytes = bytes, .direction = DIRECTION_IN, .keyless = true};

        if (bytes > 0)
                books_enter_reason(engine->books, &sample, UNATTRIBUTED_NO_PROCESS);
}

void engine_close_source(struct engine *engine) {
        struct source_stats stats;

        source_stats(engine->source, &stats);
        give_up_pending(engine, stats.pending);
        source_stats_add(&engine->earlier, &stats);
        source_free(TAKE_PTR(engine->source));
        early_look_stop(TAKE_PTR(engine->early));
}

int engine_drain(struct engine *engine, int max_packets, struct source_error *ret_error) {
        const uint64_t now = clock_usec(CLOCK_REALTIME);
        int r = 0;

        /* what cannot be read now stays as it was, and is tried again with the next drain */
        (void) interfaces_update(engine->interfaces);
        if (engine->source)
                r = source_drain(engine->source, max_packets, engine_take_sample, engine, ret_error);
        if (r >= 0 && engine_drained_by_fd(engine)) {
                engine->read_usec = now;
                engine->is_read = true;
        }
        engine_settle(engine, clock_usec(CLOCK_MONOTONIC), false);
        if (r < 0 && engine->source) {
                engine->last_error = *ret_error;
                engine_close_source(engine);
        }
        return r;
}

void engine_tick(struct engine *engine) {
        if (engine->owners) /* also where no packet comes: what is told must not fill up */
                owner_lookup_update(engine->owners);
        engine_mark_exits(engine);
        engine_refresh_processes(engine);
}

/* Not where the last read is long ago, or took long: samples may be newer than its beginning by more than rings look ahead. */
void engine_expire(struct engine *engine) {
        uint64_t now = engine_now(engine);

        if (engine_closes_by_read(engine) && clock_usec(CLOCK_REALTIME) - now > USEC_PER_SEC)
                return;
        books_expire(engine->books, now);
}

void engine_finish(struct engine *engine) {
        engine_settle(engine, clock_usec(CLOCK_MONOTONIC), true);
        engine_settle(engine, clock_usec(CLOCK_MONOTONIC), true); /* whose owner was found only then */
}

/* All that was on the wire until now, which the kernel hands over within that time. */
void engine_drain_to_the_end(struct engine *engine) {
        const uint64_t end = clock_usec(CLOCK_MONOTONIC) + READ_BEHIND_USEC;
        struct source_error error;
        uint64_t now;

        while (engine->source && (now = clock_usec(CLOCK_MONOTONIC)) < end) {
                struct pollfd more = {.fd = engine_fd(engine), .events = POLLIN};

                (void) poll(&more, 1, (int) ((end - now) / USEC_PER_MSEC) + 1);
                (void) engine_drain(engine, STOP_PACKETS, &error);
        }
}

void engine_stop(struct engine *engine) {
        if (!engine->source)
                return;
        engine_drain_to_the_end(engine);
        engine_finish(engine);
        if (engine->source)
                engine_close_source(engine);
        device_list_stop(engine->devices);
        engine->last_error = (struct source_error){};
}

void engine_limit_cpu(struct engine *engine, uint64_t quota_usec, bool is_short) {
        engine->questions_max = is_short ? MAX(engine->questions_max / 2, QUESTIONS_MIN)
                                         : MIN(engine->questions_max * 2, QUESTIONS_MAX);
        if (engine->early)
                early_look_set_limits(engine->early, QUESTIONS_MAX / engine->questions_max, quota_usec);
}

int engine_reopen(struct engine *engine, struct source_error *ret_error) {
        int r;

        if (engine->source)
                return 0;
        r = open_source(engine, ret_error);
        engine->last_error = r < 0 ? *ret_error : (struct source_error){};
        return r;
}

bool engine_capturing(const struct engine *engine) {
        return engine->source != NULL;
}

int engine_fd(const struct engine *engine) {
        return engine->source ? source_fd(engine->source) : -1;
}

bool engine_drained_by_fd(const struct engine *engine) {
        return engine->source && source_knows_owners(engine->source);
}

bool engine_closes_by_read(const struct engine *engine) {
        return engine_drained_by_fd(engine) && engine->is_read;
}

bool engine_knows_flows(const struct engine *engine) {
        return !engine_drained_by_fd(engine);
}

bool engine_due(const struct engine *engine) {
        struct pollfd now = {.fd = engine_fd(engine), .events = POLLIN};

        return !engine_drained_by_fd(engine) || poll(&now, 1, 0) != 0; /* an error is for the drain to tell */
}

bool engine_pending(const struct engine *engine) {
        return engine->books->ledger.unattributed[UNATTRIBUTED_PENDING] > 0 ||
               interfaces_are_stale(engine->interfaces) || (engine->source && source_busy(engine->source));
}

uint64_t engine_now(const struct engine *engine) {
        uint64_t now;

        if (engine->config.savefile) /* the second of its last packet is over */
                return engine->packet_clock + USEC_PER_SEC;
        if (engine_closes_by_read(engine)) /* what moved until then is in, and nothing else */
                return engine->read_usec;
        now = clock_usec(CLOCK_REALTIME);
        /* what has closed stays closed, with another source too; not where the clock was set back */
        return engine->read_usec <= now ? MAX(now - CLOSE_DELAY_USEC, engine->read_usec) : now - CLOSE_DELAY_USEC;
}

const struct interfaces *engine_interfaces(const struct engine *engine) {
        return engine->interfaces;
}

const struct books *engine_books(const struct engine *engine) {
        return engine->books;
}

const char *engine_backend(const struct engine *engine) {
        return engine->backend;
}

const char *engine_backend_reason(const struct engine *engine) {
        return engine->backend_reason.text;
}

const char *engine_owners(const struct engine *engine) {
        if (engine_drained_by_fd(engine))
                return engine->backend;
        return engine->owners ? owner_lookup_name(engine->owners) : "none";
}

const char *engine_owners_reason(const struct engine *engine) {
        return engine_drained_by_fd(engine) ? "" : engine->owners_reason.text;
}

struct process *engine_next_process(struct engine *engine, uint32_t *cursor) {
        return process_table_next(engine->books->processes, cursor);
}

struct process *engine_find_pid(struct engine *engine, uint32_t pid) {
        return process_table_find_pid(engine->books->processes, pid);
}
