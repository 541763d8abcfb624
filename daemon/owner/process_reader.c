/* SPDX-License-Identifier: MIT */
#include "owner/process_reader.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "owner/cgroup_path.h"
#include "owner/proc_file.h"
#include "util/clock.h"
#include "util/parse.h"

/* Readings of two clocks that lie so close together are good enough to tell milliseconds by. */
#define BOOT_TIME_CLOSE_USEC 20
#define BOOT_TIME_READINGS   8

/* Field 22 of /proc/PID/stat is the 20th behind the name's parenthesis. */
#define FIELDS_TO_START_TIME 20

/* What the kernel adds to the cgroup path of a zombie that was the last of its cgroup: proc_cgroup_show(). */
#define DELETED " (deleted)"

int parse_proc_stat(const char *text, size_t length, struct process_info *ret_info) {
        const char *open = memchr(text, '(', length), *close = memrchr(text, ')', length),
                   *end = text + length;
        struct process_info info = {};
        uint64_t pid, start;
        const char *field;
        size_t name_length;
        int r;

        r = parse_u64_prefix(text, length, &pid);
        if (r < 0 || pid == 0 || pid > UINT32_MAX || !open || !close || close < open || end - close < 4 ||
            close[1] != ' ' || close[3] != ' ')
                return -EBADMSG;
        name_length = MIN((size_t) (close - open - 1), (size_t) PROCESS_NAME_MAX - 1);
        memcpy(info.name, open + 1, name_length);
        info.state = close[2];

        field = close + 2;
        for (int i = 1; i < FIELDS_TO_START_TIME; i++) {
                field = memchr(field, ' ', (size_t) (end - field));
                if (!field)
                        return -EBADMSG;
                field++;
        }
        if (parse_u64_prefix(field, (size_t) (end - field), &start) < 0)
                return -EBADMSG;

        info.id = (struct process_id){.pid = (uint32_t) pid, .start_ticks = start};
        *ret_info = info;
        return 0;
}

/* "12:cpu,cpuacct:/path": the controllers between the colons, then the path up to the end of the line. */
static const char *cgroup_line_path(const char *line, const char *end, const char *controllers) {
        const char *first = memchr(line, ':', (size_t) (end - line));
        const char *second = first ? memchr(first + 1, ':', (size_t) (end - first - 1)) : NULL;
        size_t length = strlen(controllers);

        if (!second || (size_t) (second - first - 1) != length ||
            memcmp(first + 1, controllers, length) != 0)
                return NULL;
        return second + 1;
}

/* *ret_length is without the newline. NULL: no line of these controllers. */
static const char *find_cgroup(const char *text, size_t length, const char *controllers,
                               size_t *ret_length) {
        const char *end = text + length;

        for (const char *line = text; line < end;) {
                const char *newline = memchr(line, '\n', (size_t) (end - line));
                const char *stop = newline ?: end, *path = cgroup_line_path(line, stop, controllers);

                if (path) {
                        *ret_length = (size_t) (stop - path);
                        return path;
                }
                line = stop + 1;
        }
        return NULL;
}

int parse_proc_cgroup(const char *text, size_t length, char **ret_path) {
        size_t unified_length = 0, systemd_length = 0, n;
        const char *unified = find_cgroup(text, length, "", &unified_length);
        const char *systemd = find_cgroup(text, length, "name=systemd", &systemd_length);
        const char *path = unified && (unified_length > 1 || !systemd) ? unified : systemd;
        char *copy;

        n = path == unified ? unified_length : systemd_length;
        if (!path || n == 0)
                return -ENODATA;
        if (n > strlen(DELETED) && memcmp(path + n - strlen(DELETED), DELETED, strlen(DELETED)) == 0)
                n -= strlen(DELETED);
        if (*path != '/')
                return -EBADMSG;
        copy = strndup(path, n);
        if (!copy)
                return -ENOMEM;
        *ret_path = copy;
        return 0;
}

