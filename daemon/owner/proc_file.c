/* SPDX-License-Identifier: MIT */
#include "owner/proc_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/file.h"
#include "util/macros.h"
#include "util/parse.h"

#define SOCKET_LINK  "socket:["
#define EPOLL_LINK   "anon_inode:[eventpoll]"
#define EPOLL_TARGET "tfd:"

/* Room for the targets of an epoll instance, 80 bytes each. */
#define TARGETS_BYTES ((size_t) 32 << 10)

static void safe_closedir(DIR *directory) {
        if (directory)
                closedir(directory);
}
DEFINE_CLEANUP(DIR *, safe_closedir)

/* A process that is gone shows as a missing name or, in a directory that is still open, as no such process.
 */
static int gone(int error) {
        return error == ENOENT ? -ESRCH : -error;
}

int proc_open_process(const char *proc_root, uint32_t pid) {
        char path[PATH_MAX];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%u", proc_root, pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? gone(errno) : fd;
}

ssize_t proc_read(int directory, const char *name, char *buffer, size_t size) {
        ssize_t n = read_record_at(directory, name, buffer, size);

        return n < 0 ? gone((int) -n) : n;
}

int parse_socket_link(const char *text, size_t length, uint64_t *ret_inode) {
        const size_t prefix = strlen(SOCKET_LINK);
        uint64_t inode;
        int digits;

        if (length <= prefix || memcmp(text, SOCKET_LINK, prefix) != 0)
                return -EBADMSG;
        digits = parse_u64_prefix(text + prefix, length - prefix, &inode);
        if (digits < 0 || length != prefix + (size_t) digits + 1 || text[length - 1] != ']')
                return -EBADMSG;
        *ret_inode = inode;
        return 0;
}

static int read_socket_link(int directory, const char *name, uint64_t *ret_inode) {
        char text[64];
        ssize_t n = readlinkat(directory, name, text, sizeof(text));

        if (n < 0)
                return gone(errno);
        return parse_socket_link(text, (size_t) n, ret_inode);
}

int proc_socket_at(const char *proc_root, uint32_t pid, uint32_t fd, uint64_t *ret_inode) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/%u/fd/%u", proc_root, pid, fd);
        return read_socket_link(AT_FDCWD, path, ret_inode);
}

int proc_socket_in(int directory, uint32_t fd, uint64_t *ret_inode) {
        char name[32];

        (void) snprintf(name, sizeof(name), "fd/%u", fd);
        return read_socket_link(directory, name, ret_inode);
}

static int open_directory(const char *path, DIR **ret_directory) {
        DIR *directory = opendir(path);

        if (!directory)
                return gone(errno);
        *ret_directory = directory;
        return 0;
}

/* The next entry that is a number; 0 at the end, a negative errno when reading failed. */
static int next_number(DIR *directory, const char **ret_name, uint32_t *ret_number) {
        const struct dirent *entry;

        for (;;) {
                errno = 0;
                entry = readdir(directory);
                if (!entry)
                        return errno > 0 ? gone(errno) : 0;
                if (parse_u32(entry->d_name, 0, UINT32_MAX, ret_number) < 0)
                        continue;
                *ret_name = entry->d_name;
                return 1;
        }
}

int proc_for_each_socket(const char *proc_root, uint32_t pid, socket_handler handler, void *userdata,
                         uint64_t *n_races) {
        _cleanup_(safe_closedirp) DIR *directory = NULL;
        char path[PATH_MAX];
        const char *name;
        uint32_t fd;
        int r;

        (void) snprintf(path, sizeof(path), "%s/%u/fd", proc_root, pid);
        r = open_directory(path, &directory);
        if (!directory)
                return r;
        while ((r = next_number(directory, &name, &fd)) > 0) {
                uint64_t inode = 0;

                r = read_socket_link(dirfd(directory), name, &inode);
                if (r == -ESRCH && n_races)
                        (*n_races)++;
                if (r < 0)
                        continue;
                r = handler(fd, inode, userdata);
                if (r < 0)
                        return r;
        }
        return r;
}

