/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "account/books.h"
#include "owner/owner_lookup.h"
#include "source/source.h"
#include "util/clock.h"
#include "util/macros.h"

/* bpf where it loads and nothing asks for packets, else pcap. */
#define ENGINE_BACKEND_AUTO "auto"

struct engine_config {
        const char *backend;   /* a source: "bpf", "pcap", "file"; or ENGINE_BACKEND_AUTO */
        const char *savefile;  /* for "file" */
        struct source_choice choice; /* devices, addresses and filter to start with */
        const char *owners;    /* an owner lookup: "bpf", "procfs"; NULL: the best there is. Unused with "file" */
        const char *proc_root; /* "/proc" */
        size_t ring_bytes;     /* of the kernel's packet ring */
        unsigned workers;      /* threads that read packets, this one among them; at least 1 */
        uint32_t max_sockets;  /* remembered by the owner lookup */
        uint32_t max_history;  /* and those that the kernel told it of */
        uint32_t event_bytes;  /* of the ring by which it does */
        uint64_t sync_interval_usec; /* all processes are walked over, and each row read anew, at most so
                                        often */
        uint32_t max_kernel_sockets;   /* that have an owner there */
        uint32_t max_kernel_processes; /* in the kernel's own table, which the bpf source reads */
        struct books_limits limits;
};

/* The defaults: all interfaces, and tables as large as they are ever useful. */
void engine_config_init(struct engine_config *ret_config);

/* Bounds the tables so that all of the daemon fits into so many bytes, whatever comes. The kernel's ring is
 * not part of it: no cgroup is charged for that. */
void engine_config_fit(struct engine_config *config, uint64_t memory_bytes);

/* The memory that a ring needs to hold so many packets, whatever their length. */
size_t engine_ring_bytes(uint32_t packets);

/* Joins a source, the owner lookup and the books. */
struct engine;

/* Opens the source; what cannot be done is told as source_new() does. Strings in config outlive the engine,
 * but those of its choice are copied. */
int engine_new(const struct engine_config *config, struct engine **ret_engine,
               struct source_error *ret_error);

/* Another engine beside one that knows no flows: on the same host, for packets, with books of its own that nobody
 * else sees. Returns as engine_new(). The first outlives it. */
int engine_new_beside(const struct engine *engine, struct engine **ret_beside, struct source_error *ret_error);
void engine_free(struct engine *engine);
DEFINE_CLEANUP(struct engine *, engine_free)

/* Reads up to about max_packets, enters them and settles all flows that can be. Returns as source_drain().
 * After an error the source is closed and the books stay; engine_reopen() tries again. */
int engine_drain(struct engine *engine, int max_packets, struct source_error *ret_error);

/* Once a second, in this order. What exited is marked and names are read anew; then, after the signals have
 * been sent, what is out of the longest window leaves the books. */
void engine_tick(struct engine *engine);
void engine_expire(struct engine *engine);

/* Settles what still waits for an owner without waiting on: for the end of a capture. */
void engine_finish(struct engine *engine);

/* What was on the wire this long ago can be read: the kernel hands over a block of its ring after 40 ms
 * (BLOCK_TIMEOUT_MSEC in pcap_handle.c). */
#define READ_BEHIND_USEC (60 * USEC_PER_MSEC)

/* Closes the source, having read and settled what was on the wire until now, which takes READ_BEHIND_USEC.
 * The books stay. */
void engine_stop(struct engine *engine);

/* Opens the source again after an error or a stop. Returns as engine_new(). */
int engine_reopen(struct engine *engine, struct source_error *ret_error);

/* Captures something else from now on, or once it captures again; the books stay. Where that takes another
 * source, it is tried first. While a filter is compiled, which may take FILTER_SECONDS (source/filter.h), packets
 * are read on. Returns 0; or a negative errno as source_new() and source_choose() do, and all goes on as before.
 * After 0, where another source had to be opened and could not be, the capture is closed as after an error. */
