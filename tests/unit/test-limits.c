/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "limits/limits.h"
#include "limits/own_memory.h"
#include "support/test.h"
#include "util/parse.h"

#define MOUNT_V2 "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1                                                             \
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" \
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static int set_up(void **state) {
        *state = test_directory();
        return 0;
}

static int tear_down(void **state) {
        test_remove(*state);
        return 0;
}

static struct limits read_limits(const char *root) {
        _cleanup_(limits_reader_freep) struct limits_reader *reader = NULL;
        struct limits limits;

        assert_int_equal(limits_reader_new(root, &reader), 0);
        limits_read(reader, &limits);
        return limits;
}

/* The tightest holds, be it our own or that of a group around us. */
static void test_v2(void **state) {
        const char *root = *state;
        struct limits limits;

        test_write(root, "proc/self/mountinfo", "23 1 254:0 / / rw - ext4 /dev/vda rw\n" MOUNT_V2);
        test_write(root, "proc/self/cgroup", "0::/system.slice/netflowd.service\n");
        test_write(root, "sys/fs/cgroup/system.slice/netflowd.service/cpu.max", "max 100000\n");
        test_write(root, "sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n");
        test_write(root, "sys/fs/cgroup/system.slice/netflowd.service/memory.max", "67108864\n");
        test_write(root, "sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
        test_write(root, "sys/fs/cgroup/system.slice/netflowd.service/memory.current", "4096000\n");
        test_write(root, "sys/fs/cgroup/system.slice/netflowd.service/cpu.stat",
                   "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1234\n");
        limits = read_limits(root);
        assert_true(limits.has_cpu_quota && limits.has_memory_max && limits.has_memory_current);
        assert_true(limits.has_throttled);
        assert_int_equal(limits.cpu_quota_usec, 500000);
        assert_int_equal(limits.memory_max, 67108864);
        assert_int_equal(limits.memory_current, 4096000);
        assert_int_equal(limits.throttled_usec, 1234);
        assert_int_equal(limits.throttled_periods, 3);

        test_write(root, "sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n"); /* three processors */
        test_write(root, "sys/fs/cgroup/system.slice/memory.max", "1000000\n");
        limits = read_limits(root);
        assert_int_equal(limits.cpu_quota_usec, 3000000);
        assert_int_equal(limits.memory_max, 1000000);
}

/* What is charged but for files, and of those not what lies in memory. */
static void test_memory_left(void **state) {
        _cleanup_(limits_reader_freep) struct limits_reader *reader = NULL;
        const char *root = *state;
        uint64_t left;

        test_write(root, "proc/self/mountinfo", "23 1 254:0 / / rw - ext4 /dev/vda rw\n" MOUNT_V2);
        test_write(root, "proc/self/cgroup", "0::/a\n");
        assert_int_equal(limits_reader_new(root, &reader), 0);
        assert_int_equal(limits_read_memory_left(reader, &left), -ENODATA);
        test_write(root, "sys/fs/cgroup/a/memory.max", "10000\n");
        assert_int_equal(limits_read_memory_left(reader, &left), -ENODATA);
        test_write(root, "sys/fs/cgroup/a/memory.current", "7000\n");
        assert_int_equal(limits_read_memory_left(reader, &left), 0);
        assert_int_equal(left, 3000);
        test_write(root, "sys/fs/cgroup/a/memory.stat", "anon 4000\nfile 2000\nkernel 1000\nshmem 500\n");
        assert_int_equal(limits_read_memory_left(reader, &left), 0);
        assert_int_equal(left, 4500);
        test_write(root, "sys/fs/cgroup/a/memory.current", "20000\n"); /* the limit was lowered since */
        assert_int_equal(limits_read_memory_left(reader, &left), 0);
        assert_int_equal(left, 0);
        test_write(root, "sys/fs/cgroup/a/memory.max", "max\n");
        assert_int_equal(limits_read_memory_left(reader, &left), -ENODATA);
}

/* More than is left is refused, and less is not; without a limit all is to be had. */
static void test_bound(void **state) {
        _cleanup_(limits_reader_freep) struct limits_reader *reader = NULL;
        const char *root = *state;
        struct rlimit before;
        void *memory;

        test_write(root, "proc/self/mountinfo", "23 1 254:0 / / rw - ext4 /dev/vda rw\n" MOUNT_V2);
        test_write(root, "proc/self/cgroup", "0::/a\n");
        test_write(root, "sys/fs/cgroup/a/memory.max", "100000000\n");
        test_write(root, "sys/fs/cgroup/a/memory.current", "60000000\n");
        assert_int_equal(limits_reader_new(root, &reader), 0);
        assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
        assert_int_equal(own_memory_bound(reader), 0);
        assert_ptr_equal(mmap(NULL, 50000000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
        memory = mmap(NULL, 30000000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        assert_int_equal(munmap(memory, 30000000), 0);
        test_write(root, "sys/fs/cgroup/a/memory.max", "max\n");
        assert_int_equal(own_memory_bound(reader), 0);
        memory = mmap(NULL, 50000000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        assert_int_equal(munmap(memory, 50000000), 0);
        assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
}

static void test_v1(void **state) {
        const char *root = *state;
        struct limits limits;

        test_write(root, "proc/self/mountinfo",
                   MOUNT_V1 "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        test_write(root, "proc/self/cgroup", "4:memory:/a/b\n1:cpu,cpuacct:/a\n0::/\n");
        test_write(root, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "20000\n");
        test_write(root, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
        test_write(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
        test_write(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
        test_write(root, "sys/fs/cgroup/cpu/a/cpu.stat", "nr_periods 2\nnr_throttled 1\nthrottled_time 5000\n");
        test_write(root, "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
        test_write(root, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "33554432\n");
        test_write(root, "sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "100\n");
        limits = read_limits(root);
        assert_true(limits.has_cpu_quota && limits.has_memory_max);
        assert_int_equal(limits.cpu_quota_usec, 200000);
        assert_int_equal(limits.memory_max, 33554432);
        assert_int_equal(limits.memory_current, 100);
        assert_int_equal(limits.throttled_usec, 5);
}

/* In a container the mount shows only a part of the hierarchy, and the path may or may not be cut to it. */
static void test_part_of_a_hierarchy(void **state) {
        const char *root = *state;

        test_write(root, "proc/self/mountinfo",
                   "31 23 0:28 /machine/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        test_write(root, "proc/self/cgroup", "0::/machine/c1/netflowd.service\n");
        test_write(root, "sys/fs/cgroup/netflowd.service/memory.max", "5000\n");
        assert_int_equal(read_limits(root).memory_max, 5000);
}

/* No cgroups, or nonsense in the files: there is nothing to say, and nothing is said. */
static void test_nothing(void **state) {
        const char *root = *state;
        struct limits limits = read_limits(root);

        assert_false(limits.has_cpu_quota || limits.has_memory_max || limits.has_memory_current ||
                     limits.has_throttled);
        test_write(root, "proc/self/mountinfo", "nonsense\n\n - \n1 2 3 - cgroup2\n" MOUNT_V2);
        test_write(root, "proc/self/cgroup", "nonsense\n0:\n0::/x\n");
        test_write(root, "sys/fs/cgroup/x/cpu.max", "lots\n");
        test_write(root, "sys/fs/cgroup/x/memory.max", "\n");
        test_write(root, "sys/fs/cgroup/x/cpu.stat", "throttled_usec\nnr_throttled x\n");
        limits = read_limits(root);
        assert_false(limits.has_cpu_quota || limits.has_memory_max || limits.has_memory_current ||
                     limits.has_throttled);
}

static void test_parsers(void **state) {
        uint64_t value = 7;

        (void) state;
        assert_int_equal(parse_cpu_max("max 100000\n", 11, &value), -ENODATA);
        assert_int_equal(parse_cpu_max("10000 0\n", 8, &value), -EBADMSG);
        assert_int_equal(parse_cpu_max("10000", 5, &value), -EBADMSG);
        assert_int_equal(parse_cpu_max("18446744073709551615 1", 22, &value), -EBADMSG);
        assert_int_equal(parse_memory_max("max\n", 4, &value), -ENODATA);
        assert_int_equal(parse_memory_max("", 0, &value), -EBADMSG);
        assert_int_equal(parse_stat_field("a 1\nbc 2", 8, "b", &value), -ENODATA);
        assert_int_equal(value, 7);
        assert_int_equal(parse_stat_field("a 1\nbc 2", 8, "bc", &value), 0);
        assert_int_equal(value, 2);
        assert_int_equal(parse_statm_data("765 438 410 5 0 123 0\n", 22, &value), 0);
        assert_int_equal(value, 123);
        assert_int_equal(parse_statm_data("765 438 410 5 0\n", 16, &value), -EBADMSG);
        assert_int_equal(parse_statm_data("765 438 410 5 0 123", 19, &value), -EBADMSG); /* cut off, it may be */
        assert_int_equal(parse_statm_data("765 438 x 5 0 123 0\n", 20, &value), -EBADMSG);
        assert_int_equal(parse_statm_data("", 0, &value), -EBADMSG);
        assert_int_equal(parse_stat_field("TCP: inuse 1 orphan 0\nUDP: inuse 5 mem 0\nUDPLITE: inuse 7\n", 58, "UDP: inuse", &value), 0);
        assert_int_equal(value, 5);
        assert_int_equal(parse_stat_field("UDP6: inuse 6", 13, "UDP6: inuse", &value), 0);
        assert_int_equal(value, 6);
        assert_int_equal(parse_stat_field("UDP6: inuse 6", 13, "UDP: inuse", &value), -ENODATA);
        assert_int_equal(parse_stat_field("UDP: inuse x\n", 13, "UDP: inuse", &value), -EBADMSG);
        assert_int_equal(parse_stat_field("UDP: inuse ", 11, "UDP: inuse", &value), -EBADMSG);
        assert_int_equal(value, 6);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_v2),      TEST(test_memory_left), TEST(test_bound), TEST(test_v1), TEST(test_part_of_a_hierarchy),
                TEST(test_nothing), TEST(test_parsers),
        };

        return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