int proc_find_epolls(int directory, size_t max_fds, uint32_t *ret_fds, size_t max) {
        int fd = openat(directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(safe_closedirp) DIR *descriptors = fd < 0 ? NULL : fdopendir(fd);
        size_t n = 0, n_fds = 0;
        const char *name;
        uint32_t number;

        if (!descriptors) {
                int r = gone(errno);

                safe_close(fd);
                return r;
        }
        while (n < max && next_number(descriptors, &name, &number) > 0) {
                char text[sizeof(EPOLL_LINK)];
                ssize_t length = readlinkat(dirfd(descriptors), name, text, sizeof(text));

                if (length == (ssize_t) strlen(EPOLL_LINK) && memcmp(text, EPOLL_LINK, strlen(EPOLL_LINK)) == 0)
                        ret_fds[n++] = number;
                if (++n_fds > max_fds)
                        return -E2BIG;
        }
        return (int) n;
}

int parse_epoll_target(const char *line, uint32_t *ret_fd, uint64_t *ret_inode) {
        const char *at = line + strlen(EPOLL_TARGET), *inode;
        uint64_t fd, value;
        char *end;

        if (strncmp(line, EPOLL_TARGET, strlen(EPOLL_TARGET)) != 0)
                return -EBADMSG;
        at += strspn(at, " ");
        inode = strstr(at, " ino:");
        if (parse_u64_prefix(at, strlen(at), &fd) < 0 || fd > UINT32_MAX || !inode)
                return -EBADMSG;
        inode += strlen(" ino:");
        errno = 0;
        value = strtoull(inode, &end, 16);
        if (errno != 0 || end == inode || *end != ' ')
                return -EBADMSG;
        *ret_fd = (uint32_t) fd;
        *ret_inode = value;
        return 0;
}

int proc_for_each_target(int directory, uint32_t epoll, socket_handler handler, void *userdata) {
        char name[32], text[TARGETS_BYTES], *line = text;
        ssize_t n;

        (void) snprintf(name, sizeof(name), "fdinfo/%u", epoll);
        n = proc_read(directory, name, text, sizeof(text));
        if (n < 0)
                return (int) n;
        if (n == sizeof(text))
                return -E2BIG;
        text[n] = '\0';
        for (char *end; (end = strchr(line, '\n')); line = end + 1) {
                uint64_t inode;
                uint32_t fd;
                int r;

                *end = '\0';
                if (parse_epoll_target(line, &fd, &inode) < 0)
                        continue; /* what it says of itself */
                r = handler(fd, inode, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

int proc_for_each_pid(const char *proc_root, pid_handler handler, void *userdata) {
        _cleanup_(safe_closedirp) DIR *directory = NULL;
        const char *name;
        uint32_t pid = 0;
        int r;

        r = open_directory(proc_root, &directory);
        if (!directory)
                return r;
        while ((r = next_number(directory, &name, &pid)) > 0) {
                r = handler(pid, userdata);
                if (r < 0)
                        return r;
        }
        return r;
}

static int count_sockets(const char *proc_root, const char *file, const char *name, uint64_t *ret_sockets) {
        char path[PATH_MAX], text[1024];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%s/net/%s", proc_root, file);
        n = read_record_at(AT_FDCWD, path, text, sizeof(text));
        return n < 0 ? (int) n : parse_stat_field(text, (size_t) n, name, ret_sockets);
}

int proc_count_udp(const char *proc_root, uint32_t *ret_sockets) {
        uint64_t ipv4, ipv6 = 0;
        int r;

        r = count_sockets(proc_root, "sockstat", "UDP: inuse", &ipv4);
        if (r < 0)
                return r;
        r = count_sockets(proc_root, "sockstat6", "UDP6: inuse", &ipv6);
        if (r < 0 && r != -ENOENT) /* a kernel without IPv6 */
                return r;
        *ret_sockets = (uint32_t) MIN(ipv4 + ipv6, (uint64_t) UINT32_MAX);
        return 0;
}

int parse_loadavg(const char *text, size_t length, uint32_t *ret_pid) {
        const char *end = memchr(text, '\n', length), *last;
        uint64_t pid;

        last = end ? memrchr(text, ' ', (size_t) (end - text)) : NULL;
        if (!last || parse_u64_prefix(last + 1, (size_t) (end - last - 1), &pid) != end - last - 1 || pid == 0 ||
            pid > UINT32_MAX)
                return -EBADMSG;
        *ret_pid = (uint32_t) pid;
        return 0;
}

int proc_open_last_pid(const char *proc_root) {
        char path[PATH_MAX];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/loadavg", proc_root);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int proc_read_last_pid(int fd, uint32_t *ret_pid) {
        char text[256];
        ssize_t n = pread(fd, text, sizeof(text), 0);

        return n < 0 ? -errno : parse_loadavg(text, (size_t) n, ret_pid);
}
