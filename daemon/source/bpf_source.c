/* SPDX-License-Identifier: MIT */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kernel/bpf_cgroups.h"
#include "source/bpf_deltas.h"
#include "source/bpf_programs.h"
#include "source/source.h"
#include "util/clock.h"

/* The programs in the kernel count for each process; here their totals are read once a second, just after
 * one has closed.
 *
 * Which second bytes belong to is decided in the kernel, when they move: it counts into one of two banks, and
 * changes the bank at `boundary`, which we set to the end of the second under way with every read. A read
 * takes both banks, so that what a bank has more than at the last one moved between the two reads, and before
 * or after the boundary. That is exact as long as there is a read in every second; where one is missed,
 * what moved after the boundary counts for the second of the read. */

/* Entries per system call: 256 of 616 bytes. */
#define BATCH 256u

/* Behind the end of a second: the kernel's coarse clock, which the programs go by, ticks every 1 to 10 ms. */
#define READ_DELAY_USEC (20 * USEC_PER_MSEC)

/* A clock that is slewed or read a moment apart is nearer than that to where it was; one that was set is not. */
#define CLOCK_SET_USEC (500 * USEC_PER_MSEC)

/* Entries taken out of the kernel's table per read, at about 1 µs each. */
#define EXPIRED_MAX 4096u

/* A connection that is not established after this long never is: a SYN-ACK is sent for the last time after
 * 31 s, and given up after 63 (tcp_synack_retries, tcp(7)). */
#define HANDSHAKE_NSEC  (75 * NSEC_PER_SEC)
#define HANDSHAKE_READS 10u /* looked for every so many reads */

#define SOCKET_READS 10u /* sockets are counted every so many reads, and with each while there is no room */
#define CGROUP_READS 10u /* room for new cgroups is made every so many reads */

/* Going through all sockets takes 16 ms for 50 k of them: at most this part of the time goes into it. */
#define SETTLE_SHARE 300u

struct bpf_source {
        struct bpf_programs *programs;
        struct bpf_deltas *deltas;
        struct bpf_cgroups *cgroups;
        int timer;

        unsigned bank_before;     /* which bank counts before the boundary */
        uint64_t boundary_nsec;   /* CLOCK_MONOTONIC */
        uint64_t boundary_second; /* the one that begins there, CLOCK_REALTIME */

        struct bpf_sums sums; /* all that was handed on */
        uint64_t pending;     /* bytes that still wait in the kernel */
        uint64_t idle_before; /* pending_idle of the gauge, at the last read */
        uint64_t settle_usec; /* CLOCK_MONOTONIC, when sockets may be gone through again */
        uint32_t reads;

        uint32_t max_entries, n_expired;
        __u64 expired[EXPIRED_MAX];
        __u64 keys[BATCH];
        struct account_process values[BATCH];
};

static void bpf_source_close(void *state) {
        struct bpf_source *source = state;

        if (!source)
                return;
        bpf_programs_free(source->programs);
        bpf_deltas_free(source->deltas);
        bpf_cgroups_free(source->cgroups);
        source->timer = safe_close(source->timer);
        free(source);
}

static void bpf_source_closep(struct bpf_source **source) {
        bpf_source_close(*source);
}

/* Sets the boundary to the end of the second under way. The bank that counts now goes on. */
static void set_boundary(struct bpf_source *source) {
        uint64_t real_usec = clock_usec(CLOCK_REALTIME), now_usec = clock_usec(CLOCK_MONOTONIC);
        uint64_t left_usec = USEC_PER_SEC - real_usec % USEC_PER_SEC;

        if (now_usec * NSEC_PER_USEC >= source->boundary_nsec)
                source->bank_before ^= 1;
        source->boundary_second = real_usec / USEC_PER_SEC + 1;
        /* the last bit names the bank; a nanosecond is nothing */
        source->boundary_nsec = ((now_usec + left_usec) * NSEC_PER_USEC & ~UINT64_C(1)) | source->bank_before;
        __atomic_store_n(bpf_programs_boundary(source->programs), source->boundary_nsec, __ATOMIC_SEQ_CST);
}

/* To a moment after the boundary. Relative, so that a clock that is set does not stop it. */
static int arm(const struct bpf_source *source) {
        uint64_t left_usec = USEC_PER_SEC - clock_usec(CLOCK_REALTIME) % USEC_PER_SEC + READ_DELAY_USEC;
        const struct itimerspec once = {
                .it_value = {.tv_sec = (time_t) (left_usec / USEC_PER_SEC),
                             .tv_nsec = (long) (left_usec % USEC_PER_SEC * NSEC_PER_USEC)},
        };

        return timerfd_settime(source->timer, 0, &once, NULL) < 0 ? -errno : 0;
}