int engine_choose(struct engine *engine, const struct source_choice *choice, struct source_error *ret_error);

/* What holds; good until the next engine_choose(). */
const struct source_choice *engine_choice(const struct engine *engine);

/* To be told once a second: the processor time that the process may use per second, UINT64_MAX where that is not limited;
 * and whether it runs short of it. Counting goes on then, and fewer owners are looked up (what is not is
 * unattributed-not-looked-up) until it is better. */
void engine_limit_cpu(struct engine *engine, uint64_t quota_usec, bool is_short);
bool engine_capturing(const struct engine *engine);

/* As source_fd(): readable when packets come after a silence, and when a device comes, goes or changes. -1
 * while not capturing. */
int engine_fd(const struct engine *engine);

/* Is engine_drain() to be called when engine_fd() becomes readable, and only then? And is it, now? */
bool engine_drained_by_fd(const struct engine *engine);
bool engine_due(const struct engine *engine);

/* Does engine_now() go by when the source was read? Not before it has been for the first time. */
bool engine_closes_by_read(const struct engine *engine);

/* Are there flows in the books? Not where the source counts by process. */
bool engine_knows_flows(const struct engine *engine);

/* Do flows wait to be settled, or devices to be seen to? Then engine_drain() is to be called soon even when no
 * packets come. */
bool engine_pending(const struct engine *engine);

/* The time that windows end at, CLOCK_REALTIME in µs: a little behind the clock, so that what the kernel
 * still holds back of a second that has just ended is in; where it is read once a second, the time of that; for a
 * savefile, the packets' own clock. */
uint64_t engine_now(const struct engine *engine);

/* Who we are; good as long as the engine. */
const struct interfaces *engine_interfaces(const struct engine *engine);

const struct books *engine_books(const struct engine *engine);
const char *engine_backend(const struct engine *engine); /* a source's name */

/* Why it is that one and none that would be better: what was tried, and what the kernel said. "": it was asked
 * for, or is the best there is. */
const char *engine_backend_reason(const struct engine *engine);
const char *engine_owners(const struct engine *engine);     /* the owner lookup; the source where that
                                                               * knows them; "none" with a savefile */

/* Why they are looked up so and not better, as engine_backend_reason(). */
const char *engine_owners_reason(const struct engine *engine);
const char *engine_last_error(const struct engine *engine); /* of the source; "": none since it was opened */
const char *engine_filter(const struct engine *engine);     /* "": none */

/* Over all openings of the source. */
void engine_source_stats(struct engine *engine, struct source_stats *ret_stats);
void engine_owner_stats(const struct engine *engine, struct owner_stats *ret_stats);
void engine_device(const struct engine *engine, struct source_device *ret_device);

/* One device that is captured on, was, or is waited for. */
struct engine_device {
        const char *name, *link_type, *state, *last_error; /* "": none */
        uint64_t received, dropped;                        /* packets */
};

/* Are packets of that interface captured? All are, where no devices are chosen. */
bool engine_captures_on(const struct engine *engine, uint32_t ifindex);

/* All of them; their counts go on over all openings of the source. Returns 0 or -ENOMEM. The caller frees
 * *ret_devices; its strings are good until the engine is next used. */
int engine_devices(struct engine *engine, struct engine_device **ret_devices, size_t *ret_n);
void engine_ledger(struct engine *engine, struct ledger *ret_ledger);

/* For the bus, which remembers in the row what its signals have told. */
struct process *engine_next_process(struct engine *engine, uint32_t *cursor);

/* Reads name, state and sockets of a process anew, where it is alive. */
void engine_refresh(struct engine *engine, struct process *process);
struct process *engine_find_pid(struct engine *engine, uint32_t pid);

/* Who that pid is now, in the books or not. Returns 0, or -ESRCH where there is no such process. */
int engine_identify(const struct engine *engine, uint32_t pid, struct process_id *ret_id);
