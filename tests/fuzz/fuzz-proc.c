/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "limits/limits.h"
#include "limits/own_memory.h"
#include "util/parse.h"
#include "owner/cgroup_path.h"
#include "owner/proc_file.h"
#include "owner/process_reader.h"
#include "support.h"

#define ROOT "/nowhere"

/* What the kernel says of a process, of itself, and of our cgroup. None of the texts ends in NUL, but those of
 * the last one. */

static void read_stat(const char *text, size_t length) {
        struct process_info info;
        uint32_t parent;
        int r;

        r = parse_proc_stat(text, length, &info);
        expect(r == 0 || r == -EBADMSG);
        if (r == 0)
                expect(info.id.pid > 0 && memchr(info.name, '\0', sizeof(info.name)) && !info.exe);
        (void) parse_proc_parent(text, length, &parent);
}

static void read_cgroup(const char *text, size_t length) {
        _cleanup_free_ char *path = NULL, *unit = NULL;

        if (parse_proc_cgroup(text, length, &path) < 0)
                return;
        expect(*path == '/' && strlen(path) <= length);
        if (unit_from_cgroup(path, &unit) == 0)
                expect(*unit && !strchr(unit, '/') && strlen(unit) < strlen(path));
}

static void read_children(const char *text, size_t length) {
        uint32_t children[8];

        expect(parse_proc_children(text, length, children, ELEMENTSOF(children)) <= ELEMENTSOF(children));
}

static void read_numbers(const char *text, size_t length) {
        _cleanup_free_ char *line = strndup(text, length);
        uint64_t value;
        uint32_t pid;
        uid_t uid;

        (void) parse_epoll_target(line, &pid, &value);
        if (parse_loadavg(text, length, &pid) == 0)
                expect(pid > 0);
        (void) parse_proc_uid(text, length, &uid);
        (void) parse_socket_link(text, length, &value);
}

static void read_limits(const char *text, size_t length) {
        uint64_t value;

        if (parse_cpu_max(text, length, &value) < 0)
                (void) parse_memory_max(text, length, &value);
        (void) parse_stat_field(text, length, "throttled_usec", &value);
        (void) parse_statm_data(text, length, &value);
        (void) parse_stat_field(text, length, "UDP: inuse", &value);
}

/* Two texts, with a NUL between them: mountinfo and cgroup. */
static void read_mounts(const char *text, size_t length) {
        _cleanup_(limits_reader_freep) struct limits_reader *reader = NULL;
        _cleanup_free_ char *copy = strndup(text, length);
        size_t n = strlen(copy);
        _cleanup_free_ char *cgroups = n < length ? strndup(text + n + 1, length - n - 1) : strdup("");
        struct limits limits;

        expect(limits_reader_new_from(ROOT, copy, cgroups, &reader) == 0);
        limits_read(reader, &limits);
        expect(!limits.has_cpu_quota && !limits.has_memory_max); /* there is nothing below that root */
}

/* One byte says what it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const readers[])(const char *, size_t) = {read_stat,    read_cgroup, read_children,
                                                                 read_numbers, read_limits, read_mounts};
        char *text;

        if (size < 1)
                return 0;
        text = fuzz_copy(data + 1, size - 1);
        readers[(data[0] & 0x0f) % ELEMENTSOF(readers)](text, size - 1);
        free(text);
        return 0;
}
