/* SPDX-License-Identifier: MIT */
#include "owner/owner_events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Written by bpftool while building. */
#include <owners.skel.h>

#include "kernel/bpf_cgroups.h"
#include "kernel/bpf_load.h"
#include "source/bpf/account.h"
#include "source/bpf/owners.h"
#include "util/clock.h"

/* Cgroups whose paths are known at a time, at 800 bytes each; few processes are alone in theirs. */
#define MAX_CGROUPS 512u

/* A record that is being written holds up those behind it, for microseconds. */
#define READ_TRIES 4

/* The clock that packets are stamped with goes faster or slower by at most 500 ppm (adjtimex(2)), which is 0.5 ms
 * in a second; what is more than that, between two looks at it, and more than a look may be off, is a step. */
#define SLEW_PPM         500
#define CLOCK_SLACK_NSEC ((int64_t) (NSEC_PER_SEC / 1000))

/* CLOCK_REALTIME less CLOCK_MONOTONIC, at some time of the latter. */
struct clock_offset {
        int64_t at_nsec, offset_nsec;
};

struct owner_events {
        struct owners_bpf *skeleton;
        struct ring_buffer *ring;
        struct bpf_cgroups *cgroups;
        uint64_t expired_usec; /* CLOCK_MONOTONIC: when what is there of cgroups was last gone through */
        struct clock_offset before, now;
        uint64_t lost_before; /* what `lost` was at the last read */
        uint64_t until_usec;

        /* while it is read */
        socket_event_handler handler; /* NULL: it is thrown away */
        void *userdata;
        uint64_t n, n_max; /* records of one read: as many as fit into the ring, so that it comes to an end */
};

/* --- times ------------------------------------------------------------------------------------------------- */

static int64_t clock_nsec(clockid_t clock) {
        struct timespec now;

        clock_gettime(clock, &now);
        return (int64_t) now.tv_sec * (int64_t) NSEC_PER_SEC + now.tv_nsec;
}

/* One clock between two looks at the other; the closest of a few, as one may be interrupted. */
static struct clock_offset look_at_clocks(void) {
        struct clock_offset best = {};
        int64_t best_nsec = INT64_MAX;

        for (int i = 0; i < 3; i++) {
                int64_t begin = clock_nsec(CLOCK_MONOTONIC), real = clock_nsec(CLOCK_REALTIME);
                int64_t end = clock_nsec(CLOCK_MONOTONIC);

                if (end - begin >= best_nsec)
                        continue;
                best_nsec = end - begin;
                best = (struct clock_offset){.at_nsec = begin, .offset_nsec = real - begin - best_nsec / 2};
        }
        return best;
}

static bool clock_was_set(const struct owner_events *events) {
        int64_t slewed = llabs(events->now.offset_nsec - events->before.offset_nsec);

        return slewed > CLOCK_SLACK_NSEC + (events->now.at_nsec - events->before.at_nsec) / 1000000 * SLEW_PPM;
}

/* Between two looks the offset has changed evenly. */
static uint64_t real_usec(const struct owner_events *events, uint64_t nsec) {
        const struct clock_offset *before = &events->before, *now = &events->now;
        int64_t span = now->at_nsec - before->at_nsec, at = (int64_t) nsec, ago = now->at_nsec - at;
        double part = span > 0 && ago > 0 ? (double) MIN(ago, span) / (double) span : 0;

        at += now->offset_nsec - (int64_t) (part * (double) (now->offset_nsec - before->offset_nsec));
        return (uint64_t) at / NSEC_PER_USEC;
}

/* --- records ----------------------------------------------------------------------------------------------- */

static enum socket_event_kind kind_of(const struct owner_event *event) {
        switch ((enum owner_event_kind) event->kind) {
        case OWNER_EVENT_SOCKET:
                return SOCKET_THERE;
        case OWNER_EVENT_USED:
                return SOCKET_USED;
        case OWNER_EVENT_MANY:
                return SOCKET_MANY;
        case OWNER_EVENT_CLOSED:
                return SOCKET_CLOSED;
        case OWNER_EVENT_HELD:
                return SOCKET_HELD;
        }
        return SOCKET_MANY; /* cannot be: it is our own program that writes them */
}

static struct socket_user user_of(const struct owner_event *event) {
        struct socket_user user = {
                .id = {.start_ticks = event->process >> ACCOUNT_TICKS_SHIFT,
                       .pid = event->process >> ACCOUNT_PID_SHIFT & ACCOUNT_PID_MASK},
                .uid = event->uid,
                .cgroup_id = event->cgroup_id,
        };

