/* SPDX-License-Identifier: MIT */
#include "limits/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/parse.h"

/* What cgroup v1 says for "no limit" is the largest page-aligned number: mm/page_counter.c,
 * PAGE_COUNTER_MAX. */
#define MEMORY_UNLIMITED (UINT64_C(1) << 62)

/* Our cgroup in one of the hierarchies. */
struct group {
        char path[PATH_MAX]; /* of the folder of our own cgroup; "": not there */
        size_t mount;        /* as much of it is the mount point, above which there is nothing */
};

struct limits_reader {
        struct group unified; /* cgroup v2 */
        struct group cpu;     /* v1 */
        struct group memory;  /* v1 */
};

/* --- where we are --------------------------------------------------------------------------------------- */

static bool has_word(const char *list, const char *word) {
        size_t length = strlen(word);

        for (; *list; list += strcspn(list, ","), list += *list == ',')
                if (strncmp(list, word, length) == 0 && (list[length] == ',' || list[length] == '\0'))
                        return true;
        return false;
}

/* "4:memory:/system.slice/a.service", "0::/system.slice/a.service": proc_pid_cgroup(5), cgroups(7). NULL
 * where our group in that hierarchy is not named. */
static char *find_path(char *text, const char *controller) {
        char *save = NULL;

        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *controllers = strchr(line, ':'), *path;

                path = controllers ? strchr(controllers + 1, ':') : NULL;
                if (!path)
                        continue;
                *path++ = '\0';
                if (controller ? has_word(controllers + 1, controller) : controllers[1] == '\0')
                        return path;
        }
        return NULL;
}

struct mount {
        const char *root, *point, *type, *options;
};

/* "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:7 - cgroup cgroup rw,cpu": proc_pid_mountinfo(5). */
static bool read_mount(char *line, struct mount *ret_mount) {
        char *fields = strstr(line, " - "), *words[5], *behind[3], *save = NULL;

        if (!fields)
                return false;
        *fields = '\0';
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (!(words[i] = strtok_r(i == 0 ? line : NULL, " ", &save)))
                        return false;
        save = NULL;
        for (size_t i = 0; i < ELEMENTSOF(behind); i++)
                if (!(behind[i] = strtok_r(i == 0 ? fields + 3 : NULL, " ", &save)))
                        return false;
        *ret_mount = (struct mount){
                .root = words[3], .point = words[4], .type = behind[0], .options = behind[2]};
        return true;
}

/* Folder of the cgroup `path` below this mount, which may show a part of the hierarchy only. */
static void set_group(struct group *group, const char *root, const struct mount *mount, const char *path) {
        size_t skip = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);
        int n;

        if (skip > 0 && strncmp(path, mount->root, skip) == 0 && (path[skip] == '/' || path[skip] == '\0'))
                path += skip;
        n = snprintf(group->path, sizeof(group->path), "%s%s%s", root, mount->point,
                     strcmp(path, "/") == 0 ? "" : path);
        if (n < 0 || (size_t) n >= sizeof(group->path))
                group->path[0] = '\0';
        group->mount = strlen(root) + strlen(mount->point);
}

/* Where `controller` (NULL: cgroup v2) is in that mount, unless that is known already. Returns 0 or -ENOMEM. */
static int find_group(struct group *group, const char *root, const struct mount *mount, const char *cgroups,
                      const char *controller) {
        _cleanup_free_ char *text = strdup(cgroups);
        const char *path;

        if (!text)
                return -ENOMEM;
        path = find_path(text, controller);
        if (path && group->path[0] == '\0')
                set_group(group, root, mount, path);
        return 0;
}

static int find_groups(struct limits_reader *reader, const char *root, const struct mount *mount,
                       const char *cgroups) {
        if (strcmp(mount->type, "cgroup2") == 0)
                return find_group(&reader->unified, root, mount, cgroups, NULL);
        if (strcmp(mount->type, "cgroup") == 0 && has_word(mount->options, "cpu"))
                return find_group(&reader->cpu, root, mount, cgroups, "cpu");
        if (strcmp(mount->type, "cgroup") == 0 && has_word(mount->options, "memory"))
                return find_group(&reader->memory, root, mount, cgroups, "memory");
        return 0;
}

