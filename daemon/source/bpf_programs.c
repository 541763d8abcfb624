/* SPDX-License-Identifier: MIT */
#include "source/bpf_programs.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Written by bpftool while building. */
#include <account.skel.h>

#include "kernel/bpf_load.h"
#include "util/clock.h"

/* Cgroups are fewer than their processes. */
#define PROCESSES_PER_CGROUP 16u
#define CGROUPS_LEAST        64u

/* Connections that were closed just now. */
#define PROCESSES_PER_CLOSED 4u
#define CLOSED_LEAST         256u

struct bpf_programs {
        struct account_bpf *skeleton;
};

_printf_(3, 4) static int say(struct source_error *ret_error, int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(ret_error->text, sizeof(ret_error->text), format, arguments);
        va_end(arguments);
        return error;
}

/* --- loading ----------------------------------------------------------------------------------------------- */

/* Does the kernel tell which socket a packet was dropped for? The parameters of its tracepoint, after the first,
 * which is not for programs: skb, location, reason, and since Linux 6.11 the socket. */
static bool kernel_tells_socket_of_dropped(void) {
        struct btf *types = btf__load_vmlinux_btf();
        const struct btf_type *type = NULL;
        __s32 id = types ? btf__find_by_name_kind(types, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF) : -1;
        bool tells;

        if (id > 0)
                type = btf__type_by_id(types, btf__type_by_id(types, (__u32) id)->type); /* a pointer */
        if (type && btf_is_ptr(type))
                type = btf__type_by_id(types, type->type);
        tells = type && btf_is_func_proto(type) && btf_vlen(type) > 4;
        btf__free(types);
        return tells;
}

static int choose_programs(struct account_bpf *skeleton) {
        bool tells = kernel_tells_socket_of_dropped();
        int r;

        r = bpf_program__set_autoload(skeleton->progs.packet_dropped, !tells);
        return r < 0 ? r : bpf_program__set_autoload(skeleton->progs.packet_dropped_for, tells);
}

uint32_t bpf_programs_max_cgroups(uint32_t max_processes) {
        return MAX(max_processes / PROCESSES_PER_CGROUP, CGROUPS_LEAST);
}

static int open_skeleton(uint32_t max_processes, uint32_t max_sockets, char *log, struct account_bpf **ret_skeleton,
                         struct source_error *ret_error) {
        LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log, .kernel_log_size = BPF_LOG_BYTES);
        struct account_bpf *skeleton = account_bpf__open_opts(&options);
        int r;

        if (!skeleton)
                return say(ret_error, -errno, "cannot open the programs: %s", strerror(errno));
        skeleton->bss->room.max_sockets = max_sockets;
        skeleton->rodata->nsec_per_tick = NSEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK);
        r = bpf_map__set_max_entries(skeleton->maps.processes, max_processes + 2);
        if (r >= 0)
                r = bpf_map__set_max_entries(skeleton->maps.handshakes, max_processes);
        if (r >= 0)
                r = bpf_map__set_max_entries(skeleton->maps.cgroups, bpf_programs_max_cgroups(max_processes));
        if (r >= 0)
                r = bpf_map__set_max_entries(skeleton->maps.closed, MAX(max_processes / PROCESSES_PER_CLOSED, CLOSED_LEAST));
        if (r >= 0)
                r = choose_programs(skeleton);
        if (r >= 0)
                r = account_bpf__load(skeleton);
        if (r < 0) {
                (void) bpf_load_refused(r, log, ret_error->text);
                account_bpf__destroy(skeleton);
                return r;
        }
        *ret_skeleton = skeleton;
        return 0;
}

/* Room for what has no process is there before anything is counted, and stays. */
static int add_keys(const struct account_bpf *skeleton, struct source_error *ret_error) {
        static const __u64 keys[] = {ACCOUNT_KEY_KERNEL, ACCOUNT_KEY_OVERFLOW};
        static const struct account_process none;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.processes), &keys[i], &none, BPF_ANY) < 0)
                        return say(ret_error, -errno, "cannot fill a map: %s", strerror(errno));
        return 0;
}

/* --- attaching --------------------------------------------------------------------------------------------- */

static int attach_iterators(struct bpf_programs *programs, struct source_error *ret_error) {
        struct account_bpf *skeleton = programs->skeleton;
        union bpf_iter_link_info info = {.map.map_fd = (__u32) bpf_map__fd(skeleton->maps.sockets)};
        LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
        int r;

        skeleton->links.settle_idle = bpf_program__attach_iter(skeleton->progs.settle_idle, &options);
        if (skeleton->links.settle_idle)
                skeleton->links.find_sockets = bpf_program__attach_iter(skeleton->progs.find_sockets, NULL);
        if (!skeleton->links.find_sockets)
                return say(ret_error, -errno, "cannot attach an iterator: %s", strerror(errno));
        r = bpf_load_iterate(skeleton->links.find_sockets, 0, NULL, NULL);
        if (r < 0)
                return say(ret_error, r, "cannot find the sockets that are there already: %s", strerror(-r));
        return 0;
}