        memcpy(user.name, event->name, sizeof(user.name));
        user.name[sizeof(user.name) - 1] = '\0';
        return user;
}

static struct socket_event convert(const struct owner_event *event, uint64_t time_usec) {
        struct socket_event converted = {
                .kind = kind_of(event),
                .time_usec = time_usec,
                .cookie = event->cookie,
                .key = {.local_port = event->local_port,
                        .remote_port = event->remote_port,
                        .protocol = event->protocol},
                .incoming = event->flags & OWNER_EVENT_INCOMING,
                .ipv6_only = event->flags & OWNER_EVENT_IPV6_ONLY,
                .user = user_of(event),
        };

        memcpy(&converted.key.local, event->local, sizeof(converted.key.local));
        memcpy(&converted.key.remote, event->remote, sizeof(converted.key.remote));
        return converted;
}

static int on_record(void *context, void *record, size_t size) {
        struct owner_events *events = context;
        const struct owner_event *event = record;
        struct socket_event converted;

        if (events->handler && size >= sizeof(*event)) {
                converted = convert(event, real_usec(events, event->time_nsec));
                events->handler(&converted, events->userdata);
                (void) bpf_cgroups_path(events->cgroups, event->cgroup_id); /* as long as it is there */
        }
        return ++events->n >= events->n_max ? -E2BIG : 0; /* the rest with the next read */
}

static void on_listed(const void *record, void *userdata) {
        const struct owner_events *events = userdata;
        struct socket_event converted = convert(record, 0);

        events->handler(&converted, events->userdata);
}

/* Returns whether that was all. */
static bool drain(struct owner_events *events, socket_event_handler handler, void *userdata) {
        struct pollfd more = {.fd = bpf_map__fd(events->skeleton->maps.events), .events = POLLIN};

        events->handler = handler;
        events->userdata = userdata;
        events->n = 0;
        for (int i = 0; i < READ_TRIES; i++)
                if (ring_buffer__consume(events->ring) == -E2BIG || poll(&more, 1, 0) == 0)
                        break;
        return poll(&more, 1, 0) == 0;
}

uint64_t owner_events_lost(const struct owner_events *events) {
        return __atomic_load_n(&events->skeleton->bss->lost, __ATOMIC_SEQ_CST);
}

const char *owner_events_cgroup(struct owner_events *events, uint64_t cgroup_id) {
        return bpf_cgroups_path(events->cgroups, cgroup_id);
}

static void expire_cgroups(struct owner_events *events) {
        uint64_t now_usec = clock_usec(CLOCK_MONOTONIC);

        if (now_usec - events->expired_usec < USEC_PER_SEC)
                return;
        events->expired_usec = now_usec;
        bpf_cgroups_expire(events->cgroups);
}

int owner_events_read(struct owner_events *events, socket_event_handler handler, void *userdata,
                      uint64_t *ret_until_usec) {
        struct clock_offset now = look_at_clocks();
        uint64_t lost;
        bool set;

        events->before = events->now;
        events->now = now;
        set = clock_was_set(events);
        if (set)
                events->before = now;
        if (drain(events, handler, userdata))
                events->until_usec = real_usec(events, (uint64_t) now.at_nsec);
        lost = owner_events_lost(events);
        set = set || lost != events->lost_before;
        expire_cgroups(events);
        events->lost_before = lost;
        *ret_until_usec = events->until_usec;
        return set ? -ENOBUFS : 0;
}

int owner_events_list(struct owner_events *events, socket_event_handler handler, void *userdata) {
        (void) drain(events, NULL, NULL);
        (void) __atomic_fetch_add(&events->skeleton->data->epoch, 1, __ATOMIC_SEQ_CST);
        events->lost_before = owner_events_lost(events);
        events->handler = handler;
        events->userdata = userdata;
        return bpf_load_iterate(events->skeleton->links.list_sockets, sizeof(struct owner_event), on_listed, events);
}

/* --- lifetime ---------------------------------------------------------------------------------------------- */

static uint32_t round_ring(uint32_t bytes) {
        uint32_t size = (uint32_t) sysconf(_SC_PAGESIZE);

        while (size <= bytes / 2)
                size *= 2;
        return size;
}