int process_read_stat_at(int directory, struct process_info *ret_info, uint32_t *ret_parent) {
        char text[1024]; /* 52 fields of at most 20 digits would be longer, but those we want come first */
        ssize_t n = proc_read(directory, "stat", text, sizeof(text));
        struct process_info info;
        int r;

        if (n < 0)
                return (int) n;
        r = parse_proc_stat(text, (size_t) n, &info);
        if (r < 0)
                return r;
        r = parse_proc_parent(text, (size_t) n, ret_parent);
        if (r < 0)
                return r;
        *ret_info = info;
        return 0;
}

int process_read_stat(const char *proc_root, uint32_t pid, struct process_info *ret_info) {
        _cleanup_close_ int directory = proc_open_process(proc_root, pid);
        uint32_t parent;

        return directory < 0 ? directory : process_read_stat_at(directory, ret_info, &parent);
}

#define TGID_LABEL "\nTgid:\t"

/* "Name:\tcurl\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t4242\n…" */
int process_is_leader(const char *proc_root, uint32_t pid) {
        _cleanup_close_ int directory = proc_open_process(proc_root, pid);
        char text[1024]; /* a name has at most 64 characters there, and Tgid is the fourth line */
        const char *line;
        uint64_t tgid;
        ssize_t n;

        if (directory < 0)
                return directory;
        n = proc_read(directory, "status", text, sizeof(text) - 1);
        if (n < 0)
                return (int) n;
        text[n] = '\0';
        line = strstr(text, TGID_LABEL);
        if (!line || parse_u64_prefix(line + strlen(TGID_LABEL), strlen(line + strlen(TGID_LABEL)), &tgid) < 0)
                return -EBADMSG;
        return tgid == pid;
}

int parse_proc_parent(const char *text, size_t length, uint32_t *ret_parent) {
        const char *close = memrchr(text, ')', length), *end = text + length;
        uint64_t parent;

        if (!close || end - close < 5 || parse_u64_prefix(close + 4, (size_t) (end - close - 4), &parent) < 0 ||
            parent > UINT32_MAX)
                return -EBADMSG;
        *ret_parent = (uint32_t) parent;
        return 0;
}

size_t parse_proc_children(const char *text, size_t length, uint32_t *ret_children, size_t max) {
        const char *at = text, *end = text + length;
        uint64_t child;
        size_t n = 0;
        int digits;

        while (n < max && (digits = parse_u64_prefix(at, (size_t) (end - at), &child)) > 0) {
                at += digits;
                if (at == end || child > UINT32_MAX)
                        break; /* cut off: not a whole number */
                at++;
                ret_children[n++] = (uint32_t) child;
        }
        return n;
}

/* Absent without CONFIG_PROC_CHILDREN. */
size_t process_read_children_at(int directory, uint32_t pid, uint32_t *ret_children, size_t max) {
        char name[64], text[1024];
        ssize_t n;

        (void) snprintf(name, sizeof(name), "task/%u/children", pid);
        n = proc_read(directory, name, text, sizeof(text));
        return n > 0 ? parse_proc_children(text, (size_t) n, ret_children, max) : 0;
}

static void read_exe(int directory, struct process_info *info) {
        char path[PATH_MAX];
        ssize_t n = readlinkat(directory, "exe", path, sizeof(path));

        if (n > 0 && n < (ssize_t) sizeof(path)) /* kernel threads have none */
                info->exe = strndup(path, (size_t) n);
}

/* Behind blanks, one number. Returns what follows it, or NULL. */
static const char *parse_id(const char *text, const char *end, uint32_t *ret_id) {
        uint64_t id;
        int digits;

        while (text < end && (*text == '\t' || *text == ' '))
                text++;
        digits = parse_u64_prefix(text, (size_t) (end - text), &id);
        if (digits < 0 || id > UINT32_MAX)
                return NULL;
        *ret_id = (uint32_t) id;
        return text + digits;
}