int limits_reader_new_from(const char *root, const char *mountinfo, const char *cgroups,
                           struct limits_reader **ret_reader) {
        _cleanup_(limits_reader_freep) struct limits_reader *reader = calloc(1, sizeof(*reader));
        _cleanup_free_ char *mounts = strdup(mountinfo);
        char *save = NULL;

        if (!reader || !mounts)
                return -ENOMEM;
        for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct mount mount;

                if (read_mount(line, &mount) && find_groups(reader, root, &mount, cgroups) < 0)
                        return -ENOMEM;
        }
        *ret_reader = TAKE_PTR(reader);
        return 0;
}

/* "" where it cannot be read: there is nothing to say then. Returns 0 or -ENOMEM. */
static int read_text(const char *root, const char *name, char **ret_text) {
        const size_t size = 65536;
        char path[PATH_MAX], *text = malloc(size);
        ssize_t n;

        if (!text)
                return -ENOMEM;
        (void) snprintf(path, sizeof(path), "%s/proc/self/%s", root, name);
        n = read_file_at(AT_FDCWD, path, text, size - 1);
        text[MAX(n, (ssize_t) 0)] = '\0';
        *ret_text = text;
        return 0;
}

int limits_reader_new(const char *root, struct limits_reader **ret_reader) {
        _cleanup_free_ char *mounts = NULL, *cgroups = NULL;
        int r;

        r = read_text(root, "mountinfo", &mounts);
        if (r >= 0)
                r = read_text(root, "cgroup", &cgroups);
        return r < 0 ? r : limits_reader_new_from(root, mounts, cgroups, ret_reader);
}

void limits_reader_free(struct limits_reader *reader) {
        free(reader);
}

/* --- what the files say --------------------------------------------------------------------------------- */

/* "50000 100000\n": µs of processor time in a period of so many µs; or "max 100000". */
int parse_cpu_max(const char *text, size_t length, uint64_t *ret_quota_usec) {
        uint64_t quota, period;
        int digits;

        if (length >= 3 && memcmp(text, "max", 3) == 0)
                return -ENODATA;
        digits = parse_u64_prefix(text, length, &quota);
        if (digits < 0 || (size_t) digits >= length || text[digits] != ' ')
                return -EBADMSG;
        text += digits + 1;
        length -= (size_t) digits + 1;
        if (parse_u64_prefix(text, length, &period) < 0 || period == 0 || quota > UINT64_MAX / USEC_PER_SEC)
                return -EBADMSG;
        *ret_quota_usec = quota * USEC_PER_SEC / period;
        return 0;
}

/* "67108864\n" or "max\n"; v1: a very large number for no limit. */
int parse_memory_max(const char *text, size_t length, uint64_t *ret_bytes) {
        uint64_t bytes;

        if (length >= 3 && memcmp(text, "max", 3) == 0)
                return -ENODATA;
        if (parse_u64_prefix(text, length, &bytes) < 0)
                return -EBADMSG;
        if (bytes >= MEMORY_UNLIMITED)
                return -ENODATA;
        *ret_bytes = bytes;
        return 0;
}

static ssize_t read_value(const char *folder, const char *name, char *buffer, size_t size) {
        char path[PATH_MAX];

        if (*folder == '\0' || snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int) sizeof(path))
                return -ENOENT;
        return read_record_at(AT_FDCWD, path, buffer, size);
}

static int read_cpu_max(const char *folder, uint64_t *ret_quota_usec) {
        char text[64];
        ssize_t n = read_value(folder, "cpu.max", text, sizeof(text));

        return n < 0 ? (int) n : parse_cpu_max(text, (size_t) n, ret_quota_usec);
}

/* v1 has the two numbers in two files; the quota is -1 without a limit. */
static int read_cfs_quota(const char *folder, uint64_t *ret_quota_usec) {
        char text[64], period[32];
        ssize_t n = read_value(folder, "cpu.cfs_quota_us", text, 30), m;

        if (n <= 0)
                return n < 0 ? (int) n : -EBADMSG;
        if (text[0] == '-')
                return -ENODATA;
        m = read_value(folder, "cpu.cfs_period_us", period, sizeof(period));
        if (m < 0)
                return (int) m;
        text[n - 1] = ' '; /* the newline */
        memcpy(text + n, period, (size_t) m);
        return parse_cpu_max(text, (size_t) (n + m), ret_quota_usec);
}

static int read_memory(const char *folder, const char *name, uint64_t *ret_bytes) {
        char text[64];
        ssize_t n = read_value(folder, name, text, sizeof(text));

        return n < 0 ? (int) n : parse_memory_max(text, (size_t) n, ret_bytes);
}

