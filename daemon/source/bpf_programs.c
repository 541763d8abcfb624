/* SPDX-License-Identifier: MIT */
#include "source/bpf_programs.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Written by bpftool while building. */
#include <account.skel.h>

#include "util/capability.h"
#include "util/clock.h"
#include "util/file.h"

#define KERNEL_BTF    "/sys/kernel/btf/vmlinux"
#define LOCKDOWN_FILE "/sys/kernel/security/lockdown"

/* Of the root of the cgroup2 hierarchy: kernfs numbers its nodes from 1 on. */
#define ROOT_CGROUP_INODE 1

/* Of the initial PID namespace: PROC_PID_INIT_INO in the kernel's proc_ns.h. */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu

/* What the kernel says of a program it refuses: the end of it is what counts. */
#define KERNEL_LOG_BYTES (64u << 10)

/* Cgroups are fewer than their processes. */
#define PROCESSES_PER_CGROUP 16u
#define CGROUPS_LEAST        64u

/* Connections that were closed just now. */
#define PROCESSES_PER_CLOSED 4u
#define CLOSED_LEAST         256u

struct bpf_programs {
        struct account_bpf *skeleton;
        int settle_idle; /* the iterator's link */
};

_printf_(3, 4) static int say(struct source_error *ret_error, int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(ret_error->text, sizeof(ret_error->text), format, arguments);
        va_end(arguments);
        return error;
}

/* --- what must be there ------------------------------------------------------------------------------------ */

/* Under "confidentiality" no program may read kernel memory: kernel_lockdown(7). */
static const char *lockdown(void) {
        char text[128] = "";

        if (read_file_at(AT_FDCWD, LOCKDOWN_FILE, text, sizeof(text) - 1) < 0)
                return "";
        return strstr(text, "[confidentiality]") ? ": the kernel is locked down (confidentiality)" : "";
}

/* Every socket is below the root cgroup, also those of containers. */
static int open_root_cgroup(struct source_error *ret_error) {
        FILE *mounts = setmntent("/proc/self/mounts", "re");
        const struct mntent *mount;
        bool found = false;
        int fd = -1;

        if (!mounts)
                return say(ret_error, -ENODEV, "cannot read /proc/self/mounts: %s", strerror(errno));
        while (fd < 0 && (mount = getmntent(mounts))) {
                struct stat status;

                if (strcmp(mount->mnt_type, "cgroup2") != 0)
                        continue;
                found = true;
                if (stat(mount->mnt_dir, &status) == 0 && status.st_ino == ROOT_CGROUP_INODE)
                        fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        (void) endmntent(mounts);
        if (fd >= 0)
                return fd;
        return say(ret_error, -ENODEV, "%s",
                   found ? "the root of the cgroup2 hierarchy is not mounted here"
                         : "no cgroup2 file system is mounted (only cgroup v1?)");
}

static int check_kernel(struct source_error *ret_error) {
        const char *missing = missing_bpf_capability();
        struct stat status;

        if (missing)
                return say(ret_error, -EPERM, "%s is missing", missing);
        if (access(KERNEL_BTF, R_OK) < 0)
                return say(ret_error, -ENOENT, "the kernel does not describe its types: %s: %s", KERNEL_BTF,
                           strerror(errno));
        /* the programs tell pids as the initial namespace has them */
        if (stat("/proc/self/ns/pid", &status) == 0 && status.st_ino != INITIAL_PID_NAMESPACE)
                return say(ret_error, -ENODEV, "not in the initial PID namespace");
        return 0;
}

/* --- loading ----------------------------------------------------------------------------------------------- */

/* The line before the verifier's statistics: why it refused. */
static const char *last_words(char *log) {
        char *statistics = strstr(log, "\nprocessed "), *line;

        if (statistics)
                *statistics = '\0';
        line = strrchr(log, '\n');
        return line ? line + 1 : log;
}

static int load(struct account_bpf *skeleton, char *log, struct source_error *ret_error) {
        const char *words;
        int r;

        r = account_bpf__load(skeleton);
        if (r >= 0)
                return 0;
        words = last_words(log);
        return say(ret_error, r, "cannot load the programs: %s%s%s%s", strerror(-r), *words ? ": " : "", words,
                   r == -EPERM ? lockdown() : "");
}

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

        skeleton->rodata->keeps_last = !tells;
        r = bpf_program__set_autoload(skeleton->progs.packet_dropped, !tells);
        return r < 0 ? r : bpf_program__set_autoload(skeleton->progs.packet_dropped_for, tells);
}