/* What tells of owners first, then the sockets that are there already, and when all is known the counting. */
static int attach_all(struct bpf_programs *programs, int cgroup, struct source_error *ret_error) {
        struct account_bpf *skeleton = programs->skeleton;
        struct {
                const struct bpf_program *program;
                struct bpf_link **link;
        } const owners[] = {
                {skeleton->progs.socket_created, &skeleton->links.socket_created},
                {skeleton->progs.socket_released, &skeleton->links.socket_released},
                {skeleton->progs.connected_4, &skeleton->links.connected_4},
                {skeleton->progs.connected_6, &skeleton->links.connected_6},
                {skeleton->progs.received_4, &skeleton->links.received_4},
                {skeleton->progs.received_6, &skeleton->links.received_6},
                {skeleton->progs.connection_accepted, &skeleton->links.connection_accepted},
                {skeleton->progs.stream_read, &skeleton->links.stream_read},
                {skeleton->progs.state_changed, &skeleton->links.state_changed},
                {skeleton->progs.process_executed, &skeleton->links.process_executed},
                {skeleton->progs.process_exited, &skeleton->links.process_exited},
                {skeleton->progs.packet_dropped, &skeleton->links.packet_dropped},
                {skeleton->progs.packet_dropped_for, &skeleton->links.packet_dropped_for},
                {skeleton->progs.packet_queued, &skeleton->links.packet_queued},
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(owners) && r >= 0; i++)
                r = bpf_load_attach(owners[i].program, cgroup, owners[i].link, ret_error->text);
        if (r >= 0)
                r = attach_iterators(programs, ret_error);
        if (r >= 0)
                r = bpf_load_attach(skeleton->progs.count_in, cgroup, &skeleton->links.count_in, ret_error->text);
        if (r >= 0)
                r = bpf_load_attach(skeleton->progs.count_out, cgroup, &skeleton->links.count_out, ret_error->text);
        return r;
}

int bpf_programs_new(uint32_t max_processes, uint32_t max_sockets, struct bpf_programs **ret_programs,
                     struct source_error *ret_error) {
        _cleanup_(bpf_programs_freep) struct bpf_programs *programs = calloc(1, sizeof(*programs));
        _cleanup_free_ char *log = calloc(1, BPF_LOG_BYTES);
        _cleanup_close_ int cgroup = -1;
        int r;

        if (!programs || !log)
                return say(ret_error, -ENOMEM, "out of memory");
        r = bpf_load_check(ret_error->text);
        if (r < 0)
                return r;
        cgroup = bpf_load_root_cgroup(ret_error->text);
        if (cgroup < 0)
                return cgroup;
        r = open_skeleton(max_processes, max_sockets, log, &programs->skeleton, ret_error);
        if (r >= 0)
                r = add_keys(programs->skeleton, ret_error);
        if (r >= 0)
                r = attach_all(programs, cgroup, ret_error);
        if (r < 0)
                return r;
        *ret_programs = TAKE_PTR(programs);
        return 0;
}

void bpf_programs_free(struct bpf_programs *programs) {
        if (!programs)
                return;
        account_bpf__destroy(programs->skeleton);
        free(programs);
}

int bpf_programs_processes(const struct bpf_programs *programs) {
        return bpf_map__fd(programs->skeleton->maps.processes);
}

int bpf_programs_handshakes(const struct bpf_programs *programs) {
        return bpf_map__fd(programs->skeleton->maps.handshakes);
}

int bpf_programs_cgroups(const struct bpf_programs *programs) {
        return bpf_map__fd(programs->skeleton->maps.cgroups);
}

uint64_t *bpf_programs_boundary(struct bpf_programs *programs) {
        return (uint64_t *) &programs->skeleton->bss->boundary;
}

struct account_gauge *bpf_programs_gauge(struct bpf_programs *programs) {
        return &programs->skeleton->bss->gauge;
}

int bpf_programs_settle_idle(struct bpf_programs *programs) {
        struct account_room *room = &programs->skeleton->bss->room;
        int r;

        __atomic_store_n(&room->counted, 0, __ATOMIC_SEQ_CST);
        r = bpf_load_iterate(programs->skeleton->links.settle_idle, 0, NULL, NULL);
        if (r >= 0)
                __atomic_store_n(&room->sockets, __atomic_load_n(&room->counted, __ATOMIC_SEQ_CST),
                                 __ATOMIC_SEQ_CST);
        return r;
}

bool bpf_programs_full(const struct bpf_programs *programs) {
        const struct account_room *room = &programs->skeleton->bss->room;

        return __atomic_load_n(&room->sockets, __ATOMIC_SEQ_CST) >= room->max_sockets;
}