static int bpf_source_open(const struct source_config *config, void **ret_state,
                           struct source_error *ret_error) {
        _cleanup_(bpf_source_closep) struct bpf_source *source = calloc(1, sizeof(*source));
        int r;

        (void) snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
        if (!source)
                return -ENOMEM;
        source->timer = -1;
        if (!source_choice_is_empty(&config->choice)) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "%s packets, which backend bpf does not look at",
                                config->choice.filter ? "a filter needs" : "chosen devices and addresses need");
                return -EINVAL;
        }
        source->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (source->timer < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot make a timer: %s",
                                strerror(errno));
                return -errno;
        }
        source->max_entries = config->max_processes + 2;
        r = bpf_deltas_new(source->max_entries, &source->deltas);
        if (r < 0)
                return r;
        r = bpf_programs_new(config->max_processes, config->max_sockets, &source->programs, ret_error);
        if (r < 0)
                return r;
        r = bpf_cgroups_new(bpf_programs_cgroups(source->programs),
                            bpf_programs_max_cgroups(config->max_processes), &source->cgroups);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
                return r;
        }
        source->boundary_nsec = UINT64_MAX; /* what has been counted already is of this second */
        source->bank_before = 1;            /* `boundary` was 0: all of it is after that */
        set_boundary(source);
        r = arm(source);
        if (r < 0)
                return r;
        *ret_state = TAKE_PTR(source);
        return 0;
}

static int bpf_source_fd(const void *state) {
        const struct bpf_source *source = state;

        return source->timer;
}

/* When the boundary is, by the clock as it is now: the end of a second, unless it was set since. */
static uint64_t boundary_usec(const struct bpf_source *source) {
        uint64_t planned_usec = source->boundary_second * USEC_PER_SEC,
                 usec = source->boundary_nsec / NSEC_PER_USEC + clock_real_offset_usec();

        return MAX(usec, planned_usec) - MIN(usec, planned_usec) < CLOCK_SET_USEC ? planned_usec : usec;
}

/* The stamps of what either bank has more than at the last read. */
static void stamp(const struct bpf_source *source, uint64_t ret_time_usec[2]) {
        uint64_t now_nsec = clock_usec(CLOCK_MONOTONIC) * NSEC_PER_USEC;
        uint64_t before_usec = boundary_usec(source) - 1, after_usec;

        after_usec = MAX(before_usec + 1, clock_usec(CLOCK_REALTIME));
        if (now_nsec < source->boundary_nsec) { /* in between: all that is new is of the second under way */
                before_usec = MIN(before_usec, clock_usec(CLOCK_REALTIME));
                after_usec = before_usec;
        }
        ret_time_usec[source->bank_before] = before_usec;
        ret_time_usec[source->bank_before ^ 1] = after_usec;
}

static int take_deltas(struct bpf_source *source, __u64 key, const struct account_process *value,
                       const uint64_t time_usec[2], sample_handler handler, void *userdata) {
        return bpf_deltas_take(source->deltas, key, value, bpf_cgroups_path(source->cgroups, value->cgroup_id),
                               time_usec, handler, userdata, &source->sums);
}

static void take(struct bpf_source *source, __u64 key, const struct account_process *value,
                 const uint64_t time_usec[2], sample_handler handler, void *userdata) {
        if (take_deltas(source, key, value, time_usec, handler, userdata) > 0 && source->n_expired < EXPIRED_MAX)
                source->expired[source->n_expired++] = key;
}

/* All entries, a batch at a time. */
static int read_processes(struct bpf_source *source, const uint64_t time_usec[2], sample_handler handler,
                          void *userdata) {
        int map = bpf_programs_processes(source->programs), r;
        __u32 position = 0, n, entries = 0;
        bool first = true;

        do {
                n = BATCH;
                r = bpf_map_lookup_batch(map, first ? NULL : &position, &position, source->keys, source->values,
                                         &n, NULL);
                if (r < 0 && r != -ENOENT)
                        return r;
                for (__u32 i = 0; i < n; i++)
                        take(source, source->keys[i], &source->values[i], time_usec, handler, userdata);
                entries += n;
                first = false;
        } while (r >= 0 && entries < 2 * source->max_entries);
        return 0;
}

/* Takes entries out whose time is over, with what came to them since they were read. */
static void expire(struct bpf_source *source, const uint64_t time_usec[2], sample_handler handler,
                   void *userdata) {
        int map = bpf_programs_processes(source->programs);

        for (uint32_t i = 0; i < source->n_expired; i++) {
                __u64 key = source->expired[i];

                if (bpf_map_lookup_and_delete_elem(map, &key, &source->values[0]) < 0)
                        continue;
                (void) take_deltas(source, key, &source->values[0], time_usec, handler, userdata);
                bpf_deltas_forget(source->deltas, key);
        }
        source->n_expired = 0;
}