static int read_memory_max(const char *folder, uint64_t *ret_bytes) {
        return read_memory(folder, "memory.max", ret_bytes);
}

static int read_limit_in_bytes(const char *folder, uint64_t *ret_bytes) {
        return read_memory(folder, "memory.limit_in_bytes", ret_bytes);
}

/* Lowers *value to the tightest limit of the group and those around it; returns whether there is one. */
static bool tightest(const struct group *group, int (*read)(const char *folder, uint64_t *ret_value),
                     bool has, uint64_t *value) {
        struct group at = *group;

        while (strlen(at.path) >= at.mount && at.path[0] != '\0') {
                uint64_t found;
                char *slash;

                if (read(at.path, &found) >= 0) {
                        *value = has ? MIN(*value, found) : found;
                        has = true;
                }
                slash = strrchr(at.path, '/');
                if (!slash)
                        break;
                *slash = '\0';
        }
        return has;
}

void limits_read_throttled(const struct limits_reader *reader, struct limits *limits) {
        char text[4096];
        ssize_t n = read_value(reader->unified.path, "cpu.stat", text, sizeof(text));
        uint64_t nsec;

        if (n >= 0 && parse_stat_field(text, (size_t) n, "throttled_usec", &limits->throttled_usec) >= 0 &&
            parse_stat_field(text, (size_t) n, "nr_throttled", &limits->throttled_periods) >= 0) {
                limits->has_throttled = true;
                return;
        }
        n = read_value(reader->cpu.path, "cpu.stat", text, sizeof(text));
        if (n >= 0 && parse_stat_field(text, (size_t) n, "throttled_time", &nsec) >= 0 &&
            parse_stat_field(text, (size_t) n, "nr_throttled", &limits->throttled_periods) >= 0) {
                limits->throttled_usec = nsec / NSEC_PER_USEC;
                limits->has_throttled = true;
        }
}

void limits_read_cpu_quota(const struct limits_reader *reader, struct limits *limits) {
        limits->has_cpu_quota = tightest(&reader->unified, read_cpu_max, false, &limits->cpu_quota_usec);
        limits->has_cpu_quota =
                tightest(&reader->cpu, read_cfs_quota, limits->has_cpu_quota, &limits->cpu_quota_usec);
}

static void read_memory_limits(const struct limits_reader *reader, struct limits *limits) {
        limits->has_memory_max = tightest(&reader->unified, read_memory_max, false, &limits->memory_max);
        limits->has_memory_max =
                tightest(&reader->memory, read_limit_in_bytes, limits->has_memory_max, &limits->memory_max);
        limits->has_memory_current =
                read_memory(reader->unified.path, "memory.current", &limits->memory_current) >= 0 ||
                read_memory(reader->memory.path, "memory.usage_in_bytes", &limits->memory_current) >= 0;
}

/* Of what is charged, what goes when room is wanted: files, but for those in memory. */
static uint64_t read_reclaimable(const char *folder, const char *files) {
        char text[8192];
        ssize_t n = read_value(folder, "memory.stat", text, sizeof(text));
        uint64_t all, shared = 0;

        if (n < 0 || parse_stat_field(text, (size_t) n, files, &all) < 0)
                return 0;
        (void) parse_stat_field(text, (size_t) n, "shmem", &shared);
        return all - MIN(all, shared);
}

int limits_read_memory_left(const struct limits_reader *reader, uint64_t *ret_bytes) {
        struct limits limits = {};
        uint64_t charged;

        read_memory_limits(reader, &limits);
        if (!limits.has_memory_max || !limits.has_memory_current)
                return -ENODATA;
        charged = limits.memory_current;
        /* the same files by another name in v1: kernel documentation, cgroup-v1/memory.rst */
        charged -= MIN(charged, MAX(read_reclaimable(reader->unified.path, "file"),
                                    read_reclaimable(reader->memory.path, "cache")));
        *ret_bytes = limits.memory_max - MIN(limits.memory_max, charged);
        return 0;
}

void limits_read(const struct limits_reader *reader, struct limits *ret_limits) {
        struct limits limits = {};

        limits_read_cpu_quota(reader, &limits);
        read_memory_limits(reader, &limits);
        limits_read_throttled(reader, &limits);
        *ret_limits = limits;
}
