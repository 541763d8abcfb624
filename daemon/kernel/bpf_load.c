/* SPDX-License-Identifier: MIT */
#include "kernel/bpf_load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/capability.h"
#include "util/file.h"
#include "util/macros.h"

#define KERNEL_BTF    "/sys/kernel/btf/vmlinux"
#define LOCKDOWN_FILE "/sys/kernel/security/lockdown"

/* Of the root of the cgroup2 hierarchy: kernfs numbers its nodes from 1 on. */
#define ROOT_CGROUP_INODE 1

/* Of the initial PID namespace: PROC_PID_INIT_INO in the kernel's proc_ns.h. */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu

#define ITERATOR_BYTES (32u << 10) /* what the kernel writes at a time */

_printf_(3, 4) static int say(char why[static BPF_WHY_MAX], int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(why, BPF_WHY_MAX, format, arguments);
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

/* The hierarchy is there whether or not somebody has mounted it where we are: `ip netns exec` leaves it out, and so do
 * machines with cgroup v1 only. With CAP_SYS_ADMIN it can be looked into without being mounted anywhere: fsmount(2).
 * Returns a descriptor or a negative errno. */
static int open_unmounted(void) {
        _cleanup_close_ int context = fsopen("cgroup2", FSOPEN_CLOEXEC), mount = -1, root = -1;
        struct stat status;

        if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
        if (mount < 0)
                return -errno;
        root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0 || fstat(root, &status) < 0)
                return -errno;
        return status.st_ino == ROOT_CGROUP_INODE ? TAKE_FD(root) : -ENODEV;
}

int bpf_load_root_cgroup(char ret_why[static BPF_WHY_MAX]) {
        FILE *mounts = setmntent("/proc/self/mounts", "re");
        const struct mntent *mount;
        bool found = false;
        int fd = -1;

        if (!mounts)
                return say(ret_why, -ENODEV, "cannot read /proc/self/mounts: %s", strerror(errno));
        while (fd < 0 && (mount = getmntent(mounts))) {
                struct stat status;

                if (strcmp(mount->mnt_type, "cgroup2") != 0)
                        continue;
                found = true;
                if (stat(mount->mnt_dir, &status) == 0 && status.st_ino == ROOT_CGROUP_INODE)
                        fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        (void) endmntent(mounts);
        if (!found)
                fd = open_unmounted();
        if (fd >= 0)
                return fd;
        return say(ret_why, -ENODEV, "%s",
                   found ? "the root of the cgroup2 hierarchy is not mounted here"
                         : "no cgroup2 file system is mounted (only cgroup v1?)");
}

int bpf_load_check(char ret_why[static BPF_WHY_MAX]) {
        const char *missing = missing_bpf_capability();
        struct stat status;

        (void) libbpf_set_print(NULL);
        if (missing)
                return say(ret_why, -EPERM, "%s is missing", missing);
        if (access(KERNEL_BTF, R_OK) < 0)
                return say(ret_why, -ENOENT, "the kernel does not describe its types: %s: %s", KERNEL_BTF,
                           strerror(errno));
        /* the programs tell pids as the initial namespace has them */
        if (stat("/proc/self/ns/pid", &status) == 0 && status.st_ino != INITIAL_PID_NAMESPACE)
                return say(ret_why, -ENODEV, "not in the initial PID namespace");
        return 0;
}

/* --- loading and running ----------------------------------------------------------------------------------- */

/* The line before the verifier's statistics: why it refused. */
static const char *last_words(char *log) {
        char *statistics = strstr(log, "\nprocessed "), *line;

        if (statistics)
                *statistics = '\0';
        line = strrchr(log, '\n');
        return line ? line + 1 : log;
}

int bpf_load_refused(int error, char *log, char ret_why[static BPF_WHY_MAX]) {
        const char *words = last_words(log);

        return say(ret_why, error, "cannot load the programs: %s%s%s%s", strerror(-error), *words ? ": " : "", words,
                   error == -EPERM ? lockdown() : "");
}

static struct bpf_link *attach(const struct bpf_program *program, int cgroup) {
        if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING)
                return bpf_program__attach(program);
        return bpf_program__attach_cgroup(program, cgroup);
}

int bpf_load_attach(const struct bpf_program *program, int cgroup, struct bpf_link **ret_link,
                    char ret_why[static BPF_WHY_MAX]) {
        struct bpf_link *link;

        if (!bpf_program__autoload(program)) /* not for this kernel */
                return 0;
        link = attach(program, cgroup);
        if (!link)
                return say(ret_why, -errno, "cannot attach %s: %s", bpf_program__section_name(program),
                           strerror(errno));
        *ret_link = link;
        return 0;
}

int bpf_load_iterate(const struct bpf_link *link, size_t record_bytes,
                     void (*handler)(const void *record, void *userdata), void *userdata) {
        _cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
        _cleanup_free_ char *buffer = malloc(ITERATOR_BYTES);
        size_t have = 0, used;
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (!buffer)
                return -ENOMEM;
        for (;;) {
                n = read(fd, buffer + have, ITERATOR_BYTES - have);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                have += (size_t) n;
                for (used = 0; handler && have - used >= record_bytes; used += record_bytes)
                        handler(buffer + used, userdata);
                have = handler ? have - used : 0;
                memmove(buffer, buffer + used, have); /* a part of a record */
        }
}