static void expire_handshakes(struct bpf_source *source, uint64_t time_usec, sample_handler handler,
                              void *userdata) {
        uint64_t now_nsec = clock_usec(CLOCK_MONOTONIC) * NSEC_PER_USEC;
        struct account_gauge *gauge = bpf_programs_gauge(source->programs);
        int map = bpf_programs_handshakes(source->programs);
        struct account_handshake_key key, next;
        struct account_handshake value;
        bool more = bpf_map_get_next_key(map, NULL, &key) == 0;

        /* from a key that is gone by now, it begins with the first one again: bpf(2) */
        for (uint32_t n = 0; more && n < 2 * ACCOUNT_HANDSHAKES_MAX; n++) {
                more = bpf_map_get_next_key(map, &key, &next) == 0;
                if (bpf_map_lookup_elem(map, &key, &value) == 0 &&
                    now_nsec > value.since_nsec + HANDSHAKE_NSEC &&
                    bpf_map_lookup_and_delete_elem(map, &key, &value) == 0) {
                        (void) __atomic_fetch_sub(&gauge->pending, value.bytes[0] + value.bytes[1],
                                                  __ATOMIC_SEQ_CST);
                        bpf_deltas_handshake(&value, time_usec, handler, userdata, &source->sums);
                }
                key = next;
        }
}

/* What waits in the kernel. Between the read of the table and this some of it may have been booked there,
 * where it is seen with the next read: what has been seen once does not go away meanwhile. */
static void read_pending(struct bpf_source *source, uint64_t seen_before) {
        const struct account_gauge *gauge = bpf_programs_gauge(source->programs);
        uint64_t pending = __atomic_load_n(&gauge->pending, __ATOMIC_SEQ_CST);
        uint64_t missing = seen_before > source->sums.bytes ? seen_before - source->sums.bytes : 0;

        source->pending = MAX(pending, missing);
        source->idle_before = __atomic_load_n(&gauge->pending_idle, __ATOMIC_SEQ_CST);
}

/* The kernel goes through all sockets for that. Where there is no room for more, to find some comes first. */
static int settle_idle(struct bpf_source *source) {
        const uint64_t begin = clock_usec(CLOCK_MONOTONIC);
        uint64_t end;
        int r;

        if (begin < source->settle_usec && !bpf_programs_full(source->programs))
                return 0;
        r = bpf_programs_settle_idle(source->programs);
        end = clock_usec(CLOCK_MONOTONIC);
        source->settle_usec = end + (end - begin) * SETTLE_SHARE;
        return r;
}

static int bpf_source_drain(void *state, int max_packets, sample_handler handler, void *userdata,
                            struct source_error *ret_error) {
        struct bpf_source *source = state;
        uint64_t seen_before = source->sums.bytes + source->pending, packets_before = source->sums.packets;
        uint64_t time_usec[2], expirations;
        int r = 0;

        (void) max_packets; /* it is a table, and bounded */
        (void) !read(source->timer, &expirations, sizeof(expirations)); /* nothing there: not asked by it */
        if (source->idle_before != 0 || source->reads % SOCKET_READS == 0 || bpf_programs_full(source->programs))
                r = settle_idle(source);
        stamp(source, time_usec);
        if (r >= 0)
                r = read_processes(source, time_usec, handler, userdata);
        if (r >= 0) {
                expire(source, time_usec, handler, userdata);
                if (++source->reads % HANDSHAKE_READS == 0)
                        expire_handshakes(source, clock_usec(CLOCK_REALTIME), handler, userdata);
                if (source->reads % CGROUP_READS == 0)
                        bpf_cgroups_expire(source->cgroups);
                read_pending(source, seen_before);
                set_boundary(source);
                r = arm(source);
        }
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "cannot read what was counted in the kernel: %s", strerror(-r));
                return r;
        }
        return (int) MIN(source->sums.packets - packets_before, (uint64_t) INT32_MAX);
}

static void bpf_source_stats(void *state, struct source_stats *ret_stats) {
        const struct bpf_source *source = state;

        *ret_stats = (struct source_stats){.received = source->sums.packets, .pending = source->pending};
}

static void bpf_source_device(const void *state, struct source_device *ret_device) {
        (void) state;
        *ret_device = (struct source_device){.name = "any", .link_type = "CGROUP_SKB"};
}

const struct source_ops source_bpf = {
        .name = "bpf",
        .open = bpf_source_open,
        .close = bpf_source_close,
        .fd = bpf_source_fd,
        .drain = bpf_source_drain,
        .stats = bpf_source_stats,
        .device = bpf_source_device,
        .knows_owners = true,
};