uint32_t bpf_programs_max_cgroups(uint32_t max_processes) {
        return MAX(max_processes / PROCESSES_PER_CGROUP, CGROUPS_LEAST);
}

static int open_skeleton(uint32_t max_processes, uint32_t max_sockets, char *log, struct account_bpf **ret_skeleton,
                         struct source_error *ret_error) {
        LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log, .kernel_log_size = KERNEL_LOG_BYTES);
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
                r = load(skeleton, log, ret_error);
        if (r < 0) {
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

static int attach(const struct bpf_program *program, struct bpf_link **link, int cgroup,
                  struct source_error *ret_error) {
        enum bpf_prog_type type = bpf_program__type(program);

        if (!bpf_program__autoload(program)) /* not for this kernel */
                return 0;
        if (type == BPF_PROG_TYPE_TRACING)
                *link = bpf_program__attach(program);
        else
                *link = bpf_program__attach_cgroup(program, cgroup);
        if (*link)
                return 0;
        return say(ret_error, -errno, "cannot attach %s: %s", bpf_program__section_name(program),
                   strerror(errno));
}

/* An iterator does its work while it is read, and says nothing. */
static int run_iterator(int link) {
        _cleanup_close_ int fd = bpf_iter_create(link);
        char nothing[64];
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, nothing, sizeof(nothing));
        while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
        return n < 0 ? -errno : 0;
}

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
        programs->settle_idle = bpf_link__fd(skeleton->links.settle_idle);
        r = run_iterator(bpf_link__fd(skeleton->links.find_sockets));
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
                r = attach(owners[i].program, owners[i].link, cgroup, ret_error);
        if (r >= 0)
                r = attach_iterators(programs, ret_error);
        if (r >= 0)
                r = attach(skeleton->progs.count_in, &skeleton->links.count_in, cgroup, ret_error);
        if (r >= 0)
                r = attach(skeleton->progs.count_out, &skeleton->links.count_out, cgroup, ret_error);
        return r;
}

int bpf_programs_new(uint32_t max_processes, uint32_t max_sockets, struct bpf_programs **ret_programs,
                     struct source_error *ret_error) {
        _cleanup_(bpf_programs_freep) struct bpf_programs *programs = calloc(1, sizeof(*programs));
        _cleanup_free_ char *log = calloc(1, KERNEL_LOG_BYTES);
        _cleanup_close_ int cgroup = -1;
        int r;

        if (!programs || !log)
                return say(ret_error, -ENOMEM, "out of memory");
        (void) libbpf_set_print(NULL); /* what is to be said goes through *ret_error */
        r = check_kernel(ret_error);
        if (r < 0)
                return r;
        cgroup = open_root_cgroup(ret_error);
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
        r = run_iterator(programs->settle_idle);
        if (r >= 0)
                __atomic_store_n(&room->sockets, __atomic_load_n(&room->counted, __ATOMIC_SEQ_CST),
                                 __ATOMIC_SEQ_CST);
        return r;
}

bool bpf_programs_full(const struct bpf_programs *programs) {
        const struct account_room *room = &programs->skeleton->bss->room;

        return __atomic_load_n(&room->sockets, __ATOMIC_SEQ_CST) >= room->max_sockets;
}