int parse_proc_uid(const char *text, size_t length, uid_t *ret_uid) {
        static const char label[] = "\nUid:"; /* a name cannot fake it: newlines in it are escaped, proc(5) */
        const char *at = memmem(text, length, label, strlen(label)), *end = text + length;
        uint32_t real, effective;

        if (!at)
                return -ENODATA;
        at = parse_id(at + strlen(label), end, &real);
        if (!at || !parse_id(at, end, &effective))
                return -EBADMSG;
        *ret_uid = effective;
        return 0;
}

static void read_uid(int directory, struct process_info *info) {
        char text[4096];
        ssize_t n = proc_read(directory, "status", text, sizeof(text));

        info->uid_known = n > 0 && parse_proc_uid(text, (size_t) n, &info->uid) >= 0;
}

static void read_cgroup(int directory, struct process_info *info) {
        char text[8192];
        ssize_t n = proc_read(directory, "cgroup", text, sizeof(text));

        if (n > 0 && parse_proc_cgroup(text, (size_t) n, &info->cgroup) >= 0)
                (void) unit_from_cgroup(info->cgroup, &info->unit);
}

/* When the machine was booted, CLOCK_REALTIME: two clocks cannot be read at once, and who reads them may be held up
 * between the two, so the closest of a few readings it is. */
static uint64_t boot_time_usec(void) {
        uint64_t closest = UINT64_MAX, boot_time = 0;

        for (int i = 0; i < BOOT_TIME_READINGS && closest > BOOT_TIME_CLOSE_USEC; i++) {
                uint64_t before = clock_usec(CLOCK_BOOTTIME), real = clock_usec(CLOCK_REALTIME),
                         after = clock_usec(CLOCK_BOOTTIME);

                if (after - before < closest) {
                        closest = after - before;
                        boot_time = real - before - closest / 2;
                }
        }
        return boot_time;
}

uint64_t process_start_time_usec(const struct process_id *id) {
        uint64_t per_tick = USEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK);

        return boot_time_usec() + id->start_ticks * per_tick;
}

int process_read(const char *proc_root, uint32_t pid, struct process_info *ret_info) {
        _cleanup_close_ int directory = proc_open_process(proc_root, pid);
        struct process_info info;
        uint32_t parent;
        int r;

        if (directory < 0)
                return directory;
        r = process_read_stat_at(directory, &info, &parent);
        if (r < 0)
                return r;
        read_exe(directory, &info);
        read_uid(directory, &info);
        read_cgroup(directory, &info);
        info.start_time_usec = process_start_time_usec(&info.id);

        *ret_info = info;
        return 0;
}

static int compare_inodes(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

struct inode_list {
        uint64_t *inodes;
        size_t n, allocated;
};

static int add_inode(uint32_t fd, uint64_t inode, void *userdata) {
        struct inode_list *list = userdata;

        (void) fd;
        if (list->n == list->allocated) {
                size_t allocated = MAX(list->allocated * 2, (size_t) 16);
                uint64_t *inodes = realloc(list->inodes, allocated * sizeof(*inodes));

                if (!inodes)
                        return -ENOMEM;
                list->inodes = inodes;
                list->allocated = allocated;
        }
        list->inodes[list->n++] = inode;
        return 0;
}

int process_read_socket_inodes(const char *proc_root, uint32_t pid, uint64_t **ret_inodes, size_t *ret_n) {
        struct inode_list list = {};
        size_t n = 0;
        int r;

        r = proc_for_each_socket(proc_root, pid, add_inode, &list, NULL);
        if (r < 0) {
                free(list.inodes);
                return r;
        }
        if (list.n > 0)
                qsort(list.inodes, list.n, sizeof(*list.inodes), compare_inodes);
        for (size_t i = 0; i < list.n; i++) /* descriptors that were duplicated show the same socket */
                if (n == 0 || list.inodes[n - 1] != list.inodes[i])
                        list.inodes[n++] = list.inodes[i];

        *ret_inodes = list.inodes;
        *ret_n = n;
        return 0;
}