static int load(uint32_t ring_bytes, struct owners_bpf **ret_skeleton, char *ret_why) {
        _cleanup_free_ char *log = calloc(1, BPF_LOG_BYTES);
        LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log, .kernel_log_size = BPF_LOG_BYTES);
        struct owners_bpf *skeleton;
        struct stat status;
        int r;

        if (!log || stat("/proc/self/ns/net", &status) < 0) {
                r = log ? -errno : -ENOMEM;
                (void) snprintf(ret_why, BPF_WHY_MAX, "/proc/self/ns/net: %s", strerror(-r));
                return r;
        }
        skeleton = owners_bpf__open_opts(&options);
        if (!skeleton) {
                r = -errno;
                (void) snprintf(ret_why, BPF_WHY_MAX, "cannot open the programs: %s", strerror(-r));
                return r;
        }
        skeleton->rodata->nsec_per_tick = NSEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK);
        skeleton->rodata->network_namespace = (uint32_t) status.st_ino;
        r = bpf_map__set_max_entries(skeleton->maps.events, round_ring(ring_bytes));
        if (r >= 0)
                r = bpf_map__set_max_entries(skeleton->maps.cgroups, MAX_CGROUPS);
        if (r >= 0)
                r = owners_bpf__load(skeleton);
        if (r < 0) {
                (void) bpf_load_refused(r, log, ret_why);
                owners_bpf__destroy(skeleton);
                return r;
        }
        *ret_skeleton = skeleton;
        return 0;
}

static int attach_all(struct owners_bpf *skeleton, int cgroup, char *ret_why) {
        struct {
                const struct bpf_program *program;
                struct bpf_link **link;
        } const programs[] = {
                {skeleton->progs.released, &skeleton->links.released},
                {skeleton->progs.bound_4, &skeleton->links.bound_4},
                {skeleton->progs.bound_6, &skeleton->links.bound_6},
                {skeleton->progs.connection_accepted, &skeleton->links.connection_accepted},
                {skeleton->progs.sending_4, &skeleton->links.sending_4},
                {skeleton->progs.sending_6, &skeleton->links.sending_6},
                {skeleton->progs.received_4, &skeleton->links.received_4},
                {skeleton->progs.received_6, &skeleton->links.received_6},
                {skeleton->progs.stream_read, &skeleton->links.stream_read},
                {skeleton->progs.sent, &skeleton->links.sent},
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(programs) && r >= 0; i++)
                r = bpf_load_attach(programs[i].program, cgroup, programs[i].link, ret_why);
        if (r < 0)
                return r;
        skeleton->links.list_sockets = bpf_program__attach_iter(skeleton->progs.list_sockets, NULL);
        if (skeleton->links.list_sockets)
                return 0;
        r = -errno;
        (void) snprintf(ret_why, BPF_WHY_MAX, "cannot attach an iterator: %s", strerror(-r));
        return r;
}

static int open_ring(struct owner_events *events, char *ret_why) {
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it takes errno for 0 where stat(2) failed
        const struct bpf_map *map = events->skeleton->maps.events;
        int r;

        events->ring = ring_buffer__new(bpf_map__fd(map), on_record, events, NULL);
        if (!events->ring) {
                r = -errno;
                (void) snprintf(ret_why, BPF_WHY_MAX, "cannot map the ring: %s", strerror(-r));
                return r;
        }
        r = bpf_cgroups_new(bpf_map__fd(events->skeleton->maps.cgroups), MAX_CGROUPS, &events->cgroups);
        if (r < 0) {
                (void) snprintf(ret_why, BPF_WHY_MAX, "out of memory");
                return r;
        }
        events->n_max = bpf_map__max_entries(map) / sizeof(struct owner_event) + 1;
        events->now = look_at_clocks();
        return 0;
}

int owner_events_new(uint32_t ring_bytes, struct owner_events **ret_events, char *ret_why) {
        _cleanup_(owner_events_freep) struct owner_events *events = calloc(1, sizeof(*events));
        _cleanup_close_ int cgroup = -1;
        int r;

        if (!events) {
                (void) snprintf(ret_why, BPF_WHY_MAX, "out of memory");
                return -ENOMEM;
        }
        r = bpf_load_check(ret_why);
        if (r < 0)
                return r;
        cgroup = bpf_load_root_cgroup(ret_why);
        if (cgroup < 0)
                return cgroup;
        r = load(ring_bytes, &events->skeleton, ret_why);
        if (r >= 0)
                r = open_ring(events, ret_why);
        if (r >= 0)
                r = attach_all(events->skeleton, cgroup, ret_why);
        if (r < 0)
                return r;
        *ret_events = TAKE_PTR(events);
        return 0;
}

void owner_events_free(struct owner_events *events) {
        if (!events)
                return;
        ring_buffer__free(events->ring);
        bpf_cgroups_free(events->cgroups);
        owners_bpf__destroy(events->skeleton);
        free(events);
}
